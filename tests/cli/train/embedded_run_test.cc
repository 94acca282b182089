#include "cli/train/embedded_run.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <map>
#include <string>

#include "learner/run_directory.h"
#include "learner/trained_model.h"
#include "nlohmann/json.hpp"
#include "tests/cli/train/run_fixture.h"
#include "tests/runtime/faulty_file_system.h"

namespace anabranch {
namespace {

using ::absl::StatusCode;
using ::testing::HasSubstr;
using ::testing::Not;

constexpr char kGrid[] = R"(
environment: {hypergrid: {dimensions: 2, side: 8, r0: 0.1}}
policy: {mlp: {hidden_layers: 1, hidden_width: 16}}
learner:
  max_steps: 40
  batch_trajectories: 4
  checkpoint: {every_steps: 10, keep: 10}
evaluation: {every_steps: 15}
)";

class EmbeddedRunTest : public RunFixture {
 protected:
  EmbeddedRunOptions Options(const std::string& directory, std::vector<std::string> flags = {}) {
    EmbeddedRunOptions options;
    options.config = Config(kGrid, std::move(flags));
    options.directory = Path(directory);
    return options;
  }
  EmbeddedRunOptions LockStep(const std::string& directory, std::vector<std::string> flags = {}) {
    EmbeddedRunOptions options = Options(directory, std::move(flags));
    options.deterministic = true;
    return options;
  }
  static std::function<bool(int64_t)> StopAt(int64_t last) {
    return [last](int64_t step) { return step == last; };
  }
  static std::string Message(const absl::Status& status) { return std::string(status.message()); }
};

TEST_F(EmbeddedRunTest, LeavesMetricsSummaryConfigurationAndCheckpoints) {
  auto summary = Train(Options("run"));
  ASSERT_TRUE(summary.ok()) << summary.status();
  EXPECT_TRUE(summary->finished);
  const auto files = Tree(Path("run"));
  EXPECT_EQ(files.count("config.yaml"), 1);
  std::vector<int64_t> steps;
  std::istringstream lines(files.at("metrics.jsonl"));
  nlohmann::json last;
  for (std::string line; std::getline(lines, line);) {
    last = nlohmann::json::parse(line);
    steps.push_back(last["step"]);
    for (const char* key : {"trajectories", "transitions", "seconds", "loss", "log_z", "tv"}) {
      EXPECT_TRUE(last[key].is_number()) << key << " in " << line;
    }
  }
  EXPECT_EQ(steps, (std::vector<int64_t>{15, 30, 40}));
  const auto json = nlohmann::json::parse(files.at("summary.json"));
  EXPECT_GT(json["iterations_per_second"], 0);
  EXPECT_EQ(json["modes_total"], 4);
  EXPECT_EQ(json["trajectories"], 160);  // One sample per insert, none left over.
  for (const auto& [key, value] : last.items()) EXPECT_EQ(json[key], value) << key;
}

TEST_F(EmbeddedRunTest, TwoLockStepRunsGiveTheSameBytes) {
  ASSERT_TRUE(Train(LockStep("a")).ok());
  ASSERT_TRUE(Train(LockStep("b")).ok());
  const auto a = Tree(Path("a/checkpoints"));
  EXPECT_EQ(a.size(), 4 * 6);  // Four checkpoints of six files.
  EXPECT_EQ(a, Tree(Path("b/checkpoints")));
  ASSERT_TRUE(Train(LockStep("c", {"seed=1"})).ok());
  EXPECT_NE(a, Tree(Path("c/checkpoints")));
}

// A run that was stopped and went on, against one that wasn't.
class ResumeTest : public EmbeddedRunTest,
                   public testing::WithParamInterface<std::vector<std::string>> {};

TEST_P(ResumeTest, AResumedLockStepRunEqualsTheUninterruptedByteForByte) {
  ASSERT_TRUE(Train(LockStep("whole", GetParam())).ok());
  EmbeddedRunOptions first = LockStep("parts", GetParam());
  first.stop_requested = StopAt(17);  // Between checkpoints.
  auto stopped = Train(std::move(first));
  ASSERT_TRUE(stopped.ok()) << stopped.status();
  EXPECT_FALSE(stopped->finished);
  EXPECT_EQ(stopped->metrics["step"], 17);
  EmbeddedRunOptions second = LockStep("parts", GetParam());
  second.resume_from = Path("parts");
  auto resumed = Train(std::move(second));
  ASSERT_TRUE(resumed.ok()) << resumed.status();
  const std::string newest = "checkpoints/step-000000000040";
  EXPECT_EQ(Tree(Path("whole/" + newest)), Tree(Path("parts/" + newest)));
}

INSTANTIATE_TEST_SUITE_P(
    Configurations, ResumeTest,
    testing::Values(
        std::vector<std::string>{},
        // Actors hold an older snapshot than the checkpoint's.
        std::vector<std::string>{"learner.publish_every_steps=7"},
        // Rollouts and batches of different sizes, so that replay is never empty between them.
        std::vector<std::string>{"actor.rollout_trajectories=7",
                                 "actor.exploration={epsilon: 0.5, epsilon_final: 0.0, "
                                 "anneal_trajectories: 120}"},
        // Random draws of replay, mixtures, repeats.
        std::vector<std::string>{
            "replay={tables: [{name: fresh, selector: fifo}, {name: old, selector: uniform}], "
            "sampling: [{table: fresh, share: 0.5}, {table: old, share: 0.5}]}",
            "objective={var_grad: {}}", "learner.optimizer.schedule.kind=cosine"}));

TEST_F(EmbeddedRunTest, AResumedRunWithThreadsFinishesWithANewGeneration) {
  EmbeddedRunOptions first = Options("run");
  first.stop_requested = StopAt(17);
  ASSERT_TRUE(Train(std::move(first)).ok());
  EmbeddedRunOptions second = Options("run");
  second.resume_from = Path("run");
  auto resumed = Train(std::move(second));
  ASSERT_TRUE(resumed.ok()) << resumed.status();
  EXPECT_TRUE(resumed->finished);
  auto opened = OpenRun(*files_, Path("run"));
  ASSERT_TRUE(opened.ok()) << opened.status();
  EXPECT_EQ(opened->checkpoint.manifest.step(), 40);
  EXPECT_EQ(opened->checkpoint.manifest.generation(), 2);
}

TEST_F(EmbeddedRunTest, TrainsOnThoughATableDropsWhatWasNeverSampled) {
  // Three rollouts may wait, and the table holds but one: the actor has to do more than its share.
  auto summary = Train(Options(
      "run", {"replay.tables=[{name: t, max_items: 16}]", "actor.rollout_trajectories=16"}));
  ASSERT_TRUE(summary.ok()) << summary.status();
  EXPECT_TRUE(summary->finished);
}

TEST_F(EmbeddedRunTest, ADirectoryWithARunInItIsRefusedWithTheRemedy) {
  ASSERT_TRUE(Train(Options("run")).ok());
  const auto before = Tree(Path("run"));
  auto again = Train(Options("run"));
  EXPECT_EQ(again.status().code(), StatusCode::kAlreadyExists);
  EXPECT_THAT(Message(again.status()), HasSubstr("--resume"));
  EXPECT_EQ(Tree(Path("run")), before);
}

TEST_F(EmbeddedRunTest, NothingToResumeIsNotFound) {
  EmbeddedRunOptions options = Options("run");
  options.resume_from = Path("run");
  EXPECT_EQ(Train(std::move(options)).status().code(), StatusCode::kNotFound);
}

TEST_F(EmbeddedRunTest, ACheckpointOfAnotherEnvironmentIsRefusedNamingBoth) {
  ASSERT_TRUE(Train(Options("run")).ok());
  EmbeddedRunOptions options = Options("other", {"environment.hypergrid.side=9"});
  options.resume_from = Path("run");
  auto resumed = Train(std::move(options));
  EXPECT_EQ(resumed.status().code(), StatusCode::kFailedPrecondition);
  EXPECT_THAT(Message(resumed.status()), HasSubstr("side=8"));
  EXPECT_THAT(Message(resumed.status()), HasSubstr("side=9"));
}

TEST_F(EmbeddedRunTest, ACheckpointWithAnotherOracleIsRefusedNamingBoth) {
  ASSERT_TRUE(Train(Options("run")).ok());
  EmbeddedRunOptions options = Options("run", {"environment.hypergrid.r0=0.25"});
  options.resume_from = Path("run");
  auto resumed = Train(std::move(options));
  EXPECT_EQ(resumed.status().code(), StatusCode::kFailedPrecondition);
  EXPECT_THAT(Message(resumed.status()), HasSubstr("0.25"));
}

TEST_F(EmbeddedRunTest, ACheckpointWithAnotherRewardShapingIsRefused) {
  ASSERT_TRUE(Train(Options("run")).ok());
  EmbeddedRunOptions options =
      Options("run", {"reward_shaping.exponent=2", "learner.max_steps=50"});
  options.resume_from = Path("run");
  auto resumed = Train(std::move(options));
  EXPECT_EQ(resumed.status().code(), StatusCode::kFailedPrecondition);
  EXPECT_THAT(Message(resumed.status()), HasSubstr("reward_shaping"));
}

TEST_F(EmbeddedRunTest, ACheckpointOfAnotherNetworkIsRefusedNamingTheParameter) {
  ASSERT_TRUE(Train(Options("run")).ok());
  EmbeddedRunOptions options = Options("run", {"policy.mlp.hidden_width=8"});
  options.resume_from = Path("run");
  auto resumed = Train(std::move(options));
  EXPECT_EQ(resumed.status().code(), StatusCode::kFailedPrecondition);
  EXPECT_THAT(Message(resumed.status()), HasSubstr("tensor '"));
  EXPECT_THAT(Message(resumed.status()), HasSubstr("16"));
}

TEST_F(EmbeddedRunTest, AnOlderCheckpointGoesOnElsewhereButNotOverItsOwnFuture) {
  ASSERT_TRUE(Train(LockStep("run")).ok());
  const std::string old = Path("run/checkpoints/step-000000000020");
  EmbeddedRunOptions same = LockStep("run");
  same.resume_from = old;
  EXPECT_EQ(Train(std::move(same)).status().code(), StatusCode::kAlreadyExists);
  EmbeddedRunOptions elsewhere = LockStep("elsewhere");
  elsewhere.resume_from = old;
  auto resumed = Train(std::move(elsewhere));
  ASSERT_TRUE(resumed.ok()) << resumed.status();
  EXPECT_EQ(Tree(Path("run/checkpoints/step-000000000040")),
            Tree(Path("elsewhere/checkpoints/step-000000000040")));
}

TEST_F(EmbeddedRunTest, ADamagedFileOfTheNewestCheckpointMeansTheOneBefore) {
  ASSERT_TRUE(Train(LockStep("whole")).ok());
  const auto whole = Tree(Path("whole/checkpoints/step-000000000040"));
  for (const auto& [name, content] : whole) {
    SCOPED_TRACE(name);
    const std::string directory = "damaged-" + name;
    std::filesystem::copy(Path("whole"), Path(directory), std::filesystem::copy_options::recursive);
    std::string damaged = content;
    damaged[damaged.size() / 2] ^= 1;
    const std::string newest = Path(directory) + "/checkpoints/step-000000000040";
    ASSERT_TRUE(files_->Write(JoinPath(newest, name), damaged).ok());
    EmbeddedRunOptions options = LockStep(directory);
    options.resume_from = Path(directory);
    auto resumed = Train(std::move(options));
    ASSERT_TRUE(resumed.ok()) << resumed.status();
    EXPECT_THAT(Said(), HasSubstr("passed over checkpoint " + newest));
    EXPECT_EQ(Tree(newest), whole);  // From step 30 on it was trained again, and is the same.
  }
}

TEST_F(EmbeddedRunTest, AFullDiskIsSaidAndTrainingGoesOn) {
  FaultyFileSystem faulty(PosixFileSystem());
  files_ = &faulty;
  auto run = Create(LockStep("run"));
  ASSERT_TRUE(run.ok()) << run.status();
  faulty.FailAt(faulty.changes() + 3, FileFault::kDiskFull);  // While the first one is written.
  auto summary = (*run)->Run();
  ASSERT_TRUE(summary.ok()) << summary.status();
  EXPECT_THAT(Said(), HasSubstr("no checkpoint at step 10, training goes on"));
  EXPECT_EQ(Tree(Path("run/checkpoints")).count("step-000000000010/manifest.json"), 0);
  EXPECT_EQ(Tree(Path("run/checkpoints")).count("step-000000000040/manifest.json"), 1);
}

TEST_F(EmbeddedRunTest, ATrainedModelIsLoadedFromItsCheckpointAlone) {
  ASSERT_TRUE(Train(LockStep("run")).ok());
  auto opened = OpenRun(*files_, Path("run"));
  ASSERT_TRUE(opened.ok()) << opened.status();
  auto trained = LoadTrainedModel(opened->checkpoint);
  ASSERT_TRUE(trained.ok()) << trained.status();
  EXPECT_THAT(trained->components.environment->spec().fingerprint, HasSubstr("side=8"));
  auto fresh = trained->components.MakeModel(trained->config);
  ASSERT_TRUE(fresh.ok());
  EXPECT_NE(trained->model.LogZ().item<float>(), fresh->LogZ().item<float>());
}

// Scores an object as `bad` says, others 1.
class PartlyBadReward final : public RewardFunction {
 public:
  explicit PartlyBadReward(ObjectStatus status, double value) : status_(status), value_(value) {
    objective_.name = "reward";
  }
  const std::string& fingerprint() const override { return fingerprint_; }
  std::span<const ObjectiveInfo> objectives() const override { return {&objective_, 1}; }
  void Evaluate(std::span<const std::string> objects, RewardColumns& out) const override {
    out = {};
    out.num_objectives = 1;
    for (const std::string& object : objects) {
      const bool bad = object == "0 0";  // What an untrained policy often stops at.
      out.status.push_back(bad ? status_ : ObjectStatus::kOk);
      out.values.push_back(bad ? value_ : 1.0);
      out.valid.push_back(1);
    }
  }

