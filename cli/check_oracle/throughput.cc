#include <algorithm>
#include <string>
#include <thread>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "cli/check_oracle/checks.h"

namespace anabranch {
namespace {

constexpr absl::Duration kTimePerSize = absl::Milliseconds(500);
constexpr absl::Duration kLongestRequest = absl::Seconds(4);  // Larger batches are left out.
constexpr int kFewestRequests = 3;                            // For each caller.
constexpr int kMostRequests = 1000;                           // For each caller.
constexpr uint32_t kLargestBatch = 16384;
// A setting is good enough from here on; smaller batches and fewer requests keep latency low.
constexpr double kNearlyBest = 0.9;

struct Measurement {
  absl::Mutex mu;
  std::vector<absl::Duration> latencies ABSL_GUARDED_BY(mu);
  absl::Status status ABSL_GUARDED_BY(mu);
};

// One caller's requests, one after the other.
void Call(Probe& probe, const std::vector<std::string>& objects, Measurement& into) {
  const absl::Time begin = absl::Now();
  for (int i = 0; i < kMostRequests; ++i) {
    const absl::Duration took = absl::Now() - begin;
    if (took > kLongestRequest || (i >= kFewestRequests && took > kTimePerSize)) return;
    const v1::EvaluateRequest request = probe.Request(objects);
    const absl::Time asked = absl::Now();
    const absl::Status status = probe.oracle().Evaluate(request).status();
    const absl::Duration latency = absl::Now() - asked;
    absl::MutexLock lock(&into.mu);
    if (!status.ok()) {
      into.status = status;
      return;
    }
    into.latencies.push_back(latency);
  }
}

absl::StatusOr<Throughput> Measure(Probe& probe, uint32_t batch, int in_flight) {
  std::vector<std::string> objects;
  for (uint32_t i = 0; i < batch; ++i) {
    objects.push_back(probe.objects()[i % probe.objects().size()]);
  }
  Measurement measured;
  const absl::Time begin = absl::Now();
  std::vector<std::thread> callers;
  for (int c = 0; c < in_flight; ++c) {
    callers.emplace_back([&] { Call(probe, objects, measured); });
  }
  for (std::thread& caller : callers) caller.join();
  const absl::Duration took = absl::Now() - begin;
  absl::MutexLock lock(&measured.mu);
  if (!measured.status.ok()) return measured.status;
  std::sort(measured.latencies.begin(), measured.latencies.end());
  Throughput out;
  out.batch_objects = batch;
  out.in_flight = in_flight;
  out.objects_per_second =
      static_cast<double>(batch * measured.latencies.size()) / absl::ToDoubleSeconds(took);
  out.median_latency = measured.latencies[measured.latencies.size() / 2];
  out.worst_latency = measured.latencies.back();
  return out;
}

std::vector<uint32_t> Sizes(const v1::DescribeResponse& description) {
  std::vector<uint32_t> sizes = {1, 16, 256, description.preferred_batch_objects(),
                                 description.max_batch_objects()};
  const uint32_t most = description.max_batch_objects() > 0
                            ? std::min(description.max_batch_objects(), kLargestBatch)
                            : kLargestBatch;
  for (uint32_t& size : sizes) size = std::min(size, most);
  std::sort(sizes.begin(), sizes.end());
  sizes.erase(std::unique(sizes.begin(), sizes.end()), sizes.end());
  sizes.erase(std::remove(sizes.begin(), sizes.end(), 0u), sizes.end());
  return sizes;
}

// The first row that is nearly as fast as the fastest.
const Throughput& FirstNearlyBest(const std::vector<Throughput>& rows) {
  double best = 0;
  for (const Throughput& row : rows) best = std::max(best, row.objects_per_second);
  return *std::find_if(rows.begin(), rows.end(), [&](const Throughput& row) {
    return row.objects_per_second >= kNearlyBest * best;
  });
}

}  // namespace

void MeasureThroughput(Probe& probe, OracleReport& report) {
  std::vector<Throughput> by_size, by_flight;
  auto measure = [&](uint32_t batch, int in_flight, std::vector<Throughput>& rows) {
    const auto row = Measure(probe, batch, in_flight);
    if (!row.ok()) {
      report.Fail("load.throughput",
                  absl::StrCat("a batch of ", batch, " objects with ", in_flight,
                               " in flight: ", InWords(row.status())),
                  "Answer every size up to max_batch_objects within the deadline, or lower it");
      return false;
    }
    rows.push_back(*row);
    report.throughput.push_back(*row);
    return true;
  };
  std::string left_out;
  for (const uint32_t size : Sizes(probe.description())) {
    if (!by_size.empty() &&
        size / by_size.back().objects_per_second > absl::ToDoubleSeconds(kLongestRequest)) {
      left_out = absl::StrCat("; larger ones would take more than ",
                              absl::FormatDuration(kLongestRequest), " each");
      break;
    }
    if (!measure(size, 1, by_size)) return;
  }
  const Throughput& batch = FirstNearlyBest(by_size);
  by_flight.push_back(batch);
  for (const int in_flight : {2, 4, 8}) {
    if (!measure(batch.batch_objects, in_flight, by_flight)) return;
  }
  report.suggested_batch_objects = batch.batch_objects;
  report.suggested_max_in_flight = FirstNearlyBest(by_flight).in_flight;
  report.Pass("load.throughput",
              absl::StrCat("of ", by_size.size(), " batch sizes stands below", left_out));
}

}  // namespace anabranch
