#include "benchmarks/measure.h"

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <thread>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"

namespace anabranch::benchmarks {
namespace {

double Now() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

}  // namespace

double Rate::Median() const {
  std::vector<double> sorted = rounds;
  std::sort(sorted.begin(), sorted.end());
  const size_t middle = sorted.size() / 2;
  return sorted.size() % 2 == 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}

double Rate::Minimum() const { return *std::min_element(rounds.begin(), rounds.end()); }

double Rate::Maximum() const { return *std::max_element(rounds.begin(), rounds.end()); }

std::vector<Rate> MeasureAlternating(const std::vector<Workload>& workloads, double seconds,
                                     int rounds) {
  std::vector<Rate> rates;
  for (const Workload& workload : workloads) {
    workload.run();
    rates.push_back({workload.name, workload.unit, {}});
  }
  for (int round = 0; round < rounds; ++round) {
    for (size_t i = 0; i < workloads.size(); ++i) {
      const double start = Now();
      double work = 0, elapsed = 0;
      do {
        work += workloads[i].run();
        elapsed = Now() - start;
      } while (elapsed < seconds);
      rates[i].rounds.push_back(work / elapsed);
    }
  }
  return rates;
}

Rate RatioOf(const Rate& numerator, const Rate& denominator) {
  Rate ratio{absl::StrCat(numerator.name, " / ", denominator.name), "", {}};
  for (size_t i = 0; i < numerator.rounds.size(); ++i) {
    ratio.rounds.push_back(numerator.rounds[i] / denominator.rounds[i]);
  }
  return ratio;
}

void Print(const Rate& rate) {
  const bool is_ratio = rate.unit.empty();
  std::printf("%-58s %14.*f  (%.*f to %.*f)%s%s\n", rate.name.c_str(), is_ratio ? 3 : 0,
              rate.Median(), is_ratio ? 3 : 0, rate.Minimum(), is_ratio ? 3 : 0, rate.Maximum(),
              is_ratio ? "" : " ", is_ratio ? "" : (rate.unit + "/s").c_str());
}

std::string ToJson(const Rate& rate) {
  return absl::StrCat("{\"name\": \"", rate.name, "\", \"unit\": \"", rate.unit,
                      "\", \"median\": ", rate.Median(), ", \"rounds\": [",
                      absl::StrJoin(rate.rounds, ", "), "]}");
}

void RunOnThreads(int threads, const std::function<void(int)>& body) {
  std::vector<std::thread> workers;
  for (int i = 1; i < threads; ++i) workers.emplace_back(body, i);
  body(0);
  for (std::thread& worker : workers) worker.join();
}

}  // namespace anabranch::benchmarks
