// A replay server behind a real socket of this machine, to be stopped and started again.
#ifndef ANABRANCH_TESTS_REPLAY_REPLAY_SERVER_FOR_TEST_H_
#define ANABRANCH_TESTS_REPLAY_REPLAY_SERVER_FOR_TEST_H_

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <utility>

#include "replay/replay_rpc.h"
#include "replay/replay_service.h"
#include "runtime/log.h"
#include "runtime/metrics.h"
#include "runtime/rpc/channel.h"
#include "runtime/rpc/server.h"
#include "tests/replay/test_batches.h"

namespace anabranch {

class ReplayServerForTest {
 public:
  explicit ReplayServerForTest(ReplayServiceOptions options = MakeServiceOptions(),
                               ReplayRpcOptions rpc_options = {})
      : rpc_options_(std::move(rpc_options)) {
    Replace(std::move(options));
    Start();
  }
  ~ReplayServerForTest() { Stop(); }

  // All connections are lost; the service stays as it is.
  void Stop() {
    if (server_ != nullptr) server_->Stop(absl::ZeroDuration());
    server_.reset();
  }
  void Start() {
    RpcServerOptions options;
    options.listen = address_;
    auto server =
        RpcServer::Start(options, {rpc_.get()}, [](v1::GetStatusResponse&) {}, metrics_, NullLog());
    ASSERT_TRUE(server.ok()) << server.status();
    server_ = *std::move(server);
    server_->SetServing();
    address_ = server_->address();
  }
  // As if another process took the place of the one that was stopped, restored from `state` unless
  // that is empty.
  void Replace(ReplayServiceOptions options, const std::string& state = "") {
    if (options.server_incarnation == 0) options.server_incarnation = 100 + starts_++;
    auto service = ReplayService::Create(std::move(options));
    ASSERT_TRUE(service.ok()) << service.status();
    rpc_.reset();
    service_ = *std::move(service);
    if (!state.empty()) {
      ASSERT_TRUE(service_->Restore(state).ok());
    }
    rpc_ = std::make_unique<ReplayRpc>(*service_, rpc_options_);
  }

  // A connection of its own.
  std::shared_ptr<grpc::Channel> Channel() const {
    return *MakeChannel("--replay", address_, ChannelOptions{});
  }
  v1::GetInfoResponse Info() const { return *service_->GetInfo({}); }
  ReplayService& service() { return *service_; }
  ReplayRpc& rpc() { return *rpc_; }
  const std::string& address() const { return address_; }

 private:
  const ReplayRpcOptions rpc_options_;
  int starts_ = 0;
  std::string address_ = "127.0.0.1:0";
  Metrics metrics_{"replay"};
  std::unique_ptr<ReplayService> service_;
  std::unique_ptr<ReplayRpc> rpc_;
  std::unique_ptr<RpcServer> server_;
};

}  // namespace anabranch

#endif  // ANABRANCH_TESTS_REPLAY_REPLAY_SERVER_FOR_TEST_H_
