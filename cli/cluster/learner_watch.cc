#include "cli/cluster/learner_watch.h"

#include <algorithm>

#include "cli/health/role_client.h"
#include "runtime/rpc/channel.h"

namespace anabranch {

ProgressReport ReportOf(const v1::TrainingStatus& training, int64_t batch_trajectories) {
  ProgressReport report;
  report.step = static_cast<int64_t>(training.step());
  report.max_steps = static_cast<int64_t>(training.max_steps());
  report.first_step = static_cast<int64_t>(training.first_step());
  report.training_seconds = training.training_seconds();
  if (report.training_seconds > 0) {
    report.trajectories_per_second =
        static_cast<double>((report.step - report.first_step) * batch_trajectories) /
        report.training_seconds;
  }
  report.loss = training.loss();
  report.log_z = training.log_z();
  if (training.has_total_variation()) report.tv = training.total_variation();
  report.modes_found = static_cast<int64_t>(training.modes_found());
  report.modes = static_cast<int64_t>(training.modes());
  return report;
}

std::vector<std::string> NoteReader::NewNotes(const v1::GetStatusResponse& status) {
  if (status.incarnation() != incarnation_) {
    incarnation_ = status.incarnation();
    next_note_ = 0;
  }
  const v1::TrainingStatus& training = status.training();
  const uint64_t end = training.first_note() + static_cast<uint64_t>(training.notes_size());
  std::vector<std::string> notes;
  for (uint64_t i = std::max(next_note_, training.first_note()); i < end; ++i) {
    notes.push_back(training.notes(static_cast<int>(i - training.first_note())));
  }
  next_note_ = std::max(next_note_, end);
  return notes;
}

std::optional<v1::GetStatusResponse> LearnerWatch::Look(const std::string& endpoint,
                                                        absl::Duration timeout) {
  if (endpoint.empty()) return std::nullopt;
  if (endpoint != endpoint_) {
    ChannelOptions options;
    options.security = security_;
    auto channel = MakeChannel("learner", endpoint, options);
    if (!channel.ok()) return std::nullopt;
    channel_ = *std::move(channel);
    endpoint_ = endpoint;
  }
  auto status = AskStatus(channel_, timeout);
  if (!status.ok()) return std::nullopt;
  return *std::move(status);
}

}  // namespace anabranch
