// A closed-form reward on sequences: how near the nearest of a set of hidden modes is.
#ifndef ANABRANCH_GFLOWNET_ENVIRONMENT_SEQUENCE_REWARD_H_
#define ANABRANCH_GFLOWNET_ENVIRONMENT_SEQUENCE_REWARD_H_

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "gflownet/environment/reward_function.h"

namespace anabranch {

// Modes are concatenations of randomly drawn blocks, all distinct. Bit sequences (arXiv 2201.13259,
// 5.2) take BitSequenceBlocks(); any other alphabet can take its letters as blocks.
struct SequenceRewardOptions {
  std::vector<std::string> blocks;  // Distinct, of one length.
  int64_t length = 0;               // Letters of a mode, a multiple of a block's.
  int64_t num_modes = 60;
  uint64_t seed = 0;
  double scale = 1.0;           // What the distance is divided by.
  int64_t found_distance = 30;  // An object nearer to a mode than this has found it.

  absl::Status Validate() const;
};

// The five blocks of the bit-sequence task.
std::vector<std::string> BitSequenceBlocks();

// One objective, "negative_distance" = −d / scale, a log-reward before the exponent. d is the
// Hamming distance to the nearest mode; every letter that an object is shorter or longer counts as
// one. The bounds are those of objects no longer than a mode. β is reward shaping's exponent.
class SequenceReward final : public RewardFunction {
 public:
  static absl::StatusOr<std::unique_ptr<SequenceReward>> Create(
      const SequenceRewardOptions& options);

  const std::string& fingerprint() const override { return fingerprint_; }
  std::span<const ObjectiveInfo> objectives() const override { return {&objective_, 1}; }
  void Evaluate(std::span<const std::string> objects, RewardColumns& out) const override;
  int64_t num_modes() const override { return static_cast<int64_t>(modes_.size()); }
  int64_t ModeOf(const std::string& object) const override;

  const std::vector<std::string>& modes() const { return modes_; }

 private:
  explicit SequenceReward(const SequenceRewardOptions& options);

  struct Nearest {
    int64_t mode;
    int64_t distance;
  };
  Nearest FindNearest(std::string_view object) const;

  SequenceRewardOptions options_;
  std::string fingerprint_;
  ObjectiveInfo objective_;
  std::vector<std::string> modes_;
};

}  // namespace anabranch

#endif  // ANABRANCH_GFLOWNET_ENVIRONMENT_SEQUENCE_REWARD_H_
