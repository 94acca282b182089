#include "tests/gflownet/environment/state_looks.h"

#include <algorithm>
#include <set>
#include <span>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"

namespace anabranch {
namespace {

template <typename T>
std::string Bytes(const std::vector<T>& column, int64_t begin, int64_t end) {
  return {reinterpret_cast<const char*>(column.data() + begin),
          static_cast<size_t>(end - begin) * sizeof(T)};
}

std::string MaskRow(const ActionMask& mask, int64_t row) {
  std::string text;
  for (int32_t a = 0; a < mask.num_actions; ++a) text.push_back(mask.IsLegal(row, a) ? '1' : '0');
  return text;
}

std::string ObservationRow(const ObservationBatch& batch, int64_t row) {
  const ObservationSpec& spec = batch.spec;
  switch (spec.kind) {
    case ObservationKind::kMultiHot:
      return Bytes(batch.hot, row * spec.hot_per_row, (row + 1) * spec.hot_per_row);
    case ObservationKind::kDense:
      return Bytes(batch.dense, row * spec.width, (row + 1) * spec.width);
    case ObservationKind::kTokens:
      return Bytes(batch.tokens, batch.token_offsets[row], batch.token_offsets[row + 1]);
    case ObservationKind::kGraph:
      break;
  }
  const int64_t first = batch.edge_offsets[row], last = batch.edge_offsets[row + 1];
  return absl::StrCat(Bytes(batch.node_types, batch.node_offsets[row], batch.node_offsets[row + 1]),
                      "|", Bytes(batch.edge_sources, first, last), "|",
                      Bytes(batch.edge_targets, first, last), "|",
                      Bytes(batch.edge_kinds, first, last));
}

template <typename T>
bool AllBelow(const std::vector<T>& column, int64_t bound) {
  return std::all_of(column.begin(), column.end(), [bound](T x) { return x >= 0 && x < bound; });
}

// Ragged rows: n + 1 ascending offsets from 0 to the column's end, each row at most `longest`.
bool RaggedRows(const std::vector<int64_t>& offsets, size_t entries, int64_t n, int64_t longest) {
  if (static_cast<int64_t>(offsets.size()) != n + 1 || offsets.front() != 0) return false;
  for (int64_t i = 0; i < n; ++i) {
    const int64_t length = offsets[i + 1] - offsets[i];
    if (length < 0 || length > longest) return false;
  }
  return offsets.back() == static_cast<int64_t>(entries);
}

bool HotColumnsDiffer(const ObservationBatch& batch) {
  const int64_t per_row = batch.spec.hot_per_row;
  for (int64_t i = 0; i < batch.rows; ++i) {
    auto first = batch.hot.begin() + i * per_row;
    if (static_cast<int64_t>(std::set<int32_t>(first, first + per_row).size()) != per_row) {
      return false;
    }
  }
  return true;
}

bool HasDeclaredShape(const ObservationBatch& batch, int64_t n) {
  const ObservationSpec& spec = batch.spec;
  if (batch.rows != n) return false;
  switch (spec.kind) {
    case ObservationKind::kMultiHot:
      return static_cast<int64_t>(batch.hot.size()) == n * spec.hot_per_row &&
             AllBelow(batch.hot, spec.width) && HotColumnsDiffer(batch);
    case ObservationKind::kDense:
      return static_cast<int64_t>(batch.dense.size()) == n * spec.width;
    case ObservationKind::kTokens:
      return RaggedRows(batch.token_offsets, batch.tokens.size(), n, spec.max_length) &&
             AllBelow(batch.tokens, spec.vocabulary);
    case ObservationKind::kGraph:
      return RaggedRows(batch.node_offsets, batch.node_types.size(), n, spec.max_length) &&
             AllBelow(batch.node_types, spec.vocabulary) &&
             RaggedRows(batch.edge_offsets, batch.edge_kinds.size(), n, batch.edge_kinds.size()) &&
             AllBelow(batch.edge_kinds, spec.edge_types) &&
             batch.edge_sources.size() == batch.edge_kinds.size() &&
             batch.edge_targets.size() == batch.edge_kinds.size();
  }
  return false;
}

bool HasDeclaredShape(const ActionMask& mask, int64_t n) {
  if (mask.rows != n) return false;
  if (mask.kind == ActionMask::Kind::kDense) {
    return static_cast<int64_t>(mask.dense.size()) == n * mask.num_actions &&
           AllBelow(mask.dense, 2);
  }
  return mask.kind == ActionMask::Kind::kNone ||
         (RaggedRows(mask.legal_offsets, mask.legal.size(), n, mask.num_actions) &&
          AllBelow(mask.legal, mask.num_actions));
}

absl::StatusOr<StateLooks> LookAtAll(const Environment& environment,
                                     std::span<const StateBatch* const> batches) {
  const EnvironmentSpec& spec = environment.spec();
  ActionMask forward(spec.num_forward_actions), backward(spec.num_backward_actions);
  std::vector<ObservationBatch> observations(spec.observations.begin(), spec.observations.end());
  int64_t n = 0;
  for (const StateBatch* states : batches) {
    environment.AppendForwardMask(*states, forward);
    environment.AppendBackwardMask(*states, backward);
    for (ObservationBatch& batch : observations) environment.AppendObservations(*states, batch);
    n += states->size();
  }
  if (!HasDeclaredShape(forward, n) || !HasDeclaredShape(backward, n)) {
    return absl::FailedPreconditionError("a mask has not one row of the declared width per state");
  }
  StateLooks looks;
  for (int64_t i = 0; i < n; ++i) looks.masks.push_back(MaskRow(forward, i) + MaskRow(backward, i));
  for (const ObservationBatch& batch : observations) {
    if (!HasDeclaredShape(batch, n)) {
      return absl::FailedPreconditionError("observations differ from their declared shape");
    }
    std::vector<std::string>& rows = looks.observations.emplace_back();
    for (int64_t i = 0; i < n; ++i) rows.push_back(ObservationRow(batch, i));
  }
  return looks;
}

}  // namespace

absl::StatusOr<StateLooks> LookAt(const Environment& environment, const StateBatch& states) {
  const StateBatch* const batches[] = {&states};
  return LookAtAll(environment, batches);
}

absl::StatusOr<StateLooks> LookAt(const Environment& environment, const StateBatch& first,
                                  const StateBatch& second) {
  const StateBatch* const batches[] = {&first, &second};
  return LookAtAll(environment, batches);
}

}  // namespace anabranch
