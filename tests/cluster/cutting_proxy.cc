#include "tests/cluster/cutting_proxy.h"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>

#include "absl/time/clock.h"
#include "absl/time/time.h"

namespace anabranch {
namespace {

constexpr int kLookMillis = 20;  // Between two looks at whether everything ends.
constexpr absl::Duration kSilence = absl::Seconds(1);
constexpr int64_t kSilentEvery = 6;  // Connections.

sockaddr_in Loopback(uint16_t port) {
  sockaddr_in address = {};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return address;
}

int Connect(uint16_t port) {
  const int socket = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const sockaddr_in address = Loopback(port);
  if (connect(socket, reinterpret_cast<const sockaddr*>(&address), sizeof(address)) == 0) {
    return socket;
  }
  close(socket);
  return -1;
}

// So that close sends a reset instead of an end.
void ResetOnClose(int socket) {
  const linger at_once = {1, 0};
  setsockopt(socket, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
}

}  // namespace

struct CuttingProxy::Link {
  int client = -1;
  int server = -1;
  Fate fate = Fate::kReset;
  int64_t bytes_left = 0;
};

CuttingProxy::CuttingProxy(uint16_t to, int64_t longest_bytes, uint64_t seed)
    : to_(to), longest_bytes_(longest_bytes), random_(seed, 0) {
  listener_ = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address = Loopback(0);
  socklen_t size = sizeof(address);
  EXPECT_EQ(bind(listener_, reinterpret_cast<sockaddr*>(&address), size), 0);
  EXPECT_EQ(listen(listener_, 64), 0);
  EXPECT_EQ(getsockname(listener_, reinterpret_cast<sockaddr*>(&address), &size), 0);
  port_ = ntohs(address.sin_port);
  acceptor_ = std::thread([this] { Accept(); });
}

CuttingProxy::~CuttingProxy() {
  stopping_ = true;
  acceptor_.join();
  close(listener_);
  std::vector<std::thread> threads;
  {
    absl::MutexLock lock(&mu_);
    threads.swap(threads_);
  }
  for (std::thread& thread : threads) thread.join();
}

void CuttingProxy::Accept() {
  while (!stopping_) {
    pollfd waiting = {listener_, POLLIN, 0};
    if (poll(&waiting, 1, kLookMillis) <= 0) continue;
    Link link;
    link.client = accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
    if (link.client < 0) continue;
    absl::MutexLock lock(&mu_);
    const int64_t number = ++links_;
    link.bytes_left =
        1 + static_cast<int64_t>(random_.NextUniformDouble() * static_cast<double>(longest_bytes_));
    link.fate = number % kSilentEvery == 0 ? Fate::kSilent
                : number % 2 == 0          ? Fate::kHalfClosed
                                           : Fate::kReset;
    threads_.emplace_back([this, link]() mutable { Serve(link); });
  }
}

void CuttingProxy::Serve(Link& link) {
  link.server = Connect(to_);
  bool open = link.server >= 0;
  while (open && !stopping_ && link.bytes_left > 0) {
    pollfd both[] = {{link.client, POLLIN, 0}, {link.server, POLLIN, 0}};
    if (poll(both, 2, kLookMillis) <= 0) continue;
    if (both[0].revents != 0) open = Pump(link, link.client, link.server);
    if (open && both[1].revents != 0) open = Pump(link, link.server, link.client);
  }
  if (open && !stopping_) End(link);
  close(link.client);
  if (link.server >= 0) close(link.server);
}

bool CuttingProxy::Pump(Link& link, int from, int to) {
  char bytes[16 * 1024];
  const ssize_t size = recv(from, bytes, sizeof(bytes), 0);
  if (size <= 0) return false;
  for (ssize_t sent = 0; sent < size;) {
    const ssize_t now = send(to, bytes + sent, static_cast<size_t>(size - sent), MSG_NOSIGNAL);
    if (now <= 0) return false;
    sent += now;
  }
  link.bytes_left -= size;
  return true;
}

void CuttingProxy::End(Link& link) {
  if (link.fate == Fate::kReset) {
    ++resets_;
    ResetOnClose(link.client);
    ResetOnClose(link.server);
    return;
  }
  if (link.fate == Fate::kHalfClosed) {
    ++half_closed_;
    shutdown(link.client, SHUT_WR);
  } else {
    ++silent_;
  }
  // Swallows what still comes, until the client has had enough, or the network is there again and
  // knows nothing of it.
  ResetOnClose(link.client);
  const absl::Time end = absl::Now() + kSilence;
  char bytes[16 * 1024];
  while (!stopping_ && absl::Now() < end) {
    pollfd waiting = {link.client, POLLIN, 0};
    if (poll(&waiting, 1, kLookMillis) <= 0) continue;
    if (recv(link.client, bytes, sizeof(bytes), 0) <= 0) break;
  }
}

}  // namespace anabranch
