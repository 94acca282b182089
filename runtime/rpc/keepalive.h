// Pings on idle connections: what clients send is what servers permit.
#ifndef ANABRANCH_RUNTIME_RPC_KEEPALIVE_H_
#define ANABRANCH_RUNTIME_RPC_KEEPALIVE_H_

namespace anabranch {

// After this long without data either side pings; without an answer within the timeout the
// connection is dead, and its calls end with UNAVAILABLE.
inline constexpr int kKeepaliveMilliseconds = 20'000;
inline constexpr int kKeepaliveTimeoutMilliseconds = 10'000;
// Servers permit pings this often, with calls or without, and end connections that ping more. Well
// under the clients' interval, so that a ping that was held up and one in time are both welcome.
inline constexpr int kPermittedPingMilliseconds = 5'000;

}  // namespace anabranch

#endif  // ANABRANCH_RUNTIME_RPC_KEEPALIVE_H_
