#include "reward/adapters/json_lines_source.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/time/clock.h"

namespace anabranch {
namespace {

using nlohmann::json;

constexpr absl::Duration kFinish = absl::Seconds(2);

absl::StatusOr<ScoredObjects> ReadAnswer(const json& answer, size_t n,
                                         const std::vector<std::string>& objectives) {
  if (const auto error = answer.find("error"); error != answer.end() && !error->is_null()) {
    constexpr size_t kLongest = 500;
    const std::string words = error->is_string() ? error->get<std::string>() : WriteJson(*error);
    return absl::UnavailableError(
        absl::StrCat("the program reports: ", Shortened(words, kLongest)));
  }
  const auto values = answer.find("values");
  if (values == answer.end()) {
    return MalformedAnswer("the program's answer has no \"values\"");
  }
  auto scored = ReadColumns(*values, n, objectives);
  if (!scored.ok()) return scored.status();
  if (absl::Status status = ReadStatuses(answer, n, *scored); !status.ok()) return status;
  return scored;
}

}  // namespace

JsonLinesSource::JsonLinesSource(ProgramOptions options, Log& log)
    : options_(std::move(options)), log_(options_.oracle, log) {
  absl::MutexLock lock(&mu_);
  for (int i = 0; i < options_.processes; ++i) {
    workers_.push_back(std::make_unique<Worker>(Backoff(options_.backoff, i)));
  }
}

JsonLinesSource::~JsonLinesSource() {
  std::vector<std::unique_ptr<Worker>> workers;
  {
    absl::MutexLock lock(&mu_);
    workers.swap(workers_);
  }
  const absl::Time deadline = absl::Now() + kFinish;
  for (const auto& worker : workers) {
    if (worker->program != nullptr) worker->program->CloseInput();
  }
  for (const auto& worker : workers) {
    if (worker->program == nullptr || worker->program->Finish(deadline)) continue;
    log_.Event(worker->program->pid(), "an oracle's program does not end with its input",
               "it is killed");
  }
}

absl::StatusOr<std::string> JsonLinesSource::Identity(bool) {
  return absl::StrCat("json_lines command=", absl::StrJoin(options_.command, " "));
}

std::string JsonLinesSource::Refusal(absl::string_view object) const {
  return IsUtf8(object) ? "" : "is no UTF-8 text, which JSON needs";
}

JsonLinesSource::Worker* JsonLinesSource::Acquire() {
  absl::MutexLock lock(&mu_);
  while (!cancel_.is_set()) {
    const absl::Time now = absl::Now();
    absl::Time earliest = absl::InfiniteFuture();
    Worker* best = nullptr;
    for (const auto& worker : workers_) {
      if (worker->busy) continue;
      if (worker->may_start > now) {
        earliest = std::min(earliest, worker->may_start);
      } else if (best == nullptr || (best->program == nullptr && worker->program != nullptr)) {
        best = worker.get();
      }
    }
    if (best != nullptr) {
      best->busy = true;
      return best;
    }
    released_.WaitWithDeadline(&mu_, earliest);
  }
  return nullptr;
}

void JsonLinesSource::Cancel() {
  cancel_.Set();
  absl::MutexLock lock(&mu_);
  released_.SignalAll();
}

void JsonLinesSource::Release(Worker& worker, bool failed) {
  if (failed) {
    worker.program.reset();
  } else {
    worker.backoff.Reset();
  }
  absl::MutexLock lock(&mu_);
  if (failed) worker.may_start = absl::Now() + worker.backoff.Next();
  worker.busy = false;
  released_.SignalAll();  // Whoever waits without an end must see when this one may start.
}

absl::StatusOr<json> JsonLinesSource::Ask(Worker& worker, const json& objects) {
  const absl::Time deadline = absl::Now() + options_.timeout;
  if (worker.program == nullptr) {
    auto program = ChildProgram::Start(options_.command, log_, cancel_);
    if (!program.ok()) return program.status();
    worker.program = *std::move(program);
  }
  const uint64_t id = ++worker.last_id;
  const std::string question = WriteJson({{"id", id}, {"objects", objects}}) + "\n";
  const auto line = worker.program->AskLine(question, options_.max_answer_bytes, deadline);
  if (!line.ok()) return line.status();
  auto answer = ParseAnswer(*line);
  if (!answer.ok()) return answer.status();
  if (!answer->is_object()) return MalformedAnswer("the program's answer is no JSON object");
  const auto found = answer->find("id");
  if (found == answer->end() || *found != json(id)) {
    return MalformedAnswer(
        absl::StrCat("the program's answer has the id ",
                     found == answer->end() ? "(none)" : Shortened(WriteJson(*found), 40),
                     ", where ", id, " was asked"));
  }
  return answer;
}

absl::StatusOr<ScoredObjects> JsonLinesSource::Score(const std::vector<absl::string_view>& objects,
                                                     const std::vector<std::string>& objectives) {
  json list = json::array();
  for (const absl::string_view object : objects) list.push_back(std::string(object));
  while (true) {
    Worker* const free = Acquire();
    if (free == nullptr) return absl::CancelledError("the oracle has been cancelled");
    Worker& worker = *free;
    const pid_t pid = worker.program == nullptr ? 0 : worker.program->pid();
    if (pid != 0 && worker.program->Ended()) {
      log_.Event(pid, "an oracle's program has ended between two questions", "it is started again");
      Release(worker, /*failed=*/true);
      continue;
    }
    const auto answer = Ask(worker, list);
    if (!answer.ok() && !cancel_.is_set()) {
      log_.Event(worker.program == nullptr ? 0 : worker.program->pid(),
                 "an oracle's program has failed and is started again at the next question",
                 answer.status().message());
    }
    Release(worker, !answer.ok());
    if (!answer.ok()) return answer.status();
    return ReadAnswer(*answer, objects.size(), objectives);
  }
}

}  // namespace anabranch
