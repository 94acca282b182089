#include "runtime/components/snapshot_codec.h"

#include <algorithm>
#include <cstring>
#include <map>
#include <memory>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/synchronization/mutex.h"
#include "runtime/error_reason.h"
#include "runtime/safetensors.h"
#include "runtime/sha256.h"

namespace anabranch {
namespace {

// One in use and one being filled are elsewhere: what is kept beside them is let go of soon after.
constexpr size_t kKeptSnapshots = 1;

std::string Shape(const std::vector<int64_t>& shape) {
  return absl::StrCat("[", absl::StrJoin(shape, ", "), "]");
}

absl::Status Mismatch(std::string message) {
  return WithReason(absl::FailedPreconditionError(std::move(message)), kReasonSchemaMismatch);
}

absl::Status CheckTensor(const ParameterSegment& segment,
                         const absl::StatusOr<TensorView>& tensor) {
  if (!tensor.ok()) {
    return Mismatch(absl::StrCat("the snapshot has no tensor '", segment.name, "' ",
                                 Shape(segment.shape), ", which this process's policy has"));
  }
  if (tensor->type == TensorType::kF32 && tensor->shape == segment.shape) return absl::OkStatus();
  return Mismatch(absl::StrCat("tensor '", segment.name, "' is ", TensorTypeName(tensor->type), " ",
                               Shape(tensor->shape), " in the snapshot, F32 ", Shape(segment.shape),
                               " in this process's policy"));
}

std::map<std::string, std::string> MetadataOf(const v1::SnapshotManifest& manifest) {
  return {{"environment_fingerprint", manifest.environment_fingerprint()},
          {"generation", absl::StrCat(manifest.policy().generation())},
          {"run_id", manifest.run_id()},
          {"step", absl::StrCat(manifest.step())},
          {"trajectories", absl::StrCat(manifest.trajectories())},
          {"version", absl::StrCat(manifest.policy().version())}};
}

}  // namespace

// Thread-safe.
struct SnapshotCodec::Pool {
  std::unique_ptr<WeightSnapshot> Take() {
    absl::MutexLock lock(&mu);
    if (unused.empty()) return nullptr;
    std::unique_ptr<WeightSnapshot> snapshot = std::move(unused.back());
    unused.pop_back();
    return snapshot;
  }
  void Give(std::unique_ptr<WeightSnapshot> snapshot) {  // Freed after the lock if it isn't kept.
    absl::MutexLock lock(&mu);
    if (unused.size() < kKeptSnapshots) unused.push_back(std::move(snapshot));
  }

  absl::Mutex mu;
  std::vector<std::unique_ptr<WeightSnapshot>> unused ABSL_GUARDED_BY(mu);
};

std::string SchemaSha256(absl::string_view schema) { return Sha256Digest(schema); }

SnapshotCodec::SnapshotCodec(const Parameters& parameters)
    : segments_(parameters.segments()),
      size_(static_cast<size_t>(parameters.values().numel())),
      schema_(parameters.Schema()),
      schema_sha256_(SchemaSha256(schema_)),
      pool_(std::make_shared<Pool>()) {}

absl::StatusOr<std::string> SnapshotCodec::Encode(const WeightSnapshot& snapshot) const {
  if (snapshot.schema != schema_ || snapshot.values.size() != size_) {
    return Mismatch(absl::StrCat("a snapshot of ", snapshot.values.size(),
                                 " floats with parameters\n", snapshot.schema,
                                 "where this policy has ", size_, " floats with\n", schema_));
  }
  std::vector<TensorView> views;
  views.reserve(segments_.size());
  for (const ParameterSegment& segment : segments_) {
    const float* data = snapshot.values.data() + segment.offset;
    views.push_back({segment.name, TensorType::kF32, segment.shape,
                     absl::string_view(reinterpret_cast<const char*>(data),
                                       static_cast<size_t>(segment.size) * sizeof(float))});
  }
  return SerializeSafetensors(views, MetadataOf(snapshot.manifest));
}

std::shared_ptr<WeightSnapshot> SnapshotCodec::Unused() const {
  std::unique_ptr<WeightSnapshot> snapshot = pool_->Take();
  if (snapshot == nullptr) {
    snapshot = std::make_unique<WeightSnapshot>();
    snapshot->schema = schema_;
    snapshot->values.resize(size_);  // Zeroes: the padding stays so.
  }
  return {snapshot.release(), [pool = pool_](WeightSnapshot* unused) {
            pool->Give(std::unique_ptr<WeightSnapshot>(unused));
          }};
}

absl::StatusOr<std::shared_ptr<const WeightSnapshot>> SnapshotCodec::Decode(
    const v1::SnapshotManifest& manifest, absl::string_view blob) const {
  auto file = SafetensorsFile::View(blob);
  if (!file.ok()) return WithReason(file.status(), kReasonCorrupt);
  std::shared_ptr<WeightSnapshot> snapshot = Unused();
  for (const ParameterSegment& segment : segments_) {
    const auto tensor = file->Find(segment.name);
    if (absl::Status status = CheckTensor(segment, tensor); !status.ok()) return status;
    std::memcpy(snapshot->values.data() + segment.offset, tensor->bytes.data(),
                tensor->bytes.size());
  }
  snapshot->manifest = manifest;
  if (file->tensors().size() == segments_.size()) return snapshot;
  for (const TensorView& tensor : file->tensors()) {
    const bool known =
        std::any_of(segments_.begin(), segments_.end(),
                    [&](const ParameterSegment& segment) { return segment.name == tensor.name; });
    if (known) continue;
    return Mismatch(absl::StrCat("the snapshot has a tensor '", tensor.name, "' ",
                                 Shape(tensor.shape), ", which this process's policy has not"));
  }
  return snapshot;
}

}  // namespace anabranch
