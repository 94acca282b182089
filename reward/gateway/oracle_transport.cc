#include "reward/gateway/oracle_transport.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "reward/adapters/oracle_adapters.h"
#include "reward/gateway/answer_check.h"
#include "runtime/rpc/channel.h"
#include "runtime/rpc/remote_reward.h"

namespace anabranch {
namespace {

// A description is cheap; one that takes longer is no description.
constexpr absl::Duration kDescribeTimeout = absl::Seconds(10);

RemoteClientOptions Within(absl::Duration timeout) {
  RemoteClientOptions options;
  options.call_timeout = timeout;
  return options;
}

// A server of the reward contract: its descriptions have a deadline of their own.
class GrpcReplica final : public RewardClient {
 public:
  GrpcReplica(const std::shared_ptr<grpc::Channel>& channel, absl::Duration timeout)
      : describe_(channel, Within(std::min(timeout, kDescribeTimeout))),
        evaluate_(channel, Within(timeout)) {}

  absl::StatusOr<v1::DescribeResponse> Describe(const v1::DescribeRequest& request) override {
    return describe_.Describe(request);
  }
  absl::StatusOr<v1::EvaluateResponse> Evaluate(const v1::EvaluateRequest& request) override {
    return evaluate_.Evaluate(request);
  }
  void Cancel() {
    describe_.Cancel();
    evaluate_.Cancel();
  }

 private:
  RemoteReward describe_, evaluate_;
};

absl::StatusOr<std::vector<OracleReplica>> MakeGrpcReplicas(
    const v1::OracleConfig& config, bool insecure, Log& log,
    std::vector<std::function<void()>>& cancel) {
  const std::string key = absl::StrCat("reward.oracles[", config.name(), "].grpc");
  ChannelOptions options;
  options.log = &log;
  options.insecure = insecure;
  options.balanced = true;
  if (config.grpc().has_tls()) options.security.tls = config.grpc().tls();
  options.security.token_file = config.grpc().token_file();
  options.security.tls_key = key + ".tls";
  options.security.token_key = key + ".token_file";
  std::vector<OracleReplica> replicas;
  for (int i = 0; i < config.grpc().addresses_size(); ++i) {
    const std::string& address = config.grpc().addresses(i);
    auto channel = MakeChannel(absl::StrCat(key, ".addresses[", i, "]"), address, options);
    if (!channel.ok()) return channel.status();
    auto replica = std::make_unique<GrpcReplica>(*channel, absl::Seconds(config.timeout_seconds()));
    cancel.push_back([replica = replica.get()] { replica->Cancel(); });
    replicas.push_back({address, std::make_unique<CheckedOracle>(std::move(replica))});
  }
  return replicas;
}

absl::StatusOr<std::unique_ptr<RewardClient>> MakeAdapter(const v1::OracleConfig& config,
                                                          const AdapterOptions& options) {
  switch (config.kind_case()) {
    case v1::OracleConfig::kOpenInference:
      return MakeOpenInferenceOracle(config, options);
    case v1::OracleConfig::kProcess:
      return MakeProcessOracle(config, options);
    case v1::OracleConfig::kHttp:
      return MakeHttpOracle(config, options);
    default:
      return absl::InvalidArgumentError(
          absl::StrCat("reward.oracles[", config.name(),
                       "]: doesn't say how it is reached; give one of grpc, open_inference, "
                       "process, http"));
  }
}

std::string PlaceOf(const v1::OracleConfig& config) {
  if (config.kind_case() == v1::OracleConfig::kHttp) return config.http().url();
  if (config.kind_case() != v1::OracleConfig::kProcess) {
    return config.open_inference().addresses().empty() ? config.name()
                                                       : config.open_inference().addresses(0);
  }
  return config.process().command().empty() ? config.name() : config.process().command(0);
}

}  // namespace

absl::StatusOr<std::vector<OracleReplica>> MakeReplicas(
    const v1::OracleConfig& config, bool insecure, Log& log,
    std::vector<std::function<void()>>& cancel) {
  if (config.kind_case() == v1::OracleConfig::kGrpc) {
    return MakeGrpcReplicas(config, insecure, log, cancel);
  }
  AdapterOptions options;
  options.insecure = insecure;
  options.log = &log;
  options.cancel = &cancel;
  auto oracle = MakeAdapter(config, options);
  if (!oracle.ok()) return oracle.status();
  std::vector<OracleReplica> replicas;
  replicas.push_back({PlaceOf(config), std::make_unique<CheckedOracle>(*std::move(oracle))});
  return replicas;
}

}  // namespace anabranch
