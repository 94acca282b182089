// What tests of whole runs share: a directory that goes when the test ends, and short
// configurations.
#ifndef ANABRANCH_TESTS_CLI_TRAIN_RUN_FIXTURE_H_
#define ANABRANCH_TESTS_CLI_TRAIN_RUN_FIXTURE_H_

#include <gtest/gtest.h>
#include <stdlib.h>

#include <filesystem>
#include <memory>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

#include "absl/time/clock.h"
#include "cli/progress/progress.h"
#include "cli/train/embedded_run.h"
#include "runtime/config.h"
#include "runtime/file_system.h"

namespace anabranch {

class RunFixture : public testing::Test {
 protected:
  RunFixture() {
    std::string pattern = JoinPath(testing::TempDir(), "anabranch_run_XXXXXX");
    if (mkdtemp(pattern.data()) != nullptr) root_ = pattern;
  }
  ~RunFixture() override {
    if (!root_.empty()) std::filesystem::remove_all(root_);
  }

  static v1::RunConfig Config(const std::string& yaml, std::vector<std::string> flags = {}) {
    ConfigOverrides overrides;
    overrides.flags = std::move(flags);
    auto config = ParseRunConfig(yaml, "test.yaml", overrides);
    EXPECT_TRUE(config.ok()) << config.status();
    return config.ok() ? *config : v1::RunConfig();
  }

  std::string Path(const std::string& name) const { return JoinPath(root_, name); }

  // What a run said.
  std::string Said() const { return said_.str(); }

  absl::StatusOr<std::unique_ptr<EmbeddedRun>> Create(EmbeddedRunOptions options) {
    return EmbeddedRun::Create(std::move(options), files_, &progress_);
  }
  absl::StatusOr<RunSummary> Train(EmbeddedRunOptions options) {
    auto run = Create(std::move(options));
    if (!run.ok()) return run.status();
    return (*run)->Run();
  }

  // Every file of a directory tree, by its path below it.
  static std::map<std::string, std::string> Tree(const std::string& directory) {
    std::map<std::string, std::string> files;
    for (const auto& entry : std::filesystem::recursive_directory_iterator(directory)) {
      if (!entry.is_regular_file()) continue;
      const std::string path = entry.path();
      auto content = PosixFileSystem()->Read(path);
      EXPECT_TRUE(content.ok()) << content.status();
      files[path.substr(directory.size() + 1)] = content.ok() ? *content : "";
    }
    return files;
  }

  FileSystem* files_ = PosixFileSystem();
  std::string root_;
  std::ostringstream said_;
  Progress progress_{Progress::Options(), said_, absl::Now};
};

}  // namespace anabranch

#endif  // ANABRANCH_TESTS_CLI_TRAIN_RUN_FIXTURE_H_
