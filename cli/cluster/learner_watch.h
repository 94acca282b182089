// What the learner of a cluster tells while it trains.
#ifndef ANABRANCH_CLI_CLUSTER_LEARNER_WATCH_H_
#define ANABRANCH_CLI_CLUSTER_LEARNER_WATCH_H_

#include <grpcpp/channel.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "anabranch/v1/status.pb.h"
#include "cli/progress/progress.h"
#include "runtime/rpc/credentials.h"

namespace anabranch {

// As the progress line shows it. `batch_trajectories` is the learner's.
ProgressReport ReportOf(const v1::TrainingStatus& training, int64_t batch_trajectories);

// The learner's lines for people, each given out once, however often it is asked and restarted. Not
// thread-safe.
class NoteReader {
 public:
  std::vector<std::string> NewNotes(const v1::GetStatusResponse& status);

 private:
  uint64_t incarnation_ = 0;
  uint64_t next_note_ = 0;
};

// Asks for the status of whichever process listens at an endpoint. Not thread-safe.
class LearnerWatch {
 public:
  explicit LearnerWatch(const EdgeSecurity& security = {}) : security_(security) {}

  // Blocks for `timeout` at most; nothing where no answer comes.
  std::optional<v1::GetStatusResponse> Look(const std::string& endpoint, absl::Duration timeout);

 private:
  const EdgeSecurity security_;
  std::string endpoint_;
  std::shared_ptr<grpc::Channel> channel_;
};

}  // namespace anabranch

#endif  // ANABRANCH_CLI_CLUSTER_LEARNER_WATCH_H_
