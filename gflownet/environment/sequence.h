// Token sequences, grown at one end or at both: DNA, peptides, bit strings, strings of fragments.
#ifndef ANABRANCH_GFLOWNET_ENVIRONMENT_SEQUENCE_H_
#define ANABRANCH_GFLOWNET_ENVIRONMENT_SEQUENCE_H_

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "gflownet/environment/environment.h"

namespace anabranch {

enum class SequenceGrowth {
  kAppend,           // A tree: each sequence has one parent, and P_B = 1.
  kPrependOrAppend,  // A DAG: a sequence has up to two parents.
};

struct SequenceOptions {
  // Tokens, all of one length in bytes, so that an object decodes in one way: {"A", "C", "G", "T"},
  // or all k-bit words.
  std::vector<std::string> vocabulary;
  int64_t min_length = 0;  // In tokens; stop is legal from here on.
  int64_t max_length = 1;  // In tokens; nothing but stop is legal here.
  SequenceGrowth growth = SequenceGrowth::kAppend;

  absl::Status Validate() const;
};

// With V tokens, actions [0, V) append a token, [V, 2V) prepend one (kPrependOrAppend only), the
// last one stops. Where prepending gives what appending gives (a sequence of nothing but that
// token, the empty one included) only appending is legal. Backward action 0 removes the last token,
// 1 the first; where both give the same parent only 0 is legal. An object is its tokens,
// concatenated. Observed as multi-hot (position × (V + 1), V for padding) or as tokens.
class Sequence final : public Environment {
 public:
  static absl::StatusOr<std::unique_ptr<Sequence>> Create(const SequenceOptions& options);
  ~Sequence() override;

  const EnvironmentSpec& spec() const override { return spec_; }
  using Environment::Initial;
  std::unique_ptr<StateBatch> Initial(int64_t n) const override;
  std::unique_ptr<StateBatch> Clone(const StateBatch& states) const override;
  void Keep(StateBatch& states, std::span<const int32_t> rows) const override;
  void AppendForwardMask(const StateBatch& states, ActionMask& out) const override;
  void AppendBackwardMask(const StateBatch& states, ActionMask& out) const override;
  void AppendObservations(const StateBatch& states, ObservationBatch& out) const override;
  void Step(StateBatch& states, const ActionColumn& actions) const override;
  void StepBack(StateBatch& states, std::span<const int32_t> backward_actions) const override;
  void BackwardActions(const StateBatch& parents, std::span<const int32_t> forward_actions,
                       std::span<int32_t> out) const override;
  void ForwardActions(const StateBatch& children, std::span<const int32_t> backward_actions,
                      std::span<int32_t> out) const override;
  void AppendObjects(const StateBatch& states, std::vector<std::string>& out) const override;
  absl::StatusOr<std::unique_ptr<StateBatch>> FromObjects(
      std::span<const std::string> objects) const override;
  const StateSpace* state_space() const override { return state_space_.get(); }
  std::string ActionName(int32_t forward_action) const override;

 private:
  explicit Sequence(const SequenceOptions& options);

  SequenceOptions options_;
  int32_t tokens_;  // V
  int32_t capacity_;
  EnvironmentSpec spec_;
  absl::flat_hash_map<std::string, int32_t> token_ids_;
  std::unique_ptr<StateSpace> state_space_;
};

}  // namespace anabranch

#endif  // ANABRANCH_GFLOWNET_ENVIRONMENT_SEQUENCE_H_
