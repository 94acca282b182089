// All processes of a run on this machine: started in order, kept alive, ended in order.
#ifndef ANABRANCH_CLI_CLUSTER_CLUSTER_H_
#define ANABRANCH_CLI_CLUSTER_CLUSTER_H_

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "anabranch/v1/status.pb.h"
#include "cli/cluster/learner_watch.h"
#include "cli/cluster/role_command.h"
#include "cli/cluster/supervised_role.h"
#include "runtime/rpc/credentials.h"

namespace anabranch {

struct ClusterOptions {
  RoleCommandOptions roles;
  int actors = 2;         // At least 1.
  int64_t max_steps = 0;  // Of the run: when the learner has done as many, the cluster ends.
  RestartOptions restarts;
  EdgeSecurity learner_security = {};  // Of the way to the learner, whose progress is asked for.
  // Time that a process has to leave in order.
  absl::Duration actor_grace = absl::Seconds(20);
  absl::Duration learner_grace = absl::Minutes(5);
  absl::Duration replay_grace = absl::Minutes(2);
  absl::Duration reward_grace = absl::Seconds(20);
  // Between two lines on a reward service that doesn't serve yet, because its oracles don't.
  absl::Duration waiting_note = absl::Seconds(5);

  absl::Status Validate() const;
};

// Whoever looks on. Called from within Run.
struct ClusterWatcher {
  std::function<void(const std::string&)> note;  // A line that stays.
  std::function<void(const v1::TrainingStatus&)> progress;
};

enum class ClusterEnd {
  kFinished,  // The learner has done max_steps, or all that the budget of oracle calls allows.
  kStopped,   // Asked to, everything saved.
  kKilled,    // Asked twice: nothing was waited for.
};

// Not thread-safe. Use it from a thread that lives as long as the cluster.
class Cluster {
 public:
  // `stop_requests` tells how often somebody asked for the end so far; it must not block.
  Cluster(ClusterOptions options, ClusterWatcher watcher, std::function<int()> stop_requests);

  // Blocks until the learner is done or the end was asked for; no process is left then. Processes
  // that die in between are started again, at the ports that the others know. An error that can't
  // be helped ends all in order first: ABORTED for a process that keeps dying, INVALID_ARGUMENT for
  // one that finds its configuration wrong; both with the end of its log. Call it once.
  absl::StatusOr<ClusterEnd> Run();

 private:
  struct Member {
    v1::Role role;
    absl::Duration grace;
    SupervisedRole process;
  };

  void AddMember(v1::Role role, const std::string& name, absl::Duration grace);
  SupervisedRole& Only(v1::Role role);
  PeerAddresses Peers();
  bool PeersAreKnown(v1::Role role);
  absl::Status Supervise();
  absl::Status TendMember(Member& member, absl::Time now);
  // Whether the learner has left because it is done.
  bool LearnerIsDone();
  void WatchLearner(absl::Time now);
  // Says what a reward service that has been started is waiting for, until it serves.
  void NoteWaitForReward(absl::Time now);
  absl::Status WriteFile();
  // False if asked a second time.
  bool EndInOrder();
  bool EndGroup(v1::Role role);
  void Pause(absl::Duration time) const;

  const ClusterOptions options_;
  const ClusterWatcher watcher_;
  const std::function<int()> stop_requests_;
  std::vector<Member> members_;  // In the order in which they start.
  LearnerWatch watch_;
  LearnerWatch reward_watch_;
  bool reward_serves_ = false;
  absl::Time say_waiting_ = absl::InfiniteFuture();  // The next line on that.
  std::string said_waiting_;                         // The last one.
  NoteReader notes_;
  absl::Time look_again_ = absl::InfinitePast();
  std::vector<std::string> written_;  // Endpoints and pids as cluster.json has them.
  bool done_ = false;                 // The learner is.
  bool stopping_ = false;             // Nobody is started again.
};

}  // namespace anabranch

#endif  // ANABRANCH_CLI_CLUSTER_CLUSTER_H_
