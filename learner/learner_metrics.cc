#include "learner/learner_metrics.h"

#include <prometheus/counter.h>
#include <prometheus/gauge.h>
#include <prometheus/histogram.h>

#include <string>

namespace anabranch {
namespace {

prometheus::Histogram& Stage(Metrics& metrics, const std::string& stage) {
  return metrics.Histogram("anabranch_learner_step_seconds",
                           "Time of a step by stage; build goes on beside training.",
                           LatencyBuckets(), {{"stage", stage}});
}

prometheus::Counter& Skipped(Metrics& metrics, const std::string& reason) {
  return metrics.Counter("anabranch_learner_skipped_trajectories_total",
                         "Sampled trajectories that could not be trained on.",
                         {{"reason", reason}});
}

}  // namespace

LearnerMetrics::LearnerMetrics(Metrics& metrics)
    : metrics_(metrics),
      steps_(
          metrics.Counter("anabranch_learner_steps_total", "Batches taken since the run began.")),
      trajectories_(metrics.Counter("anabranch_learner_trajectories_total",
                                    "Trajectories trained on since the run began.")),
      transitions_(metrics.Counter("anabranch_learner_transitions_total",
                                   "Transitions trained on since the run began.")),
      non_finite_(metrics.Counter("anabranch_learner_non_finite_batches_total",
                                  "Batches skipped for a loss or gradient that is not finite.")),
      left_out_(Skipped(metrics, "reward_shaping")),
      illegal_(Skipped(metrics, "illegal")),
      older_generations_(
          metrics.Counter("anabranch_learner_older_generation_trajectories_total",
                          "Trajectories trained on that a policy of an older generation made.")),
      staleness_(metrics.Histogram(
          "anabranch_learner_staleness_versions",
          "Snapshots by which the newest is ahead of the policy that made a trajectory.",
          {0, 1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 64, 128, 256, 1024})),
      sample_seconds_(Stage(metrics, "sample_wait")),
      build_seconds_(Stage(metrics, "build")),
      forward_backward_seconds_(Stage(metrics, "forward_backward")),
      optimizer_seconds_(Stage(metrics, "optimizer")),
      publish_seconds_(Stage(metrics, "publish")),
      loss_(metrics.Gauge("anabranch_learner_loss", "Loss of the last batch.")),
      log_z_(metrics.Gauge("anabranch_learner_log_z", "log Z, nats.")),
      gradient_norm_(metrics.Gauge("anabranch_learner_gradient_norm",
                                   "Norm of the last gradient before clipping.")),
      generation_(metrics.Gauge("anabranch_learner_generation", "Generation of this learner.")),
      version_(metrics.Gauge("anabranch_learner_version", "Newest snapshot published.")) {}

void LearnerMetrics::OnStep(const TrainingResult& result, const Learner& learner) {
  const LearnerCounters& counters = learner.counters();
  auto raise = [](prometheus::Counter& counter, int64_t total) {
    Metrics::Raise(counter, static_cast<double>(total));
  };
  raise(steps_, counters.steps);
  raise(trajectories_, counters.trajectories);
  raise(transitions_, counters.transitions);
  raise(non_finite_, counters.non_finite);
  raise(left_out_, counters.left_out);
  raise(illegal_, counters.illegal);
  raise(older_generations_, learner.version_lag().older_generations());
  for (const int64_t lag : learner.version_lag().last()) {
    staleness_.Observe(static_cast<double>(lag));
  }
  ObserveStages(learner.times());
  if (result.applied) {
    loss_.Set(result.loss);
    log_z_.Set(result.log_z);
    gradient_norm_.Set(result.gradient_norm);
  }
  generation_.Set(static_cast<double>(learner.policy_version().generation()));
  version_.Set(static_cast<double>(learner.policy_version().version()));
}

void LearnerMetrics::ObserveStages(const LearnerTimes& now) {
  sample_seconds_.Observe(now.sample - last_.sample);
  build_seconds_.Observe(now.decode + now.build - last_.decode - last_.build);
  forward_backward_seconds_.Observe(now.forward_backward - last_.forward_backward);
  optimizer_seconds_.Observe(now.optimizer - last_.optimizer);
  publish_seconds_.Observe(now.publish - last_.publish);
  last_ = now;
}

void LearnerMetrics::OnEvaluation(const RunEvaluation& evaluation) {
  auto set = [this](const std::string& name, const std::string& help, double value) {
    metrics_.Gauge("anabranch_training_" + name, help).Set(value);
  };
  if (evaluation.exact.has_value()) {
    set("total_variation", "Distance of the learned distribution from the true one.",
        evaluation.exact->total_variation);
  }
  if (evaluation.log_z_error.has_value()) {
    set("log_z_error", "Error of log Z, nats.", *evaluation.log_z_error);
  }
  if (evaluation.elbo.has_value()) {
    set("elbo", "Lower bound of log Z, nats.", evaluation.elbo->value);
  }
  if (evaluation.modes > 0) {
    set("modes_found", "Modes found so far.", static_cast<double>(evaluation.modes_found));
    set("modes", "Modes of the reward.", static_cast<double>(evaluation.modes));
  }
  set("unique_objects", "Distinct objects that replay holds.",
      static_cast<double>(evaluation.unique_objects));
  set("top_k_mean_log_reward", "Mean log-reward of the best objects, nats.",
      evaluation.top_k_mean_log_reward);
  set("top_k_mean_reward", "Mean reward of the best objects.", evaluation.top_k_mean_reward);
}

}  // namespace anabranch
