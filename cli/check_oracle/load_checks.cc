#include <algorithm>
#include <string>
#include <thread>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "cli/check_oracle/checks.h"

namespace anabranch {
namespace {

constexpr int kCallers = 8;

// The first fault that any of several threads finds.
class FirstFault {
 public:
  void Add(const std::string& fault) {
    absl::MutexLock lock(&mu_);
    if (fault_.empty()) fault_ = fault;
  }
  std::string Get() const {
    absl::MutexLock lock(&mu_);
    return fault_;
  }

 private:
  mutable absl::Mutex mu_;
  std::string fault_ ABSL_GUARDED_BY(mu_);
};

template <typename Function>
void OnThreads(int count, const Function& function) {
  std::vector<std::thread> threads;
  for (int t = 0; t < count; ++t) threads.emplace_back([&function, t] { function(t); });
  for (std::thread& thread : threads) thread.join();
}

// What is wrong with the answer to a rotated batch, or empty.
std::string RotatedFault(Probe& probe, int by) {
  std::vector<std::string> objects = probe.objects();
  std::rotate(objects.begin(), objects.begin() + by % objects.size(), objects.end());
  const auto response = probe.Ask(probe.Request(objects));
  if (!response.ok()) return InWords(response.status());
  if (!probe.comparable()) return "";
  for (size_t i = 0; i < objects.size(); ++i) {
    const Judgement judgement = JudgementOf(*response, static_cast<int>(i));
    if (probe.Compare(objects[i], judgement) == Agreement::kDifferent) {
      return absl::StrCat("\"", OneLine(objects[i]), "\" got ", ToText(judgement), " after ",
                          probe.Heard(objects[i]));
    }
  }
  return "";
}

void CheckDeadlines(Probe& probe, OracleReport& report) {
  OnThreads(kCallers, [&](int) {
    // However it ends: what counts is that the oracle still answers afterwards.
    (void)probe.hasty().Evaluate(probe.Request(probe.objects()));
  });
  const std::string fault = RotatedFault(probe, 1);
  if (fault.empty()) {
    report.Pass("load.deadlines", "after 8 callers that gave up at once, it still answers right");
  } else {
    report.Fail("load.deadlines", absl::StrCat("after 8 callers that gave up at once: ", fault),
                "Drop work whose caller has gone, and leave nothing locked behind");
  }
}

void CheckConcurrency(Probe& probe, OracleReport& report) {
  FirstFault fault;
  OnThreads(kCallers, [&](int t) {
    const std::string wrong = RotatedFault(probe, t);
    if (!wrong.empty()) fault.Add(wrong);
  });
  if (fault.Get().empty()) {
    report.Pass("load.concurrency", "8 requests side by side are all answered right");
  } else {
    report.Fail("load.concurrency", absl::StrCat("with 8 requests side by side: ", fault.Get()),
                "Share nothing between requests, or lock it; refuse with RESOURCE_EXHAUSTED and "
                "reason OVERLOADED only when many more come");
  }
}

}  // namespace

void CheckLoad(Probe& probe, OracleReport& report) {
  CheckDeadlines(probe, report);
  CheckConcurrency(probe, report);
}

}  // namespace anabranch
