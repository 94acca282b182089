#include "gflownet/environment/hypergrid.h"

#include <algorithm>
#include <charconv>
#include <utility>

#include "absl/strings/str_cat.h"
#include "gflownet/environment/quoted.h"
#include "gflownet/environment/state_space_limit.h"
#include "gflownet/seeded_fault.h"

namespace anabranch {
namespace {

struct GridStates final : public StateBatch {
  GridStates(int32_t dimensions, int64_t n) : dimensions(dimensions), cells(n * dimensions, 0) {}
  int64_t size() const override { return static_cast<int64_t>(cells.size()) / dimensions; }

  int32_t dimensions;
  std::vector<int32_t> cells;  // [n, dimensions]
};

const GridStates& AsGrid(const StateBatch& states) {
  return static_cast<const GridStates&>(states);
}
GridStates& AsGrid(StateBatch& states) { return static_cast<GridStates&>(states); }

// side^dimensions, or a number above the limit when that would be more.
int64_t CountCells(const HypergridOptions& options) {
  int64_t cells = 1;
  for (int64_t d = 0; d < options.dimensions && cells <= kMaxEnumerableStates; ++d) {
    cells *= options.side;
  }
  return cells;
}

// Cells in lexicographic order: adding to a coordinate makes the number greater, so the order is
// topological.
class GridSpace final : public StateSpace {
 public:
  GridSpace(const HypergridOptions& options, int64_t num_states)
      : dimensions_(static_cast<int32_t>(options.dimensions)),
        side_(static_cast<int32_t>(options.side)),
        num_states_(num_states) {}

  int64_t num_states() const override { return num_states_; }

  std::unique_ptr<StateBatch> States(int64_t begin, int64_t end) const override {
    auto states = std::make_unique<GridStates>(dimensions_, end - begin);
    for (int64_t i = begin; i < end; ++i) {
      int64_t rest = i;
      int32_t* cell = states->cells.data() + (i - begin) * dimensions_;
      for (int32_t d = dimensions_ - 1; d >= 0; --d, rest /= side_) {
        cell[d] = static_cast<int32_t>(rest % side_);
      }
    }
    return states;
  }

  void Indices(const StateBatch& states, std::span<int64_t> out) const override {
    const int32_t* cell = AsGrid(states).cells.data();
    for (int64_t& index : out) {
      index = 0;
      for (int32_t d = 0; d < dimensions_; ++d) index = index * side_ + cell[d];
      cell += dimensions_;
    }
  }

