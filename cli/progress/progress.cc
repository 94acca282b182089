#include "cli/progress/progress.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"

namespace anabranch {
namespace {

std::string Rate(double per_second) {
  if (per_second >= 1e6) return absl::StrFormat("%.2fM", per_second / 1e6);
  if (per_second >= 1e4) return absl::StrFormat("%.1fk", per_second / 1e3);
  return absl::StrFormat("%.0f", per_second);
}

std::string Duration(double seconds) {
  const auto whole = static_cast<int64_t>(std::ceil(seconds));
  if (whole >= 3600) {
    return absl::StrFormat("%d:%02d:%02d", whole / 3600, whole / 60 % 60, whole % 60);
  }
  return absl::StrFormat("%d:%02d", whole / 60, whole % 60);
}

std::string SpentIn(double left, double per_second) {
  if (left <= 0) return ", spent";
  return per_second > 0 ? ", spent in " + Duration(left / per_second) : "";
}

}  // namespace

std::string FormatBudget(const BudgetReport& budget) {
  std::string line = absl::StrCat("calls ", budget.used);
  std::string spent;
  if (budget.left.has_value()) {
    absl::StrAppend(&line, "/", budget.used + *budget.left);
    spent = SpentIn(static_cast<double>(*budget.left), budget.per_second);
  }
  absl::StrAppend(&line, " (", Rate(budget.per_second), "/s", spent, ")");
  if (!budget.cost_left.has_value()) return line;
  absl::StrAppendFormat(&line, "  cost %.6g/%.6g", budget.cost_used,
                        budget.cost_used + *budget.cost_left);
  if (!budget.cost_unit.empty()) absl::StrAppend(&line, " ", budget.cost_unit);
  absl::StrAppendFormat(&line, " (%.3g/s%s)", budget.cost_per_second,
                        SpentIn(*budget.cost_left, budget.cost_per_second));
  return line;
}

std::string FormatProgress(const ProgressReport& report) {
  std::string line = absl::StrFormat(
      "step %d/%d  %s trajectories/s  loss %.3g  logZ %.4f", report.step, report.max_steps,
      Rate(report.trajectories_per_second), report.loss, report.log_z);
  if (report.tv.has_value()) absl::StrAppendFormat(&line, "  TV %.4f", *report.tv);
  if (report.modes > 0) {
    absl::StrAppend(&line, "  modes ", report.modes_found, "/", report.modes);
  }
  if (report.budget.has_value()) absl::StrAppend(&line, "  ", FormatBudget(*report.budget));
  const int64_t done = report.step - report.first_step;
  if (report.step >= report.max_steps) {
    absl::StrAppend(&line, "  done in ", Duration(report.training_seconds));
  } else if (done > 0) {
    const double per_step = report.training_seconds / static_cast<double>(done);
    absl::StrAppend(&line, "  ",
                    Duration(per_step * static_cast<double>(report.max_steps - report.step)),
                    " left");
  }
  return line;
}

Progress::Progress(const Options& options, std::ostream& out, std::function<absl::Time()> now)
    : options_(options), out_(out), now_(std::move(now)) {}

bool Progress::IsDue() const {
  return options_.terminal && !options_.quiet && now_() - last_shown_ >= options_.redraw_interval;
}

void Progress::Show(const ProgressReport& report) {
  if (IsDue()) Redraw(report);
}

void Progress::ShowEvaluation(const ProgressReport& report, bool last) {
  if (options_.quiet) return;
  if (options_.terminal) {
    Redraw(report);
    if (last) {
      out_ << '\n' << std::flush;
      drawn_ = 0;
    }
    return;
  }
  const absl::Time now = now_();
  if (!last && now - last_shown_ < options_.plain_interval) return;
  last_shown_ = now;
  out_ << FormatProgress(report) << '\n' << std::flush;
}

void Progress::Note(absl::string_view message) {
  if (drawn_ > 0) out_ << '\r' << std::string(drawn_, ' ') << '\r';
  drawn_ = 0;
  out_ << message << '\n' << std::flush;
}

void Progress::Redraw(const ProgressReport& report) {
  std::string line = FormatProgress(report);
  line.resize(std::min<size_t>(line.size(), std::max(options_.columns - 1, 1)));
  const size_t length = line.size();
  if (length < drawn_) line.append(drawn_ - length, ' ');
  out_ << '\r' << line << std::flush;
  drawn_ = length;
  last_shown_ = now_();
}

}  // namespace anabranch
