// A learner's process without its sockets: the real replay, actors that are a loop.
#ifndef ANABRANCH_TESTS_LEARNER_LEARNER_PROCESS_FIXTURE_H_
#define ANABRANCH_TESTS_LEARNER_LEARNER_PROCESS_FIXTURE_H_

#include <gtest/gtest.h>

#include <filesystem>
#include <functional>
#include <limits>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/str_split.h"
#include "cli/train/in_process_channels.h"
#include "learner/learner_process.h"
#include "learner/run_generation.h"
#include "nlohmann/json.hpp"
#include "tests/learner/learner_fixture.h"
#include "tests/runtime/temporary_directory.h"

namespace anabranch {

// Weights that actors take from, and a place where a test steps in between two versions.
class WatchedWeights final : public WeightSink {
 public:
  absl::Status Publish(std::shared_ptr<const WeightSnapshot> snapshot) override {
    const uint64_t version = snapshot->manifest.policy().version();
    if (absl::Status status = newest.Publish(snapshot); !status.ok()) return status;
    if (on_publish) return on_publish(version);
    return absl::OkStatus();
  }

  InProcessWeights newest;
  std::function<absl::Status(uint64_t version)> on_publish;
};

class LearnerProcessTest : public LearnerFixture {
 protected:
  LearnerProcessTest() {
    flags_ = {"learner.max_steps=30", "learner.checkpoint={every_steps: 10, keep: 9}",
              "evaluation.every_steps=10"};
  }
  ~LearnerProcessTest() override { StopActor(); }
  void SetUp() override { SetUpRun(flags_); }

  absl::StatusOr<std::unique_ptr<LearnerProcess>> Create() {
    LearnerProcessOptions options;
    options.config = config_;
    auto components = MakeRunComponents(config_);
    EXPECT_TRUE(components.ok());
    options.components = *std::move(components);
    if (without_reward_) options.components.reward.reset();
    options.reward = reward_.get();
    options.budget_check = absl::Milliseconds(1);
    options.last_batches = absl::Milliseconds(20);
    options.directory = Directory();
    options.identity = identity_;
    options.ledger = ledger_;
    options.fence_check = absl::Milliseconds(1);
    return LearnerProcess::Create(std::move(options), PosixFileSystem(), *replay_, metrics_,
                                  NullLog());
  }

  // A whole life of a learner, with an actor beside it.
  absl::StatusOr<RunSummary> Train() {
    auto process = Create();
    if (!process.ok()) return process.status();
    process_ = *std::move(process);
    StartActor();
    return process_->Run(weights_, fenced_);
  }

  void StartActor() {
    if (actor_.joinable()) return;
    inserts_ = OpenInserts();
    actor_ = std::thread([this] {
      while (sequence_ < batches_) {
        auto snapshot = *weights_.newest.Newest();
        v1::InsertBatch insert;
        insert.set_sequence(++sequence_);
        *insert.mutable_batch() = MakeBatch(snapshot.get());
        if (!inserts_->Insert(std::move(insert)).ok()) return;
      }
    });
  }

  void StopActor() {
    replay_->Close(absl::CancelledError("the test is over"));
    if (actor_.joinable()) actor_.join();
  }

  // As a process that was killed and started again finds the world: replay and actors lived on.
  void Restart() {
    process_.reset();
    weights_.on_publish = nullptr;
  }

  uint64_t Generation() { return ReadRunGeneration(*PosixFileSystem(), Directory())->generation; }
  std::vector<nlohmann::json> Lines(const std::string& path) {
    std::vector<nlohmann::json> lines;
    const std::string text = *PosixFileSystem()->Read(path);
    for (const auto line : absl::StrSplit(text, '\n', absl::SkipEmpty())) {
      lines.push_back(nlohmann::json::parse(line.begin(), line.end()));
    }
    return lines;
  }
  std::string Path(const std::string& name) const { return directory_.Path(name); }
  const std::string& Directory() const { return directory_.path(); }
  bool Exists(const std::string& name) { return *PosixFileSystem()->Exists(Path(name)); }

  std::vector<std::string> flags_;
  std::string ledger_;
  TemporaryDirectory directory_;
  Metrics metrics_{"learner"};
  WatchedWeights weights_;
  std::function<absl::Status()> fenced_;
  bool without_reward_ = false;
  std::unique_ptr<RewardClient> reward_;
  uint64_t batches_ = std::numeric_limits<uint64_t>::max();  // That the actor makes.
  std::unique_ptr<LearnerProcess> process_;
  std::thread actor_;
};

}  // namespace anabranch

#endif  // ANABRANCH_TESTS_LEARNER_LEARNER_PROCESS_FIXTURE_H_
