#include "replay/replay_metrics.h"

#include <prometheus/counter.h>
#include <prometheus/gauge.h>

#include <memory>
#include <utility>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/strip.h"

namespace anabranch {
namespace {

std::string NameOf(v1::EvictionReason reason) {
  absl::string_view name = v1::EvictionReason_Name(reason);
  absl::ConsumePrefix(&name, "EVICTION_REASON_");
  return absl::AsciiStrToLower(name);
}

// One table's. References into the Metrics.
class TableMetrics {
 public:
  TableMetrics(Metrics& metrics, const v1::TableInfo& table)
      : metrics_(metrics),
        labels_{{"table", table.name()}},
        items_(Gauge("items", "Trajectories held.")),
        bytes_(Gauge("bytes", "Bytes of trajectories held.")),
        leased_(Gauge("leased_items", "Trajectories leased and not yet acknowledged.")),
        samples_per_insert_(Gauge("samples_per_insert_ratio", "Samples per insert so far.")),
        target_(Gauge("target_samples_per_insert_ratio", "What pacing aims at; 0 is no pacing.")),
        inserts_(Counter("inserts_total", "Trajectories inserted, duplicates not counted.")),
        samples_(Counter("samples_total", "Trajectories sampled, repeats counted.")),
        duplicates_(Counter("duplicates_total", "Trajectories sent again and not counted again.")),
        inserts_blocked_(Blocked("insert")),
        samples_blocked_(Blocked("sample")) {}

  void Update(const v1::TableInfo& table) {
    items_.Set(static_cast<double>(table.items()));
    bytes_.Set(static_cast<double>(table.bytes()));
    leased_.Set(static_cast<double>(table.leased()));
    samples_per_insert_.Set(table.samples_per_insert());
    target_.Set(table.target_samples_per_insert());
    Metrics::Raise(inserts_, static_cast<double>(table.inserts()));
    Metrics::Raise(samples_, static_cast<double>(table.samples()));
    Metrics::Raise(duplicates_, static_cast<double>(table.duplicates()));
    Metrics::Raise(inserts_blocked_, table.insert_blocked_seconds());
    Metrics::Raise(samples_blocked_, table.sample_blocked_seconds());
    for (const v1::EvictionCount& count : table.evictions()) {
      MetricLabels labels = labels_;
      labels["reason"] = NameOf(count.reason());
      Metrics::Raise(metrics_.Counter("anabranch_replay_evictions_total",
                                      "Trajectories that left, by reason.", labels),
                     static_cast<double>(count.items()));
    }
  }

 private:
  prometheus::Gauge& Gauge(const std::string& name, const std::string& help) {
    return metrics_.Gauge("anabranch_replay_" + name, help, labels_);
  }
  prometheus::Counter& Counter(const std::string& name, const std::string& help) {
    return metrics_.Counter("anabranch_replay_" + name, help, labels_);
  }
  prometheus::Counter& Blocked(const std::string& side) {
    MetricLabels labels = labels_;
    labels["side"] = side;
    return metrics_.Counter("anabranch_replay_blocked_seconds_total",
                            "Time in which an insert waited for samples, or a sample for inserts.",
                            labels);
  }

  Metrics& metrics_;
  const MetricLabels labels_;
  prometheus::Gauge& items_;
  prometheus::Gauge& bytes_;
  prometheus::Gauge& leased_;
  prometheus::Gauge& samples_per_insert_;
  prometheus::Gauge& target_;
  prometheus::Counter& inserts_;
  prometheus::Counter& samples_;
  prometheus::Counter& duplicates_;
  prometheus::Counter& inserts_blocked_;
  prometheus::Counter& samples_blocked_;
};

}  // namespace

void ExportReplayMetrics(ReplayService& service, Metrics& metrics) {
  const auto first = service.GetInfo({});
  if (!first.ok()) return;
  auto tables = std::make_shared<std::vector<TableMetrics>>();
  for (const v1::TableInfo& table : first->tables()) tables->emplace_back(metrics, table);
  prometheus::Gauge& objects =
      metrics.Gauge("anabranch_replay_objects", "Distinct terminal objects held.");
  prometheus::Gauge& leases =
      metrics.Gauge("anabranch_replay_leases", "Batches leased and not yet acknowledged.");
  prometheus::Counter& expired = metrics.Counter("anabranch_replay_expired_leases_total",
                                                 "Leases that nobody acknowledged in time.");
  metrics.OnScrape([&service, tables, &objects, &leases, &expired] {
    const auto info = service.GetInfo({});
    if (!info.ok()) return;
    for (int i = 0; i < info->tables_size(); ++i) (*tables)[i].Update(info->tables(i));
    objects.Set(static_cast<double>(info->objects()));
    const LeaseCounts counts = service.lease_counts();
    leases.Set(static_cast<double>(counts.outstanding));
    Metrics::Raise(expired, static_cast<double>(counts.expired));
  });
}

void DescribeReplay(ReplayService& service, v1::GetStatusResponse& response) {
  const auto info = service.GetInfo({});
  if (!info.ok()) return;
  double samples = 0, items = 0, duplicates = 0, inserts_blocked = 0, samples_blocked = 0;
  for (const v1::TableInfo& table : info->tables()) {
    samples += static_cast<double>(table.samples());
    items += static_cast<double>(table.items());
    duplicates += static_cast<double>(table.duplicates());
    inserts_blocked += table.insert_blocked_seconds();
    samples_blocked += table.sample_blocked_seconds();
  }
  const std::pair<const char*, double> totals[] = {
      {"trajectories", static_cast<double>(info->acknowledged_trajectories())},
      {"samples", samples},
      {"items", items},
      {"objects", static_cast<double>(info->objects())},
      {"duplicates", duplicates}};
  for (const auto& [name, value] : totals) {
    v1::Total& total = *response.add_totals();
    total.set_name(name);
    total.set_value(value);
  }
  const std::pair<const char*, double> waits[] = {{"inserts", samples_blocked},
                                                  {"samples", inserts_blocked}};
  for (const auto& [name, seconds] : waits) {
    v1::WaitTotal& wait = *response.add_waits();
    wait.set_waits_for(name);
    wait.set_seconds(seconds);
  }
}

}  // namespace anabranch
