#include "tests/cluster/hostile_oracle.h"

#include <grpcpp/server_builder.h>
#include <gtest/gtest.h>

#include <chrono>
#include <cmath>
#include <limits>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "runtime/components/environment_components.h"
#include "runtime/error_reason.h"
#include "runtime/rpc/grpc_status.h"

namespace anabranch {
namespace {

constexpr int kHostilities = 12;
constexpr size_t kHugeReasonBytes = 1 << 20;
constexpr absl::Duration kLook = absl::Milliseconds(5);
constexpr char kTicket[] = "tomorrow";

std::unique_ptr<RewardService> Truth(const v1::RunConfig& config) {
  const auto environment = MakeEnvironment(config.environment());
  auto function = MakeRewardFunction(config);
  RewardServiceOptions options;
  options.name = "hostile";
  options.accepted_formats = {(*environment)->spec().object_format};
  auto service = RewardService::Create(std::move(options),
                                       std::shared_ptr<RewardFunction>(*std::move(function)));
  EXPECT_TRUE(service.ok()) << service.status();
  return *std::move(service);
}

bool IsPoll(const v1::EvaluateRequest& request) {
  for (const v1::RewardObject& object : request.objects()) {
    if (!object.ticket().empty()) return true;
  }
  return false;
}

}  // namespace

HostileOracle::HostileOracle(const v1::RunConfig& config, double share,
                             absl::Duration longest_delay, uint64_t seed)
    : truth_(Truth(config)), share_(share), longest_delay_(longest_delay), random_(seed, 1) {
  Listen();
}

HostileOracle::~HostileOracle() { server_->Shutdown(std::chrono::system_clock::now()); }

void HostileOracle::Listen() {
  grpc::ServerBuilder builder;
  builder.AddChannelArgument(GRPC_ARG_ALLOW_REUSEPORT, 0);
  builder.AddListeningPort(absl::StrCat("127.0.0.1:", port_), grpc::InsecureServerCredentials(),
                           &port_);
  builder.SetMaxReceiveMessageSize(-1);
  builder.RegisterService(this);
  server_ = builder.BuildAndStart();
  EXPECT_NE(server_, nullptr) << "at port " << port_;
}

void HostileOracle::Restart() {
  server_->Shutdown(std::chrono::system_clock::now());
  server_->Wait();
  Listen();
}

void HostileOracle::ChangeFingerprint(const std::string& suffix) {
  absl::MutexLock lock(&mu_);
  suffix_ = suffix;
}

int64_t HostileOracle::objects_answered() const {
  absl::MutexLock lock(&mu_);
  return objects_answered_;
}

std::map<Hostility, int64_t> HostileOracle::done() const {
  absl::MutexLock lock(&mu_);
  return done_;
}

grpc::Status HostileOracle::Describe(grpc::ServerContext*, const v1::DescribeRequest* request,
                                     v1::DescribeResponse* response) {
  auto truth = truth_->Describe(*request);
  if (!truth.ok()) return ToGrpcStatus(truth.status());
  *response = *std::move(truth);
  response->set_issues_tickets(true);
  absl::MutexLock lock(&mu_);
  response->mutable_fingerprint()->append(suffix_);
  return grpc::Status::OK;
}

Hostility HostileOracle::Draw(absl::Duration& delay) {
  absl::MutexLock lock(&mu_);
  delay = longest_delay_ * random_.NextUniformDouble();
  const double drawn = random_.NextUniformDouble();
  if (drawn >= share_) return Hostility::kNone;
  return static_cast<Hostility>(1 + static_cast<int>(drawn / share_ * kHostilities));
}

grpc::Status HostileOracle::Evaluate(grpc::ServerContext* context,
                                     const v1::EvaluateRequest* request,
                                     v1::EvaluateResponse* response) {
  absl::Duration delay;
  Hostility how = Draw(delay);
  absl::SleepFor(delay);
  v1::EvaluateRequest plain = *request;
  {
    absl::MutexLock lock(&mu_);
    const std::string suffix = suffix_;
    std::string* expected = plain.mutable_expected_fingerprint();
    if (expected->size() >= suffix.size()) expected->resize(expected->size() - suffix.size());
  }
  auto truth = truth_->Evaluate(plain);
  if (!truth.ok()) return ToGrpcStatus(truth.status());
  *response = *std::move(truth);
  if (how == Hostility::kPendingObjects && IsPoll(*request)) how = Hostility::kNone;
  {
    absl::MutexLock lock(&mu_);
    response->mutable_fingerprint()->append(suffix_);
    ++done_[how];
  }
  const grpc::Status status = Spoil(how, context, *request, *response);
  absl::MutexLock lock(&mu_);
  for (const int object : response->statuses()) {
    objects_answered_ += status.ok() && object == v1::OBJECT_STATUS_OK ? 1 : 0;
  }
  former_ = *response;
  return status;
}

void HostileOracle::LeaveOpen(v1::ObjectStatus status, const v1::EvaluateRequest& request,
                              v1::EvaluateResponse& response) {
  const bool pending = status == v1::OBJECT_STATUS_PENDING;
  for (int i = 0; i < request.objects_size(); ++i) {
    const bool open = i % 3 == 0;
    if (open) response.set_statuses(i, status);
    response.add_retry_after_millis(open ? 20 : 0);
    if (pending) response.add_tickets(open ? kTicket : "");
  }
}

grpc::Status HostileOracle::Spoil(Hostility how, grpc::ServerContext* context,
                                  const v1::EvaluateRequest& request,
                                  v1::EvaluateResponse& response) {
  const int n = request.objects_size();
  switch (how) {
    case Hostility::kNone:
      break;
    case Hostility::kHangs:
      while (!context->IsCancelled()) absl::SleepFor(kLook);
      break;
    case Hostility::kTooFewStatuses:
      if (n > 0) response.mutable_statuses()->RemoveLast();
      break;
    case Hostility::kTooManyValues:
      response.add_raw_values(0.5);
      break;
    case Hostility::kNotANumber:
      if (n > 0) response.set_raw_values(0, std::nan(""));
      break;
    case Hostility::kInfinite:
      if (n > 0) response.set_raw_values(n - 1, std::numeric_limits<double>::infinity());
      break;
    case Hostility::kHugeReason:
      for (int i = 0; i < n; ++i) response.add_reasons();
      if (n > 0) response.set_statuses(0, v1::OBJECT_STATUS_FAILED);
      if (n > 0) response.set_reasons(0, std::string(kHugeReasonBytes, 'x'));
      break;
    case Hostility::kFormerAnswer: {
      absl::MutexLock lock(&mu_);
      if (!former_.request_id().empty()) response = former_;
      break;
    }
    case Hostility::kOtherQuestion:
      response.set_request_id("nobody asked");
      break;
    case Hostility::kUnavailable:
      return {grpc::StatusCode::UNAVAILABLE, "gone fishing"};
    case Hostility::kOverloaded:
      return ToGrpcStatus(
          WithReason(absl::ResourceExhaustedError("too much of this"), kReasonOverloaded));
    case Hostility::kRetryableObjects:
      LeaveOpen(v1::OBJECT_STATUS_RETRYABLE, request, response);
      break;
    case Hostility::kPendingObjects:
      LeaveOpen(v1::OBJECT_STATUS_PENDING, request, response);
      break;
  }
  return grpc::Status::OK;
}

}  // namespace anabranch
