// How a learner's weights leave it.
#include <ATen/Functions.h>

#include <utility>

#include "gflownet/policy/device_copy.h"
#include "learner/learner.h"

namespace anabranch {

std::shared_ptr<WeightSnapshot> Learner::DescribeSnapshot() const {
  auto snapshot = std::make_shared<WeightSnapshot>();
  v1::SnapshotManifest& manifest = snapshot->manifest;
  manifest.set_run_id(options_.identity.run_id);
  manifest.set_environment_fingerprint(options_.identity.environment_fingerprint);
  *manifest.mutable_policy() = version_;
  manifest.set_step(counters_.steps);
  manifest.set_trajectories(counters_.trajectories);
  snapshot->schema = schema_;
  return snapshot;
}

std::shared_ptr<WeightSnapshot> Learner::MakeSnapshot(const at::Tensor& values) const {
  auto snapshot = DescribeSnapshot();
  const at::Tensor here = values.to(at::kCPU);
  snapshot->values.assign(here.data_ptr<float>(), here.data_ptr<float>() + here.numel());
  return snapshot;
}

absl::Status Learner::PublishFirst() {
  if (newest_ == nullptr) newest_ = MakeSnapshot(model_.parameters->values());
  return weights_.Publish(newest_);
}

absl::Status Learner::Publish() {
  version_.set_version(version_.version() + 1);
  const at::Tensor& values = model_.parameters->values();
  if (values.is_cpu() && !options_.publish_behind) {
    newest_ = MakeSnapshot(values);
    return weights_.Publish(newest_);
  }
  pending_ = DescribeSnapshot();
  pending_values_ = StagingTensor(values.sizes(), at::kFloat, values.device());
  pending_values_.copy_(values, /*non_blocking=*/true);
  return absl::OkStatus();
}

absl::Status Learner::PublishPending(bool wait) {
  if (pending_ == nullptr) return absl::OkStatus();
  // The device does one thing after the other: what is copied now is copied after the snapshot.
  if (wait) model_.parameters->values().narrow(0, 0, 1).to(at::kCPU);
  const float* values = pending_values_.data_ptr<float>();
  pending_->values.assign(values, values + pending_values_.numel());
  newest_ = std::exchange(pending_, nullptr);
  return weights_.Publish(newest_);
}

}  // namespace anabranch
