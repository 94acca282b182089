// What an actor lives in, for tests: a small grid, the real reward and replay services, weights.
#ifndef ANABRANCH_TESTS_ACTOR_ACTOR_WORLD_H_
#define ANABRANCH_TESTS_ACTOR_ACTOR_WORLD_H_

#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "actor/actor_options.h"
#include "cli/train/in_process_channels.h"
#include "replay/replay_service.h"
#include "reward/reward_service.h"
#include "runtime/channels.h"
#include "runtime/components/run_components.h"
#include "runtime/config.h"

namespace anabranch {

// No learner and no pacing: replay takes whatever comes, in order.
struct ActorWorld {
  ActorWorld() {
    config = *ParseRunConfig(R"(
environment: {hypergrid: {dimensions: 2, side: 4}}
policy: {mlp: {hidden_layers: 1, hidden_width: 8}}
learner: {batch_trajectories: 8}
)",
                             "test.yaml");
    components = *MakeRunComponents(config);
    identity = {"run-a", components.environment->spec().fingerprint, 42};
    RewardServiceOptions options;
    options.name = "grid";
    options.accepted_formats = {components.environment->spec().object_format};
    reward = *RewardService::Create(options, components.reward);
    MakeReplay(0);
  }

  // With `samples_per_insert` 0 nothing is paced.
  void MakeReplay(double samples_per_insert) {
    auto options =
        ReplayServiceOptions::FromConfig(config, identity.run_id, identity.environment_fingerprint);
    options.tables[0].pacing.samples_per_insert = samples_per_insert;
    if (samples_per_insert == 0) options.tables[0].pacing = {};
    replay = *ReplayService::Create(options);
  }

  std::unique_ptr<InsertStream> Inserts() {
    v1::InsertOpening opening;
    *opening.mutable_handshake() = Handshake();
    return *replay->OpenInsert(opening);
  }

  v1::Handshake Handshake() const {
    v1::Handshake handshake;
    handshake.set_run_id(identity.run_id);
    handshake.set_environment_fingerprint(identity.environment_fingerprint);
    handshake.mutable_source()->set_client_incarnation(identity.incarnation);
    return handshake;
  }

  ActorOptions Options() const {
    ActorOptions options;
    options.identity = identity;
    options.rollout_trajectories = 8;
    return options;
  }

  std::shared_ptr<WeightSnapshot> Snapshot(uint64_t version) const {
    Model model = *components.MakeModel(config);
    auto snapshot = std::make_shared<WeightSnapshot>();
    snapshot->manifest.set_run_id(identity.run_id);
    snapshot->manifest.set_environment_fingerprint(identity.environment_fingerprint);
    snapshot->manifest.mutable_policy()->set_generation(1);
    snapshot->manifest.mutable_policy()->set_version(version);
    snapshot->schema = model.parameters->Schema();
    const at::Tensor& values = model.parameters->values();
    snapshot->values.assign(values.data_ptr<float>(), values.data_ptr<float>() + values.numel());
    return snapshot;
  }

  // The next of what replay holds, oldest first.
  v1::TrajectoryBatch Sample(uint32_t trajectories) {
    v1::SampleOpening opening;
    *opening.mutable_handshake() = Handshake();
    opening.set_batch_trajectories(trajectories);
    *opening.add_mixture() = MixtureFromConfig(config.replay())[0];
    auto stream = *replay->OpenSample(opening);
    return (*stream->TryNext())->batch();
  }

  v1::RunConfig config;
  RunComponents components;
  RunIdentity identity;
  std::unique_ptr<RewardService> reward;
  std::unique_ptr<ReplayService> replay;
  InProcessWeights weights;
};

// An oracle that does to its callers what a hostile or unlucky one may. Thread-safe.
class HostileOracle final : public RewardClient {
 public:
  // Called with the number of the call, from 0, the request, and the true answer.
  using Answer = std::function<absl::StatusOr<v1::EvaluateResponse>(
      int call, const v1::EvaluateRequest& request, v1::EvaluateResponse truth)>;

  HostileOracle(RewardClient& honest, Answer answer)
      : honest_(honest), answer_(std::move(answer)) {}

  absl::StatusOr<v1::DescribeResponse> Describe(const v1::DescribeRequest& request) override {
    return honest_.Describe(request);
  }

  absl::StatusOr<v1::EvaluateResponse> Evaluate(const v1::EvaluateRequest& request) override {
    int call;
    {
      absl::MutexLock lock(&mu_);
      call = static_cast<int>(requests_.size());
      requests_.push_back(request);
      most_inside_ = std::max(most_inside_, ++inside_);
      const auto open = [this, call]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) { return call < open_; };
      mu_.Await(absl::Condition(&open));
    }
    v1::EvaluateRequest plain = request;
    auto truth = honest_.Evaluate(plain);
    auto answer = truth.ok() ? answer_(call, request, *std::move(truth)) : std::move(truth);
    absl::MutexLock lock(&mu_);
    --inside_;
    return answer;
  }

  // Lets the first `calls` calls through; the others wait.
  void Open(int calls) {
    absl::MutexLock lock(&mu_);
    open_ = calls;
  }
  void AwaitCalls(int calls) {
    absl::MutexLock lock(&mu_);
    const auto came = [this, calls]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) {
      return static_cast<int>(requests_.size()) >= calls;
    };
    mu_.Await(absl::Condition(&came));
  }
  std::vector<v1::EvaluateRequest> requests() {
    absl::MutexLock lock(&mu_);
    return requests_;
  }
  int most_inside() {
    absl::MutexLock lock(&mu_);
    return most_inside_;
  }

 private:
  RewardClient& honest_;
  const Answer answer_;
  absl::Mutex mu_;
  int open_ ABSL_GUARDED_BY(mu_) = 1 << 30;
  int inside_ ABSL_GUARDED_BY(mu_) = 0;
  int most_inside_ ABSL_GUARDED_BY(mu_) = 0;
  std::vector<v1::EvaluateRequest> requests_ ABSL_GUARDED_BY(mu_);
};

inline absl::StatusOr<v1::EvaluateResponse> Honest(int, const v1::EvaluateRequest&,
                                                   v1::EvaluateResponse truth) {
  return truth;
}

}  // namespace anabranch

#endif  // ANABRANCH_TESTS_ACTOR_ACTOR_WORLD_H_
