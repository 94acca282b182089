#include "runtime/log.h"

#include <spdlog/logger.h>
#include <spdlog/sinks/stdout_sinks.h>

#include <memory>
#include <nlohmann/json.hpp>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"

namespace anabranch {
namespace {

using Json = nlohmann::ordered_json;

absl::string_view LevelName(LogLevel level) {
  switch (level) {
    case LogLevel::kDebug:
      return "debug";
    case LogLevel::kInfo:
      return "info";
    case LogLevel::kWarning:
      return "warning";
    case LogLevel::kError:
      break;
  }
  return "error";
}

std::string Now() {
  return absl::FormatTime("%Y-%m-%dT%H:%M:%E3SZ", absl::Now(), absl::UTCTimeZone());
}

bool IsPlain(absl::string_view text) {
  for (const char c : text) {
    if (!absl::ascii_isgraph(static_cast<unsigned char>(c)) || c == '"' || c == '=') return false;
  }
  return !text.empty();
}

// What stands in quotes: one line and unambiguous. UTF-8 stays as it is.
std::string Quoted(absl::string_view text) {
  return absl::StrCat("\"", absl::Utf8SafeCEscape(text), "\"");
}

std::string PlainOrQuoted(absl::string_view text) {
  return IsPlain(text) ? std::string(text) : Quoted(text);
}

// The message stands without quotes, so only what would break the line or the terminal is escaped.
std::string OneLine(absl::string_view text) {
  std::string out;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte >= 0x80 || absl::ascii_isprint(byte)) {
      out.push_back(c);
    } else {
      absl::StrAppend(&out, absl::CEscape(absl::string_view(&c, 1)));
    }
  }
  return out;
}

}  // namespace

struct Log::State {
  explicit State(const LogOptions& log_options)
      : options(log_options), sink(std::make_shared<spdlog::sinks::stderr_sink_mt>()) {
    sink->set_pattern("%v");
  }

  std::string TextLine(LogLevel level, absl::string_view message,
                       std::initializer_list<LogField> fields, absl::string_view run_id) const;
  std::string JsonLine(LogLevel level, absl::string_view message,
                       std::initializer_list<LogField> fields, absl::string_view run_id) const;

  const LogOptions options;
  const std::shared_ptr<spdlog::sinks::stderr_sink_mt> sink;  // Locks for itself.
  absl::Mutex mutex;
  std::string run_id ABSL_GUARDED_BY(mutex);
};

std::string Log::State::TextLine(LogLevel level, absl::string_view message,
                                 std::initializer_list<LogField> fields,
                                 absl::string_view run_id) const {
  std::string who = options.role;
  // A name such as "actor-3" says the role already.
  if (absl::StartsWith(options.name, options.role)) {
    who = PlainOrQuoted(options.name);
  } else if (!options.name.empty()) {
    absl::StrAppend(&who, "/", PlainOrQuoted(options.name));
  }
  std::string line = absl::StrCat(Now(), " ", LevelName(level), " ", who, ": ", OneLine(message));
  for (const LogField& field : fields) {
    absl::StrAppend(&line, " ", PlainOrQuoted(field.key), "=", PlainOrQuoted(field.value));
  }
  if (!run_id.empty()) absl::StrAppend(&line, " run=", PlainOrQuoted(run_id));
  return line;
}

std::string Log::State::JsonLine(LogLevel level, absl::string_view message,
                                 std::initializer_list<LogField> fields,
                                 absl::string_view run_id) const {
  Json line = {{"time", Now()},
               {"level", std::string(LevelName(level))},
               {"role", options.role},
               {"name", options.name},
               {"run_id", std::string(run_id)},
               {"message", std::string(message)}};
  for (const LogField& field : fields) {
    std::string key(field.key);
    // A field never hides what stands in every line, nor an earlier field.
    while (line.contains(key)) key += '_';
    line[key] = field.value;
  }
  return line.dump(-1, ' ', false, Json::error_handler_t::replace);
}

absl::StatusOr<LogFormat> ParseLogFormat(absl::string_view text) {
  if (text == "text") return LogFormat::kText;
  if (text == "json") return LogFormat::kJson;
  return absl::InvalidArgumentError(
      absl::StrCat("is \"", text, "\", which is no log format; write text or json"));
}

absl::StatusOr<LogLevel> ParseLogLevel(absl::string_view text) {
  for (const LogLevel level :
       {LogLevel::kDebug, LogLevel::kInfo, LogLevel::kWarning, LogLevel::kError}) {
    if (text == LevelName(level)) return level;
  }
  return absl::InvalidArgumentError(absl::StrCat(
      "is \"", text, "\", which is no log level; write debug, info, warning or error"));
}

Log::Log() = default;
Log::Log(const LogOptions& options) : state_(std::make_unique<State>(options)) {}
Log::~Log() = default;

void Log::SetRunId(absl::string_view run_id) {
  if (state_ == nullptr) return;
  absl::MutexLock lock(&state_->mutex);
  state_->run_id = std::string(run_id);
}

void Log::Write(LogLevel level, absl::string_view message, std::initializer_list<LogField> fields) {
  if (state_ == nullptr || level < state_->options.level) return;
  std::string run_id;
  {
    absl::MutexLock lock(&state_->mutex);
    run_id = state_->run_id;
  }
  const std::string line = state_->options.format == LogFormat::kJson
                               ? state_->JsonLine(level, message, fields, run_id)
                               : state_->TextLine(level, message, fields, run_id);
  try {
    state_->sink->log(spdlog::details::log_msg("", spdlog::level::info, line));
    state_->sink->flush();
  } catch (const std::exception&) {
    // Standard error is gone; work goes on without it.
  }
}

void Log::Debug(absl::string_view message, std::initializer_list<LogField> fields) {
  Write(LogLevel::kDebug, message, fields);
}
void Log::Info(absl::string_view message, std::initializer_list<LogField> fields) {
  Write(LogLevel::kInfo, message, fields);
}
void Log::Warning(absl::string_view message, std::initializer_list<LogField> fields) {
  Write(LogLevel::kWarning, message, fields);
}
void Log::Error(absl::string_view message, std::initializer_list<LogField> fields) {
  Write(LogLevel::kError, message, fields);
}

Log& NullLog() {
  static Log* const log = new Log();
  return *log;
}

}  // namespace anabranch
