// An oracle that answers tomorrow: every object gets a ticket, and its value when it is released.
#ifndef ANABRANCH_TESTS_CLUSTER_LAB_ORACLE_H_
#define ANABRANCH_TESTS_CLUSTER_LAB_ORACLE_H_

#include <grpcpp/server.h>

#include <cstdint>
#include <map>
#include <memory>
#include <string>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "anabranch/v1/reward.grpc.pb.h"

namespace anabranch {

// One objective, "reward", which is 1 for every object of a grid. A ticket is the lab's own number
// for an order; an object that comes without one is a new order, each time. Thread-safe.
class LabOracle final : public v1::RewardService::Service {
 public:
  LabOracle();
  ~LabOracle() override;

  uint16_t port() const { return static_cast<uint16_t>(port_); }
  // Answers all orders from now on, those that were taken before too; new objects at once.
  void Release();

  int64_t orders() const;           // Tickets given out.
  int64_t objects_ordered() const;  // Distinct objects among them.
  int64_t asked_by_ticket() const;  // Objects that came with one.

  grpc::Status Describe(grpc::ServerContext* context, const v1::DescribeRequest* request,
                        v1::DescribeResponse* response) override;
  grpc::Status Evaluate(grpc::ServerContext* context, const v1::EvaluateRequest* request,
                        v1::EvaluateResponse* response) override;

 private:
  int port_ = 0;
  std::unique_ptr<grpc::Server> server_;
  mutable absl::Mutex mu_;
  bool released_ ABSL_GUARDED_BY(mu_) = false;
  std::map<std::string, std::string> orders_ ABSL_GUARDED_BY(mu_);  // Object by ticket.
  std::map<std::string, int64_t> ordered_ ABSL_GUARDED_BY(mu_);     // Times, by object.
  int64_t asked_by_ticket_ ABSL_GUARDED_BY(mu_) = 0;
};

}  // namespace anabranch

#endif  // ANABRANCH_TESTS_CLUSTER_LAB_ORACLE_H_
