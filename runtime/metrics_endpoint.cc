#include <CivetServer.h>
#include <prometheus/exposer.h>

#include <exception>
#include <memory>
#include <utility>

#include "absl/strings/str_cat.h"
#include "runtime/metrics.h"
#include "runtime/metrics_state.h"
#include "runtime/socket_address.h"

namespace anabranch {
namespace {

// Its errors come back as statuses, not as lines on standard error.
int Swallow(const mg_connection*, const char*) { return 1; }

}  // namespace

struct MetricsEndpoint::State {
  std::shared_ptr<Metrics::State> metrics;  // The exposer holds it weakly.
  std::unique_ptr<prometheus::Exposer> exposer;
};

MetricsEndpoint::MetricsEndpoint() : state_(std::make_unique<State>()) {}
MetricsEndpoint::~MetricsEndpoint() = default;

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
  endpoint->address_ = listen->ToString();
  return endpoint;
}

}  // namespace anabranch
