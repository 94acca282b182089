// A learner's process without its sockets: the real replay, actors that are a loop.
#include "learner/learner_process.h"

#include <gmock/gmock.h>

#include <atomic>
#include <cmath>
#include <limits>
#include <set>
#include <sstream>
#include <thread>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "cli/train/in_process_channels.h"
#include "learner/run_directory.h"
#include "learner/run_generation.h"
#include "learner/trained_model.h"
#include "nlohmann/json.hpp"
#include "runtime/error_reason.h"
#include "tests/learner/learner_process_fixture.h"

namespace anabranch {
namespace {

using ::absl::StatusCode;
using ::testing::HasSubstr;

TEST_F(LearnerProcessTest, LeavesWhatTrainLeavesAndWhatEvaluateReads) {
  auto summary = Train();
  ASSERT_TRUE(summary.ok()) << summary.status();
  EXPECT_TRUE(summary->finished);
  std::vector<int64_t> steps;
  for (const auto& line : Lines(Path("metrics.jsonl"))) {
    steps.push_back(line["step"]);
    for (const char* key : {"trajectories", "transitions", "seconds", "loss", "log_z", "tv",
                            "version_lag_mean", "version_lag_p99", "version_lag_max"}) {
      EXPECT_TRUE(line[key].is_number()) << key << " in " << line;
    }
  }
  EXPECT_EQ(steps, (std::vector<int64_t>{10, 20, 30}));
  const auto json = nlohmann::json::parse(*PosixFileSystem()->Read(Path("summary.json")));
  EXPECT_EQ(json["run_id"], "run-a");
  EXPECT_GE(json["trajectories"], 30 * kBatch);  // Replay's count; actors are ahead.
  EXPECT_EQ(json["modes_total"], 4);
  auto opened = OpenRun(*PosixFileSystem(), Directory());
  ASSERT_TRUE(opened.ok()) << opened.status();
  EXPECT_EQ(opened->checkpoint.manifest.step(), 30);
  EXPECT_EQ(opened->checkpoint.files.count(kReplayFile), 0);
  EXPECT_TRUE(LoadTrainedModel(opened->checkpoint).ok());
}

TEST_F(LearnerProcessTest, TheVersionLagIsBoundedByPacingAndPrefetching) {
  auto summary = Train();
  ASSERT_TRUE(summary.ok()) << summary.status();
  // A snapshot a step; a trajectory waits behind at most the batches that pacing lets actors make
  // ahead (max_pending_batches, the batch in hand, rounding) and those that are prefetched.
  const int64_t bound =
      config_.actor().max_pending_batches() + 3 + config_.learner().prefetch_batches() + 1;
  EXPECT_GT(summary->metrics["version_lag_mean"], 0);
  EXPECT_LE(summary->metrics["version_lag_max"], bound);
  EXPECT_THAT(metrics_.Text(), HasSubstr("anabranch_learner_staleness_versions_count 240"));
}

TEST_F(LearnerProcessTest, AFinishedRunIsNotTrainedOnAndAsksNobody) {
  auto first = Train();
  ASSERT_TRUE(first.ok()) << first.status();
  Restart();
  StopActor();
  weights_.on_publish = [](uint64_t) { return absl::InternalError("nothing is to be published"); };
  auto again = Train();
  ASSERT_TRUE(again.ok()) << again.status();
  EXPECT_TRUE(again->finished);
  EXPECT_EQ(again->metrics["tv"], first->metrics["tv"]);
  EXPECT_EQ(Generation(), 1);
}

TEST_F(LearnerProcessTest, AStoppedOneLeavesACheckpointAndItsSuccessorGoesOnFromThere) {
  weights_.on_publish = [this](uint64_t version) {
    if (version == 13) process_->Stop();
    return absl::OkStatus();
  };
  auto stopped = Train();
  ASSERT_TRUE(stopped.ok()) << stopped.status();
  EXPECT_FALSE(stopped->finished);
  EXPECT_EQ(stopped->metrics["step"], 13);
  Restart();
  auto finished = Train();
  ASSERT_TRUE(finished.ok()) << finished.status();
  EXPECT_TRUE(finished->finished);
  EXPECT_EQ(Generation(), 2);
  v1::GetStatusResponse status;
  process_->Describe(status);
  EXPECT_EQ(status.training().first_step(), 13);
  EXPECT_EQ(status.training().step(), 30);
  EXPECT_TRUE(status.training().finished());
  EXPECT_EQ(status.policy().generation(), 2);
  // What was rolled out under the first generation is trained on, and counted by itself.
  EXPECT_GT(finished->metrics["older_generation_trajectories"], 0);
}

TEST_F(LearnerProcessTest, OneThatDiedBeforeItsFirstCheckpointHasASuccessorOfAHigherGeneration) {
  weights_.on_publish = [](uint64_t version) {
    return version < 4 ? absl::OkStatus() : absl::InternalError("the machine burns");
  };
  ASSERT_EQ(Train().status().code(), StatusCode::kInternal);
  std::filesystem::remove_all(Path("checkpoints"));  // A kill leaves none.
  Restart();
  auto summary = Train();
  ASSERT_TRUE(summary.ok()) << summary.status();
  EXPECT_EQ(Generation(), 2);
  EXPECT_EQ((*weights_.newest.Newest())->manifest.policy().generation(), 2);
  EXPECT_EQ(summary->metrics["step"], 30);
}

TEST_F(LearnerProcessTest, AFencedOneWritesNothingMore) {
  const absl::Status stale =
      WithReason(absl::FailedPreconditionError("generation 7 has published, this is generation 1"),
                 kReasonStaleGeneration);
  std::atomic<bool> overtaken = false;
  weights_.on_publish = [&](uint64_t version) {
    if (version == 5) overtaken = true;
    return overtaken ? stale : absl::OkStatus();
  };
  fenced_ = [&] { return overtaken ? stale : absl::OkStatus(); };
  EXPECT_EQ(Train().status(), stale);
  EXPECT_FALSE(Exists("checkpoints"));
  EXPECT_FALSE(Exists("summary.json"));
}

TEST_F(LearnerProcessTest, OneWhoseDirectoryANewerTookEndsNamingBothEvenWhileItWaits) {
  weights_.on_publish = [this](uint64_t version) {
    if (version != 5) return absl::OkStatus();
    return TakeRunGeneration(PosixFileSystem(), Directory(), "run-a", 9).status();
  };
  const absl::Status status = Train().status();
  EXPECT_EQ(status.code(), StatusCode::kFailedPrecondition);
  EXPECT_EQ(ReasonOf(status), kReasonStaleGeneration);
  EXPECT_THAT(std::string(status.message()), HasSubstr("generation 9"));
  EXPECT_FALSE(Exists("checkpoints"));
}

TEST_F(LearnerProcessTest, AStopEndsAWaitForSamples) {
  auto process = Create();
  ASSERT_TRUE(process.ok()) << process.status();
  weights_.on_publish = [&](uint64_t) {
    (*process)->Stop();
    replay_->Close(absl::CancelledError("the test is over"));
    return absl::OkStatus();
  };
  auto summary = (*process)->Run(weights_, nullptr);  // There is no actor.
  ASSERT_TRUE(summary.ok()) << summary.status();
  EXPECT_FALSE(summary->finished);
  EXPECT_EQ(summary->metrics["step"], 0);
}

TEST_F(LearnerProcessTest, ADirectoryOfAnotherRunIsRefusedNamingBoth) {
  ASSERT_TRUE(Train().ok());
  Restart();
  identity_.run_id = "run-z";
  const absl::Status status = Create().status();
  EXPECT_EQ(status.code(), StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(status.message()), HasSubstr("'run-a'"));
  EXPECT_THAT(std::string(status.message()), HasSubstr("'run-z'"));
}

TEST_F(LearnerProcessTest, AnotherOracleOrShapingIsRefusedByName) {
  ASSERT_TRUE(Train().ok());
  Restart();
  const auto flags = flags_;
  for (const auto& [flag, what] : std::vector<std::pair<std::string, std::string>>{
           {"environment.hypergrid.r0=0.25", "oracle"},
           {"reward_shaping.exponent=2", "reward_shaping"}}) {
    auto changed = flags;
    changed.push_back(flag);
    ConfigOverrides overrides;
    overrides.flags = changed;
    config_ = *ParseRunConfig(
        "environment: {hypergrid: {dimensions: 2, side: 8}}\n"
        "policy: {mlp: {hidden_layers: 1, hidden_width: 8}}\n",
        "test.yaml", overrides);
    const absl::Status status = Create().status();
    EXPECT_EQ(status.code(), StatusCode::kFailedPrecondition) << flag;
    EXPECT_THAT(std::string(status.message()), HasSubstr(what));
  }
}

TEST_F(LearnerProcessTest, TheLedgerNamesEveryTrajectoryOnceWhereItemsAreUsedOnce) {
  ledger_ = Path("ledger.jsonl");
  ASSERT_TRUE(Train().ok());
  std::set<std::pair<std::string, int64_t>> ids;
  int64_t step = 0;
  for (const auto& line : Lines(ledger_)) {
    EXPECT_EQ(line["trained"]["step"], ++step);
    EXPECT_EQ(line["trained"]["generation"], 1);
    for (const auto& id : line["trained"]["ids"]) {
      EXPECT_EQ(id[0], "000000000000002a");
      EXPECT_TRUE(ids.emplace(id[0], id[1]).second) << id;
    }
  }
  EXPECT_EQ(step, 30);
  EXPECT_EQ(ids.size(), 30 * kBatch);
}

TEST_F(LearnerProcessTest, IllegalTrajectoriesAreLeftBehindAndSaidAndTheLearnerLives) {
  v1::TrajectoryBatch batch = MakeBatch();
  batch.set_actions(0, 99);
  Insert(std::move(batch));
  auto summary = Train();
  ASSERT_TRUE(summary.ok()) << summary.status();
  EXPECT_TRUE(summary->finished);
  EXPECT_EQ(summary->metrics["illegal_trajectories"], 1);
  v1::GetStatusResponse status;
  process_->Describe(status);
  bool said = false;
  for (const std::string& note : status.training().notes()) {
    said |= note.find("batch.actions of trajectory 0: trajectory 0, step 0: action 99") !=
            std::string::npos;
  }
  EXPECT_TRUE(said) << status.DebugString();
  EXPECT_THAT(metrics_.Text(),
              HasSubstr("anabranch_learner_skipped_trajectories_total{reason=\"illegal\"} 1"));
}

TEST_F(LearnerProcessTest, WhereOnlyOraclesKnowTheValuesTheMetricsNeedNoNewOnes) {
  without_reward_ = true;
  auto summary = Train();
  ASSERT_TRUE(summary.ok()) << summary.status();
  for (const char* key : {"tv", "log_z_error", "elbo", "modes", "modes_total"}) {
    EXPECT_FALSE(summary->metrics.contains(key)) << key;
  }
  EXPECT_GT(summary->metrics["unique_objects"], 0);
  EXPECT_GT(summary->metrics["top_k_mean_reward"], 0);
  const auto& seen = summary->metrics["trained_log_reward"];
  EXPECT_LE(seen["p10"], seen["p50"]);
  EXPECT_LT(seen["p50"], seen["max"]);
  // A grid of two dimensions is worth 0.1, 0.6 or 2.6.
  EXPECT_NEAR(std::exp(seen["max"].get<double>()), 2.6, 1e-3);
}

TEST_F(LearnerProcessTest, ExactEvaluationIsRefusedWhereOnlyOraclesKnowTheValues) {
  without_reward_ = true;
  config_.mutable_evaluation()->set_exact(v1::EXACT_EVALUATION_ALWAYS);
  const absl::Status status = Train().status();
  EXPECT_EQ(status.code(), StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(status.message()), HasSubstr("evaluation.exact"));
  EXPECT_THAT(std::string(status.message()), HasSubstr("beside the oracles"));
}

TEST_F(LearnerProcessTest, TellsPrometheusWhatItDoes) {
  ASSERT_TRUE(Train().ok());
  const std::string text = metrics_.Text();
  EXPECT_THAT(text, HasSubstr("anabranch_learner_steps_total 30"));
  for (const char* stage : {"sample_wait", "build", "forward_backward", "optimizer", "publish"}) {
    EXPECT_THAT(text, HasSubstr(absl::StrCat("anabranch_learner_step_seconds_count{stage=\"", stage,
                                             "\"} 30")));
  }
  for (const char* name :
       {"anabranch_learner_loss ", "anabranch_learner_log_z ", "anabranch_learner_gradient_norm ",
        "anabranch_learner_non_finite_batches_total ", "anabranch_training_total_variation ",
        "anabranch_training_modes_found ", "anabranch_training_unique_objects ",
        "anabranch_training_top_k_mean_reward "}) {
    EXPECT_THAT(text, HasSubstr(name));
  }
}

}  // namespace
}  // namespace anabranch
