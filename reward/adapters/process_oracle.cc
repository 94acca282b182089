// Oracles that are programs on this machine.
#include <memory>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "reward/adapters/described_oracle.h"
#include "reward/adapters/json_lines_source.h"
#include "reward/adapters/one_shot_source.h"
#include "reward/adapters/oracle_adapters.h"
#include "runtime/process.h"

namespace anabranch {

absl::StatusOr<std::unique_ptr<RewardClient>> MakeProcessOracle(const v1::OracleConfig& config,
                                                                const AdapterOptions& options) {
  const v1::ProcessOracleConfig& process = config.process();
  const auto refuse = [&config](absl::string_view text) {
    return absl::InvalidArgumentError(
        absl::StrCat("oracle \"", config.name(), "\": process.", text));
  };
  if (process.command().empty() || process.command(0).empty()) {
    return refuse("command: is empty; give the program and its arguments");
  }
  if (process.processes() < 1) return refuse("processes: is 0; give at least 1");
  if (const auto program = FindProgram(process.command(0)); !program.ok()) {
    return refuse(absl::StrCat("command: ", program.status().message(),
                               "; give a program that the reward service can run"));
  }
  ProgramOptions program;
  program.oracle = config.name();
  program.command = {process.command().begin(), process.command().end()};
  program.processes = static_cast<int>(process.processes());
  program.timeout = absl::Seconds(config.timeout_seconds());
  std::unique_ptr<ValueSource> source;
  if (process.protocol() == v1::PROCESS_PROTOCOL_ONE_SHOT) {
    source = std::make_unique<OneShotSource>(std::move(program), *options.log);
  } else {
    source = std::make_unique<JsonLinesSource>(std::move(program), *options.log);
  }
  return DescribedOracle::Create("process", config, std::move(source), options);
}

}  // namespace anabranch
