// What somebody who watches a run sees.
#ifndef ANABRANCH_CLI_PROGRESS_PROGRESS_H_
#define ANABRANCH_CLI_PROGRESS_PROGRESS_H_

#include <cstdint>
#include <functional>
#include <optional>
#include <ostream>
#include <string>

#include "absl/strings/string_view.h"
#include "absl/time/time.h"

namespace anabranch {

// What oracle calls have been made of those that a budget allows.
struct BudgetReport {
  uint64_t used = 0;             // Unique evaluations.
  std::optional<uint64_t> left;  // Nothing where they are not limited.
  double cost_used = 0;
  std::optional<double> cost_left;  // Likewise.
  std::string cost_unit;            // May be empty.
  double per_second = 0;            // Evaluations, lately.
  double cost_per_second = 0;
};

// "calls 1200/5000 (12/s, spent in 5:17)"; where cost is limited, "cost 12.5/20 EUR (...)" too.
std::string FormatBudget(const BudgetReport& budget);

struct ProgressReport {
  int64_t step = 0;
  int64_t max_steps = 0;
  int64_t first_step = 0;              // Where this process began: 0, or what it resumed from.
  double trajectories_per_second = 0;  // Of training alone, evaluation left out.
  double training_seconds = 0;         // In this process, evaluation left out.
  double loss = 0;
  double log_z = 0;
  std::optional<double> tv;  // As of the last evaluation, like modes.
  int64_t modes_found = 0;
  int64_t modes = 0;                   // 0 where the reward defines none.
  std::optional<BudgetReport> budget;  // Of oracle calls, where one is kept.
};

// "step 1200/2000  12.3k trajectories/s  loss 0.0123  logZ 3.109  TV 0.0123  modes 4/4  0:12 left".
std::string FormatProgress(const ProgressReport& report);

// On a terminal one line that is redrawn, at most ten times a second; elsewhere (a file, a pipe) a
// plain line for an evaluation, at most every few seconds. Not thread-safe.
class Progress {
 public:
  struct Options {
    bool quiet = false;  // Notes only.
    bool terminal = false;
    int columns = 100;  // Of the terminal; longer lines are cut, because they could not be redrawn.
    absl::Duration plain_interval = absl::Seconds(5);
    absl::Duration redraw_interval = absl::Milliseconds(100);
  };

  // `now` is a monotonic clock; the stream outlives the object.
  Progress(const Options& options, std::ostream& out, std::function<absl::Time()> now);

  // Whether Show would write something: cheap enough to ask after every step.
  bool IsDue() const;
  void Show(const ProgressReport& report);
  // After an evaluation; `last` is always shown.
  void ShowEvaluation(const ProgressReport& report, bool last);
  // A line that stays, such as a warning.
  void Note(absl::string_view message);

 private:
  void Redraw(const ProgressReport& report);

  const Options options_;
  std::ostream& out_;
  const std::function<absl::Time()> now_;
  absl::Time last_shown_ = absl::InfinitePast();
  size_t drawn_ = 0;  // Characters of the line that is being redrawn.
};

}  // namespace anabranch

#endif  // ANABRANCH_CLI_PROGRESS_PROGRESS_H_
