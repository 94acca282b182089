// Which learner of a run this is, so that an older one can be fenced off.
#ifndef ANABRANCH_LEARNER_RUN_GENERATION_H_
#define ANABRANCH_LEARNER_RUN_GENERATION_H_

#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "runtime/file_system.h"

namespace anabranch {

// DIR/generation, written before a learner does anything that others see: a learner that is killed
// before its first checkpoint has a successor of a higher generation all the same.
struct RunGeneration {
  std::string run_id;
  uint64_t generation = 0;  // Of the newest learner; 0 before the first.
};

// Generation 0 and no run_id where there is no file. DATA_LOSS names a file that can't be read.
absl::StatusOr<RunGeneration> ReadRunGeneration(const FileSystem& file_system,
                                                const std::string& directory);

// Takes the next generation, at least `at_least` and higher than the file's; it is on the disk when
// this returns. FAILED_PRECONDITION names both runs where the directory is another's. The directory
// exists.
absl::StatusOr<uint64_t> TakeRunGeneration(FileSystem* file_system, const std::string& directory,
                                           const std::string& run_id, uint64_t at_least);

// FAILED_PRECONDITION with reason STALE_GENERATION, naming both, once a newer learner has taken the
// directory.
absl::Status CheckRunGeneration(const FileSystem& file_system, const std::string& directory,
                                uint64_t generation);

}  // namespace anabranch

#endif  // ANABRANCH_LEARNER_RUN_GENERATION_H_
