// Logs for people (text) and for machines (one JSON object a line), to standard error.
#ifndef ANABRANCH_RUNTIME_LOG_H_
#define ANABRANCH_RUNTIME_LOG_H_

#include <initializer_list>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace anabranch {

enum class LogFormat { kText, kJson };
enum class LogLevel { kDebug, kInfo, kWarning, kError };

// INVALID_ARGUMENT names what is possible: "text", "json"; "debug", "info", "warning", "error".
absl::StatusOr<LogFormat> ParseLogFormat(absl::string_view text);
absl::StatusOr<LogLevel> ParseLogLevel(absl::string_view text);

struct LogOptions {
  LogFormat format = LogFormat::kText;
  LogLevel level = LogLevel::kInfo;
  std::string role;  // "actor", "learner", "replay", "reward"; stands in every line.
  std::string name;  // Of the process, such as "actor-3"; may be empty.
};

// A fact beside the message, such as {"request_id", "7f00-12"}. Never a secret. A key that stands
// already in the line (in JSON: time, level, role, name, run_id, message) gets an underscore.
struct LogField {
  absl::string_view key;
  std::string value;
};

// One event is one line, whatever its text holds: control characters are escaped, and in JSON bytes
// that are no UTF-8 are replaced. Thread-safe; a line is written before the call
// returns. Never fails.
class Log {
 public:
  explicit Log(const LogOptions& options);
  ~Log();

  // Stands in every line from now on.
  void SetRunId(absl::string_view run_id);

  void Debug(absl::string_view message, std::initializer_list<LogField> fields = {});
  void Info(absl::string_view message, std::initializer_list<LogField> fields = {});
  void Warning(absl::string_view message, std::initializer_list<LogField> fields = {});
  void Error(absl::string_view message, std::initializer_list<LogField> fields = {});

 private:
  friend Log& NullLog();
  struct State;
  Log();  // Writes nothing.
  void Write(LogLevel level, absl::string_view message, std::initializer_list<LogField> fields);
  const std::unique_ptr<State> state_;  // Null in a log that writes nothing.
};

// A log that writes nothing, for tests and for embedded use. Thread-safe, never destroyed.
Log& NullLog();

}  // namespace anabranch

#endif  // ANABRANCH_RUNTIME_LOG_H_
