#include "cli/evaluate/policy_report.h"

#include <ATen/Functions.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "gflownet/evaluation/correlation.h"
#include "gflownet/evaluation/estimators.h"
#include "gflownet/evaluation/exact_distribution.h"
#include "gflownet/evaluation/metrics.h"
#include "gflownet/evaluation/modes.h"
#include "gflownet/rollout/rollout.h"

namespace anabranch {
namespace {

constexpr double kMinusInfinity = -std::numeric_limits<double>::infinity();
constexpr uint64_t kSampleStream = 0x73616d706c65;  // "sample"

class Evaluation {
 public:
  Evaluation(TrainedModel& trained, const PolicyReportOptions& options)
      : trained_(trained),
        environment_(*trained.components.environment),
        options_(options),
        random_(options.seed, kSampleStream) {}

  absl::StatusOr<PolicyReport> Run();

 private:
  absl::StatusOr<std::vector<double>> LogRewardsOf(std::span<const std::string> objects) const;
  absl::Status EvaluateExactly();
  absl::Status Sample();
  absl::Status EvaluateSamples();
  absl::Status Bracket(Estimator& estimator);
  absl::Status Correlate(Estimator& estimator);
  bool KnowsRewards() const { return trained_.components.reward != nullptr; }
  void LeaveOut();
  void Add(Figure figure) { report_.figures.push_back(std::move(figure)); }
  void AddLogZ(double true_log_z);

