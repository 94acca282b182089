#include "tests/runtime/rpc/weight_fixtures.h"

#include <cstdlib>
#include <cstring>
#include <utility>

#include "gflownet/random.h"
#include "runtime/rpc/channel.h"
#include "runtime/sha256.h"

namespace anabranch {

v1::Handshake Ours() {
  v1::Handshake handshake;
  handshake.set_run_id("our-run");
  handshake.set_environment_fingerprint("grid/1.0.0");
  handshake.mutable_source()->set_client_incarnation(7);
  return handshake;
}

v1::PolicyVersion Version(uint64_t generation, uint64_t version) {
  v1::PolicyVersion policy;
  policy.set_generation(generation);
  policy.set_version(version);
  return policy;
}

std::string Schema() { return Sha256Digest("our network"); }

std::string Bytes(size_t size, uint64_t seed) {
  RandomStream random(seed, 0);
  std::string bytes(size, '\0');
  for (size_t i = 0; i + 4 <= size; i += 4) {
    const uint32_t bits = random.NextBits();
    std::memcpy(bytes.data() + i, &bits, 4);
  }
  return bytes;
}

HeldSnapshot MakeSnapshot(uint64_t generation, uint64_t version, std::string bytes) {
  HeldSnapshot snapshot;
  v1::SnapshotManifest& manifest = snapshot.manifest;
  manifest.set_run_id(Ours().run_id());
  manifest.set_environment_fingerprint(Ours().environment_fingerprint());
  *manifest.mutable_policy() = Version(generation, version);
  manifest.set_schema_sha256(Schema());
  v1::Blob& blob = *manifest.add_blobs();
  blob.set_name("policy.safetensors");
  blob.set_sha256(Sha256Digest(bytes));
  blob.set_size_bytes(bytes.size());
  snapshot.blobs.push_back(std::make_shared<const std::string>(std::move(bytes)));
  return snapshot;
}

WeightStoreOptions OurStore() {
  return {.run_id = Ours().run_id(),
          .environment_fingerprint = Ours().environment_fingerprint(),
          .schema_sha256 = Schema()};
}

std::unique_ptr<WeightStore> MakeStore(const WeightStoreOptions& options) {
  auto store = WeightStore::Create(options);
  EXPECT_TRUE(store.ok()) << store.status();
  return *std::move(store);
}

void MustPut(WeightStore& store, const HeldSnapshot& snapshot) {
  const absl::Status status = store.Put(snapshot.manifest, snapshot.blobs);
  ASSERT_TRUE(status.ok()) << status;
}

TestServer::TestServer(const std::vector<grpc::Service*>& services, const std::string& listen) {
  RpcServerOptions options;
  options.listen = listen;
  auto server =
      RpcServer::Start(options, services, [](v1::GetStatusResponse&) {}, metrics_, NullLog());
  if (!server.ok()) {
    ADD_FAILURE() << server.status();
    std::abort();
  }
  server_ = *std::move(server);
  server_->SetServing();
}

std::shared_ptr<grpc::Channel> TestServer::NewChannel() const { return ChannelTo(address()); }

std::shared_ptr<grpc::Channel> ChannelTo(const std::string& address) {
  auto channel = MakeChannel("test", address, {});
  EXPECT_TRUE(channel.ok()) << channel.status();
  return *std::move(channel);
}

WeightServer::WeightServer(WeightStore& store, const WeightsServiceOptions& options,
                           const std::string& listen)
    : service_(store, options, NullLog()), server_({&service_}, listen) {}

WeightServer::~WeightServer() {
  service_.Shutdown();
  server_.Stop();
}

std::unique_ptr<v1::WeightsService::Stub> WeightServer::NewStub() const {
  return v1::WeightsService::NewStub(NewChannel());
}

absl::StatusOr<std::shared_ptr<const WeightSnapshot>> DecodeFloats(
    const v1::SnapshotManifest& manifest, absl::string_view blob) {
  auto snapshot = std::make_shared<WeightSnapshot>();
  snapshot->manifest = manifest;
  snapshot->values.resize(blob.size() / sizeof(float));
  std::memcpy(snapshot->values.data(), blob.data(), snapshot->values.size() * sizeof(float));
  return snapshot;
}

std::string BytesOf(const WeightSnapshot& snapshot) {
  return {reinterpret_cast<const char*>(snapshot.values.data()),
          snapshot.values.size() * sizeof(float)};
}

}  // namespace anabranch
