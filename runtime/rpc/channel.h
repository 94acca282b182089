// How processes reach each other.
#ifndef ANABRANCH_RUNTIME_RPC_CHANNEL_H_
#define ANABRANCH_RUNTIME_RPC_CHANNEL_H_

#include <grpcpp/channel.h>

#include <cstdint>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "runtime/log.h"
#include "runtime/rpc/credentials.h"

namespace anabranch {

// Largest message that clients send and servers take.
inline constexpr int64_t kMaxMessageBytes = int64_t{64} << 20;

struct ChannelOptions {
  bool insecure = false;  // Plaintext off loopback.
  EdgeSecurity security = {};
  int64_t max_message_bytes = kMaxMessageBytes;
  Log* log = &NullLog();  // Gets warnings about files; outlives the channel.
  // A name that resolves to several addresses stands for all of them: they take turns, and those
  // that tell by grpc.health.v1 that they don't serve are left out.
  bool balanced = false;
};

// Whether HOST:PORT (or unix:PATH) can only be reached from this machine: 127.0.0.0/8, [::1],
// localhost, a Unix socket.
bool IsLoopback(absl::string_view address);

// INVALID_ARGUMENT names `what` (a flag or key) and the address: not HOST:PORT, or off loopback
// where that is not `allowed`, by TLS or by --insecure.
absl::Status CheckAddress(absl::string_view what, absl::string_view address, bool allowed);

// A channel of its own connection, with keepalive (20 s; 10 s without an answer end the connection)
// and quick reconnects (0.1 s to 2 s). Doesn't connect yet, but reads the files of `security`;
// errors as CheckAddress and MakeChannelCredentials.
absl::StatusOr<std::shared_ptr<grpc::Channel>> MakeChannel(absl::string_view what,
                                                           const std::string& address,
                                                           const ChannelOptions& options);

}  // namespace anabranch

#endif  // ANABRANCH_RUNTIME_RPC_CHANNEL_H_
