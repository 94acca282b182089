// A learner as Prometheus sees it.
#ifndef ANABRANCH_LEARNER_LEARNER_METRICS_H_
#define ANABRANCH_LEARNER_LEARNER_METRICS_H_

#include "learner/learner.h"
#include "learner/run_evaluation.h"
#include "learner/training_step.h"
#include "runtime/metrics.h"

namespace anabranch {

// Called from the thread that trains. The metrics outlive it.
class LearnerMetrics {
 public:
  explicit LearnerMetrics(Metrics& metrics);

  // After every step.
  void OnStep(const TrainingResult& result, const Learner& learner);
  void OnEvaluation(const RunEvaluation& evaluation);

 private:
  void ObserveStages(const LearnerTimes& now);

  Metrics& metrics_;
  prometheus::Counter& steps_;
  prometheus::Counter& trajectories_;
  prometheus::Counter& transitions_;
  prometheus::Counter& non_finite_;
  prometheus::Counter& left_out_;
  prometheus::Counter& illegal_;
  prometheus::Counter& older_generations_;
  prometheus::Histogram& staleness_;
  prometheus::Histogram& sample_seconds_;
  prometheus::Histogram& build_seconds_;
  prometheus::Histogram& forward_backward_seconds_;
  prometheus::Histogram& optimizer_seconds_;
  prometheus::Histogram& publish_seconds_;
  prometheus::Gauge& loss_;
  prometheus::Gauge& log_z_;
  prometheus::Gauge& gradient_norm_;
  prometheus::Gauge& generation_;
  prometheus::Gauge& version_;
  LearnerTimes last_;  // As of the step before.
};

}  // namespace anabranch

#endif  // ANABRANCH_LEARNER_LEARNER_METRICS_H_