  TrainedModel& trained_;
  const Environment& environment_;
  const PolicyReportOptions options_;
  RandomStream random_;
  PolicyReport report_;
  std::vector<std::string> drawn_;     // Objects of forward rollouts.
  std::vector<std::string> distinct_;  // Among them.
};

absl::StatusOr<std::vector<double>> Evaluation::LogRewardsOf(
    std::span<const std::string> objects) const {
  RewardColumns raw;
  trained_.components.reward->Evaluate(objects, raw);
  ShapedRewards shaped;
  absl::Status status = trained_.components.shaping->Shape(raw, shaped);
  if (!status.ok()) return status;
  for (size_t i = 0; i < objects.size(); ++i) {
    if (shaped.used[i] == 0) shaped.log_rewards[i] = kMinusInfinity;
  }
  return std::move(shaped.log_rewards);
}

void Evaluation::LeaveOut() {
  report_.left_out = {
      "total variation, true log Z: the true distribution is known to the oracles of "
      "reward.oracles alone; a built-in reward named beside them would tell it",
      "top-k log-rewards, ELBO, correlations of the samples: fresh objects would cost calls of the "
      "oracles; metrics.jsonl has the log-rewards of what was trained on, and `anabranch objects` "
      "the best objects"};
}

void Evaluation::AddLogZ(double true_log_z) {
  Add({"log_z_true", "log Z, true", true_log_z, {}, {}, "log of the sum of all rewards"});
  if (std::isnan(report_.log_z_learned)) return;
  Add({"log_z_error",
       "log Z, error",
       std::abs(report_.log_z_learned - true_log_z),
       {},
       {},
       "|learned − true|"});
}

absl::Status Evaluation::EvaluateExactly() {
  const StateSpace* space = environment_.state_space();
  const auto limit = static_cast<int64_t>(trained_.config.evaluation().max_exact_states());
  if (!KnowsRewards() || space == nullptr || space->num_states() > limit) return absl::OkStatus();
  if (options_.progress) options_.progress("counting states", 0, space->num_states());
  auto exact = ExactEvaluator::Create(environment_, trained_.model.policy->observation());
  if (!exact.ok()) return exact.status();
  auto learned = (*exact)->LogDistribution(*trained_.model.policy);
  if (!learned.ok()) return learned.status();
  auto log_rewards = LogRewardsOf((*exact)->objects());
  if (!log_rewards.ok()) return log_rewards.status();
  Distribution distribution;
  for (int64_t i = 0; i < (*exact)->num_states(); ++i) {
    if ((*exact)->transitions().terminal[i] == 0) continue;
    distribution.states.push_back(i);
    distribution.objects.push_back((*exact)->objects()[i]);
    distribution.log_learned.push_back((*learned)[i]);
    distribution.log_rewards.push_back((*log_rewards)[i]);
  }
  auto target = TargetDistribution(distribution.log_rewards);
  if (!target.ok()) return target.status();
  distribution.log_true = *std::move(target);
  auto distances = CompareDistributions(distribution.log_learned, distribution.log_true);
  if (!distances.ok()) return distances.status();
  auto expected = ExpectedReward(distribution.log_learned, distribution.log_rewards);
  auto true_expected = ExpectedReward(distribution.log_true, distribution.log_rewards);
  if (!expected.ok()) return expected.status();
  if (!true_expected.ok()) return true_expected.status();
  Add({"tv",
       "total variation",
       distances->total_variation,
       {},
       {},
       "½ Σ |learned − true|, exact; 0 is perfect"});
  Add({"sum_l1", "sum L1", distances->sum_l1, {}, {}, "twice that, as papers plot it"});
  Add({"jsd", "Jensen-Shannon", distances->jensen_shannon, {}, {}, "nats; 0 is perfect"});
  Add({"kl_learned_true", "KL(learned ‖ true)", distances->kl_pq, {}, {}, "nats"});
  Add({"kl_true_learned", "KL(true ‖ learned)", distances->kl_qp, {}, {}, "nats"});
  AddLogZ(LogSumExp(distribution.log_rewards));
  Add({"expected_reward", "expected reward", *expected, {}, {}, "of the learned policy, exact"});
  Add({"expected_reward_true",
       "expected reward, true",
       *true_expected,
       {},
       {},
       "of a perfect one"});
  report_.distribution = std::move(distribution);
  return absl::OkStatus();
}

absl::Status Evaluation::Sample() {
  constexpr int64_t kBatch = 256;
  Rollout rollout(environment_, *trained_.model.policy);
  absl::flat_hash_map<std::string, int64_t> seen;
  for (int64_t done = 0; done < options_.samples; done += kBatch) {
    RolloutOptions batch;
    batch.trajectories = std::min(kBatch, options_.samples - done);
    Trajectories trajectories;
    absl::Status status = rollout.Forward(batch, random_, trajectories);
    if (!status.ok()) return status;
    for (std::string& object : trajectories.objects) {
      if (++seen[object] == 1) distinct_.push_back(object);
      drawn_.push_back(std::move(object));
    }
    if (options_.progress) options_.progress("sampling", done, options_.samples);
  }
  return absl::OkStatus();
}

absl::Status Evaluation::EvaluateSamples() {
  Add({"samples",
       "samples",
       static_cast<double>(drawn_.size()),
       {},
       {},
       "drawn with the policy for all that follows"});
  Add({"unique_objects",
       "distinct objects",
       static_cast<double>(distinct_.size()),
       {},
       {},
       "among them"});
  if (!KnowsRewards()) return absl::OkStatus();
  const RewardFunction& reward = *trained_.components.reward;
  if (reward.num_modes() > 0) {
    ModeTracker modes(reward);
    modes.Add(distinct_);
    Add({"modes",
         "modes found",
         static_cast<double>(modes.num_found()),
         {},
         {},
         absl::StrCat("of ", reward.num_modes(), ", among them")});
  }
  auto log_rewards = LogRewardsOf(distinct_);
  if (!log_rewards.ok()) return log_rewards.status();
  for (const int64_t k : {10, 100, 1000}) {
    if (k > 10 && k > static_cast<int64_t>(distinct_.size())) break;
    auto mean = TopKMean(*log_rewards, k);
    if (!mean.ok()) return mean.status();
    Add({absl::StrCat("top_", k, "_log_reward"),
         absl::StrCat("top-", k, " log-reward"),
         *mean,
         {},
         {},
         absl::StrCat("mean over the ", k, " best distinct objects")});
  }
  return absl::OkStatus();
}

absl::Status Evaluation::Bracket(Estimator& estimator) {
  auto elbo =
      estimator.Elbo([this](std::span<const std::string> objects) { return LogRewardsOf(objects); },
                     options_.samples, random_);
  if (!elbo.ok()) return elbo.status();
  Add({"elbo",
       "ELBO",
       elbo->value,
       elbo->standard_error,
       {},
       "lower bound of log Z, by forward paths"});
  if (!report_.distribution.has_value()) return absl::OkStatus();
  const Distribution& all = *report_.distribution;
  auto eubo =
      estimator.Eubo(all.objects, all.log_rewards, all.log_rewards, options_.samples, random_);
  if (!eubo.ok()) return eubo.status();
  Add({"eubo",
       "EUBO",
       eubo->value,
       eubo->standard_error,
       {},
       "upper bound of log Z, by backward paths from true samples"});
  return absl::OkStatus();
}

absl::Status Evaluation::Correlate(Estimator& estimator) {
  // A policy's own samples are all good; where all states are known, a spread of them says more.
  std::vector<std::string> objects = distinct_;
  if (report_.distribution.has_value()) objects = report_.distribution->objects;
  constexpr size_t kMost = 1000;
  for (size_t i = 0; i < std::min(kMost, objects.size()); ++i) {
    std::swap(objects[i], objects[i + random_.NextBelow(objects.size() - i)]);
  }
  objects.resize(std::min(kMost, objects.size()));
  auto estimates = estimator.LogProbabilities(objects, options_.backward_samples, random_);
  if (!estimates.ok()) return estimates.status();
  auto log_rewards = LogRewardsOf(objects);
  if (!log_rewards.ok()) return log_rewards.status();
  std::vector<double> x, y;
  for (size_t i = 0; i < objects.size(); ++i) {
    if (!std::isfinite((*estimates)[i].value) || !std::isfinite((*log_rewards)[i])) continue;
    x.push_back((*estimates)[i].value);
    y.push_back((*log_rewards)[i]);
  }
  const std::string what = absl::StrCat("of log p̂(x) with log R(x), ", x.size(), " objects, ",
                                        options_.backward_samples, " backward paths each");
  auto pearson = Pearson(x, y);
  auto spearman = Spearman(x, y);
  if (!pearson.ok() || !spearman.ok()) return absl::OkStatus();  // Too few, or all alike.
  Add({"pearson", "Pearson", pearson->coefficient, {}, {{pearson->low, pearson->high}}, what});
  Add({"spearman",
       "Spearman",
       spearman->coefficient,
       {},
       {{spearman->low, spearman->high}},
       "the same of their ranks; equal rewards lower it"});
  return absl::OkStatus();
}

absl::StatusOr<PolicyReport> Evaluation::Run() {
  if (options_.samples < 1 || options_.backward_samples < 1) {
    return absl::InvalidArgumentError("give at least 1 sample");
  }
  at::NoGradGuard no_grad;
  const at::Tensor log_z = trained_.model.LogZ();
  report_.log_z_learned = log_z.defined() ? log_z.item<double>() : std::nan("");
  if (absl::Status status = EvaluateExactly(); !status.ok()) return status;
  if (log_z.defined()) {
    Add({"log_z", "log Z, learned", report_.log_z_learned, {}, {}, "the model's parameter"});
  }
  EstimatorOptions estimating;
  if (options_.progress) {
    estimating.progress = [this](int64_t done, int64_t total) {
      options_.progress("following paths", done, total);
    };
  }
  auto estimator = Estimator::Create(environment_, *trained_.model.policy, estimating);
  if (!estimator.ok()) return estimator.status();
  if (absl::Status status = Sample(); !status.ok()) return status;
  if (absl::Status status = EvaluateSamples(); !status.ok()) return status;
  if (!KnowsRewards()) {
    LeaveOut();
    return std::move(report_);
  }
  if (absl::Status status = Bracket(*estimator); !status.ok()) return status;
  if (absl::Status status = Correlate(*estimator); !status.ok()) return status;
  return std::move(report_);
}

}  // namespace

absl::StatusOr<PolicyReport> EvaluatePolicy(TrainedModel& trained,
                                            const PolicyReportOptions& options) {
  return Evaluation(trained, options).Run();
}

void PrintFigures(const std::vector<Figure>& figures, std::ostream& out) {
  for (const Figure& figure : figures) {
    std::string value = absl::StrFormat("%.6g", figure.value);
    if (figure.error.has_value())
      absl::StrAppend(&value, absl::StrFormat(" ± %.2g", *figure.error));
    if (figure.interval.has_value()) {
      absl::StrAppend(&value, absl::StrFormat(" [%.3f, %.3f]", figure.interval->first,
                                              figure.interval->second));
    }
    // Continuation bytes of UTF-8 take no column.
    auto pad = [](const std::string& text, size_t width) {
      const auto columns = static_cast<size_t>(
          std::count_if(text.begin(), text.end(), [](char c) { return (c & 0xC0) != 0x80; }));
      return text + std::string(width > columns ? width - columns : 0, ' ');
    };
    out << "  " << pad(figure.name, 22) << "  " << pad(value, 26) << figure.meaning << "\n";
  }
}

nlohmann::ordered_json FiguresAsJson(const std::vector<Figure>& figures) {
  nlohmann::ordered_json json;
  for (const Figure& figure : figures) {
    json[figure.key] = figure.value;
    if (figure.error.has_value()) json[figure.key + "_standard_error"] = *figure.error;
    if (figure.interval.has_value()) {
      json[figure.key + "_interval"] = {figure.interval->first, figure.interval->second};
    }
  }
  return json;
}

}  // namespace anabranch
