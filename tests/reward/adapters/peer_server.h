// A server in another language, as a child of the test that speaks with it.
#ifndef ANABRANCH_TESTS_REWARD_ADAPTERS_PEER_SERVER_H_
#define ANABRANCH_TESTS_REWARD_ADAPTERS_PEER_SERVER_H_

#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "runtime/file_system.h"
#include "runtime/process.h"
#include "tests/runtime/temporary_directory.h"

namespace anabranch {

// Runs a command with one more argument: the file to which the server writes its port on 127.0.0.1.
// It is killed when this goes.
class PeerServer {
 public:
  // Blocks until the port is known; port() is 0, with a failed expectation, where it ends before.
  explicit PeerServer(std::vector<std::string> command) {
    const std::string port_file = directory_.Path("port");
    command.push_back(port_file);
    ProcessOptions options;
    options.command = std::move(command);
    options.command[0] = FindProgram(options.command[0]).value_or(options.command[0]);
    options.log_file = directory_.Path("log");
    auto process = Process::Start(options);
    EXPECT_TRUE(process.ok()) << process.status();
    if (!process.ok()) return;
    process_ = *std::move(process);
    const absl::Time deadline = absl::Now() + absl::Seconds(90);
    while (!PosixFileSystem()->Exists(port_file).value_or(false)) {
      if (RunsFor(absl::Milliseconds(10)) && absl::Now() < deadline) continue;
      ADD_FAILURE() << "the peer has not come up:\n" << Log();
      return;
    }
    port_ = PosixFileSystem()->Read(port_file).value_or("0");
  }

  const std::string& port() const { return port_; }
  std::string address() const { return absl::StrCat("127.0.0.1:", port_); }
  std::string Log() const { return PosixFileSystem()->Read(directory_.Path("log")).value_or(""); }
  std::string Path(const std::string& name) const { return directory_.Path(name); }
  // Waits for this long, or until the server ends. Whether it still runs.
  bool RunsFor(absl::Duration duration) {
    return process_ != nullptr && !process_->Await(absl::Now() + duration).has_value();
  }

 private:
  TemporaryDirectory directory_;
  std::unique_ptr<Process> process_;
  std::string port_ = "0";
};

}  // namespace anabranch

#endif  // ANABRANCH_TESTS_REWARD_ADAPTERS_PEER_SERVER_H_
