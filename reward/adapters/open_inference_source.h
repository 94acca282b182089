// Models behind the Open Inference Protocol.
#ifndef ANABRANCH_REWARD_ADAPTERS_OPEN_INFERENCE_SOURCE_H_
#define ANABRANCH_REWARD_ADAPTERS_OPEN_INFERENCE_SOURCE_H_

#include <grpcpp/channel.h>
#include <grpcpp/client_context.h>
#include <grpcpp/support/status.h>

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_set.h"
#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"
#include "anabranch/v1/config.pb.h"
#include "inference/open_inference.grpc.pb.h"
#include "reward/adapters/value_source.h"

namespace anabranch {

// The model's metadata says which input takes the objects (BYTES, one element an object) and which
// outputs there are; an objective is the output of its name. Servers take turns, and one that can't
// be connected to is passed over while another can. An answer by another version of the model than
// described is FAILED_PRECONDITION with kReasonFingerprintChanged. Thread-safe.
class OpenInferenceSource final : public ValueSource {
 public:
  // One channel for each address, at least one.
  OpenInferenceSource(const v1::OracleConfig& config,
                      std::vector<std::shared_ptr<grpc::Channel>> channels);

  // UNAVAILABLE while the model isn't ready, NOT_FOUND where there is none of its name, and
  // INVALID_ARGUMENT where the configuration doesn't fit its metadata: names the key and what
  // would.
  absl::StatusOr<std::string> Identity(bool fresh) override;
  std::string Refusal(absl::string_view) const override { return ""; }
  absl::StatusOr<ScoredObjects> Score(const std::vector<absl::string_view>& objects,
                                      const std::vector<std::string>& objectives) override;
  void Cancel() override;

 private:
  using Stub = inference::GRPCInferenceService::Stub;
  struct Server {
    std::shared_ptr<grpc::Channel> channel;
    std::unique_ptr<Stub> stub;
  };
  // What is known of the model.
  struct Model {
    std::string identity;
    std::string version;  // Empty where the server names none.
    std::string input;
    bool column = false;  // Whether the input is [n, 1].
  };

  // The server whose turn it is.
  Stub& Next();
  // One call with a deadline, which Cancel ends; an error names the model.
  absl::Status Call(absl::FunctionRef<grpc::Status(grpc::ClientContext*)> call);
  absl::StatusOr<Model> AskModel();
  absl::StatusOr<Model> Known(bool fresh);
  void Forget();
  inference::ModelInferRequest MakeRequest(const Model& model,
                                           const std::vector<absl::string_view>& objects,
                                           const std::vector<std::string>& objectives) const;

  const v1::OracleConfig config_;
  std::vector<Server> servers_;
  std::atomic<uint32_t> turn_ = 0;
  absl::Mutex mu_;
  bool cancelled_ ABSL_GUARDED_BY(mu_) = false;
  absl::flat_hash_set<grpc::ClientContext*> calls_ ABSL_GUARDED_BY(mu_);  // Under way.
  std::unique_ptr<const Model> model_ ABSL_GUARDED_BY(mu_);  // Null before it has been asked.
};

}  // namespace anabranch

#endif  // ANABRANCH_REWARD_ADAPTERS_OPEN_INFERENCE_SOURCE_H_
