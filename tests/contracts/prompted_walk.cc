#include "tests/contracts/prompted_walk.h"

#include <ATen/Functions.h>
#include <ATen/TensorOperators.h>
#include <ATen/core/grad_mode.h>

#include <cmath>
#include <numeric>
#include <utility>

#include "absl/strings/str_cat.h"

namespace anabranch {
namespace {

constexpr double kLogSqrtTwoPi = 0.9189385332046727;

struct Walks final : StateBatch {
  int64_t size() const override { return static_cast<int64_t>(prompts.size()); }
  std::vector<std::string> prompts;
  std::vector<std::vector<float>> moves;
};

Walks& Of(StateBatch& states) { return static_cast<Walks&>(states); }
const Walks& Of(const StateBatch& states) { return static_cast<const Walks&>(states); }

class WalkPolicy final : public Policy {
 public:
  WalkPolicy(const Parameters& parameters, const ObservationSpec& observation)
      : parameters_(parameters), observation_(observation) {}

  const ObservationSpec& observation() const override { return observation_; }

  void SampleForward(const PolicyInput& input, const Exploration&, RandomStream& random,
                     SampledActions& out) override {
    const at::NoGradGuard no_grad;
    const Heads heads = Compute(input.observations, input.conditions);
    const int64_t rows = input.observations.rows;
    out.ids.resize(rows);
    out.values.assign(rows, 0.0f);
    out.log_prob.resize(rows);
    for (int64_t i = 0; i < rows; ++i) {
      const double logit = heads.stop_logit[i].item<double>();
      const double mean = heads.mean[i].item<double>();
      const bool can_move = input.mask.IsLegal(i, PromptedWalk::kMove);
      const double stop = can_move ? 1 / (1 + std::exp(-logit)) : 1.0;
      if (random.NextUniformDouble() < stop) {
        out.ids[i] = PromptedWalk::kStop;
        out.log_prob[i] = static_cast<float>(std::log(stop));
        continue;
      }
      const double noise = random.NextNormal();
      out.ids[i] = PromptedWalk::kMove;
      out.values[i] = static_cast<float>(mean + noise);
      out.log_prob[i] = static_cast<float>(std::log1p(-stop) - 0.5 * noise * noise - kLogSqrtTwoPi);
    }
  }

  void SampleBackward(const PolicyInput& input, RandomStream&, SampledActions& out) override {
    const int64_t rows = input.observations.rows;
    out.log_prob.assign(rows, 0.0f);  // A state has one parent.
    out.ids.resize(rows);
    for (int64_t i = 0; i < rows; ++i) out.ids[i] = input.mask.CountLegal(i) > 0 ? 0 : kNoAction;
  }

  RowLogProbs LogProb(const StateRows& rows) override {
    const Heads heads = Compute(rows.observations, rows.conditions);
    const at::Tensor values = at::tensor(rows.action_values, at::kFloat);
    std::vector<float> moves, can_move;
    for (int64_t i = 0; i < rows.rows; ++i) {
      moves.push_back(rows.forward_actions[i] == PromptedWalk::kMove ? 1.0f : 0.0f);
      can_move.push_back(rows.forward_mask.IsLegal(i, PromptedWalk::kMove) ? 1.0f : 0.0f);
    }
    const at::Tensor move = at::tensor(moves, at::kFloat);
    const at::Tensor log_move = at::log_sigmoid(-heads.stop_logit);
    const at::Tensor log_stop = at::log_sigmoid(heads.stop_logit);
    const at::Tensor density = -0.5 * (values - heads.mean).square() - kLogSqrtTwoPi;
    RowLogProbs result;
    result.log_pf =
        move * (log_move + density) + (1 - move) * at::tensor(can_move, at::kFloat) * log_stop;
    result.log_pb = at::zeros_like(result.log_pf);
    return result;
  }

  absl::Status AllLogForward(const PolicyInput&, std::vector<float>&) override {
    return absl::UnimplementedError("moves are a continuum");
  }
  absl::Status AllLogBackward(const PolicyInput&, std::vector<float>&) override {
    return absl::UnimplementedError("moves are a continuum");
  }

