// Programs that are started for each question.
#ifndef ANABRANCH_REWARD_ADAPTERS_ONE_SHOT_SOURCE_H_
#define ANABRANCH_REWARD_ADAPTERS_ONE_SHOT_SOURCE_H_

#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"
#include "reward/adapters/json_lines_source.h"
#include "reward/adapters/program_log.h"
#include "reward/adapters/value_source.h"

namespace anabranch {

// REINVENT's external process: objects one a line until the end of the input, one JSON document
// {"version": 1, "payload": {"qed": [0.4, ...]}} out. An exit status other than 0 is UNAVAILABLE.
// At most `processes` run at a time; who finds none free waits. An object that is empty, no UTF-8
// or holds an end of line isn't sent. Thread-safe.
class OneShotSource final : public ValueSource {
 public:
  // The log outlives it.
  OneShotSource(ProgramOptions options, Log& log);

  absl::StatusOr<std::string> Identity(bool fresh) override;
  std::string Refusal(absl::string_view object) const override;
  absl::StatusOr<ScoredObjects> Score(const std::vector<absl::string_view>& objects,
                                      const std::vector<std::string>& objectives) override;
  void Cancel() override;

 private:
  // One run of the program.
  absl::StatusOr<std::string> Run(absl::string_view input);

  const ProgramOptions options_;
  ProgramLog log_;
  CancelEvent cancel_;
  absl::Mutex mu_;
  int free_ ABSL_GUARDED_BY(mu_);
};

}  // namespace anabranch

#endif  // ANABRANCH_REWARD_ADAPTERS_ONE_SHOT_SOURCE_H_
