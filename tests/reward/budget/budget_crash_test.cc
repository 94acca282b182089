// A process that is killed while its oracle evaluates.
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <climits>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "reward/budget/budget.h"
#include "reward/budget/budget_gate.h"
#include "reward/cache/result_cache.h"
#include "tests/reward/number_oracle.h"
#include "tests/runtime/temporary_directory.h"

namespace anabranch {
namespace {

constexpr uint64_t kLimit = 120;

// Says to a pipe, one byte each, which objects it has seen, before it answers. Once it has seen
// `most` it answers no more: the process is sure to be killed in the middle of an evaluation.
class TellingOracle final : public RewardClient {
 public:
  TellingOracle(int pipe, int most) : pipe_(pipe), most_(most) {}
  absl::StatusOr<v1::DescribeResponse> Describe(const v1::DescribeRequest& request) override {
    return numbers_.Describe(request);
  }
  absl::StatusOr<v1::EvaluateResponse> Evaluate(const v1::EvaluateRequest& request) override {
    const std::string seen(request.objects_size(), 'o');
    if (write(pipe_, seen.data(), seen.size()) != static_cast<ssize_t>(seen.size())) _exit(3);
    if ((seen_ += request.objects_size()) >= most_) pause();
    return numbers_.Evaluate(request);
  }

 private:
  const int pipe_;
  const int most_;
  std::atomic<int> seen_ = 0;
  NumberOracle numbers_;
};

// Asks for objects that nobody asked for before, from two threads, until the budget is spent.
int Spend(const std::string& directory, int round, int most, int pipe) {
  auto store = OpenStore(directory);
  if (!store.ok()) return 1;
  v1::BudgetConfig config;
  config.set_max_evaluations(kLimit);
  auto budget = Budget::Open(config, **store);
  if (!budget.ok()) return 2;
  TellingOracle oracle(pipe, most);
  BudgetGate gate(oracle, "numbers", **budget);
  ResultCacheOptions options;
  options.oracle = "numbers";
  auto cache = *ResultCache::Create(gate, options, store->get(), NullLog());
  std::vector<std::thread> threads;
  for (int t = 0; t < 2; ++t) {
    threads.emplace_back([&, t] {
      for (int i = 0;; i += 3) {
        std::vector<std::string> objects;
        for (int k = 0; k < 3; ++k) {
          objects.push_back(absl::StrCat(((round * 2 + t) * 1000) + i + k));
        }
        const auto out = cache->Evaluate(Request(objects));
        if (!out.ok()) _exit(4);
        if (out->statuses(2) == v1::OBJECT_STATUS_BUDGET_EXHAUSTED) return;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  return 0;
}

// What the next process reads: used and outstanding.
int Inspect(const std::string& directory, int pipe) {
  auto store = OpenStore(directory);
  if (!store.ok()) return 1;
  v1::BudgetConfig config;
  config.set_max_evaluations(kLimit);
  auto budget = Budget::Open(config, **store);
  if (!budget.ok()) return 2;
  const v1::RewardBudget read = (*budget)->Read();
  const uint64_t numbers[] = {read.evaluations_used(), read.evaluations_outstanding()};
  return write(pipe, numbers, sizeof(numbers)) == sizeof(numbers) ? 0 : 3;
}

// The child writes, this process reads: it has no threads of its own, so that it can fork.
struct Child {
  pid_t pid = 0;
  int pipe = -1;
};

Child Start(const std::function<int(int)>& run) {
  int ends[2];
  if (pipe(ends) != 0) return {};
  const pid_t pid = fork();
  if (pid == 0) {
    close(ends[0]);
    _exit(run(ends[1]));
  }
  close(ends[1]);
  return {pid, ends[0]};
}

// Up to `most` bytes, or all that there are.
std::string ReadSome(int pipe, size_t most) {
  std::string all;
  char byte = 0;
  while (all.size() < most && read(pipe, &byte, 1) == 1) all.push_back(byte);
  return all;
}

int Finish(const Child& child) {
  int state = 0;
  close(child.pipe);
  waitpid(child.pid, &state, 0);
  return WIFEXITED(state) ? WEXITSTATUS(state) : 128 + WTERMSIG(state);
}

TEST(BudgetCrash, AKilledProcessNeverOverspendsNorForgets) {
  TemporaryDirectory directory;
  const std::string state = directory.Path("state");
  uint64_t seen = 0, used_before = 0;
  for (int round = 0; round < 6; ++round) {
    const bool last = round == 5;
    const int most = last ? INT_MAX : 5 + 4 * round;
    const Child child = Start([&](int pipe) { return Spend(state, round, most, pipe); });
    if (!last) {
      seen += ReadSome(child.pipe, most).size();
      kill(child.pid, SIGKILL);
    }
    seen += ReadSome(child.pipe, SIZE_MAX).size();  // What it had said before it went.
    ASSERT_EQ(Finish(child), last ? 0 : 128 + SIGKILL);
    const Child inspector = Start([&](int pipe) { return Inspect(state, pipe); });
    const std::string numbers = ReadSome(inspector.pipe, SIZE_MAX);
    ASSERT_EQ(Finish(inspector), 0);
    ASSERT_EQ(numbers.size(), 2 * sizeof(uint64_t));
    uint64_t read[2];
    numbers.copy(reinterpret_cast<char*>(read), sizeof(read));
    const auto [used, outstanding] = std::pair(read[0], read[1]);
    EXPECT_GE(used, seen);
    EXPECT_LE(used, kLimit);
    EXPECT_EQ(outstanding, 0u);
    EXPECT_GT(used, used_before);
    // Lost at most: what two requests had reserved, at each kill.
    EXPECT_LE(used, seen + 6 * static_cast<uint64_t>(round + 1));
    used_before = used;
  }
  EXPECT_EQ(used_before, kLimit);
}

}  // namespace
}  // namespace anabranch
