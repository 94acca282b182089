#include "reward/gateway/oracle_dispatcher.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "gflownet/environment/key.h"
#include "reward/gateway/answer_rows.h"
#include "runtime/retry.h"

namespace anabranch {
namespace {

constexpr int kDefaultBatch = 256;
constexpr int kLargestBatch = 1 << 20;

absl::Status Cancelled() { return absl::CancelledError("the reward service is ending"); }

// Parts with their lengths, so that no two lists of parts look the same.
void AppendPart(std::string& out, absl::string_view part) {
  absl::StrAppend(&out, part.size(), ":", part);
}

bool ContextsExist(const v1::EvaluateRequest& request) {
  const auto contexts = static_cast<uint32_t>(request.contexts_size());
  return std::all_of(request.objects().begin(), request.objects().end(),
                     [&](const v1::RewardObject& object) { return object.context() <= contexts; });
}

}  // namespace

std::string JoinKey(const v1::EvaluateRequest& request) {
  std::string key;
  AppendPart(key, request.format());
  AppendPart(key, request.expected_fingerprint());
  AppendPart(key, request.run_id());
  AppendPart(key, request.environment_fingerprint());
  absl::StrAppend(&key, request.replicates(), request.bypass_cache() ? "!" : "=");
  absl::StrAppend(&key, request.objectives_size(), ";");
  for (const std::string& objective : request.objectives()) AppendPart(key, objective);
  for (const v1::EvaluationContext& context : request.contexts()) {
    AppendPart(key, context.SerializeAsString());
  }
  return key;
}

absl::Status OracleDispatcherOptions::Validate() const {
  if (batch_objects < 0 || batch_objects > kLargestBatch) {
    return absl::InvalidArgumentError(
        absl::StrCat("batch_objects is ", batch_objects, ", must be from 0 to ", kLargestBatch));
  }
  if (max_wait < absl::ZeroDuration()) {
    return absl::InvalidArgumentError(absl::StrCat(
        "max_wait_seconds is ", absl::ToDoubleSeconds(max_wait), ", must be at least 0"));
  }
  if (max_in_flight < 1) {
    return absl::InvalidArgumentError(
        absl::StrCat("max_in_flight is ", max_in_flight, ", must be at least 1"));
  }
  return absl::OkStatus();
}

// Somebody whose objects are on their way, in pieces. Guarded by the dispatcher's mu_ until no
// piece is left; `request` is constant.
struct OracleDispatcher::Caller {
  const v1::EvaluateRequest& request;
  struct Part {
    int first = 0;  // In the request.
    int count = 0;
    AnswerRows rows;  // No answer where it failed.
    absl::Status status;
  };
  std::vector<Part> parts;
  int left;  // Objects that are not answered.
  absl::CondVar done;

