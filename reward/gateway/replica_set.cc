#include "reward/gateway/replica_set.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "reward/gateway/oracle_status.h"
#include "runtime/error_reason.h"
#include "runtime/retry.h"

namespace anabranch {

ReplicaSet::ReplicaSet(std::string oracle, std::vector<OracleReplica> replicas,
                       const CircuitOptions& options, Log& log)
    : oracle_(std::move(oracle)),
      replicas_(std::move(replicas)),
      log_(log),
      circuits_(replicas_.size(), CircuitBreaker(options)) {
  prober_ = std::thread([this] { ProbeLoop(); });
}

ReplicaSet::~ReplicaSet() {
  {
    absl::MutexLock lock(&mu_);
    ending_ = true;
    changed_.SignalAll();
  }
  prober_.join();
}

absl::Status ReplicaSet::AllOpen() const {
  absl::Time next = absl::InfiniteFuture();
  for (const CircuitBreaker& circuit : circuits_) next = std::min(next, circuit.probe_at());
  const absl::Duration wait = std::max(absl::ZeroDuration(), next - absl::Now());
  const std::string who = replicas_.size() == 1
                              ? absl::StrCat(replicas_[0].address, " keeps")
                              : absl::StrCat("all of its ", replicas_.size(), " replicas keep");
  return WithReason(absl::UnavailableError(absl::StrCat(
                        who, " failing, so nobody was asked; the next probe is in ",
                        absl::FormatDuration(absl::Trunc(wait, absl::Milliseconds(1))))),
                    kReasonCircuitOpen);
}

absl::StatusOr<size_t> ReplicaSet::Next() {
  absl::MutexLock lock(&mu_);
  for (size_t i = 0; i < replicas_.size(); ++i) {
    const size_t replica = turn_++ % replicas_.size();
    if (circuits_[replica].closed()) return replica;
  }
  return AllOpen();
}

void ReplicaSet::Report(size_t replica, const absl::Status& status) {
  absl::Duration wait;
  {
    absl::MutexLock lock(&mu_);
    CircuitBreaker& circuit = circuits_[replica];
    if (status.ok()) return circuit.Succeeded();
    const absl::Time now = absl::Now();
    if (!IsRetryable(status) || !circuit.Failed(now)) return;
    wait = circuit.probe_at() - now;
    changed_.SignalAll();
  }
  log_.Warning("a replica keeps failing and is left alone until a probe succeeds",
               {{"oracle", oracle_},
                {"replica", replicas_[replica].address},
                {"probe_in", absl::FormatDuration(wait)},
                {"error", std::string(status.message())}});
}

absl::Status ReplicaSet::At(size_t replica, const absl::Status& status) const {
  if (replicas_.size() == 1) return status;
  return Explained(status, absl::StrCat("replica ", replicas_[replica].address, ": "));
}

absl::StatusOr<v1::EvaluateResponse> ReplicaSet::Evaluate(const v1::EvaluateRequest& request) {
  const auto replica = Next();
  if (!replica.ok()) return replica.status();
  auto answer = replicas_[*replica].client->Evaluate(request);
  Report(*replica, answer.status());
  if (!answer.ok()) return At(*replica, answer.status());
  return answer;
}

absl::StatusOr<v1::DescribeResponse> ReplicaSet::Describe(const v1::DescribeRequest& request) {
  bool compare = false;
  size_t replica = 0;
  {
    absl::MutexLock lock(&mu_);
    compare = !compared_ && replicas_.size() > 1;
    for (size_t i = 0; i < replicas_.size(); ++i) {
      replica = turn_++ % replicas_.size();
      if (circuits_[replica].closed()) break;
    }
  }
  if (compare) return DescribeAll(request);
  auto description = replicas_[replica].client->Describe(request);
  if (!description.ok()) return At(replica, description.status());
  Revive(replica);
  return description;
}

absl::StatusOr<v1::DescribeResponse> ReplicaSet::DescribeAll(const v1::DescribeRequest& request) {
  std::optional<v1::DescribeResponse> first;
  std::string first_address;
  absl::Status failure;
  for (size_t i = 0; i < replicas_.size(); ++i) {
    auto description = replicas_[i].client->Describe(request);
    if (description.ok()) Revive(i);
    if (!description.ok()) {
      failure = At(i, description.status());
      if (!IsRetryable(failure)) return failure;
    } else if (!first.has_value()) {
      first = *std::move(description);
      first_address = replicas_[i].address;
    } else if (description->fingerprint() != first->fingerprint()) {
      return WithReason(absl::FailedPreconditionError(absl::StrCat(
                            "its replicas aren't the same oracle: ", first_address, " is \"",
                            first->fingerprint(), "\", ", replicas_[i].address, " is \"",
                            description->fingerprint(), "\"")),
                        kReasonFingerprintChanged);
    }
  }
  if (!first.has_value()) return failure;
  absl::MutexLock lock(&mu_);
  compared_ = true;
  return *std::move(first);
}

std::optional<size_t> ReplicaSet::NextToProbe() const {
  std::optional<size_t> next;
  for (size_t i = 0; i < circuits_.size(); ++i) {
    if (circuits_[i].closed()) continue;
    if (!next.has_value() || circuits_[i].probe_at() < circuits_[*next].probe_at()) next = i;
  }
  return next;
}

void ReplicaSet::ProbeLoop() {
  while (true) {
    size_t replica = 0;
    {
      absl::MutexLock lock(&mu_);
      std::optional<size_t> next;
      while (!ending_) {
        next = NextToProbe();
        const absl::Time due =
            next.has_value() ? circuits_[*next].probe_at() : absl::InfiniteFuture();
        if (due <= absl::Now()) break;
        changed_.WaitWithDeadline(&mu_, due);
      }
      if (ending_) return;
      replica = *next;
    }
    Probe(replica);
  }
}

void ReplicaSet::Probe(size_t replica) {
  if (replicas_[replica].client->Describe({}).ok()) return Revive(replica);
  absl::MutexLock lock(&mu_);
  if (!circuits_[replica].closed()) circuits_[replica].ProbeFailed(absl::Now());
}

void ReplicaSet::Revive(size_t replica) {
  {
    absl::MutexLock lock(&mu_);
    if (circuits_[replica].closed()) return;
    circuits_[replica].ProbeSucceeded();
  }
  log_.Info("a replica answers again and is asked again",
            {{"oracle", oracle_}, {"replica", replicas_[replica].address}});
}

int64_t ReplicaSet::circuits_open() const {
  absl::MutexLock lock(&mu_);
  return std::count_if(circuits_.begin(), circuits_.end(),
                       [](const CircuitBreaker& circuit) { return !circuit.closed(); });
}

}  // namespace anabranch
