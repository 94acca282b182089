#include "reward/reward_rpc.h"

#include <grpcpp/server_context.h>

#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "runtime/rpc/grpc_status.h"

namespace anabranch {
namespace {

// In lines of the log: a caller chooses its request_id.
constexpr size_t kLongestId = 100;

}  // namespace

grpc::Status RewardRpc::Describe(grpc::ServerContext* context, const v1::DescribeRequest* request,
                                 v1::DescribeResponse* response) {
  auto description = oracle_.Describe(*request);
  log_.Debug("Describe", {{"peer", context->peer()},
                          {"code", absl::StatusCodeToString(description.status().code())}});
  if (!description.ok()) return ToGrpcStatus(description.status());
  *response = *std::move(description);
  return grpc::Status::OK;
}

grpc::Status RewardRpc::Evaluate(grpc::ServerContext* context, const v1::EvaluateRequest* request,
                                 v1::EvaluateResponse* response) {
  if (context->IsCancelled()) {
    return ToGrpcStatus(absl::CancelledError("the caller has gone"));
  }
  auto answer = oracle_.Evaluate(*request);
  const absl::string_view id = absl::string_view(request->request_id()).substr(0, kLongestId);
  log_.Debug("Evaluate", {{"request_id", std::string(id)},
                          {"objects", absl::StrCat(request->objects_size())},
                          {"code", absl::StatusCodeToString(answer.status().code())},
                          {"error", std::string(answer.status().message())}});
  if (!answer.ok()) return ToGrpcStatus(answer.status());
  *response = *std::move(answer);
  return grpc::Status::OK;
}

}  // namespace anabranch
