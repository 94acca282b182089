// The replay server: tables and object store behind the contract of replay.proto.
#ifndef ANABRANCH_REPLAY_REPLAY_SERVICE_H_
#define ANABRANCH_REPLAY_REPLAY_SERVICE_H_

#include <atomic>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "anabranch/v1/replay.pb.h"
#include "anabranch/v1/replay_state.pb.h"
#include "replay/batch_agreement.h"
#include "replay/cancel_token.h"
#include "replay/consumer_group.h"
#include "replay/insert_window.h"
#include "replay/lease_counts.h"
#include "replay/object_store.h"
#include "replay/replay_options.h"
#include "replay/table_set.h"
#include "runtime/channels.h"

namespace anabranch {

// Speaks the contract's messages within a process; a socket is somebody else's affair, who adds
// credits and uses leases. The streams that it opens itself have no leases (lease_id is 0: what is
// sampled is gone from used-once tables); they are used by one thread at a time and must not
// outlive it. Thread-safe.
//
// Errors: a handshake of another run or environment is FAILED_PRECONDITION and names both; a bad
// batch is an acknowledgement that says REFUSED, after which the stream goes on; whoever waits when
// the server is closed gets the status given to Close.
class ReplayService final : public ReplayClient {
 public:
  static constexpr uint64_t kMaxPage = 10'000;  // Objects in one answer.

  // INVALID_ARGUMENT names the option.
  static absl::StatusOr<std::unique_ptr<ReplayService>> Create(ReplayServiceOptions options);

  absl::StatusOr<std::unique_ptr<InsertStream>> OpenInsert(
      const v1::InsertOpening& opening) override;
  // NOT_FOUND for an unknown table. FAILED_PRECONDITION for a used-up-once table that another
  // consumer group samples already: an item goes with its last draw, whoever drew it. UNIMPLEMENTED
  // for a share that yields objects only.
  absl::StatusOr<std::unique_ptr<SampleStream>> OpenSample(
      const v1::SampleOpening& opening) override;
  // One page of at most kMaxPage. UNIMPLEMENTED for include_item_keys.
  absl::StatusOr<v1::QueryObjectsResponse> QueryObjects(
      const v1::QueryObjectsRequest& request) override;
  absl::StatusOr<v1::GetInfoResponse> GetInfo(const v1::GetInfoRequest& request) override;
  // FAILED_PRECONDITION for a table whose selector has no priorities.
  absl::StatusOr<v1::UpdatePrioritiesResponse> UpdatePriorities(
      const v1::UpdatePrioritiesRequest& request) override;

  // What OpenInsert and OpenSample check and find out, for whoever has streams of their own.
  absl::StatusOr<v1::InsertOpened> CheckInsertOpening(const v1::InsertOpening& opening) const;
  absl::StatusOr<SampleSource> ResolveSampleOpening(const v1::SampleOpening& opening);

  // What the streams do, with a deadline, after which DEADLINE_EXCEEDED names the table waited for
  // and nothing has happened. CANCELLED once the token is: nothing has happened either.
  absl::StatusOr<v1::InsertAcknowledgement> Insert(uint64_t client_incarnation,
                                                   v1::InsertBatch batch, absl::Time deadline,
                                                   const CancelToken* token = nullptr);
  absl::StatusOr<v1::SampledBatch> Sample(ConsumerGroup& group, std::span<const int32_t> tables,
                                          int64_t count, absl::Time deadline,
                                          const CancelToken* token = nullptr);
  // As Sample, but what comes from tables with a max_times_sampled is leased: it stays theirs until
  // the lease in the answer is acknowledged, released, or older than `lease_timeout`. The lease is
  // 0 where all tables are without that limit.
  absl::StatusOr<v1::SampledBatch> SampleLeased(ConsumerGroup& group,
                                                std::span<const int32_t> tables, int64_t count,
                                                absl::Time deadline, absl::Duration lease_timeout,
                                                const CancelToken* token);

  // Leases: see TableSet, which keeps them. All work after Close, too.
  void Acknowledge(std::span<const uint64_t> leases) { tables_->Acknowledge(leases); }
  void Release(std::span<const uint64_t> leases) { tables_->Release(leases); }
  absl::Time ReturnExpired(absl::Time now) { return tables_->ReturnExpired(now); }
  absl::Status AwaitExpiry(const CancelToken& token) { return tables_->AwaitExpiry(token); }
  absl::Status AwaitNoLeases(absl::Time deadline) const { return tables_->AwaitNoLeases(deadline); }
  int64_t outstanding_leases() const { return lease_counts().outstanding; }
  LeaseCounts lease_counts() const { return tables_->lease_counts(); }

  // Ends whatever waits with the token, now and later, with CANCELLED; wakes nobody else.
  void Cancel(CancelToken& token) { tables_->Cancel(token); }
  // Wakes everybody who waits; they and all who come later get `why`.
  void Close(absl::Status why) { tables_->Close(std::move(why)); }

  // Everything that later answers depend on, as bytes; the same state gives the same bytes. Waits
  // for inserts that are half done, not for those that wait for pacing. A sample that another
  // thread draws meanwhile is in the state or isn't; the shares of its mixture may be off by it.
  // RESOURCE_EXHAUSTED above 2 GiB.
  absl::StatusOr<std::string> Save() const;
  // Before the first use. FAILED_PRECONDITION for the state of another run, environment or set of
  // tables, DATA_LOSS for one that contradicts itself; the server is not to be used then.
  absl::Status Restore(absl::string_view bytes);

  const ReplayServiceOptions& options() const { return options_; }

 private:
  ReplayService(ReplayServiceOptions options, std::unique_ptr<TableSet> tables)
      : options_(std::move(options)), tables_(std::move(tables)), objects_(options_.max_objects) {}

  // Nothing, or why the peer is refused.
  std::optional<v1::Refusal> CheckIdentity(absl::string_view run_id,
                                           absl::string_view environment_fingerprint) const;
  absl::Status CheckHandshake(const v1::Handshake& handshake) const;
  absl::StatusOr<v1::SampledBatch> SampleMixture(
      ConsumerGroup& group, std::span<const int32_t> tables, int64_t count,
      absl::FunctionRef<absl::Status(std::span<const TableDraw>, SampledRows&)> draw);
  // Everything that can be wrong with a batch. On success it is a chunk with targets; priorities
  // point into `batch`.
  std::optional<v1::Refusal> Admit(v1::InsertBatch& batch, ChunkRef& chunk,
                                   std::vector<TableTarget>& targets);
  std::optional<v1::Refusal> ResolveTargets(const v1::InsertBatch& batch,
                                            std::vector<TableTarget>& targets) const;
  absl::StatusOr<std::shared_ptr<ConsumerGroup>> JoinGroup(const v1::SampleOpening& opening);
  v1::TableInfo InfoOf(int32_t table) const;
  absl::Status RestoreChunks(v1::ReplayState& state, std::vector<ChunkRef>& chunks) const;

  const ReplayServiceOptions options_;
  const std::unique_ptr<TableSet> tables_;
  BatchAgreement agreement_{options_.allow_reward_fingerprint_change};
  ObjectStore objects_;
  InsertWindow window_;
  std::atomic<uint64_t> acknowledged_{0};  // Trajectories.
  // Lock order: groups_mu_ before a group's own.
  mutable absl::Mutex groups_mu_;
  std::map<std::string, std::shared_ptr<ConsumerGroup>> groups_ ABSL_GUARDED_BY(groups_mu_);
};

}  // namespace anabranch

#endif  // ANABRANCH_REPLAY_REPLAY_SERVICE_H_
