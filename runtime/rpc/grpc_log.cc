#include "runtime/rpc/grpc_log.h"

#include <grpc/support/log.h>
#include <prometheus/counter.h>

#include <cstdlib>
#include <memory>
#include <string>

#include "absl/base/attributes.h"
#include "absl/base/thread_annotations.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"
#include "runtime/rpc/line_limit.h"

namespace anabranch {
namespace {

constexpr auto kSilent = static_cast<gpr_log_severity>(GPR_LOG_SEVERITY_ERROR + 1);
constexpr absl::string_view kTlsSource = "ssl_transport_security.cc";

struct Sink {
  Sink(Metrics& metrics, Log& sink_log)
      : log(sink_log),
        failures(metrics.Counter("anabranch_tls_handshake_failures_total",
                                 "Connections that TLS did not come about on, of both sides.")) {}

  Log& log;
  prometheus::Counter& failures;
  LineLimit limit;
};

// gRPC takes a function without any state of ours, from any thread.
ABSL_CONST_INIT absl::Mutex sink_mutex(absl::kConstInit);
std::unique_ptr<Sink> sink ABSL_GUARDED_BY(sink_mutex);

void OnGrpcLine(gpr_log_func_args* line) {
  if (line->severity < GPR_LOG_SEVERITY_ERROR || !absl::EndsWith(line->file, kTlsSource)) return;
  // Held while it is in use, so that who takes it away knows that nobody writes any more.
  absl::ReaderMutexLock lock(&sink_mutex);
  if (sink == nullptr) return;
  sink->failures.Increment();
  const int64_t times = sink->limit.Count(line->message);
  if (times == 0) return;
  sink->log.Warning("a TLS handshake failed",
                    {{"cause", line->message}, {"times", absl::StrCat(times)}});
}

}  // namespace

bool GrpcLogIsWanted() { return std::getenv("GRPC_VERBOSITY") != nullptr; }

void QuietGrpc() {
  if (!GrpcLogIsWanted()) gpr_set_log_verbosity(kSilent);
}

HandshakeWatch::HandshakeWatch(Metrics& metrics, Log& log) {
  if (GrpcLogIsWanted()) return;
  {
    absl::MutexLock lock(&sink_mutex);
    sink = std::make_unique<Sink>(metrics, log);
  }
  gpr_set_log_function(OnGrpcLine);
  gpr_set_log_verbosity(GPR_LOG_SEVERITY_ERROR);
}

HandshakeWatch::~HandshakeWatch() {
  if (GrpcLogIsWanted()) return;
  gpr_set_log_verbosity(kSilent);
  absl::MutexLock lock(&sink_mutex);
  sink = nullptr;
}

}  // namespace anabranch
