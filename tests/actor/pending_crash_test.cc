// Whatever ends an actor between any two steps, no pending trajectory is lost and none is doubled.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <iterator>
#include <map>
#include <memory>
#include <ostream>
#include <set>
#include <string>
#include <thread>
#include <utility>

#include "actor/actor_pipeline.h"
#include "actor/pending_record.h"
#include "actor/pending_trajectories.h"
#include "tests/actor/actor_world.h"
#include "tests/actor/lab_oracle.h"
#include "tests/runtime/temporary_directory.h"

namespace anabranch {
namespace {

using TrajectoryId = std::pair<uint64_t, uint64_t>;  // Incarnation of its source, number.

// After so many steps the process is dead: nothing that it does has an effect any more, nor does it
// hear of anything. A step is a write to the store or an insert; the last one may have been done.
class Death {
 public:
  Death(int steps, bool last_is_done) : steps_(steps), last_is_done_(last_is_done) {}

  // Whether the next step is done, and whether the process hears of it.
  std::pair<bool, bool> Step() {
    absl::MutexLock lock(&mu_);
    const int left = steps_--;
    return {left > 1 || (left == 1 && last_is_done_), left > 1};
  }
  bool came() {
    absl::MutexLock lock(&mu_);
    return steps_ <= 0;
  }

 private:
  absl::Mutex mu_;
  int steps_ ABSL_GUARDED_BY(mu_);
  const bool last_is_done_;
};

const absl::Status kDead = absl::InternalError("the process is dead");

class MortalStore final : public KeyValueStore {
 public:
  MortalStore(KeyValueStore& disk, Death& death) : disk_(disk), death_(death) {}

  absl::StatusOr<bool> Get(absl::string_view key, std::string& value) override {
    return disk_.Get(key, value);
  }
  absl::Status GetMany(const std::vector<std::string>& keys, std::vector<std::string>& values,
                       std::vector<char>& found) override {
    return disk_.GetMany(keys, values, found);
  }
  absl::Status Write(const KeyValueBatch& batch, bool sync) override {
    const auto [is_done, is_heard] = death_.Step();
    if (is_done) {
      const absl::Status status = disk_.Write(batch, sync);
      if (!status.ok()) return status;
      Remember(batch);
    }
    return is_heard ? absl::OkStatus() : kDead;
  }
  absl::Status Scan(absl::string_view prefix,
                    absl::FunctionRef<bool(absl::string_view, absl::string_view)> visit) override {
    return disk_.Scan(prefix, visit);
  }

  // All trajectories that were ever on disk as pending.
  std::set<TrajectoryId> kept() {
    absl::MutexLock lock(&mu_);
    return kept_;
  }

 private:
  void Remember(const KeyValueBatch& batch) {
    absl::MutexLock lock(&mu_);
    for (const KeyValueBatch::Change& change : batch.changes()) {
      v1::PendingTrajectory pending;
      if (change.deletes || change.key.substr(0, 2) != "t/") continue;
      EXPECT_TRUE(pending.ParseFromString(change.value));
      kept_.insert({pending.trajectory().sources(0).client_incarnation(),
                    pending.trajectory().trajectory_numbers(0)});
    }
  }

  KeyValueStore& disk_;
  Death& death_;
  absl::Mutex mu_;
  std::set<TrajectoryId> kept_ ABSL_GUARDED_BY(mu_);
};

// The collector's; the pipeline's own inserts are no steps.
class MortalInserts final : public InsertStream {
 public:
  MortalInserts(std::unique_ptr<InsertStream> real, Death& death)
      : real_(std::move(real)), death_(death) {}
  const v1::InsertOpened& opened() const override { return real_->opened(); }
  absl::StatusOr<v1::InsertAcknowledgement> Insert(v1::InsertBatch batch) override {
    const auto [is_done, is_heard] = death_.Step();
    absl::StatusOr<v1::InsertAcknowledgement> answer = kDead;
    if (is_done) answer = real_->Insert(std::move(batch));
    return is_heard ? std::move(answer) : kDead;
  }
  void Cancel() override { real_->Cancel(); }

 private:
  const std::unique_ptr<InsertStream> real_;
  Death& death_;
};

class PendingCrashTest : public testing::Test {
 protected:
  PendingCrashTest() { EXPECT_TRUE(world_.weights.Publish(world_.Snapshot(0)).ok()); }

  std::unique_ptr<InsertStream> Inserts(uint64_t incarnation) {
    v1::InsertOpening opening;
    *opening.mutable_handshake() = world_.Handshake();
    opening.mutable_handshake()->mutable_source()->set_client_incarnation(incarnation);
    return *world_.replay->OpenInsert(opening);
  }