  absl::StatusOr<v1::EvaluateResponse> Result();
};

// Once all parts are there.
absl::StatusOr<v1::EvaluateResponse> OracleDispatcher::Caller::Result() {
  std::sort(parts.begin(), parts.end(),
            [](const Part& a, const Part& b) { return a.first < b.first; });
  const v1::EvaluateResponse* answered = nullptr;
  const absl::Status* failure = nullptr;
  for (const Part& part : parts) {
    if (part.status.ok()) {
      answered = part.rows.answer.get();
    } else if (failure == nullptr || IsRetryable(*failure)) {
      failure = &part.status;
    }
  }
  if (failure != nullptr && (answered == nullptr || !IsRetryable(*failure))) return *failure;
  std::vector<AnswerRows> rows;
  for (Part& part : parts) {
    if (!part.status.ok()) {
      part.rows = {
          std::make_shared<v1::EvaluateResponse>(RetryableRows(part.status, part.count, *answered)),
          0, part.count};
    } else if (part.rows.answer->fingerprint() != answered->fingerprint()) {
      return absl::UnavailableError(absl::StrCat(
          "the oracle became another one within a request: \"", part.rows.answer->fingerprint(),
          "\" and \"", answered->fingerprint(), "\""));
    }
    rows.push_back(std::move(part.rows));
  }
  return JoinRows(request.request_id(), rows);
}

OracleDispatcher::OracleDispatcher(RewardClient& oracle, const OracleDispatcherOptions& options)
    : oracle_(oracle), options_(options), assembler_(options.max_wait) {}

OracleDispatcher::~OracleDispatcher() {
  Cancel();
  std::vector<std::thread> workers;
  {
    absl::MutexLock lock(&mu_);
    workers.swap(workers_);
  }
  for (std::thread& worker : workers) worker.join();
}

absl::StatusOr<v1::DescribeResponse> OracleDispatcher::Describe(
    const v1::DescribeRequest& request) {
  auto description = oracle_.Describe(request);
  if (!description.ok()) return description;
  int64_t size = options_.batch_objects;
  if (size == 0) size = description->preferred_batch_objects();
  if (size == 0) size = kDefaultBatch;
  if (description->max_batch_objects() > 0) {
    size = std::min<int64_t>(size, description->max_batch_objects());
  }
  size = std::min<int64_t>(size, kLargestBatch);
  size_.store(static_cast<int>(size), std::memory_order_relaxed);
  description->set_preferred_batch_objects(static_cast<uint32_t>(size));
  description->set_max_batch_objects(0);
  return description;
}

absl::StatusOr<int> OracleDispatcher::BatchSize(const v1::EvaluateRequest& request) {
  if (const int size = size_.load(std::memory_order_relaxed); size > 0) return size;
  v1::DescribeRequest describe;
  describe.set_run_id(request.run_id());
  describe.set_environment_fingerprint(request.environment_fingerprint());
  if (auto description = Describe(describe); !description.ok()) return description.status();
  return size_.load(std::memory_order_relaxed);
}

absl::StatusOr<v1::EvaluateResponse> OracleDispatcher::Evaluate(
    const v1::EvaluateRequest& request) {
  const auto size = BatchSize(request);
  if (!size.ok()) return size.status();
  const int n = request.objects_size();
  if (n == *size || (n < *size && options_.max_wait == absl::ZeroDuration()) || n == 0 ||
      request.request_id().empty() || !ContextsExist(request)) {
    return Pass(request);
  }
  return Join(request, *size);
}

absl::StatusOr<v1::EvaluateResponse> OracleDispatcher::Pass(const v1::EvaluateRequest& request) {
  {
    absl::MutexLock lock(&mu_);
    while (!cancelled_ && in_flight_ >= options_.max_in_flight) turn_.Wait(&mu_);
    if (cancelled_) return Cancelled();
    ++in_flight_;
  }
  auto answer = oracle_.Evaluate(request);
  absl::MutexLock lock(&mu_);
  EndTurn();
  return answer;
}

void OracleDispatcher::EndTurn() {
  --in_flight_;
  turn_.Signal();
  batch_or_turn_.Signal();
}

absl::StatusOr<v1::EvaluateResponse> OracleDispatcher::Join(const v1::EvaluateRequest& request,
                                                            int size) {
  Caller caller{request, {}, request.objects_size(), {}};
  const std::string key = JoinKey(request);
  {
    absl::MutexLock lock(&mu_);
    if (cancelled_) return Cancelled();
    assembler_.Add(caller, key, request.objects_size(), size, absl::Now());
    StartWorkerIfNeeded();
    batch_or_turn_.SignalAll();
    while (caller.left > 0) caller.done.Wait(&mu_);
  }
  return caller.Result();
}

void OracleDispatcher::StartWorkerIfNeeded() {
  if (idle_ > 0 || static_cast<int64_t>(workers_.size()) >= options_.max_in_flight) return;
  ++idle_;  // From now on, so that none is started twice for the same need.
  workers_.emplace_back([this] { Work(); });
}

OracleDispatcher::Batch OracleDispatcher::NextBatch() {
  absl::MutexLock lock(&mu_);
  while (true) {
    if (cancelled_) return {};
    assembler_.Flush(absl::Now());
    if (assembler_.ready() && in_flight_ < options_.max_in_flight) break;
    batch_or_turn_.WaitWithDeadline(&mu_, assembler_.due());
  }
  --idle_;
  ++in_flight_;
  Batch batch = assembler_.Take();
  // Somebody keeps watch over what waits.
  if (assembler_.ready() || assembler_.due() < absl::InfiniteFuture()) {
    StartWorkerIfNeeded();
    batch_or_turn_.Signal();
  }
  return batch;
}

void OracleDispatcher::Work() {
  while (true) {
    const Batch batch = NextBatch();
    if (batch.empty()) return;
    Send(batch);
  }
}

namespace {

// What goes to the oracle. The objects are the callers' own, who wait and don't touch them: they
// are lent to the request, and taken from it before it ends.
class LentRequest {
 public:
  explicit LentRequest(const v1::EvaluateRequest& like) {
    request_.set_expected_fingerprint(like.expected_fingerprint());
    request_.set_format(like.format());
    *request_.mutable_contexts() = like.contexts();
    request_.set_replicates(like.replicates());
    request_.set_bypass_cache(like.bypass_cache());
    *request_.mutable_objectives() = like.objectives();
    request_.set_run_id(like.run_id());
    request_.set_environment_fingerprint(like.environment_fingerprint());
  }
  ~LentRequest() {
    while (!request_.objects().empty()) {
      request_.mutable_objects()->UnsafeArenaReleaseLast();
    }
  }
  LentRequest(const LentRequest&) = delete;
  LentRequest& operator=(const LentRequest&) = delete;

