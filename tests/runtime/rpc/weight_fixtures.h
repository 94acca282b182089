// Snapshots of bytes, and real servers that hold them, for tests of what carries weights.
#ifndef ANABRANCH_TESTS_RUNTIME_RPC_WEIGHT_FIXTURES_H_
#define ANABRANCH_TESTS_RUNTIME_RPC_WEIGHT_FIXTURES_H_

#include <grpcpp/channel.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "anabranch/v1/weights.grpc.pb.h"
#include "runtime/metrics.h"
#include "runtime/rpc/server.h"
#include "runtime/rpc/weight_store.h"
#include "runtime/rpc/weight_subscriber.h"
#include "runtime/rpc/weights_service.h"

namespace anabranch {

// Long enough for any machine; a test that waits so long has failed.
inline constexpr absl::Duration kForever = absl::Seconds(60);

v1::Handshake Ours();
v1::PolicyVersion Version(uint64_t generation, uint64_t version);
// 32 bytes that stand for our network.
std::string Schema();
// So many bytes that repeat nowhere near each other; a multiple of 4.
std::string Bytes(size_t size, uint64_t seed);

// A snapshot of our run whose only blob is `bytes`.
HeldSnapshot MakeSnapshot(uint64_t generation, uint64_t version, std::string bytes);

WeightStoreOptions OurStore();
std::unique_ptr<WeightStore> MakeStore(const WeightStoreOptions& options = OurStore());
// Fails the test if it is refused.
void MustPut(WeightStore& store, const HeldSnapshot& snapshot);

// A server at 127.0.0.1 with any services; `listen` may name the port of one that is gone.
class TestServer {
 public:
  explicit TestServer(const std::vector<grpc::Service*>& services,
                      const std::string& listen = "127.0.0.1:0");
  const std::string& address() const { return server_->address(); }
  std::shared_ptr<grpc::Channel> NewChannel() const;
  void Stop(absl::Duration grace = absl::ZeroDuration()) { server_->Stop(grace); }

 private:
  Metrics metrics_{"test"};
  std::unique_ptr<RpcServer> server_;
};

std::shared_ptr<grpc::Channel> ChannelTo(const std::string& address);

// A server of a store's snapshots.
class WeightServer {
 public:
  explicit WeightServer(WeightStore& store, const WeightsServiceOptions& options = {},
                        const std::string& listen = "127.0.0.1:0");
  ~WeightServer();
  WeightsService& service() { return service_; }
  const std::string& address() const { return server_.address(); }
  std::shared_ptr<grpc::Channel> NewChannel() const { return server_.NewChannel(); }
  std::unique_ptr<v1::WeightsService::Stub> NewStub() const;

 private:
  WeightsService service_;
  TestServer server_;
};

// Takes the blob's bytes as floats.
absl::StatusOr<std::shared_ptr<const WeightSnapshot>> DecodeFloats(
    const v1::SnapshotManifest& manifest, absl::string_view blob);
// The reverse.
std::string BytesOf(const WeightSnapshot& snapshot);

}  // namespace anabranch

#endif  // ANABRANCH_TESTS_RUNTIME_RPC_WEIGHT_FIXTURES_H_
