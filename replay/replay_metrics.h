// A replay server's metrics and status: who waits for whom.
#ifndef ANABRANCH_REPLAY_REPLAY_METRICS_H_
#define ANABRANCH_REPLAY_REPLAY_METRICS_H_

#include "anabranch/v1/status.pb.h"
#include "replay/replay_service.h"
#include "runtime/metrics.h"

namespace anabranch {

// Makes the metrics, labelled by table, and brings them up to date before each scrape. The service
// outlives the last scrape. Counters go on from a restored state: they are the run's, not the
// process'.
void ExportReplayMetrics(ReplayService& service, Metrics& metrics);

// Totals and waits of all tables together.
void DescribeReplay(ReplayService& service, v1::GetStatusResponse& response);

}  // namespace anabranch

#endif  // ANABRANCH_REPLAY_REPLAY_METRICS_H_
