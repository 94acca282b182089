// The inside of Metrics, which its endpoint shares. For metrics.cc and metrics_endpoint.cc.
#ifndef ANABRANCH_RUNTIME_METRICS_STATE_H_
#define ANABRANCH_RUNTIME_METRICS_STATE_H_

#include <prometheus/collectable.h>
#include <prometheus/registry.h>

#include <functional>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "runtime/metrics.h"

namespace anabranch {

// Thread-safe.
struct Metrics::State : public prometheus::Collectable {
  // Runs the updates, then reads everything. One at a time: two updates at once would both raise a
  // counter by the same amount.
  std::vector<prometheus::MetricFamily> Collect() const override;

  // Taken before updates_mutex and held while the updates run.
  mutable absl::Mutex scrape_mutex ABSL_ACQUIRED_BEFORE(updates_mutex);
  mutable absl::Mutex updates_mutex;
  std::vector<std::function<void()>> updates ABSL_GUARDED_BY(updates_mutex);
  prometheus::Registry registry;  // Locks for itself.
};

}  // namespace anabranch

#endif  // ANABRANCH_RUNTIME_METRICS_STATE_H_
