// Cache and budget together, under many threads, against what the oracle itself counts.
#include <gtest/gtest.h>

#include <atomic>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "gflownet/random.h"
#include "reward/budget/budget.h"
#include "reward/budget/budget_gate.h"
#include "reward/cache/result_cache.h"
#include "tests/runtime/temporary_directory.h"

namespace anabranch {
namespace {

constexpr int kObjects = 400;
constexpr int kThreads = 4;
constexpr int kRequests = 250;

// What an object's number says of it. The value of one that is OK is its number.
enum class Kind { kPlain, kInvalid, kFailed, kRetryableFirst, kPending };
Kind KindOf(int object) {
  switch (object % 10) {
    case 0:
      return Kind::kInvalid;
    case 1:
      return Kind::kFailed;
    case 2:
      return Kind::kRetryableFirst;
    case 3:
      return Kind::kPending;
    default:
      return Kind::kPlain;
  }
}

// Counts for itself. Answers a lab's objects at the second poll. Thread-safe.
class CountingOracle final : public RewardClient {
 public:
  explicit CountingOracle(bool fails) : fails_(fails) {}

  absl::StatusOr<v1::DescribeResponse> Describe(const v1::DescribeRequest&) override {
    v1::DescribeResponse out;
    out.set_fingerprint("counting/1");
    out.add_objectives()->set_name("number");
    out.set_deterministic(true);
    return out;
  }
  absl::StatusOr<v1::EvaluateResponse> Evaluate(const v1::EvaluateRequest& request) override {
    absl::MutexLock lock(&mu_);
    if (fails_ && ++requests_ % 7 == 0) return absl::UnavailableError("every seventh");
    v1::EvaluateResponse out;
    out.set_request_id(request.request_id());
    out.set_fingerprint("counting/1");
    for (const v1::RewardObject& object : request.objects()) {
      ++objects_;
      const int number = std::stoi(object.inline_());
      const v1::ObjectStatus status = Judge(number, object.ticket());
      out.add_statuses(status);
      out.add_raw_values(number);
      const bool pending = status == v1::OBJECT_STATUS_PENDING;
      out.add_tickets(pending ? absl::StrCat("t", number) : "");
      if (!pending && status != v1::OBJECT_STATUS_RETRYABLE) ++evaluated_[number];
    }
    return out;
  }

  int64_t objects() const {
    absl::MutexLock lock(&mu_);
    return objects_;
  }
  // How often each object was evaluated.
  std::map<int, int> evaluated() const {
    absl::MutexLock lock(&mu_);
    return evaluated_;
  }
  int64_t evaluations() const {
    int64_t sum = 0;
    for (const auto& [object, times] : evaluated()) sum += times;
    return sum;
  }

 private:
  v1::ObjectStatus Judge(int object, const std::string& ticket) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) {
    const int before = seen_[object]++;
    switch (KindOf(object)) {
      case Kind::kInvalid:
        return v1::OBJECT_STATUS_INVALID;
      case Kind::kFailed:
        return v1::OBJECT_STATUS_FAILED;
      case Kind::kRetryableFirst:
        return before == 0 ? v1::OBJECT_STATUS_RETRYABLE : v1::OBJECT_STATUS_OK;
      case Kind::kPending:
        if (before > 0) {
          EXPECT_EQ(ticket, absl::StrCat("t", object));  // Never submitted twice.
        }
        return before < 2 ? v1::OBJECT_STATUS_PENDING : v1::OBJECT_STATUS_OK;
      case Kind::kPlain:
        break;
    }
    return v1::OBJECT_STATUS_OK;
  }

  const bool fails_;
  mutable absl::Mutex mu_;
  int64_t requests_ ABSL_GUARDED_BY(mu_) = 0;
  int64_t objects_ ABSL_GUARDED_BY(mu_) = 0;
  std::map<int, int> seen_ ABSL_GUARDED_BY(mu_);
  std::map<int, int> evaluated_ ABSL_GUARDED_BY(mu_);
};

// What the callers were told.
struct Told {
  std::atomic<int64_t> asked = 0;
  std::atomic<int64_t> evaluated = 0;  // Afresh, and for good.
  std::atomic<int64_t> exhausted = 0;
  std::atomic<int64_t> wrong = 0;
};

bool IsRight(int object, v1::ObjectStatus status, double value) {
  switch (status) {
    case v1::OBJECT_STATUS_OK:
      return value == object && KindOf(object) != Kind::kInvalid && KindOf(object) != Kind::kFailed;
    case v1::OBJECT_STATUS_INVALID:
      return KindOf(object) == Kind::kInvalid;
    case v1::OBJECT_STATUS_FAILED:
      return KindOf(object) == Kind::kFailed;
    case v1::OBJECT_STATUS_RETRYABLE:
      return KindOf(object) == Kind::kRetryableFirst;
    case v1::OBJECT_STATUS_PENDING:
      return KindOf(object) == Kind::kPending;
    default:
      return status == v1::OBJECT_STATUS_BUDGET_EXHAUSTED;
  }
}

class Stack {
 public:
  Stack(const std::string& directory, CountingOracle& oracle, uint64_t limit) {
    store_ = *OpenStore(directory);
    v1::BudgetConfig config;
    config.set_max_evaluations(limit);
    budget_ = *Budget::Open(config, *store_);
    gate_ = std::make_unique<BudgetGate>(oracle, "counting", *budget_);
    ResultCacheOptions options;
    options.oracle = "counting";
    cache_ = *ResultCache::Create(*gate_, options, store_.get(), NullLog());
  }

