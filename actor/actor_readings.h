// What an actor tells of itself, to people and to Prometheus.
#ifndef ANABRANCH_ACTOR_ACTOR_READINGS_H_
#define ANABRANCH_ACTOR_ACTOR_READINGS_H_

#include <functional>
#include <optional>

#include "actor/actor_options.h"
#include "actor/pipeline_options.h"
#include "anabranch/v1/identity.pb.h"
#include "anabranch/v1/status.pb.h"
#include "runtime/metrics.h"

namespace anabranch {

// At one moment.
struct ActorReadings {
  ActorState state;
  ActorTimes times;
  PipelineCounters counters;
  v1::PolicyVersion policy;  // Generation 0 before the first snapshot.
};

// Totals, waits and the snapshot in use.
void DescribeActor(const ActorReadings& readings, v1::GetStatusResponse& response);

// anabranch_actor_*. `read` is called at each scrape, in its thread; nothing is updated where it
// gives nothing.
void RegisterActorMetrics(Metrics& metrics, std::function<std::optional<ActorReadings>()> read);

}  // namespace anabranch

#endif  // ANABRANCH_ACTOR_ACTOR_READINGS_H_
