#include "tests/cluster/lab_oracle.h"

#include <grpcpp/server_builder.h>
#include <gtest/gtest.h>

#include <chrono>

#include "absl/strings/str_cat.h"

namespace anabranch {
namespace {

constexpr uint64_t kAskAgainMillis = 50;

}  // namespace

LabOracle::LabOracle() {
  grpc::ServerBuilder builder;
  builder.AddListeningPort("127.0.0.1:0", grpc::InsecureServerCredentials(), &port_);
  builder.RegisterService(this);
  server_ = builder.BuildAndStart();
  EXPECT_NE(server_, nullptr);
}

LabOracle::~LabOracle() { server_->Shutdown(std::chrono::system_clock::now()); }

void LabOracle::Release() {
  absl::MutexLock lock(&mu_);
  released_ = true;
}

int64_t LabOracle::orders() const {
  absl::MutexLock lock(&mu_);
  return static_cast<int64_t>(orders_.size());
}

int64_t LabOracle::objects_ordered() const {
  absl::MutexLock lock(&mu_);
  return static_cast<int64_t>(ordered_.size());
}

int64_t LabOracle::asked_by_ticket() const {
  absl::MutexLock lock(&mu_);
  return asked_by_ticket_;
}

grpc::Status LabOracle::Describe(grpc::ServerContext*, const v1::DescribeRequest*,
                                 v1::DescribeResponse* response) {
  response->set_name("lab");
  response->set_fingerprint("lab/1");
  response->set_deterministic(true);
  response->set_issues_tickets(true);
  response->add_accepted_formats("grid-coordinates");
  v1::ObjectiveDescription* objective = response->add_objectives();
  objective->set_name("reward");
  objective->set_direction(v1::OBJECTIVE_DIRECTION_MAXIMIZE);
  return grpc::Status::OK;
}

grpc::Status LabOracle::Evaluate(grpc::ServerContext*, const v1::EvaluateRequest* request,
                                 v1::EvaluateResponse* response) {
  response->set_request_id(request->request_id());
  response->set_fingerprint("lab/1");
  absl::MutexLock lock(&mu_);
  for (const v1::RewardObject& object : request->objects()) {
    std::string ticket = object.ticket();
    if (!ticket.empty()) ++asked_by_ticket_;
    if (!released_ && orders_.count(ticket) == 0) {
      ticket = absl::StrCat("order-", orders_.size());
      orders_[ticket] = object.inline_();
      ++ordered_[object.inline_()];
    }
    response->add_statuses(released_ ? v1::OBJECT_STATUS_OK : v1::OBJECT_STATUS_PENDING);
    response->add_raw_values(released_ ? 1 : 0);
    response->add_tickets(released_ ? "" : ticket);
    response->add_retry_after_millis(released_ ? 0 : kAskAgainMillis);
  }
  return grpc::Status::OK;
}

}  // namespace anabranch