  void Ask(const std::vector<int>& objects, Told& told) {
    v1::EvaluateRequest request;
    request.set_request_id("r");
    request.set_format("number");
    for (const int object : objects) request.add_objects()->set_inline_(absl::StrCat(object));
    const auto out = cache_->Evaluate(request);
    if (!out.ok()) {
      if (!absl::IsUnavailable(out.status())) ++told.wrong;
      return;
    }
    told.asked += static_cast<int64_t>(objects.size());
    for (size_t i = 0; i < objects.size(); ++i) {
      const auto at = static_cast<int>(i);
      const v1::ObjectStatus status = out->statuses(at);
      if (!IsRight(objects[i], status, out->raw_values(at))) ++told.wrong;
      if (status == v1::OBJECT_STATUS_BUDGET_EXHAUSTED) ++told.exhausted;
      const bool ends = status == v1::OBJECT_STATUS_OK || status == v1::OBJECT_STATUS_INVALID ||
                        status == v1::OBJECT_STATUS_FAILED;
      if (ends && !out->from_cache(at)) ++told.evaluated;
    }
  }
  // Every object, one by one, so often that labs have answered too.
  void AskAll(Told& told) {
    for (int round = 0; round < 4; ++round) {
      for (int object = 0; object < kObjects; ++object) {
        if (KindOf(object) != Kind::kFailed) Ask({object}, told);
      }
    }
  }
  ResultCache::Totals totals() const { return cache_->totals(); }
  v1::RewardBudget budget() const { return budget_->Read(); }

 private:
  std::unique_ptr<KeyValueStore> store_;
  std::unique_ptr<Budget> budget_;
  std::unique_ptr<BudgetGate> gate_;
  std::unique_ptr<ResultCache> cache_;
};

void AskFromManyThreads(Stack& stack, uint64_t seed, Told& told) {
  std::vector<std::thread> threads;
  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back([&, t] {
      RandomStream random(seed, static_cast<uint64_t>(t));
      for (int i = 0; i < kRequests; ++i) {
        std::vector<int> objects(1 + random.NextBelow(12));
        for (int& object : objects) object = static_cast<int>(random.NextBelow(kObjects));
        stack.Ask(objects, told);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
}

struct Case {
  uint64_t limit;
  bool fails;
};

class BudgetPropertyTest : public testing::TestWithParam<Case> {};

TEST_P(BudgetPropertyTest, EverythingAddsUpToWhatTheOracleCounts) {
  const auto [limit, fails] = GetParam();
  TemporaryDirectory directory;
  CountingOracle oracle(fails);
  Told told;
  {
    Stack stack(directory.Path("state"), oracle, limit);
    AskFromManyThreads(stack, 7, told);
    const ResultCache::Totals totals = stack.totals();
    const int64_t accounted = totals.hits + totals.coalesced + totals.waiting + totals.misses;
    EXPECT_GE(accounted, told.asked);
    if (!fails) {
      EXPECT_EQ(accounted, told.asked);
    }
    EXPECT_GT(totals.hits, 0);
    stack.AskAll(told);
    EXPECT_EQ(told.wrong, 0);
    const v1::RewardBudget budget = stack.budget();
    EXPECT_EQ(static_cast<int64_t>(budget.evaluations_used()), oracle.evaluations());
    EXPECT_EQ(budget.evaluations_outstanding(), 0u);
    if (limit == 0) {
      EXPECT_EQ(told.exhausted, 0);
      EXPECT_EQ(stack.totals().misses, oracle.objects());
    } else {
      EXPECT_GT(told.exhausted, 0);
      EXPECT_EQ(budget.evaluations_used(), limit);
    }
    if (!fails) {
      EXPECT_EQ(told.evaluated, oracle.evaluations());
    }
  }
  for (const auto& [object, times] : oracle.evaluated()) {
    if (KindOf(object) != Kind::kFailed) {
      EXPECT_EQ(times, 1) << object;
    }
  }
  const int64_t before = oracle.evaluations();
  Stack again(directory.Path("state"), oracle, limit);  // As a new process.
  again.AskAll(told);
  EXPECT_EQ(told.wrong, 0);
  EXPECT_EQ(oracle.evaluations(), before);
  EXPECT_EQ(static_cast<int64_t>(again.budget().evaluations_used()), before);
}

INSTANTIATE_TEST_SUITE_P(Cases, BudgetPropertyTest,
                         testing::Values(Case{0, false}, Case{0, true}, Case{150, false},
                                         Case{150, true}));

}  // namespace
}  // namespace anabranch
