// What a checkpoint keeps of a learner.
#include <ATen/Functions.h>

#include <algorithm>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "learner/learner.h"
#include "learner/run_directory.h"
#include "runtime/components/snapshot.h"

namespace anabranch {
namespace {

// The snapshot that actors have, where it isn't the model itself.
constexpr char kPublishedFile[] = "published.safetensors";

struct NamedCounter {
  const char* name;
  int64_t LearnerCounters::* value;
};

constexpr NamedCounter kCounters[] = {
    {"learner/illegal_trajectories", &LearnerCounters::illegal},
    {"learner/left_out_trajectories", &LearnerCounters::left_out},
    {"learner/non_finite_batches", &LearnerCounters::non_finite},
    {"learner/steps", &LearnerCounters::steps},
    {"learner/trajectories", &LearnerCounters::trajectories},
    {"learner/transitions", &LearnerCounters::transitions},
};

absl::StatusOr<absl::string_view> FindFile(const Checkpoint& checkpoint, absl::string_view name) {
  const auto file = checkpoint.files.find(std::string(name));
  if (file != checkpoint.files.end()) return file->second;
  return absl::DataLossError(absl::StrCat("checkpoint ", checkpoint.path, " has no ", name));
}

absl::Status InFile(const Checkpoint& checkpoint, absl::string_view name,
                    const absl::Status& status) {
  if (status.ok()) return status;
  return absl::Status(status.code(),
                      absl::StrCat(JoinPath(checkpoint.path, name), ": ", status.message()));
}

absl::Status RestoreModel(const Checkpoint& checkpoint, const Parameters& parameters) {
  auto model = FindFile(checkpoint, kModelFile);
  if (!model.ok()) return model.status();
  return InFile(checkpoint, kModelFile, DeserializeParameters(*model, parameters));
}

absl::Status RestoreOptimizer(const Checkpoint& checkpoint, const Parameters& parameters,
                              Adam& adam) {
  auto file = FindFile(checkpoint, kOptimizerFile);
  if (!file.ok()) return file.status();
  std::map<std::string, std::string> metadata;
  absl::Status status = DeserializeSegments(
      *file, parameters, {{"first.", adam.first_moment()}, {"second.", adam.second_moment()}},
      &metadata);
  int64_t step = 0;
  if (status.ok() && !absl::SimpleAtoi(metadata["step"], &step)) {
    status = absl::DataLossError(absl::StrCat("its step is '", metadata["step"], "'"));
  }
  if (status.ok()) adam.set_step(step);
  return InFile(checkpoint, kOptimizerFile, status);
}

}  // namespace

double Learner::rate_factor() { return learning_rate_.Factor(training_.optimizer().step()); }

absl::Status Learner::Save(v1::CheckpointManifest& manifest,
                           std::map<std::string, std::string>& files) {
  if (absl::Status status = PublishPending(/*wait=*/true); !status.ok()) return status;
  manifest.set_run_id(options_.identity.run_id);
  manifest.set_environment_fingerprint(options_.identity.environment_fingerprint);
  manifest.set_step(counters_.steps);
  manifest.set_generation(version_.generation());
  manifest.set_version(version_.version());
  manifest.set_reward_shaping_hash(shaping_.hash());
  for (const NamedCounter& counter : kCounters) {
    AddCounter(manifest, counter.name, counters_.*counter.value);
  }
  const Parameters& parameters = *model_.parameters;
  const std::map<std::string, std::string> metadata = {
      {"environment_fingerprint", options_.identity.environment_fingerprint},
      {"run_id", options_.identity.run_id},
      {"step", absl::StrCat(counters_.steps)},
  };
  auto model = SerializeParameters(parameters, metadata);
  if (!model.ok()) return model.status();
  files[kModelFile] = *std::move(model);
  if (newest_ != nullptr && counters_.steps % options_.publish_every_steps != 0) {
    const at::Tensor published =
        at::from_blob(const_cast<float*>(newest_->values.data()),  // Read only.
                      {static_cast<int64_t>(newest_->values.size())}, at::kFloat);
    auto file = SerializeSegments(parameters, {{"", published}}, metadata);
    if (!file.ok()) return file.status();
    files[kPublishedFile] = *std::move(file);
  }
  Adam& adam = training_.optimizer();
  auto optimizer = SerializeSegments(
      parameters, {{"first.", adam.first_moment()}, {"second.", adam.second_moment()}},
      {{"step", absl::StrCat(adam.step())}});
  if (!optimizer.ok()) return optimizer.status();
  files[kOptimizerFile] = *std::move(optimizer);
  return absl::OkStatus();
}

absl::Status Learner::Restore(const Checkpoint& checkpoint, bool repeat) {
  const v1::CheckpointManifest& manifest = checkpoint.manifest;
  const CheckpointOwner owner{options_.identity.run_id, options_.identity.environment_fingerprint};
  absl::Status status = CheckOwner(manifest, checkpoint.path, owner);
  if (status.ok()) status = RestoreModel(checkpoint, *model_.parameters);
  if (status.ok()) {
    status = RestoreOptimizer(checkpoint, *model_.parameters, training_.optimizer());
  }
  if (!status.ok()) return status;
  for (const NamedCounter& counter : kCounters) {
    counters_.*counter.value = FindCounter(manifest, counter.name);
  }
  version_.set_generation(repeat ? manifest.generation()
                                 : std::max(manifest.generation() + 1, options_.generation));
  version_.set_version(repeat ? manifest.version() : 0);
  newest_ = pending_ = nullptr;
  if (!repeat || checkpoint.files.count(kPublishedFile) == 0) return absl::OkStatus();
  const at::Tensor published = at::zeros_like(model_.parameters->values());
  status = InFile(checkpoint, kPublishedFile,
                  DeserializeSegments(checkpoint.files.at(kPublishedFile), *model_.parameters,
                                      {{"", published}}));
  if (status.ok()) newest_ = MakeSnapshot(published);
  return status;
}

}  // namespace anabranch
