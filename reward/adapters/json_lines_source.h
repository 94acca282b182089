// Programs that stay alive and speak JSON Lines.
#ifndef ANABRANCH_REWARD_ADAPTERS_JSON_LINES_SOURCE_H_
#define ANABRANCH_REWARD_ADAPTERS_JSON_LINES_SOURCE_H_

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "reward/adapters/child_program.h"
#include "reward/adapters/json_answer.h"
#include "reward/adapters/program_log.h"
#include "reward/adapters/value_source.h"
#include "runtime/retry.h"

namespace anabranch {

struct ProgramOptions {
  std::string oracle;  // Name, for the log.
  std::vector<std::string> command;
  int processes = 1;
  absl::Duration timeout = absl::Seconds(60);  // From when a program has the question.
  BackoffOptions backoff;                      // Before a program that failed is started again.
  size_t max_answer_bytes = kMaxAnswerBytes;
};

// A line {"id": 7, "objects": ["CCO", ...]} in, a line {"id": 7, "values": {"qed": [0.4, ...]}}
// out, which may have "status" and "reasons" (see ReadStatuses) beside the values, or instead of
// them
// {"id": 7, "error": "text"}: UNAVAILABLE, the program goes on.
//
// `processes` of them side by side, each started at its first question and asked one at a time; who
// finds none free waits. One that ends, doesn't answer in time, or writes anything else than the
// answer fails the question with UNAVAILABLE or DEADLINE_EXCEEDED, is killed, and started again
// when its backoff has passed. Objects that are no UTF-8 aren't sent. Thread-safe.
class JsonLinesSource final : public ValueSource {
 public:
  // The log outlives it.
  JsonLinesSource(ProgramOptions options, Log& log);
  // Ends the programs' input, and kills those that go on for 2 s.
  ~JsonLinesSource() override;

  absl::StatusOr<std::string> Identity(bool fresh) override;
  std::string Refusal(absl::string_view object) const override;
  absl::StatusOr<ScoredObjects> Score(const std::vector<absl::string_view>& objects,
                                      const std::vector<std::string>& objectives) override;
  void Cancel() override;

 private:
  // Whoever made it busy has it alone, without the lock.
  struct Worker {
    explicit Worker(Backoff wait) : backoff(std::move(wait)) {}
    bool busy = false;  // These two under the lock.
    absl::Time may_start = absl::InfinitePast();
    std::unique_ptr<ChildProgram> program;  // Null where none runs.
    Backoff backoff;
    uint64_t last_id = 0;
  };

  // Blocks until one is free, and may be started if it doesn't run. Null once cancelled.
  Worker* Acquire();
  void Release(Worker& worker, bool failed);
  // The answer's document, whose id is right. After an error the program is of no use any more.
  absl::StatusOr<nlohmann::json> Ask(Worker& worker, const nlohmann::json& objects);

  const ProgramOptions options_;
  ProgramLog log_;
  CancelEvent cancel_;
  absl::Mutex mu_;
  absl::CondVar released_;
  std::vector<std::unique_ptr<Worker>> workers_ ABSL_GUARDED_BY(mu_);
};

}  // namespace anabranch

#endif  // ANABRANCH_REWARD_ADAPTERS_JSON_LINES_SOURCE_H_
