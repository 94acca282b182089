#include "cli/cluster/cluster.h"

#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "cli/cluster/cluster_file.h"
#include "learner/run_directory.h"
#include "nlohmann/json.hpp"
#include "runtime/file_system.h"

namespace anabranch {
namespace {

constexpr absl::Duration kTick = absl::Milliseconds(20);
constexpr absl::Duration kLookInterval = absl::Milliseconds(250);
constexpr absl::Duration kLookTimeout = absl::Milliseconds(500);
// In this order nobody is left waiting for one that has gone.
constexpr v1::Role kEndingOrder[] = {v1::ROLE_ACTOR, v1::ROLE_LEARNER, v1::ROLE_REPLAY,
                                     v1::ROLE_REWARD};

}  // namespace

absl::Status ClusterOptions::Validate() const {
  if (actors < 1) {
    return absl::InvalidArgumentError(
        absl::StrCat("actors: is ", actors, "; at least 1 must roll out"));
  }
  return absl::OkStatus();
}

Cluster::Cluster(ClusterOptions options, ClusterWatcher watcher, std::function<int()> stop_requests)
    : options_(std::move(options)),
      watcher_(std::move(watcher)),
      stop_requests_(std::move(stop_requests)),
      watch_(options_.learner_security) {
  AddMember(v1::ROLE_REPLAY, "replay", options_.replay_grace);
  AddMember(v1::ROLE_REWARD, "reward", options_.reward_grace);
  AddMember(v1::ROLE_LEARNER, "learner", options_.learner_grace);
  for (int i = 0; i < options_.actors; ++i) {
    AddMember(v1::ROLE_ACTOR, absl::StrCat("actor-", i), options_.actor_grace);
  }
}

void Cluster::AddMember(v1::Role role, const std::string& name, absl::Duration grace) {
  SupervisedRoleOptions options;
  options.name = name;
  options.address_file = AddressFileOf(options_.roles.directory, name);
  options.log_file = LogFileOf(options_.roles.directory, name);
  options.command = [this, role, name](const std::string& listen) {
    return RoleCommand(options_.roles, role, name, listen, Peers());
  };
  options.restarts = options_.restarts;
  members_.push_back({role, grace, SupervisedRole(std::move(options))});
}

SupervisedRole& Cluster::Only(v1::Role role) {
  return std::find_if(members_.begin(), members_.end(),
                      [role](const Member& member) { return member.role == role; })
      ->process;
}

PeerAddresses Cluster::Peers() {
  return {Only(v1::ROLE_REPLAY).endpoint(), Only(v1::ROLE_REWARD).endpoint(),
          Only(v1::ROLE_LEARNER).endpoint()};
}

bool Cluster::PeersAreKnown(v1::Role role) {
  const PeerAddresses peers = Peers();
  const bool services = !peers.replay.empty() && !peers.reward.empty();
  if (role == v1::ROLE_LEARNER) return services;
  if (role == v1::ROLE_ACTOR) return services && !peers.learner.empty();
  return true;
}

absl::StatusOr<ClusterEnd> Cluster::Run() {
  absl::Status status = options_.Validate();
  if (!status.ok()) return status;
  status = Supervise();
  const bool in_order = EndInOrder();
  const absl::Status written = WriteFile();
  if (!status.ok()) return status;
  if (!written.ok()) return written;
  if (!in_order) return ClusterEnd::kKilled;
  return done_ ? ClusterEnd::kFinished : ClusterEnd::kStopped;
}

absl::Status Cluster::Supervise() {
  while (stop_requests_() == 0 && !done_) {
    const absl::Time now = absl::Now();
    for (Member& member : members_) {
      absl::Status status = TendMember(member, now);
      if (!status.ok()) return status;
    }
    absl::Status status = WriteFile();
    if (!status.ok()) return status;
    WatchLearner(now);
    NoteWaitForReward(now);
    Pause(kTick);
  }
  return absl::OkStatus();
}

absl::Status Cluster::TendMember(Member& member, absl::Time now) {
  SupervisedRole& process = member.process;
  if (!process.was_started()) {
    return PeersAreKnown(member.role) ? process.Start() : absl::OkStatus();
  }
  if (member.role == v1::ROLE_LEARNER && LearnerIsDone()) {
    done_ = true;
    return absl::OkStatus();
  }
  auto note = process.Tend(now);
  if (!note.ok()) return note.status();
  if (!note->empty()) watcher_.note(*note);
  return absl::OkStatus();
}

bool Cluster::LearnerIsDone() {
  const std::optional<ExitStatus> ended = Only(v1::ROLE_LEARNER).ended();
  if (!ended.has_value() || !ended->ok()) return false;
  auto text = PosixFileSystem()->Read(JoinPath(options_.roles.directory, kSummaryFile));
  if (!text.ok()) return false;
  const auto summary = nlohmann::json::parse(*text, nullptr, /*allow_exceptions=*/false);
  if (!summary.is_object()) return false;
  // A run whose budget is spent ends before its last step.
  const auto reason = summary.find("end_reason");
  if (reason != summary.end() && reason->is_string() && !reason->get<std::string>().empty()) {
    return true;
  }
  const auto step = summary.find("step");
  return step != summary.end() && step->is_number_integer() &&
         step->get<int64_t>() >= options_.max_steps;
}

void Cluster::WatchLearner(absl::Time now) {
  SupervisedRole& learner = Only(v1::ROLE_LEARNER);
  if (now < look_again_ || !learner.address().has_value()) return;
  const auto status = watch_.Look(learner.endpoint(), kLookTimeout);
  look_again_ = absl::Now() + kLookInterval;
  if (!status.has_value() || !status->has_training()) return;
  for (const std::string& note : notes_.NewNotes(*status)) watcher_.note("learner: " + note);
  watcher_.progress(status->training());
}

void Cluster::NoteWaitForReward(absl::Time now) {
  SupervisedRole& reward = Only(v1::ROLE_REWARD);
  if (!reward.running()) {  // Its end has a note of its own.
    reward_serves_ = false;
    say_waiting_ = absl::InfiniteFuture();
    return;
  }
  if (say_waiting_ == absl::InfiniteFuture()) say_waiting_ = now + options_.waiting_note;
  if (reward_serves_ || now < say_waiting_) return;
  say_waiting_ = now + options_.waiting_note;
  std::string reason;
  if (reward.address().has_value()) {
    const auto status = reward_watch_.Look(reward.endpoint(), kLookTimeout);
    reward_serves_ = status.has_value() && status->state() == v1::ROLE_STATE_SERVING;
    if (reward_serves_) return;
    if (status.has_value()) reason = status->state_reason();
  }
  if (reason.empty()) {
    const auto last = LastLines(LogFileOf(options_.roles.directory, reward.name()), 1);
    reason = last.empty() ? "it is starting" : "it said: " + last[0];
  }
  if (reason == said_waiting_) return;
  said_waiting_ = reason;
  watcher_.note(absl::StrCat("Waiting for reward: ", reason));
}

absl::Status Cluster::WriteFile() {
  ClusterFile file;
  file.run_id = options_.roles.run_id;
  file.launcher_pid = getpid();
  std::vector<std::string> now;
  for (Member& member : members_) {
    // A process that is about to be started again stays: its address is known.
    const auto& address = member.process.address();
    if (member.process.endpoint().empty() || (!member.process.running() && stopping_)) continue;
    RoleAddress entry{RoleWord(member.role), member.process.name(), member.process.pid(),
                      member.process.endpoint(), address.has_value() ? address->metrics : ""};
    now.push_back(absl::StrCat(entry.name, " ", entry.pid, " ", entry.grpc, " ", entry.metrics));
    file.processes.push_back(std::move(entry));
  }
  if (now == written_) return absl::OkStatus();
  absl::Status status =
      WriteClusterFile(*PosixFileSystem(), JoinPath(options_.roles.directory, kClusterFile), file);
  if (status.ok()) written_ = std::move(now);
  return status;
}

bool Cluster::EndInOrder() {
  stopping_ = true;
  if (stop_requests_() > 0) {
    watcher_.note("Ending in order: actors, learner, replay, reward; once more kills them");
  }
  const bool in_order = std::all_of(std::begin(kEndingOrder), std::end(kEndingOrder),
                                    [this](v1::Role role) { return EndGroup(role); });
  if (in_order) return true;
  for (Member& member : members_) member.process.Signal(SIGKILL);
  for (Member& member : members_) member.process.AwaitEnd(absl::InfiniteFuture());
  return false;
}

bool Cluster::EndGroup(v1::Role role) {
  absl::Duration grace;
  for (Member& member : members_) {
    if (member.role != role) continue;
    grace = member.grace;
    member.process.Signal(SIGTERM);
  }
  const absl::Time deadline = absl::Now() + grace;
  for (Member& member : members_) {
    if (member.role != role) continue;
    while (member.process.running() && absl::Now() < deadline) {
      if (stop_requests_() > 1) return false;
      member.process.AwaitEnd(absl::Now() + kTick);
    }
    if (member.process.running()) {
      watcher_.note(absl::StrCat("warning: ", member.process.name(), " did not leave within ",
                                 absl::FormatDuration(grace), " and is killed"));
      member.process.Signal(SIGKILL);
      member.process.AwaitEnd(absl::InfiniteFuture());
    }
    const std::optional<ExitStatus> ended = member.process.ended();
    if (ended.has_value() && !ended->ok() && !member.process.end_noted()) {
      watcher_.note("warning: " + member.process.DescribeEnd(*ended));
    }
  }
  return true;
}

// A signal cuts it short.
void Cluster::Pause(absl::Duration time) const {
  poll(nullptr, 0, static_cast<int>(absl::ToInt64Milliseconds(time)));
}

}  // namespace anabranch
