#include "actor/pending_collector.h"

#include <optional>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "actor/ask_again.h"
#include "actor/finished_batch.h"
#include "actor/pending_record.h"
#include "runtime/error_reason.h"

namespace anabranch {
namespace {

bool IsPowerOfTwo(int64_t n) { return (n & (n - 1)) == 0; }

absl::Status Cancelled() { return absl::CancelledError("the actor ends"); }

std::vector<const v1::PendingTrajectory*> Contents(const std::vector<PendingRecord>& records) {
  std::vector<const v1::PendingTrajectory*> contents;
  for (const PendingRecord& record : records) contents.push_back(&record.content);
  return contents;
}

}  // namespace

PendingCollector::PendingCollector(CollectorOptions options, PendingTrajectories& pending,
                                   BatchHeader header, const RewardShaping& shaping,
                                   BatchScorer scorer, BatchInserter inserter,
                                   RewardAsker::Sleeper sleep, Log& log)
    : options_(std::move(options)),
      pending_(pending),
      header_(std::move(header)),
      shaping_(shaping),
      scorer_(std::move(scorer)),
      inserter_(std::move(inserter)),
      backoff_(options_.backoff, pending.client_incarnation()),
      sleep_(std::move(sleep)),
      log_(log) {}

void PendingCollector::Cancel() {
  pending_.Close();
  absl::MutexLock lock(&mu_);
  cancelled_ = true;
  if (inserts_ != nullptr) inserts_->Cancel();
}

absl::Status PendingCollector::Run() {
  while (true) {
    if (absl::Status status = SendBatches(); !status.ok()) return status;
    std::vector<PendingRecord> due;
    absl::Status status = UntilStored([&] {
      auto taken = pending_.TakeDue(options_.batch_objects);
      if (taken.ok()) due = *std::move(taken);
      return taken.status();
    });
    if (!status.ok()) return status;
    if (due.empty()) return absl::OkStatus();
    if (status = Collect(std::move(due)); !status.ok()) return status;
  }
}

absl::Status PendingCollector::UntilStored(absl::FunctionRef<absl::Status()> write) {
  backoff_.Reset();
  while (true) {
    const absl::Status status = write();
    if (!IsRetryable(status)) return status;
    const absl::Duration delay = backoff_.Next();
    if (IsPowerOfTwo(backoff_.tries())) {
      log_.Warning("the state of pending trajectories can't be kept; trying again",
                   {{"error", std::string(status.message())},
                    {"reason", ReasonOf(status)},
                    {"retry_in", absl::FormatDuration(delay)}});
    }
    if (!sleep_(delay)) return Cancelled();
  }
}

absl::Status PendingCollector::OpenInserts() {
  {
    absl::MutexLock lock(&mu_);
    if (inserts_ != nullptr) return absl::OkStatus();
  }
  backoff_.Reset();
  while (true) {
    auto opened = options_.open_inserts(pending_.client_incarnation());
    if (opened.ok()) {
      absl::MutexLock lock(&mu_);
      inserts_ = *std::move(opened);
      return cancelled_ ? Cancelled() : absl::OkStatus();
    }
    if (!IsRetryable(opened.status())) return opened.status();
    if (!sleep_(backoff_.Next())) return Cancelled();
  }
}

absl::Status PendingCollector::SendBatches() {
  while (true) {
    std::optional<v1::InsertBatch> batch;
    absl::Status status = UntilStored([&] {
      auto oldest = pending_.OldestBatch();
      if (oldest.ok()) batch = *std::move(oldest);
      return oldest.status();
    });
    if (!status.ok() || !batch.has_value()) return status;
    if (status = OpenInserts(); !status.ok()) return status;
    InsertStream* inserts;
    {
      absl::MutexLock lock(&mu_);
      inserts = inserts_.get();
    }
    if (status = inserter_.Insert(*inserts, *batch); !status.ok()) return status;
    if (options_.on_acknowledged) options_.on_acknowledged(*batch);
    status = UntilStored([&] { return pending_.Acknowledged(batch->sequence()); });
    if (!status.ok()) return status;
  }
}

PendingCollector::Sorted PendingCollector::Sort(const ScoreTask& task,
                                                std::vector<PendingRecord>& records,
                                                ObjectCounts& counts) const {
  Sorted sorted;
  std::vector<char> again(records.size(), 0);
  const absl::Time now = absl::Now();
  for (const DeferredObject& object : task.deferred()) {
    v1::PendingTrajectory& content = records[object.position].content;
    content.set_asked_again(content.asked_again() + 1);
    content.set_ticket(object.ticket);
    const absl::Duration wait = AskAgainAfter(object.retry_after, content.asked_again());
    content.set_ask_again_micros(absl::ToUnixMicros(now + wait));
    if (object.ticket.empty()) content.set_retryable_answers(content.retryable_answers() + 1);
    if (static_cast<int32_t>(content.retryable_answers()) < options_.max_object_tries) {
      again[object.position] = 1;
    } else {
      --counts.deferred;
      ++counts.failed;
    }
  }
  for (size_t i = 0; i < records.size(); ++i) {
    if (again[i] != 0) {
      sorted.again.push_back(records[i]);
    } else {
      sorted.done.push_back(records[i].key);
    }
  }
  return sorted;
}

absl::Status PendingCollector::Collect(std::vector<PendingRecord> records) {
  auto joined = JoinPending(Contents(records));
  if (!joined.ok()) return joined.status();
  EvaluatedTrajectories columns;
  columns.trajectories = *std::move(joined);
  std::vector<std::string> tickets;
  for (const PendingRecord& record : records) tickets.push_back(record.content.ticket());
  BatchHeader header = header_;
  header.first_trajectory_number = asks_++;  // Of the question; trajectories have their own.
  auto task = scorer_.Score(header, columns.trajectories, tickets);
  if (!task.ok()) return task.status();
  CollectedObjects collected = {(*task)->counts(), static_cast<int64_t>(records.size()), 0,
                                (*task)->non_finite()};
  const Sorted sorted = Sort(**task, records, collected.counts);
  auto finished = FinishBatch(**task, header, shaping_, columns);
  if (!finished.ok()) return finished.status();
  collected.rejected = finished->rejected;
  std::vector<const v1::PendingTrajectory*> kept;
  for (const int32_t position : finished->positions) kept.push_back(&records[position].content);
  RestoreProvenance(kept, finished->batch);
  absl::Status status = UntilStored([&] { return pending_.Compose(sorted.done, finished->batch); });
  if (status.ok()) status = UntilStored([&] { return pending_.Postpone(sorted.again); });
  if (status.ok() && options_.on_collected) options_.on_collected(collected);
  return status;
}

}  // namespace anabranch
