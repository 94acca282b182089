#include "runtime/metrics.h"

#include <arpa/inet.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <prometheus/counter.h>
#include <prometheus/gauge.h>
#include <prometheus/histogram.h>
#include <sys/socket.h>
#include <unistd.h>

#include <string>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "runtime/socket_address.h"

namespace anabranch {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

// The answer to a GET, headers and all; empty if nobody listens.
std::string Get(const std::string& address, const std::string& path) {
  const SocketAddress parsed = *ParseSocketAddress(address);
  sockaddr_in to = {};
  to.sin_family = AF_INET;
  to.sin_port = htons(parsed.port);
  inet_pton(AF_INET, parsed.host.c_str(), &to.sin_addr);
  const int file = socket(AF_INET, SOCK_STREAM, 0);
  std::string answer;
  if (connect(file, reinterpret_cast<sockaddr*>(&to), sizeof(to)) == 0) {
    const std::string request = absl::StrCat("GET ", path, " HTTP/1.0\r\n\r\n");
    EXPECT_EQ(send(file, request.data(), request.size(), MSG_NOSIGNAL),
              static_cast<ssize_t>(request.size()));
    char buffer[4096];
    for (ssize_t got; (got = recv(file, buffer, sizeof(buffer), 0)) > 0;)
      answer.append(buffer, got);
  }
  close(file);
  return answer;
}

TEST(Metrics, SayWhichProgramThisIs) {
  EXPECT_THAT(Metrics("replay").Text(),
              HasSubstr("anabranch_build_info{role=\"replay\",version=\"0.1.0\"} 1"));
}

TEST(Metrics, TheSameNameAndLabelsAreTheSameMetric) {
  Metrics metrics("actor");
  prometheus::Counter& one = metrics.Counter("anabranch_x_total", "X.", {{"reason", "a"}});
  prometheus::Counter& two = metrics.Counter("anabranch_x_total", "X.", {{"reason", "b"}});
  EXPECT_EQ(&one, &metrics.Counter("anabranch_x_total", "X.", {{"reason", "a"}}));
  EXPECT_NE(&one, &two);
  one.Increment(3);
  EXPECT_THAT(metrics.Text(), HasSubstr("anabranch_x_total{reason=\"a\"} 3"));
  EXPECT_THAT(metrics.Text(), HasSubstr("anabranch_x_total{reason=\"b\"} 0"));
}

TEST(Metrics, UpdatesRunBeforeEachScrape) {
  Metrics metrics("actor");
  prometheus::Gauge& gauge = metrics.Gauge("anabranch_items", "Items.");
  int scrapes = 0;
  metrics.OnScrape([&] { gauge.Set(++scrapes); });
  EXPECT_THAT(metrics.Text(), HasSubstr("anabranch_items 1\n"));
  EXPECT_THAT(metrics.Text(), HasSubstr("anabranch_items 2\n"));
}

TEST(Metrics, ARaisedCounterNeverGoesDown) {
  Metrics metrics("actor");
  prometheus::Counter& counter = metrics.Counter("anabranch_y_total", "Y.");
  Metrics::Raise(counter, 5);
  Metrics::Raise(counter, 3);
  EXPECT_EQ(counter.Value(), 5);
  Metrics::Raise(counter, 8);
  EXPECT_EQ(counter.Value(), 8);
}

TEST(Metrics, ScrapesAtOnceRaiseACounterOnce) {
  Metrics metrics("actor");
  prometheus::Counter& counter = metrics.Counter("anabranch_y_total", "Y.");
  double total = 0;
  metrics.OnScrape([&] { Metrics::Raise(counter, total += 1); });
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&] {
      for (int j = 0; j < 50; ++j) metrics.Text();
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(total, 200);
  EXPECT_EQ(counter.Value(), 200);
}

TEST(LatencyBuckets, AscendFromATenthOfAMillisecondToAMinute) {
  const std::vector<double> bounds = LatencyBuckets();
  EXPECT_DOUBLE_EQ(bounds.front(), 1e-4);
  EXPECT_DOUBLE_EQ(bounds.back(), 60);
  for (size_t i = 1; i < bounds.size(); ++i) EXPECT_LT(bounds[i - 1], bounds[i]);
}

TEST(MetricsEndpoint, AScrapeOverHttpShowsNamesAndValues) {
  Metrics metrics("learner");
  metrics.Histogram("anabranch_step_seconds", "Steps.", LatencyBuckets(), {{"stage", "build"}})
      .Observe(0.003);
  auto endpoint = MetricsEndpoint::Start("127.0.0.1:0", metrics);
  ASSERT_TRUE(endpoint.ok()) << endpoint.status();
  const std::string answer = Get((*endpoint)->address(), "/metrics");
  EXPECT_THAT(answer, HasSubstr("200 OK"));
  EXPECT_THAT(answer, HasSubstr("anabranch_build_info{role=\"learner\""));
  EXPECT_THAT(answer, HasSubstr("anabranch_step_seconds_bucket{stage=\"build\",le=\"0.005\"} 1"));
  EXPECT_THAT(answer, HasSubstr("anabranch_step_seconds_bucket{stage=\"build\",le=\"0.002\"} 0"));
  // A scrape sees what happens later, too.
  metrics.Counter("anabranch_later_total", "Later.").Increment();
  EXPECT_THAT(Get((*endpoint)->address(), "/metrics"), HasSubstr("anabranch_later_total 1"));
}

TEST(MetricsEndpoint, ServesNothingElse) {
  Metrics metrics("learner");
  auto endpoint = MetricsEndpoint::Start("127.0.0.1:0", metrics);
  ASSERT_TRUE(endpoint.ok()) << endpoint.status();
  for (const std::string path : {"/", "/etc/passwd", "/../../etc/passwd", "/CMakeLists.txt"}) {
    EXPECT_THAT(Get((*endpoint)->address(), path), Not(HasSubstr("200 OK"))) << path;
  }
}

TEST(MetricsEndpoint, APortInUseIsNamedWithTheRemedyAndFreeAfterwards) {
  Metrics metrics("learner");
  auto first = MetricsEndpoint::Start("127.0.0.1:0", metrics);
  ASSERT_TRUE(first.ok()) << first.status();
  const std::string address = (*first)->address();
  testing::internal::CaptureStderr();
  const auto second = MetricsEndpoint::Start(address, metrics);
  EXPECT_EQ(testing::internal::GetCapturedStderr(), "");
  EXPECT_EQ(second.status().code(), absl::StatusCode::kUnavailable);
  EXPECT_THAT(std::string(second.status().message()), HasSubstr(address));
  EXPECT_THAT(std::string(second.status().message()), HasSubstr("choose another port"));
  first->reset();
  EXPECT_EQ(Get(address, "/metrics"), "");
  EXPECT_TRUE(MetricsEndpoint::Start(address, metrics).ok());
}

TEST(MetricsEndpoint, AnAddressMustBeHostAndPort) {
  Metrics metrics("learner");
  EXPECT_EQ(MetricsEndpoint::Start("9090", metrics).status().code(),
            absl::StatusCode::kInvalidArgument);
}

}  // namespace
}  // namespace anabranch
