// Repeated, alternating measurements, and how they are printed.
#ifndef ANABRANCH_BENCHMARKS_MEASURE_H_
#define ANABRANCH_BENCHMARKS_MEASURE_H_

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

namespace anabranch::benchmarks {

// What is measured: does some work and returns how much, in units of its own.
struct Workload {
  std::string name;
  std::string unit;  // Of the work, such as "transitions".
  std::function<double()> run;
};

struct Rate {
  std::string name;
  std::string unit;
  std::vector<double> rounds;  // Units per second.

  double Median() const;
  double Minimum() const;
  double Maximum() const;
};

// Every workload runs for about `seconds` in each of `rounds` rounds, one after another, so that a
// machine that changes its speed changes it for all: A B C A B C …. One untimed call each comes
// first.
std::vector<Rate> MeasureAlternating(const std::vector<Workload>& workloads, double seconds,
                                     int rounds);

// The ratio of two rates round by round; its median is what to quote.
Rate RatioOf(const Rate& numerator, const Rate& denominator);

// A line for people: name, median, minimum and maximum.
void Print(const Rate& rate);

// {"name": …, "unit": …, "median": …, "rounds": […]}
std::string ToJson(const Rate& rate);

// Runs `body(thread)` on so many threads at once and waits for all.
void RunOnThreads(int threads, const std::function<void(int)>& body);

}  // namespace anabranch::benchmarks

#endif  // ANABRANCH_BENCHMARKS_MEASURE_H_
