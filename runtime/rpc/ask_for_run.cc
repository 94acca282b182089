#include <grpcpp/client_context.h>

#include <memory>

#include "absl/strings/str_cat.h"
#include "absl/synchronization/notification.h"
#include "absl/time/clock.h"
#include "anabranch/v1/replay.grpc.pb.h"
#include "runtime/refusal.h"
#include "runtime/retry.h"
#include "runtime/rpc/grpc_status.h"
#include "runtime/rpc/role_process.h"

namespace anabranch {
namespace {

constexpr absl::Duration kTryTimeout = absl::Seconds(5);
constexpr absl::Duration kShutdownPoll = absl::Milliseconds(100);
constexpr absl::Duration kBetweenLines = absl::Seconds(5);

// One GetInfo. Ends early on shutdown.
absl::StatusOr<v1::GetInfoResponse> TryGetInfo(v1::ReplayService::Stub& replay,
                                               const std::string& environment_fingerprint,
                                               Shutdown& shutdown) {
  v1::GetInfoRequest request;
  request.mutable_handshake()->set_environment_fingerprint(environment_fingerprint);
  v1::GetInfoResponse response;
  grpc::ClientContext context;
  context.set_deadline(absl::ToChronoTime(absl::Now() + kTryTimeout));
  grpc::Status answer;
  absl::Notification answered;
  replay.async()->GetInfo(&context, &request, &response, [&](grpc::Status status) {
    answer = std::move(status);
    answered.Notify();
  });
  while (!answered.WaitForNotificationWithTimeout(kShutdownPoll)) {
    if (shutdown.requested()) context.TryCancel();
  }
  if (!answer.ok()) return FromGrpcStatus(answer);
  return response;
}

absl::StatusOr<std::string> CheckInfo(const v1::GetInfoResponse& info, absl::string_view address,
                                      const std::string& environment_fingerprint) {
  if (info.environment_fingerprint() != environment_fingerprint) {
    return RefusalStatus(RefuseMismatch(kReasonEnvironmentMismatch,
                                        absl::StrCat("replay at ", address, ": environment"),
                                        info.environment_fingerprint(), environment_fingerprint));
  }
  if (!info.run_id().empty()) return info.run_id();
  return absl::FailedPreconditionError(
      absl::StrCat("replay at ", address, " names no run; is it of another version?"));
}

}  // namespace

absl::StatusOr<std::string> AskForRun(const std::shared_ptr<grpc::Channel>& channel,
                                      absl::string_view address,
                                      const std::string& environment_fingerprint,
                                      Shutdown& shutdown, Log& log) {
  const auto replay = v1::ReplayService::NewStub(channel);
  BackoffOptions options;
  options.maximum = absl::Seconds(1);
  Backoff backoff(options, absl::ToUnixNanos(absl::Now()));
  const absl::Time began = absl::Now();
  absl::Time last_line = absl::InfinitePast();
  for (;;) {
    const auto info = TryGetInfo(*replay, environment_fingerprint, shutdown);
    if (info.ok()) return CheckInfo(*info, address, environment_fingerprint);
    if (shutdown.requested()) {
      return absl::CancelledError("shut down while waiting for replay");
    }
    if (!IsRetryable(info.status())) {
      return absl::Status(info.status().code(),
                          absl::StrCat("replay at ", address, ": ", info.status().message()));
    }
    if (absl::Now() - last_line >= kBetweenLines) {
      last_line = absl::Now();
      log.Info("waiting for replay",
               {{"address", std::string(address)},
                {"seconds", absl::StrCat(absl::ToInt64Seconds(absl::Now() - began))},
                {"last_error", std::string(info.status().message())}});
    }
    if (shutdown.AwaitFor(backoff.Next())) {
      return absl::CancelledError("shut down while waiting for replay");
    }
  }
}

}  // namespace anabranch
