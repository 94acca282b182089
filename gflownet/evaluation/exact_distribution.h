// What a policy has learned, exactly: the probability of every terminal state, without sampling.
#ifndef ANABRANCH_GFLOWNET_EVALUATION_EXACT_DISTRIBUTION_H_
#define ANABRANCH_GFLOWNET_EVALUATION_EXACT_DISTRIBUTION_H_

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "gflownet/environment/environment.h"
#include "gflownet/evaluation/transition_table.h"
#include "gflownet/policy/policy.h"

namespace anabranch {

// Enumerates an environment once and then evaluates any number of policies on it. An empirical
// histogram has a noise floor even for a perfect sampler; this has none. One thread uses it at a
// time.
class ExactEvaluator {
 public:
  // `observation` is the kind that the policies will ask for (Policy::observation). The environment
  // outlives the evaluator. Errors are those of BuildTransitionTable.
  static absl::StatusOr<std::unique_ptr<ExactEvaluator>> Create(const Environment& environment,
                                                                const ObservationSpec& observation);
  ~ExactEvaluator();

  // [num_states] log p(x) of every state as the terminal state, −∞ where stop is illegal or never
  // taken: u(s') = Σ u(s) P_F(s'|s), p(x) = u(x) P_F(stop|x), in double. `condition` is what the
  // policy is conditioned on, the same in every state.
  //
  // Rows of P_F are normalised again in double, because float log-probabilities under large logits
  // sum to 1 only to 1e-5, and the sampler draws from the normalised ones. INTERNAL, naming the
  // state, where a row is off by more than 1e-3, holds a NaN or gives an illegal action a
  // probability, and where the total mass is off by more than 1e-6. Below e^−745, u(x) counts as 0.
  absl::StatusOr<std::vector<double>> LogDistribution(Policy& policy,
                                                      std::span<const float> condition = {});

  const TransitionTable& transitions() const { return transitions_; }
  int64_t num_states() const { return transitions_.num_states; }
  // [num_states] see TerminalObjects. Made on the first call and kept.
  const std::vector<std::string>& objects();

 private:
  struct Chunk;

  ExactEvaluator(const Environment& environment, TransitionTable transitions);
  // Pushes the mass of the chunk's states on to their children.
  absl::Status Push(const Chunk& chunk, std::span<const float> log_forward, std::span<double> mass,
                    std::span<double> log_terminal) const;

  const Environment& environment_;
  TransitionTable transitions_;
  std::vector<Chunk> chunks_;  // Observations and masks of all states, in order.
  std::vector<std::string> objects_;
};

}  // namespace anabranch

#endif  // ANABRANCH_GFLOWNET_EVALUATION_EXACT_DISTRIBUTION_H_
