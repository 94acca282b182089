#include <CivetServer.h>
#include <prometheus/exposer.h>

#include <exception>
#include <memory>
#include <thread>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/synchronization/notification.h"
#include "absl/time/time.h"
#include "runtime/metrics.h"
#include "runtime/metrics_state.h"
#include "runtime/socket_address.h"

namespace anabranch {
namespace {

// Between two knocks at a server that is to stop.
constexpr absl::Duration kKnock = absl::Milliseconds(10);

// Its errors come back as statuses, not as lines on standard error.
int Swallow(const mg_connection*, const char*) { return 1; }

}  // namespace

struct MetricsEndpoint::State {
  std::shared_ptr<Metrics::State> metrics;  // The exposer holds it weakly.
  std::unique_ptr<prometheus::Exposer> exposer;
  SocketAddress address;
};

MetricsEndpoint::MetricsEndpoint() : state_(std::make_unique<State>()) {}

MetricsEndpoint::~MetricsEndpoint() {
  if (state_->exposer == nullptr) return;
  // Left alone, the web server looks only every two seconds whether it is to stop.
  absl::Notification stopped;
  std::thread knocking([&] {
    while (!stopped.WaitForNotificationWithTimeout(kKnock)) Knock(state_->address);
  });
  state_->exposer.reset();
  stopped.Notify();
  knocking.join();
}

absl::StatusOr<std::unique_ptr<MetricsEndpoint>> MetricsEndpoint::Start(const std::string& address,
                                                                        const Metrics& metrics) {
  absl::StatusOr<SocketAddress> listen = ParseSocketAddress(address);
  if (!listen.ok()) {
    return absl::InvalidArgumentError(
        absl::StrCat("the metrics' address ", listen.status().message()));
  }
  CivetCallbacks callbacks;
  callbacks.log_message = &Swallow;
  std::unique_ptr<MetricsEndpoint> endpoint(new MetricsEndpoint());
  endpoint->state_->metrics = metrics.state_;
  try {
    endpoint->state_->exposer = std::make_unique<prometheus::Exposer>(
        std::vector<std::string>{"listening_ports", listen->ToString(), "num_threads", "2",
                                 "request_timeout_ms", "10000"},
        &callbacks);
    endpoint->state_->exposer->RegisterCollectable(endpoint->state_->metrics);
  } catch (const std::exception&) {
    return ExplainBindFailure("metrics", *listen);
  }
  listen->port = static_cast<uint16_t>(endpoint->state_->exposer->GetListeningPorts().at(0));
  endpoint->state_->address = *listen;
  endpoint->address_ = listen->ToString();
  return endpoint;
}

}  // namespace anabranch
