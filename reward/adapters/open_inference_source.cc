#include "reward/adapters/open_inference_source.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "reward/adapters/tensor_values.h"
#include "runtime/error_reason.h"
#include "runtime/rpc/grpc_status.h"

namespace anabranch {
namespace {

using Metadata = inference::ModelMetadataResponse;
using TensorMetadata = inference::ModelMetadataResponse::TensorMetadata;

constexpr char kBytes[] = "BYTES";

template <typename Tensors>
std::string Names(const Tensors& tensors) {
  return absl::StrJoin(tensors, ", ", [](std::string* out, const TensorMetadata& tensor) {
    absl::StrAppend(out, tensor.name(), " (", tensor.datatype(), ")");
  });
}

absl::Status Refuse(const v1::OracleConfig& config, absl::string_view text) {
  return absl::InvalidArgumentError(absl::StrCat("oracle \"", config.name(), "\": ", text));
}

// The input that takes the objects; null where the metadata names no inputs.
absl::StatusOr<const TensorMetadata*> ChooseInput(const v1::OracleConfig& config,
                                                  const Metadata& metadata) {
  const std::string& wanted = config.open_inference().input();
  if (metadata.inputs().empty()) {
    if (!wanted.empty()) return nullptr;
    return Refuse(config,
                  "open_inference.input: is not given, and the model's metadata names no "
                  "inputs; give the name of the one that takes the objects");
  }
  const TensorMetadata* chosen = nullptr;
  for (const TensorMetadata& input : metadata.inputs()) {
    if (wanted.empty() || input.name() == wanted) chosen = &input;
  }
  if (wanted.empty() && metadata.inputs_size() > 1) {
    return Refuse(config, absl::StrCat("open_inference.input: is not given, and the model has: ",
                                       Names(metadata.inputs()), "; give one of them"));
  }
  if (chosen == nullptr) {
    return Refuse(config, absl::StrCat("open_inference.input: is \"", wanted,
                                       "\"; the model has: ", Names(metadata.inputs())));
  }
  const auto& shape = chosen->shape();
  const bool fits = shape.size() <= 1 || (shape.size() == 2 && (shape[1] == 1 || shape[1] == -1));
  if (chosen->datatype() == kBytes && fits) return chosen;
  return Refuse(config, absl::StrCat("open_inference.input: \"", chosen->name(), "\" is ",
                                     chosen->datatype(), " of shape [", absl::StrJoin(shape, ", "),
                                     "]; objects need BYTES of shape [-1] or [-1, 1]"));
}

// Whether the model has every objective, as far as its metadata names its outputs.
absl::Status CheckOutputs(const v1::OracleConfig& config, const Metadata& metadata) {
  for (const std::string& name : config.objectives()) {
    const bool found =
        metadata.outputs().empty() ||
        std::any_of(metadata.outputs().begin(), metadata.outputs().end(),
                    [&name](const TensorMetadata& output) { return output.name() == name; });
    if (found) continue;
    return Refuse(
        config, absl::StrCat("objectives: \"", name,
                             "\" is no output of the model; it has: ", Names(metadata.outputs())));
  }
  return absl::OkStatus();
}

absl::StatusOr<std::string> ChooseVersion(const v1::OracleConfig& config,
                                          const Metadata& metadata) {
  const std::string& wanted = config.open_inference().model_version();
  if (!wanted.empty()) return wanted;
  if (metadata.versions_size() > 1) {
    return Refuse(config,
                  absl::StrCat("open_inference.model_version: is not given, and there are: ",
                               absl::StrJoin(metadata.versions(), ", "),
                               "; give one, so that values can't change unnoticed"));
  }
  return metadata.versions().empty() ? std::string() : metadata.versions(0);
}

}  // namespace

OpenInferenceSource::OpenInferenceSource(const v1::OracleConfig& config,
                                         std::vector<std::shared_ptr<grpc::Channel>> channels)
    : config_(config) {
  for (std::shared_ptr<grpc::Channel>& channel : channels) {
    auto stub = inference::GRPCInferenceService::NewStub(channel);
    servers_.push_back({std::move(channel), std::move(stub)});
  }
}

OpenInferenceSource::Stub& OpenInferenceSource::Next() {
  const size_t first = turn_.fetch_add(1, std::memory_order_relaxed);
  for (size_t i = 0; i < servers_.size(); ++i) {
    Server& server = servers_[(first + i) % servers_.size()];
    const auto state = server.channel->GetState(/*try_to_connect=*/true);
    if (state != GRPC_CHANNEL_TRANSIENT_FAILURE) return *server.stub;
  }
  return *servers_[first % servers_.size()].stub;
}

absl::Status OpenInferenceSource::Call(absl::FunctionRef<grpc::Status(grpc::ClientContext*)> call) {
  grpc::ClientContext context;
  context.set_deadline(absl::ToChronoTime(absl::Now() + absl::Seconds(config_.timeout_seconds())));
  {
    absl::MutexLock lock(&mu_);
    if (cancelled_) return absl::CancelledError("the oracle has been cancelled");
    calls_.insert(&context);
  }
  const absl::Status status = FromGrpcStatus(call(&context));
  {
    absl::MutexLock lock(&mu_);
    calls_.erase(&context);
  }
  if (status.ok()) return status;
  const v1::OpenInferenceOracleConfig& server = config_.open_inference();
  const absl::Status named(
      status.code(), absl::StrCat("model \"", server.model(), "\" at ",
                                  absl::StrJoin(server.addresses(), ", "), ": ", status.message()));
  const std::string reason = ReasonOf(status);
  return reason.empty() ? named : WithReason(named, reason);
}

absl::StatusOr<OpenInferenceSource::Model> OpenInferenceSource::AskModel() {
  Stub& stub = Next();
  inference::ModelMetadataRequest request;
  request.set_name(config_.open_inference().model());
  request.set_version(config_.open_inference().model_version());
  Metadata metadata;
  absl::Status status =
      Call([&](auto* context) { return stub.ModelMetadata(context, request, &metadata); });
  if (absl::IsNotFound(status)) {
    // A server may not know yet what it has not loaded yet.
    inference::ServerReadyResponse server;
    const absl::Status asked =
        Call([&](auto* context) { return stub.ServerReady(context, {}, &server); });
    if (asked.ok() && !server.ready()) return absl::UnavailableError(status.message());
  }
  if (!status.ok()) return status;
  inference::ModelReadyRequest ready_request;
  ready_request.set_name(request.name());
  ready_request.set_version(request.version());
  inference::ModelReadyResponse ready;
  status = Call([&](auto* context) { return stub.ModelReady(context, ready_request, &ready); });
  if (!status.ok()) return status;
  if (!ready.ready()) {
    return absl::UnavailableError(absl::StrCat("model \"", request.name(), "\" isn't ready"));
  }
  if (status = CheckOutputs(config_, metadata); !status.ok()) return status;
  const auto input = ChooseInput(config_, metadata);
  if (!input.ok()) return input.status();
  auto version = ChooseVersion(config_, metadata);
  if (!version.ok()) return version.status();
  Model model;
  model.version = *std::move(version);
  model.input = *input == nullptr ? config_.open_inference().input() : (*input)->name();
  model.column = *input != nullptr && (*input)->shape_size() == 2;
  model.identity = absl::StrCat("model=", request.name(), " version=", model.version,
                                " platform=", metadata.platform(), " input=", model.input);
  return model;
}

absl::StatusOr<OpenInferenceSource::Model> OpenInferenceSource::Known(bool fresh) {
  if (!fresh) {
    absl::MutexLock lock(&mu_);
    if (model_ != nullptr) return *model_;
  }
  auto model = AskModel();
  if (!model.ok()) return model.status();
  absl::MutexLock lock(&mu_);
  model_ = std::make_unique<const Model>(*model);
  return model;
}

void OpenInferenceSource::Cancel() {
  absl::MutexLock lock(&mu_);
  cancelled_ = true;
  for (grpc::ClientContext* context : calls_) context->TryCancel();
}

void OpenInferenceSource::Forget() {
  absl::MutexLock lock(&mu_);
  model_ = nullptr;
}

absl::StatusOr<std::string> OpenInferenceSource::Identity(bool fresh) {
  auto model = Known(fresh);
  if (!model.ok()) return model.status();
  return std::move(model->identity);
}

inference::ModelInferRequest OpenInferenceSource::MakeRequest(
    const Model& model, const std::vector<absl::string_view>& objects,
    const std::vector<std::string>& objectives) const {
  inference::ModelInferRequest request;
  request.set_model_name(config_.open_inference().model());
  request.set_model_version(config_.open_inference().model_version());
  auto& input = *request.add_inputs();
  input.set_name(model.input);
  input.set_datatype(kBytes);
  input.add_shape(static_cast<int64_t>(objects.size()));
  if (model.column) input.add_shape(1);
  for (const absl::string_view object : objects) {
    input.mutable_contents()->add_bytes_contents(object.data(), object.size());
  }
  for (const std::string& name : objectives) request.add_outputs()->set_name(name);
  return request;
}

absl::StatusOr<ScoredObjects> OpenInferenceSource::Score(
    const std::vector<absl::string_view>& objects, const std::vector<std::string>& objectives) {
  const auto model = Known(/*fresh=*/false);
  if (!model.ok()) return model.status();
  const inference::ModelInferRequest request = MakeRequest(*model, objects, objectives);
  inference::ModelInferResponse answer;
  Stub& stub = Next();
  const absl::Status status =
      Call([&](auto* context) { return stub.ModelInfer(context, request, &answer); });
  if (!status.ok()) return status;
  if (!model->version.empty() && !answer.model_version().empty() &&
      answer.model_version() != model->version) {
    Forget();
    return WithReason(
        absl::FailedPreconditionError(absl::StrCat(
            "model \"", request.model_name(), "\" answered with version \"", answer.model_version(),
            "\", but was described with version \"", model->version, "\"")),
        kReasonFingerprintChanged);
  }
  ScoredObjects scored;
  for (const std::string& name : objectives) {
    auto column = ReadOutput(answer, name, objects.size());
    if (!column.ok()) return column.status();
    scored.columns.push_back(*std::move(column));
  }
  return scored;
}

}  // namespace anabranch
