// A policy without a network: one number for every state and action.
#ifndef ANABRANCH_GFLOWNET_POLICY_TABLE_POLICY_H_
#define ANABRANCH_GFLOWNET_POLICY_TABLE_POLICY_H_

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "gflownet/environment/environment.h"
#include "gflownet/policy/parameters.h"
#include "gflownet/policy/policy.h"

namespace anabranch {

// Forward and backward logits in tables, for enumerable environments: it can represent every policy
// there is, so exact flows can be loaded and losses and gradients checked against mathematics, with
// no network in between. CPU only; conditions are ignored. A state is known by its observation.
class TablePolicy final : public Policy {
 public:
  // Adds "table.forward" [states, forward actions] and "table.backward" [states, backward actions]
  // to `parameters`, which outlives the policy and is allocated by the caller before the first use:
  // zeroes, which is the uniform policy. FAILED_PRECONDITION where the environment can't be
  // enumerated, has continuous actions, has no multi-hot, dense or token observation, or shows two
  // states alike.
  static absl::StatusOr<std::unique_ptr<TablePolicy>> Create(const Environment& environment,
                                                             Parameters& parameters);

  // Makes the policy that of the given log-probabilities, [states, actions] of each direction, −∞
  // where illegal. INVALID_ARGUMENT for wrong lengths and for NaN or +∞, naming the index; then
  // nothing is changed.
  absl::Status Load(std::span<const double> log_forward, std::span<const double> log_backward);

  int64_t forward_segment() const { return forward_.segment; }
  int64_t backward_segment() const { return backward_.segment; }

  const ObservationSpec& observation() const override { return observation_; }
  // An observation of no state is a caller's error and throws c10::Error; AllLog* say NOT_FOUND.
  void SampleForward(const PolicyInput& input, const Exploration& exploration, RandomStream& random,
                     SampledActions& out) override;
  void SampleBackward(const PolicyInput& input, RandomStream& random, SampledActions& out) override;
  RowLogProbs LogProb(const StateRows& rows) override;
  absl::Status AllLogForward(const PolicyInput& input, std::vector<float>& out) override;
  absl::Status AllLogBackward(const PolicyInput& input, std::vector<float>& out) override;

 private:
  struct Table {
    int64_t segment;
    int64_t actions;
  };

  TablePolicy(const ObservationSpec& observation, int64_t num_states, const EnvironmentSpec& spec,
              Parameters& parameters);
  absl::Status IndexStates(const Environment& environment);
  // The numbers of the states that are observed.
  absl::Status FindStates(const ObservationBatch& observations, std::vector<int64_t>& out) const;
  void Sample(const Table& table, const PolicyInput& input, const Exploration& exploration,
              RandomStream& random, SampledActions& out);
  absl::Status AllLog(const Table& table, const PolicyInput& input, std::vector<float>& out);

  ObservationSpec observation_;
  int64_t num_states_;
  Parameters& parameters_;
  Table forward_;
  Table backward_;
  absl::flat_hash_map<std::string, int64_t> states_;  // By the bytes of their observations.
  std::vector<int64_t> found_;                        // Scratch of FindStates.
  std::vector<float> weights_;                        // Scratch of SampleLegal.
};

}  // namespace anabranch

#endif  // ANABRANCH_GFLOWNET_POLICY_TABLE_POLICY_H_
