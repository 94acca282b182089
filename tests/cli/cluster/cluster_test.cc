// The launcher with programs that do nothing but say where they listen: how a run is waited for and
// ended.
#include "cli/cluster/cluster.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <functional>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "tests/runtime/temporary_directory.h"

namespace anabranch {
namespace {

using ::testing::Contains;
using ::testing::HasSubstr;
using ::testing::Not;

// The address file follows the flag; the directory of the run is two levels above.
constexpr char kPrologue[] = R"(#!/bin/sh
while [ "$#" -gt 0 ]; do
  if [ "$1" = --address-file ]; then file="$2"; fi
  if [ "$1" = --name ]; then name="$2"; fi
  shift
done
listen() {
  echo "{\"role\": \"r\", \"name\": \"$name\", \"pid\": $$, \"grpc\": \"127.0.0.1:9\"}" > "$file.new"
  mv "$file.new" "$file"
}
stay() { trap 'exit 0' TERM; while true; do sleep 1000 & wait $!; kill $! 2> /dev/null; done; }
)";

class ClusterTest : public testing::Test {
 protected:
  ClusterTest() {
    for (const char* name : {"processes", "logs", "bin"}) {
      std::filesystem::create_directory(directory_.Path(name));
    }
    options_.roles.binaries = directory_.Path("bin");
    options_.roles.directory = directory_.path();
    options_.roles.config = "run.yaml";
    options_.roles.run_id = "grid-1";
    options_.actors = 1;
    options_.max_steps = 1000;
    options_.waiting_note = absl::ZeroDuration();
    watcher_.note = [this](const std::string& note) {
      notes_.push_back(note);
      if (on_note_) on_note_(note);
    };
    watcher_.progress = [](const v1::TrainingStatus&) {};
    for (const char* role : {"replay", "reward", "learner", "actor"}) Program(role, "listen; stay");
  }

  void Program(const std::string& role, const std::string& script) {
    const std::string path = directory_.Path("bin/anabranch-" + role);
    std::ofstream(path) << kPrologue << script << "\n";
    std::filesystem::permissions(path, std::filesystem::perms::owner_all);
  }

  absl::StatusOr<ClusterEnd> Run() {
    return Cluster(options_, watcher_, [this] { return stops_; }).Run();
  }

  TemporaryDirectory directory_;
  ClusterOptions options_;
  ClusterWatcher watcher_;
  std::vector<std::string> notes_;
  std::function<void(const std::string&)> on_note_;
  int stops_ = 0;
};

// The learner ends by itself, having written the summary given.
std::string Finishes(const std::string& summary) {
  return absl::StrCat("listen; echo '", summary,
                      "' > \"$(dirname \"$(dirname \"$file\")\")/summary.json\"; exit 0");
}

TEST_F(ClusterTest, ALearnerWhoseBudgetIsSpentEndsTheClusterInOrder) {
  Program("learner", Finishes(R"({"step": 10, "finished": true, "end_reason": "it is spent"})"));
  auto end = Run();
  ASSERT_TRUE(end.ok()) << end.status();
  EXPECT_EQ(*end, ClusterEnd::kFinished);
  EXPECT_THAT(notes_, Not(Contains(HasSubstr("starts again"))));
}

TEST_F(ClusterTest, ALearnerThatLeftBeforeItsLastStepForNoReasonIsStartedAgain) {
  Program("learner", Finishes(R"({"step": 10, "finished": false})"));
  on_note_ = [this](const std::string& note) {
    if (absl::string_view(note).find("learner") != absl::string_view::npos) stops_ = 1;
  };
  auto end = Run();
  ASSERT_TRUE(end.ok()) << end.status();
  EXPECT_EQ(*end, ClusterEnd::kStopped);
  EXPECT_THAT(notes_, Contains(HasSubstr("learner: exit status 0; starts again")));
}

TEST_F(ClusterTest, WhatRewardWaitsForIsSaidOnceUntilItIsSomethingElse) {
  // It never listens: its oracles aren't up.
  Program("reward",
          "echo 'waiting for oracle docking'; until [ -e \"$file.go\" ]; do :; done; "
          "echo 'waiting for oracle qed'; stay");
  on_note_ = [this](const std::string& note) {
    if (note.find("docking") != std::string::npos) {
      std::ofstream(directory_.Path("processes/reward.json.go")) << "now";
    }
    if (note.find("qed") != std::string::npos) stops_ = 1;
  };
  auto end = Run();
  ASSERT_TRUE(end.ok()) << end.status();
  EXPECT_EQ(*end, ClusterEnd::kStopped);
  EXPECT_EQ(std::count(notes_.begin(), notes_.end(),
                       "Waiting for reward: it said: waiting for oracle docking"),
            1);
}

}  // namespace
}  // namespace anabranch