 private:
  struct Heads {
    at::Tensor mean;        // [rows]
    at::Tensor stop_logit;  // [rows]
  };

  Heads Compute(const ObservationBatch& observations, std::span<const float> conditions) const {
    std::vector<int64_t> tokens(observations.tokens.begin(), observations.tokens.end());
    std::vector<int64_t> row;
    std::vector<float> lengths;
    for (int64_t i = 0; i < observations.rows; ++i) {
      const int64_t length = observations.token_offsets[i + 1] - observations.token_offsets[i];
      row.insert(row.end(), length, i);
      lengths.push_back(static_cast<float>(length));
    }
    const at::Tensor embedded = parameters_.Leaf(0).index_select(0, at::tensor(tokens, at::kLong));
    const at::Tensor h =
        at::zeros({observations.rows}).index_add(0, at::tensor(row, at::kLong), embedded) /
        at::tensor(lengths, at::kFloat);
    const at::Tensor condition =
        at::tensor(std::vector<float>(conditions.begin(), conditions.end()), at::kFloat)
            .view({observations.rows, PromptedWalkModel::kConditionWidth});
    return {h + condition.matmul(parameters_.Leaf(1)), h * parameters_.Leaf(2)};
  }

  const Parameters& parameters_;
  const ObservationSpec observation_;
};

}  // namespace

PromptedWalk::PromptedWalk() {
  spec_.fingerprint = "prompted-walk/1.0.0 moves=3";
  spec_.object_format = "anabranch.prompted-walk.v1";
  spec_.num_forward_actions = 2;
  spec_.num_backward_actions = 1;
  spec_.stop_action = kStop;
  spec_.action_value_width = 1;
  spec_.max_trajectory_length = kMaxMoves + 1;
  ObservationSpec tokens;
  tokens.kind = ObservationKind::kTokens;
  tokens.vocabulary = kVocabulary;
  tokens.max_length = 64;
  spec_.observations = {tokens};
}

absl::StatusOr<std::unique_ptr<StateBatch>> PromptedWalk::Initial(
    int64_t n, std::span<const std::string> prompts) const {
  auto states = std::make_unique<Walks>();
  states->prompts.assign(n, "a");
  states->moves.resize(n);
  for (size_t i = 0; i < prompts.size(); ++i) {
    if (prompts[i].empty() || prompts[i].find_first_not_of("abcdefgh") != std::string::npos) {
      return absl::InvalidArgumentError(
          absl::StrCat("prompts[", i, "] is '", prompts[i], "', not a word over a to h"));
    }
    states->prompts[i] = prompts[i];
  }
  return states;
}

std::unique_ptr<StateBatch> PromptedWalk::Initial(int64_t n) const { return *Initial(n, {}); }

std::unique_ptr<StateBatch> PromptedWalk::Clone(const StateBatch& states) const {
  return std::make_unique<Walks>(Of(states));
}

void PromptedWalk::Keep(StateBatch& states, std::span<const int32_t> rows) const {
  Walks kept;
  for (const int32_t row : rows) {
    kept.prompts.push_back(Of(states).prompts[row]);
    kept.moves.push_back(Of(states).moves[row]);
  }
  Of(states) = std::move(kept);
}

void PromptedWalk::AppendForwardMask(const StateBatch& states, ActionMask& out) const {
  for (const auto& moves : Of(states).moves) {
    out.dense.push_back(static_cast<int64_t>(moves.size()) < kMaxMoves);
    out.dense.push_back(1);
  }
  out.rows += states.size();
}

void PromptedWalk::AppendBackwardMask(const StateBatch& states, ActionMask& out) const {
  for (const auto& moves : Of(states).moves) out.dense.push_back(!moves.empty());
  out.rows += states.size();
}

void PromptedWalk::AppendObservations(const StateBatch& states, ObservationBatch& out) const {
  for (int64_t i = 0; i < states.size(); ++i) {
    for (const char letter : Of(states).prompts[i]) out.tokens.push_back(letter - 'a');
    out.tokens.insert(out.tokens.end(), Of(states).moves[i].size(), kVocabulary - 1);
    out.token_offsets.push_back(static_cast<int64_t>(out.tokens.size()));
  }
  out.rows += states.size();
}

void PromptedWalk::Step(StateBatch& states, const ActionColumn& actions) const {
  for (int64_t i = 0; i < states.size(); ++i) {
    if (actions.ids[i] == kMove) Of(states).moves[i].push_back(actions.values[i]);
  }
}

void PromptedWalk::StepBack(StateBatch& states, std::span<const int32_t>) const {
  for (auto& moves : Of(states).moves) moves.pop_back();
}

void PromptedWalk::BackwardActions(const StateBatch&, std::span<const int32_t> forward_actions,
                                   std::span<int32_t> out) const {
  for (size_t i = 0; i < out.size(); ++i) out[i] = forward_actions[i] == kMove ? 0 : kNoAction;
}

void PromptedWalk::ForwardActions(const StateBatch&, std::span<const int32_t>,
                                  std::span<int32_t> out) const {
  std::fill(out.begin(), out.end(), kMove);
}

void PromptedWalk::AppendObjects(const StateBatch& states, std::vector<std::string>& out) const {
  for (int64_t i = 0; i < states.size(); ++i) {
    const auto& moves = Of(states).moves[i];
    out.push_back(
        absl::StrCat(Of(states).prompts[i], ":", std::accumulate(moves.begin(), moves.end(), 0.0)));
  }
}

absl::StatusOr<std::unique_ptr<StateBatch>> PromptedWalk::FromObjects(
    std::span<const std::string>) const {
  return absl::UnimplementedError("an object doesn't tell its moves");
}

std::string PromptedWalk::ActionName(int32_t forward_action) const {
  return forward_action == kMove ? "move" : "stop";
}

Model PromptedWalkModel::Make() {
  Model model;
  model.parameters = std::make_unique<Parameters>();
  model.parameters->Add("embedding", {PromptedWalk::kVocabulary});
  model.parameters->Add("direction", {kConditionWidth});
  model.parameters->Add("stop", {1});
  model.log_z_segment = model.parameters->Add("log_z", {1}, ParameterGroup::kLogZ);
  model.parameters->Allocate();
  for (int64_t i = 0; i < PromptedWalk::kVocabulary; ++i) {
    model.parameters->Data(0)[i] = 0.3f * static_cast<float>(i) - 0.8f;
  }
  model.parameters->Data(1)[0] = 0.7f;
  model.parameters->Data(1)[1] = -0.4f;
  model.parameters->Data(2)[0] = 0.5f;
  model.parameters->Data(3)[0] = 0.2f;
  model.policy =
      std::make_unique<WalkPolicy>(*model.parameters, PromptedWalk().spec().observations[0]);
  return model;
}

double WalkLogPf(const std::string& prompt, const std::vector<double>& moves,
                 const std::vector<double>& condition, const std::vector<double>& embedding,
                 const std::vector<double>& direction, double stop) {
  double sum = 0, log_pf = 0;
  for (const char letter : prompt) sum += embedding[letter - 'a'];
  auto tokens = static_cast<double>(prompt.size());
  for (size_t t = 0; t <= moves.size(); ++t, sum += embedding.back(), ++tokens) {
    const double h = sum / tokens;
    if (t == static_cast<size_t>(PromptedWalk::kMaxMoves)) break;  // Stop is all that is left.
    const double log_stop = -std::log1p(std::exp(-stop * h));
    const double log_move = -std::log1p(std::exp(stop * h));
    if (t == moves.size()) {
      log_pf += log_stop;
      break;
    }
    const double mean = h + condition[0] * direction[0] + condition[1] * direction[1];
    log_pf += log_move - 0.5 * (moves[t] - mean) * (moves[t] - mean) - kLogSqrtTwoPi;
  }
  return log_pf;
}

}  // namespace anabranch
