// One process of a cluster, kept alive.
#ifndef ANABRANCH_CLI_CLUSTER_SUPERVISED_ROLE_H_
#define ANABRANCH_CLI_CLUSTER_SUPERVISED_ROLE_H_

#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "cli/cluster/cluster_file.h"
#include "runtime/process.h"

namespace anabranch {

// How often a process may die, and how long to wait before it is started again.
struct RestartOptions {
  int max_deaths = 5;  // This many within the window are too many.
  absl::Duration window = absl::Minutes(1);
  absl::Duration first_delay = absl::Milliseconds(100);  // Doubled by each death in the window,
  absl::Duration longest_delay = absl::Seconds(5);       // up to this.
};

// Not thread-safe.
class RestartPolicy {
 public:
  explicit RestartPolicy(const RestartOptions& options) : options_(options) {}
  // How long to wait; nothing when it has died too often.
  std::optional<absl::Duration> AfterDeath(absl::Time now);

 private:
  const RestartOptions options_;
  std::deque<absl::Time> deaths_;  // Within the window.
};

// The last lines of a log that say something, oldest first; at most `count`, and not further back
// than 64 KiB. Empty where the file can't be read.
std::vector<std::string> LastLines(const std::string& path, size_t count);

struct SupervisedRoleOptions {
  std::string name;
  std::string address_file;
  std::string log_file;
  // The command line for a process that listens at HOST:PORT.
  std::function<std::vector<std::string>(const std::string& listen)> command;
  RestartOptions restarts;
};

// Not thread-safe; nothing here blocks but fork and exec. Start it from a thread that lives as long
// as the process is to live, see Process.
class SupervisedRole {
 public:
  explicit SupervisedRole(SupervisedRoleOptions options)
      : options_(std::move(options)), policy_(options_.restarts) {}

  // Starts the process at its former port, or at any. It is not running.
  absl::Status Start();

  // Reads the address file of a new process, notices that one has ended, and starts it again when
  // its delay is over. Returns what a watcher wants to know: empty, or one line. ABORTED when it
  // has died too often; the message holds the last lines of its log. INVALID_ARGUMENT when it left
  // with exit status 2: it was told something wrong, and would be again.
  absl::StatusOr<std::string> Tend(absl::Time now);

  const std::string& name() const { return options_.name; }
  bool was_started() const { return process_ != nullptr; }
  bool running() { return process_ != nullptr && !process_->Poll().has_value(); }
  // How the process has ended, until it is started again.
  std::optional<ExitStatus> ended() { return process_ ? process_->Poll() : std::nullopt; }
  // Whether Tend has told of that end.
  bool end_noted() const { return end_noted_; }
  // Blocks until the process ends or the deadline has passed.
  void AwaitEnd(absl::Time deadline) {
    if (process_ != nullptr) process_->Await(deadline);
  }
  void Signal(int number) {
    if (process_ != nullptr) process_->Signal(number);
  }
  int64_t pid() const { return process_ == nullptr ? 0 : process_->pid(); }
  // Of the running process; nothing before it listens.
  const std::optional<RoleAddress>& address() const { return address_; }
  // HOST:PORT where it listens, has listened and will again; empty before it ever did.
  const std::string& endpoint() const { return endpoint_; }
  // The error that its end makes, with the last lines of its log.
  std::string DescribeEnd(const ExitStatus& status) const;

 private:
  absl::StatusOr<std::string> NoteEnd(const ExitStatus& status, absl::Time now);

  const SupervisedRoleOptions options_;
  RestartPolicy policy_;
  std::unique_ptr<Process> process_;
  bool end_noted_ = false;
  absl::Time start_again_ = absl::InfiniteFuture();
  std::optional<RoleAddress> address_;
  std::string endpoint_;
};

}  // namespace anabranch

#endif  // ANABRANCH_CLI_CLUSTER_SUPERVISED_ROLE_H_