  void Lend(const v1::EvaluateRequest& from, int first, int count) {
    AppendPart(content_, from.request_id());
    absl::StrAppend(&content_, first, "+", count, ";");
    for (int i = first; i < first + count; ++i) {
      request_.mutable_objects()->UnsafeArenaAddAllocated(
          const_cast<v1::RewardObject*>(&from.objects(i)));
    }
  }
  // `only` is the id of the one caller that has lent; empty if there are several.
  const v1::EvaluateRequest& Named(absl::string_view only) {
    const std::string hash = Key128::Of(content_).ToHex();
    request_.set_request_id(only.empty() ? absl::StrCat("joined/", hash)
                                         : absl::StrCat(only, "/", hash.substr(0, 16)));
    return request_;
  }

 private:
  v1::EvaluateRequest request_;
  std::string content_;
};

}  // namespace

void OracleDispatcher::Send(const Batch& batch) {
  const v1::EvaluateRequest& first = batch[0].caller->request;
  absl::StatusOr<v1::EvaluateResponse> answer;
  if (batch.size() == 1 && batch[0].count == first.objects_size()) {
    answer = oracle_.Evaluate(first);
  } else {
    LentRequest lent(first);
    for (const auto& piece : batch) lent.Lend(piece.caller->request, piece.first, piece.count);
    answer = oracle_.Evaluate(lent.Named(batch.size() == 1 ? first.request_id() : ""));
  }
  const absl::Status status = answer.status();
  std::shared_ptr<const v1::EvaluateResponse> shared;
  if (answer.ok()) shared = std::make_shared<v1::EvaluateResponse>(*std::move(answer));
  absl::MutexLock lock(&mu_);
  EndTurn();
  ++idle_;
  Finish(batch, shared, status);
}

void OracleDispatcher::Finish(const Batch& batch,
                              const std::shared_ptr<const v1::EvaluateResponse>& answer,
                              const absl::Status& status) {
  int row = 0;
  for (const auto& piece : batch) {
    Caller& caller = *piece.caller;
    caller.parts.push_back({piece.first, piece.count, {answer, row, piece.count}, status});
    row += piece.count;
    caller.left -= piece.count;
    if (caller.left == 0) caller.done.Signal();
  }
}

void OracleDispatcher::Cancel() {
  absl::MutexLock lock(&mu_);
  cancelled_ = true;
  assembler_.Flush(absl::InfiniteFuture());
  while (assembler_.ready()) Finish(assembler_.Take(), nullptr, Cancelled());
  batch_or_turn_.SignalAll();
  turn_.SignalAll();
}

}  // namespace anabranch
