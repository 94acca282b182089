// The streams that a replay service opens.
#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "replay/replay_service.h"

namespace anabranch {
namespace {

class ServiceInsertStream final : public InsertStream {
 public:
  ServiceInsertStream(ReplayService* service, uint64_t client, v1::InsertOpened opened)
      : service_(service), client_(client), opened_(std::move(opened)) {}

  const v1::InsertOpened& opened() const override { return opened_; }
  absl::StatusOr<v1::InsertAcknowledgement> Insert(v1::InsertBatch batch) override {
    return service_->Insert(client_, std::move(batch), absl::InfiniteFuture(), &token_);
  }
  void Cancel() override { service_->Cancel(token_); }

 private:
  ReplayService* const service_;
  const uint64_t client_;
  const v1::InsertOpened opened_;
  CancelToken token_;
};

class ServiceSampleStream final : public SampleStream {
 public:
  ServiceSampleStream(ReplayService* service, SampleSource source)
      : service_(service), source_(std::move(source)) {}

  absl::StatusOr<v1::SampledBatch> Next() override { return Sample(absl::InfiniteFuture()); }
  absl::StatusOr<std::optional<v1::SampledBatch>> TryNext() override {
    auto batch = Sample(absl::InfinitePast());
    if (batch.ok()) return *std::move(batch);
    if (absl::IsDeadlineExceeded(batch.status())) return std::nullopt;
    return batch.status();
  }
  void Acknowledge(uint64_t) override {}  // Nothing is leased.
  void Cancel() override { service_->Cancel(token_); }

 private:
  absl::StatusOr<v1::SampledBatch> Sample(absl::Time deadline) {
    return service_->Sample(*source_.group, source_.tables, source_.batch_trajectories, deadline,
                            &token_);
  }

  ReplayService* const service_;
  const SampleSource source_;
  CancelToken token_;
};

}  // namespace

absl::StatusOr<v1::InsertOpened> ReplayService::CheckInsertOpening(
    const v1::InsertOpening& opening) const {
  if (absl::Status status = CheckHandshake(opening.handshake()); !status.ok()) return status;
  const uint64_t client = opening.handshake().source().client_incarnation();
  if (client == 0) {
    return absl::InvalidArgumentError(
        "handshake.source.client_incarnation: is 0; draw a random one at each start");
  }
  v1::InsertOpened opened;
  opened.set_server_incarnation(options_.server_incarnation);
  opened.set_acknowledged_sequence(window_.AcknowledgedUpTo(client));
  opened.set_reward_shaping_hash(options_.reward_shaping_hash);
  opened.set_shards(1);
  return opened;
}

absl::StatusOr<std::unique_ptr<InsertStream>> ReplayService::OpenInsert(
    const v1::InsertOpening& opening) {
  auto opened = CheckInsertOpening(opening);
  if (!opened.ok()) return opened.status();
  const uint64_t client = opening.handshake().source().client_incarnation();
  return std::make_unique<ServiceInsertStream>(this, client, *std::move(opened));
}

absl::StatusOr<std::shared_ptr<ConsumerGroup>> ReplayService::JoinGroup(
    const v1::SampleOpening& opening) {
  std::vector<std::string> names;
  std::vector<double> shares;
  for (const v1::TableShare& share : opening.mixture()) {
    names.push_back(share.table());
    shares.push_back(share.share());
  }
  absl::StatusOr<Mixture> mixture = Mixture::Create(shares);
  if (!mixture.ok()) return mixture.status();
  absl::MutexLock lock(&groups_mu_);
  for (const auto& [other_name, other] : groups_) {
    if (other_name == opening.consumer_group()) continue;
    for (const std::string& name : names) {
      const bool shared =
          std::find(other->tables.begin(), other->tables.end(), name) != other->tables.end();
      if (shared && tables_->options(tables_->Find(name)).max_times_sampled > 0) {
        return absl::FailedPreconditionError(absl::StrCat(
            "consumer_group: items of table \"", name, "\" go after their last draw, and group \"",
            other_name, "\" draws them already; give this group a table of its own"));
      }
    }
  }
  auto group = std::make_shared<ConsumerGroup>();
  group->tables = names;
  if (!opening.consumer_group().empty()) {
    group = groups_.try_emplace(opening.consumer_group(), group).first->second;
  }
  if (group->tables != names) {
    return absl::FailedPreconditionError(absl::StrCat(
        "mixture: consumer group \"", opening.consumer_group(), "\" samples from ",
        absl::StrJoin(group->tables, ", "), ", not from ", absl::StrJoin(names, ", ")));
  }
  absl::MutexLock group_lock(&group->mu);
  if (!group->mixture.has_value()) {
    if (!group->restored_credits.empty()) {
      absl::Status status = mixture->RestoreCredits(group->restored_credits);
      if (!status.ok()) return status;
    }
    group->mixture = *std::move(mixture);
  }
  return group;
}

absl::StatusOr<SampleSource> ReplayService::ResolveSampleOpening(const v1::SampleOpening& opening) {
  if (absl::Status status = CheckHandshake(opening.handshake()); !status.ok()) return status;
  if (opening.batch_trajectories() == 0) {
    return absl::InvalidArgumentError("batch_trajectories: is 0; at least 1 is needed");
  }
  std::vector<int32_t> tables;
  for (int i = 0; i < opening.mixture_size(); ++i) {
    const v1::TableShare& share = opening.mixture(i);
    const int32_t table = tables_->Find(share.table());
    if (table < 0) {
      return absl::NotFoundError(
          absl::StrCat("mixture[", i, "].table: there is none named \"", share.table(), "\""));
    }
    if (std::find(tables.begin(), tables.end(), table) != tables.end()) {
      return absl::InvalidArgumentError(
          absl::StrCat("mixture[", i, "].table: \"", share.table(), "\" is named twice"));
    }
    if (share.yields() == v1::YIELD_KIND_OBJECTS) {
      return absl::UnimplementedError(
          absl::StrCat("mixture[", i, "].yields: this server yields trajectories only"));
    }
    tables.push_back(table);
  }
  auto group = JoinGroup(opening);
  if (!group.ok()) return group.status();
  return SampleSource{*std::move(group), std::move(tables), opening.batch_trajectories()};
}

absl::StatusOr<std::unique_ptr<SampleStream>> ReplayService::OpenSample(
    const v1::SampleOpening& opening) {
  auto source = ResolveSampleOpening(opening);
  if (!source.ok()) return source.status();
  return std::make_unique<ServiceSampleStream>(this, *std::move(source));
}

}  // namespace anabranch
