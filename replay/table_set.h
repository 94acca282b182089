// The tables of a replay server, shared by threads: whoever must wait for pacing waits here.
#ifndef ANABRANCH_REPLAY_TABLE_SET_H_
#define ANABRANCH_REPLAY_TABLE_SET_H_

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "replay/lease_book.h"
#include "replay/replay_table.h"
#include "replay/wait_meter.h"
#include "replay/waiting_calls.h"

namespace anabranch {

// Thread-safe. One lock for all tables, held for index arithmetic alone (nanoseconds per item), so
// that an insert into several tables and a sample from several are each one event. Nothing is
// copied, serialised or freed under it.
//
// An insert waits until every table's pacing admits it and those have been admitted that came
// earlier and share a table with it. Both are waived where a sample that draws on one of its tables
// waits and can't be served even so (of several such inserts the earliest goes first): more inserts
// are what everybody waits for then, and there can be no deadlock between tables. A sample that
// does not wait, whose deadline is InfinitePast, waives nothing.
class TableSet {
 public:
  // INVALID_ARGUMENT for bad options, no table, or two of one name. `lease_base`: see LeaseBook.
  static absl::StatusOr<std::unique_ptr<TableSet>> Create(
      std::span<const ReplayTableOptions> options, uint64_t seed, uint64_t lease_base = 0);

  int32_t size() const { return static_cast<int32_t>(options_.size()); }
  // −1 if there is none of this name.
  int32_t Find(absl::string_view name) const;
  const ReplayTableOptions& options(int32_t table) const { return options_[table]; }
  bool uses_priorities(int32_t table) const { return uses_priorities_[table]; }
  // INVALID_ARGUMENT if the chunk is larger than one of the targets can hold.
  absl::Status CheckFits(const Chunk& chunk, std::span<const TableTarget> targets) const;

  // Blocks until the chunk is in all of its targets, which are distinct and which it fits.
  // DEADLINE_EXCEEDED names the table waited for; CANCELLED with the token; once closed it is the
  // status given to Close. Nothing was inserted then. After success the caller brings its other
  // books up to date and then calls FinishInsert: a snapshot taken meanwhile waits for that.
  absl::Status Insert(const ChunkRef& chunk, std::span<const TableTarget> targets,
                      absl::Time deadline, const CancelToken* token = nullptr);
  void FinishInsert();

  // Blocks until all draws, from distinct tables, can be served; then appends their items to `out`.
  // Errors, after which nothing was drawn, as Insert's.
  absl::Status Sample(std::span<const TableDraw> draws, absl::Time deadline, SampledRows& out,
                      const CancelToken* token = nullptr);
  // As Sample, and draws from tables with a max_times_sampled are leased under `lease_id`, which is
  // fresh; 0 if there are none.
  absl::Status SampleLeased(std::span<const TableDraw> draws, absl::Time deadline,
                            absl::Duration lease_timeout, SampledRows& out, uint64_t& lease_id,
                            const CancelToken* token = nullptr);

  // The leases' draws are done with: items that have no draw left go. Leases that are unknown (they
  // may have expired) are counted.
  void Acknowledge(std::span<const uint64_t> leases);
  // The leases' draws have never been: items have the same keys and their draws back, pacing too,
  // and where there is an order they have their old place in it.
  void Release(std::span<const uint64_t> leases);
  // Releases the leases whose time is over at `now`; gives the time of the next, or InfiniteFuture.
  absl::Time ReturnExpired(absl::Time now);
  // Blocks until a lease's time is over by absl::Now(). CANCELLED with the token; once closed it is
  // the status given to Close.
  absl::Status AwaitExpiry(const CancelToken& token);
  // Blocks until there is none. DEADLINE_EXCEEDED says how many there are.
  absl::Status AwaitNoLeases(absl::Time deadline) const;
  LeaseCounts lease_counts() const;

  // Ends whatever waits with the token, now and later, with CANCELLED; wakes nobody else.
  void Cancel(CancelToken& token);
  // Wakes everybody; from now on Insert and Sample return `why`, not OK. The first call counts.
  void Close(absl::Status why);

  // The items' new priorities, one each; gives how many of them are in the table, which has
  // priorities.
  int64_t UpdatePriorities(int32_t table, std::span<const uint64_t> keys,
                           std::span<const double> priorities);
  void CountDuplicates(std::span<const TableTarget> targets, int64_t items);
  struct Info {
    ReplayTableStats stats;
    WaitMeter::Report inserts_blocked;
    WaitMeter::Report samples_blocked;
    int64_t inserts_waiting = 0;  // Calls, at this moment.
    int64_t samples_waiting = 0;
  };
  Info GetInfo(int32_t table) const;

  // Calls `look` when no insert is half done and none can begin; it must not call back.
  void Snapshot(absl::FunctionRef<void(std::span<const std::unique_ptr<ReplayTable>>)> look) const;
  // Every table from its state. The set is empty. On error it is not to be used.
  absl::Status Restore(std::span<const v1::ReplayTableState* const> states,
                       std::span<const ChunkRef> chunks);

 private:
  struct Blocked {
    WaitMeter inserts;
    WaitMeter samples;
  };

  using Garbage = std::vector<ChunkRef>;  // Outlives the lock.

  TableSet(std::vector<ReplayTableOptions> options,
           std::vector<std::unique_ptr<ReplayTable>> tables, uint64_t lease_base);

  absl::Status CheckOpen(const CancelToken* token) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  // The first table that does not admit it, or −1.
  int32_t InsertBlocker(const WaitingInsert& insert) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  int32_t SampleBlocker(std::span<const TableDraw> draws) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  bool StarvesSample(int32_t table) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  bool FeedsStarvingSample(const WaitingInsert& insert) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);

  // Serves all that can be served. After every change that may let somebody go on.
  void ServeWaiting(Garbage& garbage) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void ServeSamples(Garbage& garbage) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  bool AdmitNextInsert(Garbage& garbage) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void Draw(WaitingSample& sample, Garbage& garbage) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void Release(std::span<const LeasePart> lease) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  // Until the call is done, which `table` holds up, or its deadline.
  void AwaitTurn(WaitingCall& call, int32_t table, WaitMeter Blocked::* meter, absl::Time deadline)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  absl::Status RunSample(WaitingSample& sample, absl::Time deadline);

  const std::vector<ReplayTableOptions> options_;
  const std::vector<bool> uses_priorities_;  // By table.
  mutable absl::Mutex mu_;
  const std::vector<std::unique_ptr<ReplayTable>> tables_ ABSL_GUARDED_BY(mu_);
  std::vector<Blocked> blocked_ ABSL_GUARDED_BY(mu_);
  // In the order of arrival.
  std::vector<WaitingInsert*> inserts_ ABSL_GUARDED_BY(mu_);
  std::vector<WaitingSample*> samples_ ABSL_GUARDED_BY(mu_);
  LeaseBook leases_ ABSL_GUARDED_BY(mu_);
  absl::CondVar expiry_changed_;  // Or whoever awaits one must not any longer.
  int64_t unfinished_inserts_ ABSL_GUARDED_BY(mu_) = 0;
  absl::Status closed_ ABSL_GUARDED_BY(mu_);  // OK while open.
};

}  // namespace anabranch

#endif  // ANABRANCH_REPLAY_TABLE_SET_H_
