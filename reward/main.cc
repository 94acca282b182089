// anabranch-reward: scores finished objects with the oracles that a run's configuration names, or
// with its built-in reward.
#include <string>
#include <thread>
#include <utility>

#include "CLI/CLI.hpp"
#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/notification.h"
#include "absl/time/time.h"
#include "reward/oracle_stack.h"
#include "reward/reward_rpc.h"
#include "runtime/rpc/role_process.h"

namespace anabranch {
namespace {

constexpr absl::Duration kGrace = absl::Seconds(10);  // For calls that run when it is stopped.

// Health is NOT_SERVING until all oracles have answered; the status says whom it waits for.
absl::Status Begin(RoleContext& context, OracleStack& stack, RpcServer& server) {
  const absl::Status status =
      stack.AwaitOracles([&](absl::Duration time, absl::string_view waits_for) {
        server.SetNotServing(v1::ROLE_STATE_STARTING, absl::StrCat("waits for ", waits_for));
        return !context.shutdown().AwaitFor(time);
      });
  if (!status.ok()) return status;
  const auto description = stack.top().Describe({});
  if (!description.ok()) return description.status();
  context.log().Info("scoring",
                     {{"oracle", description->fingerprint()},
                      {"address", server.address()},
                      {"batch_objects", absl::StrCat(description->preferred_batch_objects())}});
  server.SetServing();
  return absl::OkStatus();
}

// Calls that run may end by themselves within the grace; then whatever they wait for is cancelled,
// so that Stop, which waits for them, ends.
void Drain(OracleStack& stack, RpcServer& server) {
  absl::Notification stopped;
  std::thread hurry([&] {
    if (!stopped.WaitForNotificationWithTimeout(kGrace)) stack.Cancel();
  });
  server.Stop(kGrace);
  stopped.Notify();
  hurry.join();
}

absl::Status Serve(RoleContext& context, OracleStackOptions options) {
  options.insecure = context.insecure();
  auto stack = OracleStack::Create(context.config(), options, context.metrics(), context.log());
  if (!stack.ok()) return stack.status();
  OracleStack& oracles = **stack;
  RewardRpc rpc(oracles.top(), context.log());
  auto server = context.Serve(
      {&rpc}, [&oracles](v1::GetStatusResponse& response) { oracles.Describe(response); });
  if (!server.ok()) return server.status();
  const absl::Status begun = Begin(context, oracles, (*server)->rpc());
  if (begun.ok()) {
    context.shutdown().Await();
    (*server)->rpc().SetNotServing(v1::ROLE_STATE_DRAINING, "has been asked to end");
  }
  Drain(oracles, (*server)->rpc());
  return begun;
}

}  // namespace
}  // namespace anabranch

int main(int argc, char** argv) {
  anabranch::OracleStackOptions options;
  anabranch::RoleProgram program;
  program.role = anabranch::v1::ROLE_REWARD;
  program.summary =
      "Scores finished objects with the oracles that the configuration names, or its reward.";
  program.example = "anabranch-reward configs/hypergrid-8x8.yaml --cache-objects 1000000";
  program.declare = [&options](CLI::App& app) {
    app.add_option("--cache-objects", options.cache_objects,
                   "Answers kept, so that an object is computed once; 0 keeps none")
        ->capture_default_str()
        ->check(CLI::NonNegativeNumber);
    app.add_option(
        "--state", options.state,
        "Directory where the oracles' results, tickets and spending outlive the process; "
        "without it they are kept in memory");
  };
  program.run = [&options](anabranch::RoleContext& context) {
    return anabranch::Serve(context, options);
  };
  return anabranch::RunRole(argc, argv, program);
}
