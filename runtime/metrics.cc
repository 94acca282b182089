#include "runtime/metrics.h"

#include <prometheus/counter.h>
#include <prometheus/gauge.h>
#include <prometheus/histogram.h>
#include <prometheus/registry.h>
#include <prometheus/text_serializer.h>

#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "runtime/metrics_state.h"
#include "runtime/version.h"

namespace anabranch {

std::vector<prometheus::MetricFamily> Metrics::State::Collect() const {
  absl::MutexLock scrape(&scrape_mutex);
  std::vector<std::function<void()>> due;
  {
    absl::MutexLock lock(&updates_mutex);
    due = updates;
  }
  for (const auto& update : due) update();
  return registry.Collect();
}

Metrics::Metrics(absl::string_view role) : state_(std::make_shared<State>()) {
  Gauge("anabranch_build_info", "Which program this is; always 1.",
        {{"role", std::string(role)}, {"version", Version()}})
      .Set(1);
}

Metrics::~Metrics() = default;

prometheus::Counter& Metrics::Counter(const std::string& name, const std::string& help,
                                      const MetricLabels& labels) {
  return prometheus::BuildCounter().Name(name).Help(help).Register(state_->registry).Add(labels);
}

prometheus::Gauge& Metrics::Gauge(const std::string& name, const std::string& help,
                                  const MetricLabels& labels) {
  return prometheus::BuildGauge().Name(name).Help(help).Register(state_->registry).Add(labels);
}

prometheus::Histogram& Metrics::Histogram(const std::string& name, const std::string& help,
                                          const std::vector<double>& bounds,
                                          const MetricLabels& labels) {
  return prometheus::BuildHistogram()
      .Name(name)
      .Help(help)
      .Register(state_->registry)
      .Add(labels, bounds);
}

void Metrics::OnScrape(std::function<void()> update) {
  absl::MutexLock lock(&state_->updates_mutex);
  state_->updates.push_back(std::move(update));
}

void Metrics::Raise(prometheus::Counter& counter, double total) {
  const double missing = total - counter.Value();
  if (missing > 0) counter.Increment(missing);
}

std::string Metrics::Text() const {
  return prometheus::TextSerializer().Serialize(state_->Collect());
}

std::vector<double> LatencyBuckets() {
  std::vector<double> bounds;
  for (double decade = 1e-4; decade < 50; decade *= 10) {
    for (const double step : {1.0, 2.0, 5.0}) bounds.push_back(decade * step);
  }
  bounds.push_back(60);
  return bounds;
}

}  // namespace anabranch
