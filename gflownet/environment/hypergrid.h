// The hypergrid: the corner-to-anywhere walk that GFlowNets are measured on (arXiv
// 2106.04399, 4.1).
#ifndef ANABRANCH_GFLOWNET_ENVIRONMENT_HYPERGRID_H_
#define ANABRANCH_GFLOWNET_ENVIRONMENT_HYPERGRID_H_

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "gflownet/environment/environment.h"

namespace anabranch {

struct HypergridOptions {
  int64_t dimensions = 2;
  int64_t side = 8;

  absl::Status Validate() const;
};

// States are cells s ∈ {0 … side−1}^dimensions, the source is 0. Action d adds 1 to coordinate d
// and is illegal at side−1; action `dimensions` stops, anywhere. Backward action d takes 1 away and
// is legal if s_d > 0. Objects are the coordinates in decimal, separated by single spaces: "0 3 7
// 1". Observed as multi-hot or dense one-hot coordinates, width dimensions × side.
class Hypergrid final : public Environment {
 public:
  static absl::StatusOr<std::unique_ptr<Hypergrid>> Create(const HypergridOptions& options);
  ~Hypergrid() override;

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
  explicit Hypergrid(const HypergridOptions& options);

  int32_t dimensions_;
  int32_t side_;
  EnvironmentSpec spec_;
  std::unique_ptr<StateSpace> state_space_;  // Null above kMaxEnumerableStates cells.
};

// Reads an object into `coordinates`, which has one entry per dimension. The canonical form only:
// no signs, no leading zeros, single spaces. Returns what is wrong, or an empty string.
std::string ParseHypergridObject(std::string_view object, int32_t side,
                                 std::span<int32_t> coordinates);

}  // namespace anabranch

#endif  // ANABRANCH_GFLOWNET_ENVIRONMENT_HYPERGRID_H_