  // One process: rolls out so many batches, then goes on asking about what is pending until `death`
  // comes, or replay has acknowledged everything that was ever pending.
  void Live(uint64_t incarnation, int batches, Death death) {
    auto disk = OpenStore(directory_.Path("state"));
    ASSERT_TRUE(disk.ok()) << disk.status();
    MortalStore store(**disk, death);
    PendingOptions pending_options;
    pending_options.run_id = world_.identity.run_id;
    pending_options.environment_fingerprint = world_.identity.environment_fingerprint;
    pending_options.reward_shaping_hash = world_.components.shaping->hash();
    pending_options.fresh_incarnation = 1000 + incarnation;
    auto pending = PendingTrajectories::Open(store, pending_options);
    if (!pending.ok()) {  // Dead before it could begin.
      ASSERT_TRUE(death.came()) << pending.status();
      return;
    }
    LabOracle oracle(*world_.reward, 1);
    oracle.Open(batches);
    ActorOptions actor = world_.Options();
    actor.identity.incarnation = actor.stream = incarnation;
    PipelineOptions options;
    options.max_pending_batches = 1;  // Asked about in the order of rolling, as oracle.Open counts.
    options.pending = pending->get();
    options.cancel_reward = [&] { oracle.Cancel(); };
    options.open_inserts = [&](uint64_t client) {
      return std::make_unique<MortalInserts>(Inserts(client), death);
    };
    ActorPipeline* running = nullptr;
    absl::Mutex mu;
    options.on_acknowledged = [&](const v1::InsertBatch& batch) {
      absl::MutexLock lock(&mu);
      for (int i = 0; i < batch.batch().lengths_size(); ++i) {
        const int source = static_cast<int>(batch.batch().source_index(i)) - 1;
        acknowledged_.insert({batch.batch().sources(source).client_incarnation(),
                              batch.batch().trajectory_numbers(i)});
      }
    };
    auto pipeline = ActorPipeline::Create(
        actor, options, *world_.components.environment, *world_.components.MakeModel(world_.config),
        *world_.components.shaping,
        *DescribeOracle(actor, world_.components.environment->spec(), *world_.components.shaping,
                        oracle),
        oracle, world_.weights, Inserts(incarnation), NullLog());
    ASSERT_TRUE(pipeline.ok()) << pipeline.status();
    running = pipeline->get();
    absl::Status status;
    std::thread runner([&] { status = running->Run(); });
    const auto all_acknowledged = [&] {
      absl::MutexLock lock(&mu);
      const auto first = acknowledged_.lower_bound({incarnation, 0});
      const auto last = acknowledged_.lower_bound({incarnation + 1, 0});
      return std::distance(first, last) == 8 * batches;
    };
    while (!death.came() &&
           !(all_acknowledged() && (*pending)->size() + (*pending)->unacknowledged() == 0)) {
      std::this_thread::yield();
    }
    running->Cancel();
    runner.join();
    EXPECT_TRUE(status.ok() || status == kDead) << status;
    const std::set<TrajectoryId> kept = store.kept();
    kept_.insert(kept.begin(), kept.end());
  }

  // How often replay holds each trajectory.
  std::map<TrajectoryId, int> Held() {
    const auto info = *world_.replay->GetInfo({});
    std::map<TrajectoryId, int> held;
    if (info.tables(0).items() == 0) return held;
    const v1::TrajectoryBatch batch = world_.Sample(static_cast<uint32_t>(info.tables(0).items()));
    for (int i = 0; i < batch.lengths_size(); ++i) {
      const int source = static_cast<int>(batch.source_index(i)) - 1;
      ++held[{batch.sources(source).client_incarnation(), batch.trajectory_numbers(i)}];
    }
    return held;
  }

  ActorWorld world_;
  TemporaryDirectory directory_;
  std::set<TrajectoryId> kept_;
  std::set<TrajectoryId> acknowledged_;
};

struct Crash {
  int steps;
  bool last_is_done;
};

void PrintTo(const Crash& crash, std::ostream* out) {
  *out << crash.steps << (crash.last_is_done ? " steps" : " steps, the last undone");
}

class PendingCrashAtTest : public PendingCrashTest, public testing::WithParamInterface<Crash> {};

TEST_P(PendingCrashAtTest, LosesAndDoublesNoPendingTrajectory) {
  constexpr int kForever = 1 << 30;
  Live(1, 3, Death(GetParam().steps, GetParam().last_is_done));
  Live(2, 0, Death(GetParam().steps, !GetParam().last_is_done));
  Live(3, 1, Death(kForever, true));
  const std::map<TrajectoryId, int> held = Held();
  for (const auto& [id, times] : held) EXPECT_EQ(times, 1) << id.first << ", " << id.second;
  for (const TrajectoryId& id : kept_)
    EXPECT_EQ(held.count(id), 1u) << id.first << ", " << id.second;
  for (const TrajectoryId& id : acknowledged_)
    EXPECT_EQ(held.count(id), 1u) << id.first << ", " << id.second;
  EXPECT_FALSE(kept_.empty());
}

std::vector<Crash> Crashes() {
  std::vector<Crash> crashes;
  for (int steps = 1; steps <= 14; ++steps) {
    crashes.push_back({steps, false});
    crashes.push_back({steps, true});
  }
  return crashes;
}

INSTANTIATE_TEST_SUITE_P(EveryStep, PendingCrashAtTest, testing::ValuesIn(Crashes()),
                         [](const testing::TestParamInfo<Crash>& info) {
                           return absl::StrCat(info.param.last_is_done ? "After" : "Before",
                                               info.param.steps);
                         });

}  // namespace
}  // namespace anabranch
