#include "actor/actor_readings.h"

#include <prometheus/counter.h>
#include <prometheus/gauge.h>

#include <span>
#include <string>
#include <utility>
#include <vector>

#include "absl/time/time.h"

namespace anabranch {
namespace {

using Value = double (*)(const ActorReadings&);

struct NamedTotal {
  const char* name;  // In GetStatus, and anabranch_actor_…_total; the most telling first.
  const char* help;
  Value value;
};

constexpr NamedTotal kTotals[] = {
    {"trajectories", "Trajectories rolled out.",
     [](const ActorReadings& r) { return static_cast<double>(r.state.trajectories); }},
    {"transitions", "Actions of these trajectories, stop included.",
     [](const ActorReadings& r) { return static_cast<double>(r.state.transitions); }},
    {"acknowledged", "Trajectories that replay has acknowledged.",
     [](const ActorReadings& r) { return static_cast<double>(r.counters.acknowledged); }},
    {"rejected", "Trajectories that reward shaping left out.",
     [](const ActorReadings& r) { return static_cast<double>(r.state.rejected); }},
    {"non_finite", "Objects whose value was no finite number.",
     [](const ActorReadings& r) { return static_cast<double>(r.state.non_finite); }},
    {"reward_retries", "Requests for rewards that were made again.",
     [](const ActorReadings& r) { return static_cast<double>(r.counters.reward_retries); }},
    {"refused_answers", "Answers thrown away because they did not fit the request.",
     [](const ActorReadings& r) { return static_cast<double>(r.counters.refused_answers); }},
    {"objects_asked_again", "Objects answered RETRYABLE or PENDING, each time counted.",
     [](const ActorReadings& r) { return static_cast<double>(r.counters.objects_asked_again); }},
    {"asked", "Objects that the oracle was asked about, each counted once.",
     [](const ActorReadings& r) { return static_cast<double>(r.state.asked); }},
    {"scored", "Objects that got their values.",
     [](const ActorReadings& r) { return static_cast<double>(r.state.scored); }},
    {"invalid", "Objects that the oracle can't score, now or ever.",
     [](const ActorReadings& r) { return static_cast<double>(r.state.invalid); }},
    {"failed", "Objects whose evaluation failed for good.",
     [](const ActorReadings& r) { return static_cast<double>(r.state.failed); }},
    {"budget_exhausted", "Objects that were not evaluated because the budget is spent.",
     [](const ActorReadings& r) { return static_cast<double>(r.state.budget_exhausted); }},
    {"resolved", "Objects that were pending and are answered.",
     [](const ActorReadings& r) { return static_cast<double>(r.counters.resolved); }},
    {"insert_retries", "Batches sent to replay again.",
     [](const ActorReadings& r) { return static_cast<double>(r.counters.insert_retries); }},
    {"refused_snapshots", "Times that the newest snapshot could not be used.",
     [](const ActorReadings& r) { return static_cast<double>(r.counters.refused_snapshots); }},
};

// Now, not so far: in GetStatus among the totals, and gauges anabranch_actor_….
constexpr NamedTotal kPresent[] = {
    {"pending", "Trajectories kept until the oracle answers.",
     [](const ActorReadings& r) { return static_cast<double>(r.state.pending); }},
    {"oldest_pending_seconds", "How long the oldest of these has been waiting.",
     [](const ActorReadings& r) { return absl::ToDoubleSeconds(r.counters.oldest_pending); }},
};

struct NamedStage {
  const char* name;
  const char* waits_for;  // Null where it is work.
  Value seconds;
};

// Of the thread that rolls out: they add up to its time.
constexpr NamedStage kStages[] = {
    {"policy", nullptr, [](const ActorReadings& r) { return r.times.policy; }},
    {"environment", nullptr, [](const ActorReadings& r) { return r.times.environment; }},
    {"weights", nullptr, [](const ActorReadings& r) { return r.times.weights; }},
    {"reward_wait", "reward", [](const ActorReadings& r) { return r.times.reward; }},
    {"insert_wait", "inserts", [](const ActorReadings& r) { return r.times.insert; }},
};

}  // namespace

void DescribeActor(const ActorReadings& readings, v1::GetStatusResponse& response) {
  for (const auto& totals :
       {std::span<const NamedTotal>(kTotals), std::span<const NamedTotal>(kPresent)}) {
    for (const NamedTotal& named : totals) {
      v1::Total& total = *response.add_totals();
      total.set_name(named.name);
      total.set_value(named.value(readings));
    }
  }
  for (const NamedStage& stage : kStages) {
    if (stage.waits_for == nullptr) continue;
    v1::WaitTotal& wait = *response.add_waits();
    wait.set_waits_for(stage.waits_for);
    wait.set_seconds(stage.seconds(readings));
  }
  if (readings.policy.generation() > 0) *response.mutable_policy() = readings.policy;
}

void RegisterActorMetrics(Metrics& metrics, std::function<std::optional<ActorReadings>()> read) {
  std::vector<std::pair<prometheus::Counter*, Value>> counters;
  for (const NamedTotal& total : kTotals) {
    const std::string name = std::string("anabranch_actor_") + total.name + "_total";
    counters.emplace_back(&metrics.Counter(name, total.help), total.value);
  }
  for (const NamedStage& stage : kStages) {
    counters.emplace_back(
        &metrics.Counter("anabranch_actor_rollout_seconds_total",
                         "Time of the thread that rolls out, by stage.", {{"stage", stage.name}}),
        stage.seconds);
  }
  std::vector<std::pair<prometheus::Gauge*, Value>> gauges = {
      {&metrics.Gauge("anabranch_actor_pending_trajectories", kPresent[0].help), kPresent[0].value},
      {&metrics.Gauge("anabranch_actor_oldest_pending_seconds", kPresent[1].help),
       kPresent[1].value}};
  prometheus::Gauge& pending =
      metrics.Gauge("anabranch_actor_pending_batches", "Batches rolled out, but not acknowledged.");
  metrics.OnScrape([counters = std::move(counters), gauges = std::move(gauges), &pending,
                    read = std::move(read)] {
    const std::optional<ActorReadings> readings = read();
    if (!readings.has_value()) return;
    for (const auto& [counter, value] : counters) Metrics::Raise(*counter, value(*readings));
    for (const auto& [gauge, value] : gauges) gauge->Set(value(*readings));
    pending.Set(static_cast<double>(readings->counters.pending));
  });
}

}  // namespace anabranch