 private:
  const std::string fingerprint_ = "partly-bad/1";
  const ObjectStatus status_;
  const double value_;
  ObjectiveInfo objective_;
};

class BadRewardTest : public EmbeddedRunTest {
 protected:
  EmbeddedRunOptions WithReward(ObjectStatus status, double value,
                                std::vector<std::string> flags = {}) {
    EmbeddedRunOptions options = LockStep("run", std::move(flags));
    auto components = MakeRunComponents(options.config);
    EXPECT_TRUE(components.ok());
    auto with = MakeRunComponents(options.config, std::move(components->environment),
                                  std::make_shared<PartlyBadReward>(status, value));
    EXPECT_TRUE(with.ok()) << with.status();
    options.components = *std::move(with);
    return options;
  }
};

TEST_F(BadRewardTest, InvalidObjectsAreLeftOutAndCounted) {
  auto summary = Train(WithReward(ObjectStatus::kInvalid, 0));
  ASSERT_TRUE(summary.ok()) << summary.status();
  const int64_t rejected = summary->metrics["rejected_trajectories"];
  EXPECT_GT(rejected, 0);
  EXPECT_EQ(summary->metrics["step"], 40);
  EXPECT_GE(summary->metrics["trajectories"], 160 + rejected);
}

TEST_F(BadRewardTest, InvalidObjectsAreKeptAtTheFloorWhereTheConfigurationSaysSo) {
  auto summary =
      Train(WithReward(ObjectStatus::kInvalid, 0,
                       {"reward_shaping.invalid=floor", "reward_shaping.min_log_reward=-10"}));
  ASSERT_TRUE(summary.ok()) << summary.status();
  EXPECT_EQ(summary->metrics["rejected_trajectories"], 0);
}

TEST_F(BadRewardTest, NoRewardIsInventedForANumberThatIsNotFinite) {
  auto summary = Train(WithReward(ObjectStatus::kOk, std::numeric_limits<double>::quiet_NaN()));
  ASSERT_TRUE(summary.ok()) << summary.status();
  EXPECT_GT(summary->metrics["rejected_trajectories"], 0);
}

TEST_F(BadRewardTest, ANegativeLinearRewardEndsTheRunWithTheRemedy) {
  auto summary = Train(WithReward(ObjectStatus::kOk, -1.0));
  EXPECT_EQ(summary.status().code(), StatusCode::kInvalidArgument);
  EXPECT_THAT(Message(summary.status()), HasSubstr("reward_shaping.scale"));
}

}  // namespace
}  // namespace anabranch
