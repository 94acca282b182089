// Who a run is.
#ifndef ANABRANCH_RUNTIME_COMPONENTS_RUN_IDENTITY_H_
#define ANABRANCH_RUNTIME_COMPONENTS_RUN_IDENTITY_H_

#include <cstdint>
#include <string>

#include "absl/strings/string_view.h"

namespace anabranch {

// What stands on everything that a run stores or sends, so that nothing of another run or another
// environment is mistaken for its own.
struct RunIdentity {
  std::string run_id;
  std::string environment_fingerprint;
  // Distinguishes one start of a process from the next.
  uint64_t incarnation = 0;
};

// Drawn from the system's randomness: "hypergrid-8x8-5f0c2a9be1d47730".
std::string FreshRunId(absl::string_view run_name);
// Never 0.
uint64_t FreshIncarnation();

// The same for the same configuration (`config` is its text), for runs that repeat byte by byte.
std::string RepeatableRunId(absl::string_view run_name, absl::string_view config);
uint64_t RepeatableIncarnation(absl::string_view run_id);

}  // namespace anabranch

#endif  // ANABRANCH_RUNTIME_COMPONENTS_RUN_IDENTITY_H_
