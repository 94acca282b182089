#include "learner/trained_model.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "learner/run_directory.h"
#include "runtime/components/snapshot.h"

namespace anabranch {

absl::StatusOr<TrainedModel> LoadTrainedModel(const Checkpoint& checkpoint) {
  TrainedModel trained;
  trained.config = checkpoint.manifest.config();
  auto components = MakeRunComponents(trained.config);
  if (!components.ok()) return components.status();
  trained.components = *std::move(components);
  const EnvironmentSpec& spec = trained.components.environment->spec();
  absl::Status status = CheckOwner(checkpoint.manifest, checkpoint.path, {"", spec.fingerprint});
  if (!status.ok()) return status;
  auto model = trained.components.MakeModel(trained.config);
  if (!model.ok()) return model.status();
  trained.model = *std::move(model);
  const auto file = checkpoint.files.find(kModelFile);
  if (file == checkpoint.files.end()) {
    return absl::DataLossError(
        absl::StrCat("checkpoint ", checkpoint.path, " has no ", kModelFile));
  }
  status = DeserializeParameters(file->second, *trained.model.parameters);
  if (!status.ok()) {
    return absl::Status(
        status.code(), absl::StrCat(JoinPath(checkpoint.path, kModelFile), ": ", status.message()));
  }
  return trained;
}

}  // namespace anabranch
