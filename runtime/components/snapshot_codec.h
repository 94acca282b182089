// Between the floats of a snapshot and the file that travels.
#ifndef ANABRANCH_RUNTIME_COMPONENTS_SNAPSHOT_CODEC_H_
#define ANABRANCH_RUNTIME_COMPONENTS_SNAPSHOT_CODEC_H_

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "anabranch/v1/weights.pb.h"
#include "gflownet/policy/parameters.h"
#include "runtime/channels.h"

namespace anabranch {

// SHA-256 of Parameters::Schema(): what a manifest says of the network.
std::string SchemaSha256(absl::string_view schema);

// Knows where a model's parameters lie, and nothing of their values, so that it works beside a
// model that is being trained. Thread-safe.
class SnapshotCodec {
 public:
  explicit SnapshotCodec(const Parameters& parameters);

  const std::string& schema() const { return schema_; }
  const std::string& schema_sha256() const { return schema_sha256_; }

  // The snapshot as a safetensors file: a tensor for each parameter, under its name; who and what
  // as metadata. Equal snapshots give equal bytes. FAILED_PRECONDITION with reason SCHEMA_MISMATCH
  // for one of another network.
  absl::StatusOr<std::string> Encode(const WeightSnapshot& snapshot) const;

  // The reverse, into a snapshot without blob. DATA_LOSS with reason CORRUPT for bytes that are no
  // such file; FAILED_PRECONDITION with reason SCHEMA_MISMATCH names the first parameter that is
  // missing, has another shape or type, or that the model doesn't have. Snapshots that nobody uses
  // any more are filled again: large ones cost more to allocate than to copy.
  absl::StatusOr<std::shared_ptr<const WeightSnapshot>> Decode(const v1::SnapshotManifest& manifest,
                                                               absl::string_view blob) const;

 private:
  struct Pool;

  std::shared_ptr<WeightSnapshot> Unused() const;

  const std::vector<ParameterSegment> segments_;
  const size_t size_;  // Floats, padding included.
  const std::string schema_;
  const std::string schema_sha256_;
  const std::shared_ptr<Pool> pool_;  // Snapshots may outlive the codec.
};

}  // namespace anabranch

#endif  // ANABRANCH_RUNTIME_COMPONENTS_SNAPSHOT_CODEC_H_
