#include "runtime/rpc/role_process.h"

#include <signal.h>
#include <unistd.h>

#include <exception>
#include <iostream>
#include <utility>

#include "CLI/CLI.hpp"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "runtime/components/run_identity.h"
#include "runtime/config.h"
#include "runtime/rpc/grpc_log.h"
#include "runtime/rpc/role_flags.h"
#include "runtime/version.h"

namespace anabranch {
namespace {

constexpr int kInOrder = 0;
constexpr int kFailed = 1;
constexpr int kBadUsage = 2;

// What stops a process before it has begun, in the form of the log that it would have had.
// A configuration may have several faults, a line each.
int Refuse(Log& log, const absl::Status& status) {
  for (const absl::string_view line : absl::StrSplit(status.message(), '\n')) log.Error(line);
  return kBadUsage;
}

// Runs the program with what the flags and the configuration give.
int RunWith(const RoleProgram& program, const RoleFlags& flags, const v1::RunConfig& config,
            uint64_t incarnation, Log& log, Shutdown& shutdown) {
  // An older one would tell of a process that is gone.
  if (!flags.address_file.empty()) {
    const absl::Status removed = PosixFileSystem()->RemoveFile(flags.address_file);
    if (!removed.ok() && !absl::IsNotFound(removed)) return Refuse(log, removed);
  }
  RoleContext context(program.role, flags, config, incarnation, log, shutdown);
  const HandshakeWatch handshakes(context.metrics(), log);
  const absl::Status status = program.run(context);
  if (status.ok() || (absl::IsCancelled(status) && shutdown.requested())) {
    log.Info("ended in order");
    return kInOrder;
  }
  log.Error(status.message(), {{"code", absl::StatusCodeToString(status.code())}});
  return absl::IsInvalidArgument(status) ? kBadUsage : kFailed;
}

int RunParsed(const RoleProgram& program, RoleFlags& flags, Shutdown& shutdown) {
  LogOptions fallback;
  fallback.role = RoleName(program.role);
  Log plain(fallback);
  if (flags.config.empty()) {
    return Refuse(plain, absl::InvalidArgumentError(
                             absl::StrCat("which configuration? For example: ", program.example)));
  }
  const auto log_options = LogOptionsOf(program.role, flags);
  if (!log_options.ok()) return Refuse(plain, log_options.status());
  Log early(*log_options);
  const auto config = LoadRunConfig(*PosixFileSystem(), flags.config,
                                    ConfigOverrides{flags.set, AnabranchVariables(environ)});
  if (!config.ok()) return Refuse(early, config.status());
  if (flags.print_config) {
    std::cout << PrintRunConfig(*config) << std::flush;
    return kInOrder;
  }
  const uint64_t incarnation = FreshIncarnation();
  const absl::Status complete = CompleteRoleFlags(program.role, *config, incarnation, flags);
  if (!complete.ok()) return Refuse(early, complete);
  LogOptions named = *log_options;
  named.name = flags.name;
  Log log(named);
  return RunWith(program, flags, *config, incarnation, log, shutdown);
}

int ParseAndRun(int argc, char** argv, const RoleProgram& program, Shutdown& shutdown) {
  RoleFlags flags;
  CLI::App app(program.summary, absl::StrCat("anabranch-", RoleName(program.role)));
  app.footer(absl::StrCat(
      "For example:\n  ", program.example,
      "\n\nA value comes from the first of these that gives it: a flag, the environment\n"
      "(ANABRANCH_LEARNER__MAX_STEPS=100), the file, the default.\n"
      "The first SIGTERM or Ctrl-C ends it in order, the second at once.\n"
      "Exit codes: 0 ended in order, 1 failed, 2 wrong usage or configuration."));
  DeclareRoleFlags(program.role, app, flags);
  if (program.declare != nullptr) program.declare(app);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? kInOrder : kBadUsage;
  }
  if (flags.version) {
    std::cout << Version() << std::endl;
    return kInOrder;
  }
  return RunParsed(program, flags, shutdown);
}

}  // namespace

int RunRole(int argc, char** argv, const RoleProgram& program) {
  // Before anything that starts a thread: threads inherit the blocked signals.
  Shutdown shutdown;
  // A terminal that closes, or a peer that does, is an error where it is written to.
  signal(SIGPIPE, SIG_IGN);
  QuietGrpc();
  try {
    return ParseAndRun(argc, argv, program, shutdown);
  } catch (const std::exception& error) {
    std::cerr << "anabranch-" << RoleName(program.role) << ": " << error.what() << std::endl;
    return kFailed;
  }
}

}  // namespace anabranch
