#include "gflownet/environment/sequence.h"

#include <algorithm>
#include <utility>

#include "absl/container/flat_hash_set.h"
#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "gflownet/environment/quoted.h"
#include "gflownet/environment/sequence_states.h"

namespace anabranch {
namespace {

constexpr int32_t kRemoveLast = 0;
constexpr int32_t kRemoveFirst = 1;

const SequenceStates& AsSequences(const StateBatch& states) {
  return static_cast<const SequenceStates&>(states);
}
SequenceStates& AsSequences(StateBatch& states) { return static_cast<SequenceStates&>(states); }

absl::Status Refuse(absl::string_view field, absl::string_view value, absl::string_view remedy) {
  return absl::InvalidArgumentError(
      absl::StrCat("environment.sequence.", field, " is ", value, "; ", remedy));
}

// The tokens themselves while that is short and reads in one way; else their number and hash, for
// the fingerprint stands in every batch and is text. A count is given with the hash because the
// joined tokens alone may be those of another vocabulary.
std::string VocabularyName(const std::vector<std::string>& vocabulary) {
  constexpr size_t kSpelledOut = 64;
  const std::string joined = absl::StrJoin(vocabulary, ",");
  const bool plain =
      std::all_of(vocabulary.begin(), vocabulary.end(), [](const std::string& token) {
        return std::all_of(token.begin(), token.end(), [](char c) {
          return absl::ascii_isgraph(static_cast<unsigned char>(c)) && c != ',';
        });
      });
  if (plain && vocabulary.size() <= kSpelledOut) return joined;
  return absl::StrCat(vocabulary.size(), ":", Key128::Of(joined).ToHex());
}

std::string Fingerprint(const SequenceOptions& options) {
  return absl::StrCat(
      "sequence/1.0.0 vocabulary=", VocabularyName(options.vocabulary),
      " min_length=", options.min_length, " max_length=", options.max_length,
      " growth=", options.growth == SequenceGrowth::kAppend ? "append" : "prepend-or-append");
}

}  // namespace

absl::Status SequenceOptions::Validate() const {
  constexpr int64_t kMaxWidth = 1 << 20;
  if (vocabulary.empty()) return Refuse("alphabet", "empty", "give at least one token");
  absl::flat_hash_set<std::string> seen;
  for (const std::string& token : vocabulary) {
    if (token.empty() || token.size() != vocabulary[0].size()) {
      return Refuse("alphabet", absl::StrCat("a list with token ", Quoted(token)),
                    "give tokens of one length, so that a sequence decodes in one way");
    }
    if (!seen.insert(token).second) {
      return Refuse("alphabet", absl::StrCat("a list with ", Quoted(token), " twice"),
                    "give each token once");
    }
  }
  const int64_t widest = kMaxWidth / (static_cast<int64_t>(vocabulary.size()) + 1);
  if (max_length < 1 || max_length > widest) {
    return Refuse("max_length", absl::StrCat(max_length), absl::StrCat("give 1 to ", widest));
  }
  if (min_length < 0 || min_length > max_length) {
    return Refuse("min_length", absl::StrCat(min_length),
                  absl::StrCat("give 0 to max_length, which is ", max_length));
  }
  return absl::OkStatus();
}

absl::StatusOr<std::unique_ptr<Sequence>> Sequence::Create(const SequenceOptions& options) {
  if (absl::Status status = options.Validate(); !status.ok()) return status;
  return std::unique_ptr<Sequence>(new Sequence(options));
}

Sequence::Sequence(const SequenceOptions& options)
    : options_(options),
      tokens_(static_cast<int32_t>(options.vocabulary.size())),
      capacity_(static_cast<int32_t>(options.max_length)) {
  const bool both_ends = options.growth == SequenceGrowth::kPrependOrAppend;
  spec_.fingerprint = Fingerprint(options);
  spec_.object_format = "sequence";
  spec_.num_forward_actions = (both_ends ? 2 : 1) * tokens_ + 1;
  spec_.num_backward_actions = both_ends ? 2 : 1;
  spec_.stop_action = static_cast<int32_t>(spec_.num_forward_actions) - 1;
  spec_.max_trajectory_length = options.max_length + 1;
  ObservationSpec multi_hot;
  multi_hot.kind = ObservationKind::kMultiHot;
  multi_hot.width = options.max_length * (tokens_ + 1);
  multi_hot.hot_per_row = options.max_length;
  ObservationSpec ragged;
  ragged.kind = ObservationKind::kTokens;
  ragged.vocabulary = tokens_;
  ragged.max_length = options.max_length;
  spec_.observations = {multi_hot, ragged};
  for (int32_t t = 0; t < tokens_; ++t) token_ids_[options.vocabulary[t]] = t;
  state_space_ = SequenceSpace::Create(tokens_, capacity_);
}

Sequence::~Sequence() = default;

std::unique_ptr<StateBatch> Sequence::Initial(int64_t n) const {
  return std::make_unique<SequenceStates>(capacity_, n);
}

std::unique_ptr<StateBatch> Sequence::Clone(const StateBatch& states) const {
  return std::make_unique<SequenceStates>(AsSequences(states));
}

void Sequence::Keep(StateBatch& states, std::span<const int32_t> rows) const {
  SequenceStates& sequences = AsSequences(states);
  for (size_t j = 0; j < rows.size(); ++j) {
    sequences.lengths[j] = sequences.lengths[rows[j]];
    std::copy_n(sequences.Row(rows[j]), capacity_, sequences.Row(static_cast<int64_t>(j)));
  }
  sequences.lengths.resize(rows.size());
  sequences.tokens.resize(rows.size() * capacity_);
}

void Sequence::AppendForwardMask(const StateBatch& states, ActionMask& out) const {
  const SequenceStates& sequences = AsSequences(states);
  const size_t begin = out.dense.size();
  out.dense.resize(begin + sequences.size() * spec_.num_forward_actions, 0);
  uint8_t* legal = out.dense.data() + begin;
  for (int64_t i = 0; i < sequences.size(); ++i, legal += spec_.num_forward_actions) {
    const int32_t length = sequences.lengths[i];
    if (length < capacity_) std::fill_n(legal, spec_.stop_action, 1);
    legal[spec_.stop_action] = length >= options_.min_length;
    if (spec_.num_backward_actions == 1 || length == capacity_) continue;
    // Prepending t to t…t is appending it, and prepending to nothing is appending.
    if (length == 0) {
      std::fill_n(legal + tokens_, tokens_, 0);
    } else if (const int32_t first = sequences.Row(i)[0]; sequences.ConsistsOf(i, first)) {
      legal[tokens_ + first] = 0;
    }
  }
  out.rows += sequences.size();
}

void Sequence::AppendBackwardMask(const StateBatch& states, ActionMask& out) const {
  const SequenceStates& sequences = AsSequences(states);
  const size_t begin = out.dense.size();
  out.dense.resize(begin + sequences.size() * spec_.num_backward_actions);
  uint8_t* legal = out.dense.data() + begin;
  for (int64_t i = 0; i < sequences.size(); ++i) {
    const bool source = sequences.lengths[i] == 0;
    *legal++ = !source;
    if (spec_.num_backward_actions == 2) {
      *legal++ = !source && !sequences.ConsistsOf(i, sequences.Row(i)[0]);
    }
  }
  out.rows += sequences.size();
}

void Sequence::AppendObservations(const StateBatch& states, ObservationBatch& out) const {
  const SequenceStates& sequences = AsSequences(states);
  out.rows += sequences.size();
  if (out.spec.kind == ObservationKind::kTokens) {
    for (int64_t i = 0; i < sequences.size(); ++i) {
      const int32_t* row = sequences.Row(i);
      out.tokens.insert(out.tokens.end(), row, row + sequences.lengths[i]);
      out.token_offsets.push_back(static_cast<int64_t>(out.tokens.size()));
    }
    return;
  }
  const size_t begin = out.hot.size();
  out.hot.resize(begin + sequences.tokens.size());
  int32_t* hot = out.hot.data() + begin;
  const int32_t block = tokens_ + 1;
  for (int64_t i = 0; i < sequences.size(); ++i, hot += capacity_) {
    const int32_t* row = sequences.Row(i);
    const int32_t length = sequences.lengths[i];
    for (int32_t p = 0; p < length; ++p) hot[p] = p * block + row[p];
    for (int32_t p = length; p < capacity_; ++p) hot[p] = p * block + tokens_;
  }
}

void Sequence::Step(StateBatch& states, const ActionColumn& actions) const {
  SequenceStates& sequences = AsSequences(states);
  for (int64_t i = 0; i < sequences.size(); ++i) {
    const int32_t action = actions.ids[i];
    if (action == spec_.stop_action) continue;
    int32_t* row = sequences.Row(i);
    const int32_t length = sequences.lengths[i]++;
    if (action < tokens_) {
      row[length] = action;
    } else {
      std::copy_backward(row, row + length, row + length + 1);
      row[0] = action - tokens_;
    }
  }
}

void Sequence::StepBack(StateBatch& states, std::span<const int32_t> backward_actions) const {
  SequenceStates& sequences = AsSequences(states);
  for (int64_t i = 0; i < sequences.size(); ++i) {
    const int32_t length = sequences.lengths[i]--;
    int32_t* row = sequences.Row(i);
    if (backward_actions[i] == kRemoveFirst) std::copy(row + 1, row + length, row);
  }
}

void Sequence::BackwardActions(const StateBatch& /*parents*/,
                               std::span<const int32_t> forward_actions,
                               std::span<int32_t> out) const {
  // A legal prepend never gives a sequence of one repeated token, so it is always undone as such.
  std::transform(forward_actions.begin(), forward_actions.end(), out.begin(), [this](int32_t a) {
    return a == spec_.stop_action ? kNoAction : a < tokens_ ? kRemoveLast : kRemoveFirst;
  });
}

void Sequence::ForwardActions(const StateBatch& children, std::span<const int32_t> backward_actions,
                              std::span<int32_t> out) const {
  const SequenceStates& sequences = AsSequences(children);
  for (int64_t i = 0; i < sequences.size(); ++i) {
    const int32_t* row = sequences.Row(i);
    out[i] = backward_actions[i] == kRemoveLast ? row[sequences.lengths[i] - 1] : tokens_ + row[0];
  }
}

void Sequence::AppendObjects(const StateBatch& states, std::vector<std::string>& out) const {
  const SequenceStates& sequences = AsSequences(states);
  for (int64_t i = 0; i < sequences.size(); ++i) {
    std::string object;
    const int32_t* row = sequences.Row(i);
    for (int32_t p = 0; p < sequences.lengths[i]; ++p) object += options_.vocabulary[row[p]];
    out.push_back(std::move(object));
  }
}

absl::StatusOr<std::unique_ptr<StateBatch>> Sequence::FromObjects(
    std::span<const std::string> objects) const {
  auto states = std::make_unique<SequenceStates>(capacity_, static_cast<int64_t>(objects.size()));
  const size_t width = options_.vocabulary[0].size();
  for (size_t i = 0; i < objects.size(); ++i) {
    const absl::string_view object = objects[i];
    auto refuse = [&](absl::string_view what) {
      return absl::InvalidArgumentError(
          absl::StrCat("objects[", i, "] is ", Quoted(object), ": ", what));
    };
    const auto length = static_cast<int64_t>(object.size() / width);
    if (object.size() % width != 0 || length < options_.min_length || length > capacity_) {
      return refuse(absl::StrCat("its length is not ", options_.min_length, " to ", capacity_,
                                 " tokens of ", width, " bytes"));
    }
    states->lengths[i] = static_cast<int32_t>(length);
    for (int64_t p = 0; p < length; ++p) {
      const absl::string_view token = object.substr(p * width, width);
      const auto found = token_ids_.find(token);
      if (found == token_ids_.end()) {
        return refuse(absl::StrCat(Quoted(token), " at position ", p, " is not in the alphabet"));
      }
      states->Row(static_cast<int64_t>(i))[p] = found->second;
    }
  }
  return states;
}

std::string Sequence::ActionName(int32_t forward_action) const {
  if (forward_action == spec_.stop_action) return "stop";
  return forward_action < tokens_
             ? absl::StrCat("append ", options_.vocabulary[forward_action])
             : absl::StrCat("prepend ", options_.vocabulary[forward_action - tokens_]);
}

}  // namespace anabranch
