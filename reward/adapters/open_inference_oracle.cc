// Oracles that are models behind the Open Inference Protocol.
#include <memory>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "reward/adapters/described_oracle.h"
#include "reward/adapters/open_inference_source.h"
#include "reward/adapters/oracle_adapters.h"
#include "runtime/rpc/channel.h"

namespace anabranch {

absl::StatusOr<std::unique_ptr<RewardClient>> MakeOpenInferenceOracle(
    const v1::OracleConfig& config, const AdapterOptions& options) {
  const v1::OpenInferenceOracleConfig& server = config.open_inference();
  const auto refuse = [&config](absl::string_view text) {
    return absl::InvalidArgumentError(
        absl::StrCat("oracle \"", config.name(), "\": open_inference.", text));
  };
  if (server.addresses().empty()) return refuse("addresses: is empty; give HOST:PORT");
  if (server.model().empty()) return refuse("model: is empty; give the model's name");
  if (!server.token_file().empty() && !server.has_tls()) {
    return refuse("token_file: needs open_inference.tls, so that nobody reads the token");
  }
  ChannelOptions channel_options;
  channel_options.insecure = options.insecure;
  if (server.has_tls()) channel_options.security.tls = server.tls();
  channel_options.security.token_file = server.token_file();
  std::vector<std::shared_ptr<grpc::Channel>> channels;
  for (const std::string& address : server.addresses()) {
    auto channel = MakeChannel("open_inference.addresses", address, channel_options);
    if (!channel.ok()) {
      return absl::Status(
          channel.status().code(),
          absl::StrCat("oracle \"", config.name(), "\": ", channel.status().message()));
    }
    channels.push_back(*std::move(channel));
  }
  return DescribedOracle::Create("open_inference", config,
                                 std::make_unique<OpenInferenceSource>(config, std::move(channels)),
                                 options);
}

}  // namespace anabranch
