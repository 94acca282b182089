#include "runtime/socket_address.h"

#include <arpa/inet.h>
#include <netdb.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <memory>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"

namespace anabranch {
namespace {

absl::Status Malformed(absl::string_view text, absl::string_view why) {
  return absl::InvalidArgumentError(
      absl::StrCat("is \"", text, "\", ", why, "; write HOST:PORT, such as 127.0.0.1:7401"));
}

bool IsHostCharacter(char c) {
  return absl::ascii_isalnum(static_cast<unsigned char>(c)) || c == '.' || c == '-' || c == '_';
}

absl::Status CheckHost(absl::string_view text, absl::string_view host, bool bracketed) {
  if (host.empty()) return Malformed(text, "which names no host");
  if (bracketed) {
    in6_addr ignored;
    if (inet_pton(AF_INET6, std::string(host).c_str(), &ignored) == 1) return absl::OkStatus();
    return Malformed(text, "whose brackets hold no IPv6 address");
  }
  if (absl::StrContains(host, ":")) {
    return Malformed(text, "where an IPv6 address needs brackets, as in [::1]:7401");
  }
  for (const char c : host) {
    if (!IsHostCharacter(c)) return Malformed(text, "with a sign that no host name has");
  }
  return absl::OkStatus();
}

std::string RemedyFor(int error_number) {
  switch (error_number) {
    case EADDRINUSE:
      return "another process listens there; stop it, or choose another port (0 takes a free one)";
    case EADDRNOTAVAIL:
      return "this machine has no such address; choose one of its own, or 0.0.0.0 for all";
    case EACCES:
      return "ports below 1024 are the system's; choose a higher one";
    default:
      return "choose another address";
  }
}

using Addresses = std::unique_ptr<addrinfo, void (*)(addrinfo*)>;

void Free(addrinfo* addresses) {
  if (addresses != nullptr) freeaddrinfo(addresses);
}

// The error of getaddrinfo, 0 if there was none, and the addresses.
std::pair<int, Addresses> LookUp(const SocketAddress& address) {
  addrinfo hints = {};
  hints.ai_family = AF_UNSPEC;
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_PASSIVE;
  addrinfo* found = nullptr;
  const int failure =
      getaddrinfo(address.host.c_str(), absl::StrCat(address.port).c_str(), &hints, &found);
  return {failure, Addresses(failure == 0 ? found : nullptr, &Free)};
}

// 0 if a socket can be bound and listen there, else the error number.
int TryToListen(const addrinfo& address) {
  const int file = socket(address.ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (file < 0) return errno;
  // What waits for late packets of a former owner is no obstacle to a server either.
  const int on = 1;
  setsockopt(file, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
  const bool listens = bind(file, address.ai_addr, address.ai_addrlen) == 0 && listen(file, 1) == 0;
  const int error_number = listens ? 0 : errno;
  close(file);
  return error_number;
}

}  // namespace

std::string SocketAddress::ToString() const {
  if (absl::StrContains(host, ":")) return absl::StrCat("[", host, "]:", port);
  return absl::StrCat(host, ":", port);
}

absl::StatusOr<SocketAddress> ParseSocketAddress(absl::string_view text) {
  const size_t colon = text.rfind(':');
  if (colon == absl::string_view::npos) return Malformed(text, "which has no port");
  absl::string_view host = text.substr(0, colon);
  const absl::string_view port = text.substr(colon + 1);
  const bool bracketed = host.size() >= 2 && host.front() == '[' && host.back() == ']';
  if (bracketed) host = host.substr(1, host.size() - 2);
  if (absl::Status status = CheckHost(text, host, bracketed); !status.ok()) return status;
  uint32_t number = 0;
  bool digits = !port.empty() && port.size() <= 5;
  for (const char c : port) digits = digits && absl::ascii_isdigit(static_cast<unsigned char>(c));
  if (!digits || !absl::SimpleAtoi(port, &number) || number > 65535) {
    return Malformed(text, "whose port is no number from 0 to 65535");
  }
  return SocketAddress{std::string(host), static_cast<uint16_t>(number)};
}

bool IsLoopbackHost(absl::string_view host) {
  const std::string text(host);
  in_addr v4;
  if (inet_pton(AF_INET, text.c_str(), &v4) == 1) return (ntohl(v4.s_addr) >> 24) == 127;
  in6_addr v6;
  if (inet_pton(AF_INET6, text.c_str(), &v6) == 1) return IN6_IS_ADDR_LOOPBACK(&v6);
  return absl::EqualsIgnoreCase(host, "localhost");
}

absl::Status ExplainBindFailure(absl::string_view what, const SocketAddress& address) {
  const std::string refused = absl::StrCat(what, ": can't listen at ", address.ToString(), ": ");
  const auto [failure, addresses] = LookUp(address);
  if (failure != 0) {
    return absl::UnavailableError(
        absl::StrCat(refused, gai_strerror(failure), "; is the host's name written right?"));
  }
  for (const addrinfo* one = addresses.get(); one != nullptr; one = one->ai_next) {
    const int error_number = TryToListen(*one);
    if (error_number == 0) continue;
    return absl::UnavailableError(
        absl::StrCat(refused, strerrordesc_np(error_number), "; ", RemedyFor(error_number)));
  }
  return absl::UnavailableError(absl::StrCat(refused, "it could not be bound just now; try again"));
}

void Knock(const SocketAddress& address) {
  const auto [failure, addresses] = LookUp(address);
  if (failure != 0) return;
  const int file = socket(addresses->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (file < 0) return;
  static_cast<void>(connect(file, addresses->ai_addr, addresses->ai_addrlen));
  close(file);
}

}  // namespace anabranch
