// Where `anabranch objects` reads from: a checkpoint, the state that a cluster's replay has saved,
// or the replay server that is running.
#ifndef ANABRANCH_CLI_OBJECTS_OBJECT_SOURCE_H_
#define ANABRANCH_CLI_OBJECTS_OBJECT_SOURCE_H_

#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "anabranch/v1/identity.pb.h"
#include "cli/objects/object_writer.h"
#include "runtime/channels.h"

namespace anabranch {

struct ObjectSource {
  std::unique_ptr<ReplayClient> replay;
  v1::Handshake handshake;  // For its queries.
  Provenance provenance;
  std::vector<std::string> warnings;  // Damaged checkpoints that were passed over.
};

// `path` is a run's directory or one checkpoint. In a cluster's directory (cluster.json) the replay
// server is asked if it answers, else its saved state is read. NOT_FOUND where there is nothing;
// otherwise as OpenRun and LoadReplayState.
absl::StatusOr<ObjectSource> OpenObjectSource(const std::string& path);

}  // namespace anabranch

#endif  // ANABRANCH_CLI_OBJECTS_OBJECT_SOURCE_H_
