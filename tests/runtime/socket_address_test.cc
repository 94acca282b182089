#include "runtime/socket_address.h"

#include <arpa/inet.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <string>

namespace anabranch {
namespace {

using ::testing::HasSubstr;

TEST(SocketAddress, IsHostAndPort) {
  const auto name = ParseSocketAddress("replay-0.cluster_a:7401");
  ASSERT_TRUE(name.ok()) << name.status();
  EXPECT_EQ(name->host, "replay-0.cluster_a");
  EXPECT_EQ(name->port, 7401);
  const auto v6 = ParseSocketAddress("[::1]:65535");
  ASSERT_TRUE(v6.ok()) << v6.status();
  EXPECT_EQ(v6->host, "::1");
  EXPECT_EQ(v6->ToString(), "[::1]:65535");
  EXPECT_EQ(ParseSocketAddress("0.0.0.0:0")->ToString(), "0.0.0.0:0");
}

TEST(SocketAddress, WhatIsNoneIsQuotedWithTheReason) {
  const struct {
    std::string text, why;
  } cases[] = {{"", "which has no port"},
               {"localhost", "which has no port"},
               {"localhost:", "whose port is no number"},
               {":7401", "which names no host"},
               {"h:65536", "whose port is no number from 0 to 65535"},
               {"h:+1", "whose port is no number"},
               {"h: 1", "whose port is no number"},
               {"h:-1", "whose port is no number"},
               {"h:1e3", "whose port is no number"},
               {"h:00000000000000000001", "whose port is no number"},
               {"::1:7401", "needs brackets"},
               {"[::1:7401", "needs brackets"},
               {"[host]:1", "whose brackets hold no IPv6 address"},
               {"a b:1", "with a sign that no host name has"},
               {"user@host:1", "with a sign that no host name has"},
               {"h/path:1", "with a sign that no host name has"}};
  for (const auto& c : cases) {
    const absl::Status status = ParseSocketAddress(c.text).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << c.text;
    EXPECT_THAT(std::string(status.message()), HasSubstr("\"" + c.text + "\""));
    EXPECT_THAT(std::string(status.message()), HasSubstr(c.why)) << c.text;
    EXPECT_THAT(std::string(status.message()), HasSubstr("write HOST:PORT"));
  }
}

TEST(SocketAddress, LoopbackIsWhatOnlyThisMachineReaches) {
  for (const char* host : {"127.0.0.1", "127.255.0.3", "::1", "localhost", "LocalHost"}) {
    EXPECT_TRUE(IsLoopbackHost(host)) << host;
  }
  for (const char* host : {"0.0.0.0", "::", "10.0.0.1", "128.0.0.1", "localhost.evil.org",
                           "127.0.0.1.org", "fe80::1"}) {
    EXPECT_FALSE(IsLoopbackHost(host)) << host;
  }
}

TEST(ExplainBindFailure, NamesTheReasonAndTheRemedy) {
  const int file = socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in address = {};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof(address);
  ASSERT_EQ(bind(file, reinterpret_cast<sockaddr*>(&address), size), 0);
  ASSERT_EQ(listen(file, 1), 0);
  ASSERT_EQ(getsockname(file, reinterpret_cast<sockaddr*>(&address), &size), 0);
  const absl::Status taken = ExplainBindFailure("server", {"127.0.0.1", ntohs(address.sin_port)});
  close(file);
  EXPECT_EQ(taken.code(), absl::StatusCode::kUnavailable);
  EXPECT_THAT(std::string(taken.message()), HasSubstr("Address already in use"));
  EXPECT_THAT(std::string(taken.message()), HasSubstr("another process listens there"));
  // Kept for documentation: no machine has it.
  const absl::Status foreign = ExplainBindFailure("server", {"203.0.113.7", 0});
  EXPECT_THAT(std::string(foreign.message()), HasSubstr("server: can't listen at 203.0.113.7:0"));
  EXPECT_THAT(std::string(foreign.message()), HasSubstr("this machine has no such address"));
}

}  // namespace
}  // namespace anabranch
