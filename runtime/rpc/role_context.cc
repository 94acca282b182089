#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "runtime/rpc/role_flags.h"
#include "runtime/rpc/role_process.h"
#include "runtime/version.h"

namespace anabranch {

RoleServer::RoleServer(std::unique_ptr<RpcServer> rpc, std::unique_ptr<MetricsEndpoint> metrics,
                       Shutdown& shutdown)
    : metrics_(std::move(metrics)), rpc_(std::move(rpc)), shutdown_(shutdown) {}

RoleServer::~RoleServer() { shutdown_.ForgetWakes(); }

struct RoleContext::State {
  State(v1::Role context_role, const RoleFlags& context_flags, const v1::RunConfig& run_config,
        uint64_t fresh_incarnation, Log& context_log, Shutdown& context_shutdown)
      : role(context_role),
        flags(context_flags),
        config(run_config),
        incarnation(fresh_incarnation),
        log(context_log),
        shutdown(context_shutdown),
        metrics(RoleName(context_role)) {}

  void Describe(v1::GetStatusResponse& response) const {
    response.set_role(role);
    response.set_name(flags.name);
    response.set_version(Version());
    response.set_incarnation(incarnation);
    absl::MutexLock lock(&mutex);
    response.set_run_id(run_id);
  }

  absl::StatusOr<std::shared_ptr<grpc::Channel>> Channel(v1::Role peer, absl::string_view key,
                                                         const std::string& address) const {
    ChannelOptions options;
    options.insecure = flags.insecure;
    options.security = SecurityOf(peer, config.cluster());
    options.log = &log;
    return MakeChannel(key, address, options);
  }

  const v1::Role role;
  const RoleFlags flags;
  const v1::RunConfig config;
  const uint64_t incarnation;
  Log& log;
  Shutdown& shutdown;
  Metrics metrics;
  mutable absl::Mutex mutex;
  std::string run_id ABSL_GUARDED_BY(mutex);
};

RoleContext::RoleContext(v1::Role role, const RoleFlags& flags, const v1::RunConfig& config,
                         uint64_t incarnation, Log& log, Shutdown& shutdown)
    : state_(std::make_unique<State>(role, flags, config, incarnation, log, shutdown)) {}
RoleContext::~RoleContext() = default;

const v1::RunConfig& RoleContext::config() const { return state_->config; }
Log& RoleContext::log() { return state_->log; }
Metrics& RoleContext::metrics() { return state_->metrics; }
Shutdown& RoleContext::shutdown() { return state_->shutdown; }
const std::string& RoleContext::name() const { return state_->flags.name; }
const std::string& RoleContext::run_id_flag() const { return state_->flags.run_id; }
uint64_t RoleContext::incarnation() const { return state_->incarnation; }
bool RoleContext::insecure() const { return state_->flags.insecure; }

absl::StatusOr<std::shared_ptr<grpc::Channel>> RoleContext::ReplayChannel() const {
  return state_->Channel(v1::ROLE_REPLAY, "cluster.replay_address",
                         config().cluster().replay_address());
}
absl::StatusOr<std::shared_ptr<grpc::Channel>> RoleContext::RewardChannel() const {
  return state_->Channel(v1::ROLE_REWARD, "cluster.reward_address",
                         config().cluster().reward_address());
}
absl::StatusOr<std::shared_ptr<grpc::Channel>> RoleContext::LearnerChannel() const {
  return state_->Channel(v1::ROLE_LEARNER, "cluster.learner_address",
                         config().cluster().learner_address());
}

absl::StatusOr<std::unique_ptr<RoleServer>> RoleContext::Serve(
    const std::vector<grpc::Service*>& services, RpcServer::Describe describe) {
  const RoleFlags& flags = state_->flags;
  RpcServerOptions options;
  options.listen = flags.listen;
  options.insecure = flags.insecure;
  options.security = SecurityOf(state_->role, config().cluster());
  auto describe_all = [state = state_.get(),
                       describe = std::move(describe)](v1::GetStatusResponse& response) {
    if (describe != nullptr) describe(response);
    state->Describe(response);
  };
  auto rpc =
      RpcServer::Start(options, services, std::move(describe_all), state_->metrics, state_->log);
  if (!rpc.ok()) return rpc.status();
  std::unique_ptr<MetricsEndpoint> metrics;
  if (!flags.metrics_listen.empty()) {
    auto endpoint = MetricsEndpoint::Start(flags.metrics_listen, state_->metrics);
    if (!endpoint.ok()) return endpoint.status();
    metrics = *std::move(endpoint);
    state_->log.Debug("metrics", {{"address", metrics->address()}});
  }
  auto server = std::make_unique<RoleServer>(*std::move(rpc), std::move(metrics), state_->shutdown);
  if (flags.address_file.empty()) return server;
  const absl::Status written =
      WriteAddressFile(*PosixFileSystem(), flags.address_file, state_->role, flags.name,
                       server->rpc().address(), server->metrics_address());
  if (!written.ok()) return written;
  return server;
}

absl::StatusOr<std::string> RoleContext::AwaitRun(const std::string& environment_fingerprint) {
  if (!run_id_flag().empty()) {
    SetRunId(run_id_flag());
    return run_id_flag();
  }
  auto channel = ReplayChannel();
  if (!channel.ok()) return channel.status();
  auto run_id = AskForRun(*channel, config().cluster().replay_address(), environment_fingerprint,
                          shutdown(), log());
  if (run_id.ok()) SetRunId(*run_id);
  return run_id;
}

void RoleContext::SetRunId(absl::string_view run_id) {
  {
    absl::MutexLock lock(&state_->mutex);
    state_->run_id = std::string(run_id);
  }
  state_->log.SetRunId(run_id);
}

}  // namespace anabranch
