// Counters, gauges and histograms of a process, as Prometheus reads them.
#ifndef ANABRANCH_RUNTIME_METRICS_H_
#define ANABRANCH_RUNTIME_METRICS_H_

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace prometheus {
class Registry;
class Counter;
class Gauge;
class Histogram;
}  // namespace prometheus

namespace anabranch {

using MetricLabels = std::map<std::string, std::string>;

// Names begin with "anabranch_", units are base units, labels are bounded (role, table, code,
// reason, stage, method), never an object, a request or an actor id. The references live as long as
// the Metrics and are thread-safe (prometheus-cpp's own types); asking for the same name and labels
// again gives the same one, so ask once and keep it. Thread-safe.
class Metrics {
 public:
  // Registers anabranch_build_info{role, version}.
  explicit Metrics(absl::string_view role);
  ~Metrics();

  prometheus::Counter& Counter(const std::string& name, const std::string& help,
                               const MetricLabels& labels = {});
  prometheus::Gauge& Gauge(const std::string& name, const std::string& help,
                           const MetricLabels& labels = {});
  // `bounds`: upper bounds of the buckets, ascending.
  prometheus::Histogram& Histogram(const std::string& name, const std::string& help,
                                   const std::vector<double>& bounds,
                                   const MetricLabels& labels = {});
  // Runs before each scrape, one scrape at a time, in the scraping thread, whose stack is small
  // (100 kB): for gauges and counters that are read from elsewhere. What it captures outlives the
  // Metrics' last scrape (see MetricsEndpoint).
  void OnScrape(std::function<void()> update);
  // Sets a counter that is kept elsewhere to its present total; it never goes down.
  static void Raise(prometheus::Counter& counter, double total);

  // As text in Prometheus' exposition format, for tests.
  std::string Text() const;

 private:
  friend class MetricsEndpoint;
  struct State;
  const std::shared_ptr<State> state_;
};

// Buckets for latencies, seconds: 0.1 ms to 60 s, three a decade.
std::vector<double> LatencyBuckets();

// Serves /metrics over HTTP until destroyed.
class MetricsEndpoint {
 public:
  // `address` is HOST:PORT; port 0 takes a free one. UNAVAILABLE names the address that can't be
  // bound. No scrape runs once the endpoint is destroyed; the metrics may be shared with others.
  static absl::StatusOr<std::unique_ptr<MetricsEndpoint>> Start(const std::string& address,
                                                                const Metrics& metrics);
  ~MetricsEndpoint();
  // HOST:PORT with the port in use.
  const std::string& address() const { return address_; }

 private:
  struct State;
  MetricsEndpoint();
  std::unique_ptr<State> state_;
  std::string address_;
};

}  // namespace anabranch

#endif  // ANABRANCH_RUNTIME_METRICS_H_
