// HOST:PORT, wherever processes listen and meet.
#ifndef ANABRANCH_RUNTIME_SOCKET_ADDRESS_H_
#define ANABRANCH_RUNTIME_SOCKET_ADDRESS_H_

#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace anabranch {

struct SocketAddress {
  std::string host;  // A name or an address; IPv6 without its brackets.
  uint16_t port = 0;

  // "host:port", with brackets around an IPv6 address.
  std::string ToString() const;
};

// INVALID_ARGUMENT says what is wrong with the text, which it quotes. The host is not looked up.
absl::StatusOr<SocketAddress> ParseSocketAddress(absl::string_view text);

// Whether only this machine can reach the host: 127.0.0.0/8, ::1, localhost.
bool IsLoopbackHost(absl::string_view host);

// Why nothing can listen at `address`, as UNAVAILABLE with the remedy: in use, not this machine's,
// not permitted, unknown. For after a library said no more than that it failed: binds for a moment,
// and may block on a name server.
absl::Status ExplainBindFailure(absl::string_view what, const SocketAddress& address);

// Connects and closes again: wakes a server that only looks whether to stop when somebody comes.
void Knock(const SocketAddress& address);

}  // namespace anabranch

#endif  // ANABRANCH_RUNTIME_SOCKET_ADDRESS_H_
