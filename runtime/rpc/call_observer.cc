#include "runtime/rpc/call_observer.h"

#include <prometheus/histogram.h>

#include <chrono>
#include <iterator>

#include "absl/status/status.h"
#include "absl/strings/strip.h"

namespace anabranch {
namespace {

using grpc::experimental::InterceptionHookPoints;
using Clock = std::chrono::steady_clock;

// Lives as long as its call: it is destroyed after the status has gone out.
class CallInterceptor final : public grpc::experimental::Interceptor {
 public:
  CallInterceptor(std::shared_ptr<CallObserver> observer, std::string method)
      : observer_(std::move(observer)), method_(std::move(method)), began_(Clock::now()) {
    observer_->Began();
  }
  ~CallInterceptor() override { observer_->Ended(); }

  void Intercept(grpc::experimental::InterceptorBatchMethods* batch) override {
    if (batch->QueryInterceptionHookPoint(InterceptionHookPoints::PRE_SEND_STATUS)) {
      observer_->Observe(method_, batch->GetSendStatus().error_code(),
                         absl::FromChrono(Clock::now() - began_));
    }
    batch->Proceed();
  }

 private:
  const std::shared_ptr<CallObserver> observer_;
  const std::string method_;
  const Clock::time_point began_;
};

class CallInterceptors final : public grpc::experimental::ServerInterceptorFactoryInterface {
 public:
  explicit CallInterceptors(std::shared_ptr<CallObserver> observer)
      : observer_(std::move(observer)) {}

  grpc::experimental::Interceptor* CreateServerInterceptor(
      grpc::experimental::ServerRpcInfo* info) override {
    // Only methods that are ours become labels: a stranger's inventions are never counted.
    absl::string_view method = info->method();
    if (!absl::ConsumePrefix(&method, "/anabranch.")) return nullptr;
    return new CallInterceptor(observer_, std::string(method.substr(method.find('.') + 1)));
  }

 private:
  const std::shared_ptr<CallObserver> observer_;
};

}  // namespace

CallObserver::CallObserver(Metrics& metrics) : metrics_(metrics) {}

void CallObserver::Began() {
  absl::MutexLock lock(&mutex_);
  ++running_;
}

void CallObserver::Ended() {
  absl::MutexLock lock(&mutex_);
  --running_;
}

bool CallObserver::None() const {
  absl::MutexLock lock(&mutex_);
  return running_ == 0;
}

void CallObserver::Observe(const std::string& method, int code, absl::Duration duration) {
  prometheus::Histogram* histogram = nullptr;
  {
    absl::MutexLock lock(&mutex_);
    prometheus::Histogram*& slot = seconds_[{method, code}];
    if (slot == nullptr) {
      slot = &metrics_.Histogram("anabranch_rpc_seconds",
                                 "Time that calls took, streams from their beginning to their end.",
                                 LatencyBuckets(),
                                 {{"method", method}, {"code", std::string(CodeName(code))}});
    }
    histogram = slot;
  }
  histogram->Observe(absl::ToDoubleSeconds(duration));
}

std::unique_ptr<grpc::experimental::ServerInterceptorFactoryInterface> MakeCallInterceptors(
    std::shared_ptr<CallObserver> observer) {
  return std::make_unique<CallInterceptors>(std::move(observer));
}

absl::string_view CodeName(int code) {
  static constexpr absl::string_view kNames[] = {"OK",
                                                 "CANCELLED",
                                                 "UNKNOWN",
                                                 "INVALID_ARGUMENT",
                                                 "DEADLINE_EXCEEDED",
                                                 "NOT_FOUND",
                                                 "ALREADY_EXISTS",
                                                 "PERMISSION_DENIED",
                                                 "RESOURCE_EXHAUSTED",
                                                 "FAILED_PRECONDITION",
                                                 "ABORTED",
                                                 "OUT_OF_RANGE",
                                                 "UNIMPLEMENTED",
                                                 "INTERNAL",
                                                 "UNAVAILABLE",
                                                 "DATA_LOSS",
                                                 "UNAUTHENTICATED"};
  const bool known = code >= 0 && static_cast<size_t>(code) < std::size(kNames);
  return known ? kNames[code] : "UNKNOWN";
}

}  // namespace anabranch