 private:
  int32_t dimensions_;
  int32_t side_;
  int64_t num_states_;
};

}  // namespace

absl::Status HypergridOptions::Validate() const {
  constexpr int64_t kMaxWidth = 1 << 20;
  if (dimensions < 1 || dimensions > kMaxWidth) {
    return absl::InvalidArgumentError(absl::StrCat("environment.hypergrid.dimensions is ",
                                                   dimensions, "; give 1 to ", kMaxWidth));
  }
  if (side < 2 || side > kMaxWidth / dimensions) {
    return absl::InvalidArgumentError(absl::StrCat("environment.hypergrid.side is ", side,
                                                   "; give 2 to ", kMaxWidth / dimensions));
  }
  return absl::OkStatus();
}

absl::StatusOr<std::unique_ptr<Hypergrid>> Hypergrid::Create(const HypergridOptions& options) {
  if (absl::Status status = options.Validate(); !status.ok()) return status;
  return std::unique_ptr<Hypergrid>(new Hypergrid(options));
}

Hypergrid::Hypergrid(const HypergridOptions& options)
    : dimensions_(static_cast<int32_t>(options.dimensions)),
      side_(static_cast<int32_t>(options.side)) {
  spec_.fingerprint = absl::StrCat("hypergrid/1.0.0 dimensions=", dimensions_, " side=", side_);
  spec_.object_format = "grid-coordinates";
  spec_.num_forward_actions = dimensions_ + 1;
  spec_.num_backward_actions = dimensions_;
  spec_.stop_action = dimensions_;
  spec_.max_trajectory_length = options.dimensions * (options.side - 1) + 1;
  ObservationSpec multi_hot;
  multi_hot.kind = ObservationKind::kMultiHot;
  multi_hot.width = options.dimensions * options.side;
  multi_hot.hot_per_row = dimensions_;
  ObservationSpec dense;
  dense.kind = ObservationKind::kDense;
  dense.width = multi_hot.width;
  spec_.observations = {multi_hot, dense};
  const int64_t cells = CountCells(options);
  if (cells <= kMaxEnumerableStates) state_space_ = std::make_unique<GridSpace>(options, cells);
}

Hypergrid::~Hypergrid() = default;

std::unique_ptr<StateBatch> Hypergrid::Initial(int64_t n) const {
  return std::make_unique<GridStates>(dimensions_, n);
}

std::unique_ptr<StateBatch> Hypergrid::Clone(const StateBatch& states) const {
  return std::make_unique<GridStates>(AsGrid(states));
}

void Hypergrid::Keep(StateBatch& states, std::span<const int32_t> rows) const {
  std::vector<int32_t>& cells = AsGrid(states).cells;
  int32_t* to = cells.data();
  for (const int32_t row : rows) {
    to = std::copy_n(cells.data() + static_cast<int64_t>(row) * dimensions_, dimensions_, to);
  }
  cells.resize(rows.size() * dimensions_);
}

void Hypergrid::AppendForwardMask(const StateBatch& states, ActionMask& out) const {
  const GridStates& grid = AsGrid(states);
  const size_t begin = out.dense.size();
  out.dense.resize(begin + grid.size() * (dimensions_ + 1));
  uint8_t* legal = out.dense.data() + begin;
  const int32_t* cell = grid.cells.data();
  for (int64_t i = 0; i < grid.size(); ++i) {
    for (int32_t d = 0; d < dimensions_; ++d) *legal++ = *cell++ < side_ - 1;
    *legal++ = 1;
  }
  out.rows += grid.size();
}

void Hypergrid::AppendBackwardMask(const StateBatch& states, ActionMask& out) const {
  const GridStates& grid = AsGrid(states);
  const size_t begin = out.dense.size();
  out.dense.resize(begin + grid.cells.size());
  uint8_t* legal = out.dense.data() + begin;
  for (const int32_t coordinate : grid.cells) {
    *legal++ = coordinate > (IsSeeded(SeededFault::kBackwardMaskOffByOne) ? 1 : 0);
  }
  out.rows += grid.size();
}

void Hypergrid::AppendObservations(const StateBatch& states, ObservationBatch& out) const {
  const GridStates& grid = AsGrid(states);
  const int32_t* cell = grid.cells.data();
  if (out.spec.kind == ObservationKind::kMultiHot) {
    const size_t begin = out.hot.size();
    out.hot.resize(begin + grid.cells.size());
    int32_t* hot = out.hot.data() + begin;
    for (int64_t i = 0; i < grid.size(); ++i) {
      for (int32_t d = 0; d < dimensions_; ++d) *hot++ = d * side_ + *cell++;
    }
  } else {
    const size_t begin = out.dense.size();
    out.dense.resize(begin + grid.cells.size() * side_, 0.0f);
    float* dense = out.dense.data() + begin;
    for (size_t i = 0; i < grid.cells.size(); ++i, dense += side_) dense[cell[i]] = 1.0f;
  }
  out.rows += grid.size();
}

void Hypergrid::Step(StateBatch& states, const ActionColumn& actions) const {
  int32_t* cell = AsGrid(states).cells.data();
  for (const int32_t action : actions.ids) {
    if (action != spec_.stop_action) ++cell[action];
    cell += dimensions_;
  }
}

void Hypergrid::StepBack(StateBatch& states, std::span<const int32_t> backward_actions) const {
  int32_t* cell = AsGrid(states).cells.data();
  for (const int32_t action : backward_actions) {
    --cell[action];
    cell += dimensions_;
  }
}

void Hypergrid::BackwardActions(const StateBatch& /*parents*/,
                                std::span<const int32_t> forward_actions,
                                std::span<int32_t> out) const {
  std::transform(forward_actions.begin(), forward_actions.end(), out.begin(),
                 [this](int32_t a) { return a == spec_.stop_action ? kNoAction : a; });
}

void Hypergrid::ForwardActions(const StateBatch& /*children*/,
                               std::span<const int32_t> backward_actions,
                               std::span<int32_t> out) const {
  std::copy(backward_actions.begin(), backward_actions.end(), out.begin());
}

void Hypergrid::AppendObjects(const StateBatch& states, std::vector<std::string>& out) const {
  const GridStates& grid = AsGrid(states);
  const int32_t* cell = grid.cells.data();
  for (int64_t i = 0; i < grid.size(); ++i) {
    std::string object;
    for (int32_t d = 0; d < dimensions_; ++d) {
      if (d > 0) object.push_back(' ');
      char digits[12];
      object.append(digits, std::to_chars(digits, digits + sizeof(digits), *cell++).ptr);
    }
    out.push_back(std::move(object));
  }
}

absl::StatusOr<std::unique_ptr<StateBatch>> Hypergrid::FromObjects(
    std::span<const std::string> objects) const {
  auto states = std::make_unique<GridStates>(dimensions_, static_cast<int64_t>(objects.size()));
  for (size_t i = 0; i < objects.size(); ++i) {
    const std::span<int32_t> cell(states->cells.data() + i * dimensions_, dimensions_);
    const std::string wrong = ParseHypergridObject(objects[i], side_, cell);
    if (!wrong.empty()) {
      return absl::InvalidArgumentError(
          absl::StrCat("objects[", i, "] is ", Quoted(objects[i]), ": ", wrong));
    }
  }
  return states;
}

std::string Hypergrid::ActionName(int32_t forward_action) const {
  if (forward_action == spec_.stop_action) return "stop";
  return absl::StrCat("increment dimension ", forward_action);
}

std::string ParseHypergridObject(std::string_view object, int32_t side,
                                 std::span<int32_t> coordinates) {
  const char* at = object.data();
  const char* const end = at + object.size();
  for (size_t d = 0; d < coordinates.size(); ++d) {
    if (d > 0 && (at == end || *at++ != ' ')) {
      return absl::StrCat("expected ", coordinates.size(),
                          " coordinates separated by single spaces");
    }
    const auto [after, error] = std::from_chars(at, end, coordinates[d]);
    const bool canonical = error == std::errc() && *at != '-' && (*at != '0' || after == at + 1);
    if (!canonical) return absl::StrCat("coordinate ", d, " is not a plain decimal number");
    if (coordinates[d] >= side) {
      return absl::StrCat("coordinate ", d, " is ", coordinates[d], ", and the side is ", side);
    }
    at = after;
  }
  return at == end ? "" : absl::StrCat("more follows after ", coordinates.size(), " coordinates");
}

}  // namespace anabranch
