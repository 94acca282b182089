// anabranch-reward: scores finished objects with the oracle that a run's configuration names.
#include <string>
#include <utility>

#include "CLI/CLI.hpp"
#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "reward/oracle_stack.h"
#include "reward/reward_rpc.h"
#include "runtime/rpc/role_process.h"

namespace anabranch {
namespace {

constexpr absl::Duration kGrace = absl::Seconds(10);  // For calls that run when it is stopped.

absl::Status Serve(RoleContext& context, const OracleStackOptions& options) {
  auto stack = OracleStack::Create(context.config(), options, context.metrics());
  if (!stack.ok()) return stack.status();
  OracleStack& oracle = **stack;
  RewardRpc rpc(oracle.top(), context.log());
  auto server = context.Serve(
      {&rpc}, [&oracle](v1::GetStatusResponse& response) { oracle.Describe(response); });
  if (!server.ok()) return server.status();
  const auto description = oracle.top().Describe({});
  if (!description.ok()) return description.status();
  context.log().Info("scoring", {{"oracle", description->fingerprint()},
                                 {"address", (*server)->rpc().address()},
                                 {"cache_objects", absl::StrCat(options.cache_objects)}});
  (*server)->rpc().SetServing();
  context.shutdown().Await();
  (*server)->rpc().SetNotServing(v1::ROLE_STATE_DRAINING, "has been asked to end");
  (*server)->rpc().Stop(kGrace);
  return absl::OkStatus();
}

}  // namespace
}  // namespace anabranch

int main(int argc, char** argv) {
  anabranch::OracleStackOptions options;
  anabranch::RoleProgram program;
  program.role = anabranch::v1::ROLE_REWARD;
  program.summary = "Scores finished objects with the reward that the configuration names.";
  program.example = "anabranch-reward configs/hypergrid-8x8.yaml --cache-objects 1000000";
  program.declare = [&options](CLI::App& app) {
    app.add_option("--cache-objects", options.cache_objects,
                   "Answers kept, so that an object is computed once; 0 keeps none")
        ->capture_default_str()
        ->check(CLI::NonNegativeNumber);
  };
  program.run = [&options](anabranch::RoleContext& context) {
    return anabranch::Serve(context, options);
  };
  return anabranch::RunRole(argc, argv, program);
}
