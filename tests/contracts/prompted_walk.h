// An environment and a policy that use all of the contracts that grids and strings leave unused:
// prompts, token observations of varying length, continuous actions, conditions.
#ifndef ANABRANCH_TESTS_CONTRACTS_PROMPTED_WALK_H_
#define ANABRANCH_TESTS_CONTRACTS_PROMPTED_WALK_H_

#include <memory>
#include <span>
#include <string>
#include <vector>

#include "gflownet/environment/environment.h"
#include "gflownet/policy/model.h"
#include "gflownet/policy/policy.h"

namespace anabranch {

// A walk on the line that begins with a prompt, a word over 'a'–'h'. Action 0 moves by a real
// number, action 1 stops; at most three moves. Seen as the prompt's letters (tokens 0–7) followed
// by token 8 for each move. An object is "word:x", where x is the sum of moves.
class PromptedWalk final : public Environment {
 public:
  static constexpr int32_t kMove = 0;
  static constexpr int32_t kStop = 1;
  static constexpr int64_t kMaxMoves = 3;
  static constexpr int64_t kVocabulary = 9;

  PromptedWalk();
  const EnvironmentSpec& spec() const override { return spec_; }
  absl::StatusOr<std::unique_ptr<StateBatch>> Initial(
      int64_t n, std::span<const std::string> prompts) const override;
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
  std::string ActionName(int32_t forward_action) const override;

 private:
  EnvironmentSpec spec_;
};

// With h = the mean of the tokens' embeddings and c the condition [2]:
//   a move is drawn from N(h + c · direction, 1), stop has logit stop · h, moving has logit 0.
struct PromptedWalkModel {
  static constexpr int64_t kConditionWidth = 2;
  static Model Make();  // Parameters "embedding" [9], "direction" [2], "stop" [1], "log_z" [1].
};

// log P_F of a trajectory in double and by hand: what the policy must agree with. `tokens` is its
// prompt, `moves` its values; parameters in the order above.
double WalkLogPf(const std::string& prompt, const std::vector<double>& moves,
                 const std::vector<double>& condition, const std::vector<double>& embedding,
                 const std::vector<double>& direction, double stop);

}  // namespace anabranch

#endif  // ANABRANCH_TESTS_CONTRACTS_PROMPTED_WALK_H_
