#include "replay/table_set.h"

#include <algorithm>
#include <string>
#include <utility>

#include "absl/container/inlined_vector.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"

namespace anabranch {
namespace {

std::vector<bool> WhichUsePriorities(std::span<const std::unique_ptr<ReplayTable>> tables) {
  std::vector<bool> which;
  for (const auto& table : tables) which.push_back(table->uses_priorities());
  return which;
}

absl::Status StillWaits(absl::string_view who, const ReplayTableOptions& table) {
  return absl::DeadlineExceededError(
      absl::StrCat(who, " still waits for table \"", table.name, "\""));
}

absl::Status Cancelled() { return absl::CancelledError("the call was cancelled"); }

}  // namespace

absl::StatusOr<std::unique_ptr<TableSet>> TableSet::Create(
    std::span<const ReplayTableOptions> options, uint64_t seed, uint64_t lease_base) {
  if (options.empty()) return absl::InvalidArgumentError("replay.tables: there is none");
  std::vector<std::unique_ptr<ReplayTable>> tables;
  for (const ReplayTableOptions& each : options) {
    for (const auto& other : tables) {
      if (other->options().name == each.name) {
        return absl::InvalidArgumentError(
            absl::StrCat("replay.tables: two have the name \"", each.name, "\""));
      }
    }
    auto table = ReplayTable::Create(each, static_cast<uint32_t>(tables.size()), seed);
    if (!table.ok()) return table.status();
    tables.push_back(*std::move(table));
  }
  return std::unique_ptr<TableSet>(
      new TableSet({options.begin(), options.end()}, std::move(tables), lease_base));
}

TableSet::TableSet(std::vector<ReplayTableOptions> options,
                   std::vector<std::unique_ptr<ReplayTable>> tables, uint64_t lease_base)
    : options_(std::move(options)),
      uses_priorities_(WhichUsePriorities(tables)),
      tables_(std::move(tables)),
      blocked_(options_.size()),
      leases_(lease_base) {}

int32_t TableSet::Find(absl::string_view name) const {
  for (int32_t i = 0; i < size(); ++i) {
    if (options_[i].name == name) return i;
  }
  return -1;
}

absl::Status TableSet::CheckFits(const Chunk& chunk, std::span<const TableTarget> targets) const {
  for (const TableTarget& target : targets) {
    if (absl::Status status = options_[target.table].CheckFits(chunk); !status.ok()) return status;
  }
  return absl::OkStatus();
}

absl::Status TableSet::CheckOpen(const CancelToken* token) const {
  if (!closed_.ok()) return closed_;
  return token != nullptr && token->cancelled() ? Cancelled() : absl::OkStatus();
}

// Whether a sample that draws on the table waits and can't be served.
bool TableSet::StarvesSample(int32_t table) const {
  return std::any_of(samples_.begin(), samples_.end(), [&](const WaitingSample* sample) {
    mu_.AssertHeld();
    const bool draws_on_it =
        std::any_of(sample->draws.begin(), sample->draws.end(),
                    [table](const TableDraw& draw) { return draw.table == table; });
    return draws_on_it && SampleBlocker(sample->draws) >= 0;
  });
}

bool TableSet::FeedsStarvingSample(const WaitingInsert& insert) const {
  return std::any_of(insert.targets.begin(), insert.targets.end(), [&](const TableTarget& target) {
    mu_.AssertHeld();
    return StarvesSample(target.table);
  });
}

int32_t TableSet::InsertBlocker(const WaitingInsert& insert) const {
  for (const TableTarget& target : insert.targets) {
    if (!tables_[target.table]->CanInsert((*insert.chunk)->rows()) &&
        !StarvesSample(target.table)) {
      return target.table;
    }
  }
  return -1;
}

int32_t TableSet::SampleBlocker(std::span<const TableDraw> draws) const {
  for (const TableDraw& draw : draws) {
    if (!tables_[draw.table]->CanSample(draw.count)) return draw.table;
  }
  return -1;
}

void TableSet::Draw(WaitingSample& sample, Garbage& garbage) {
  auto part = sample.lease.begin();
  for (size_t i = 0; i < sample.draws.size(); ++i) {
    const auto [table, count] = sample.draws[i];
    const bool leased = part != sample.lease.end() && part->table == table;
    tables_[table]->Sample(count, static_cast<uint32_t>(i), leased ? &part->draws : nullptr,
                           *sample.out, garbage);
    if (leased) ++part;
  }
  std::erase_if(sample.lease, [](const LeasePart& each) { return each.draws.empty(); });
  if (sample.lease.empty()) return;
  const absl::Time expiry = absl::Now() + sample.lease_timeout;
  if (expiry < leases_.next_expiry()) expiry_changed_.SignalAll();
  sample.lease_id = leases_.Add(std::move(sample.lease), expiry);
}

void TableSet::ServeSamples(Garbage& garbage) {
  std::erase_if(samples_, [&](WaitingSample* sample) {
    mu_.AssertHeld();
    if (SampleBlocker(sample->draws) >= 0) return false;
    Draw(*sample, garbage);
    sample->Finish(absl::OkStatus());
    return true;
  });
}

bool TableSet::AdmitNextInsert(Garbage& garbage) {
  absl::InlinedVector<bool, 8> awaited(tables_.size());  // By somebody who came earlier.
  for (auto it = inserts_.begin(); it != inserts_.end(); ++it) {
    WaitingInsert& insert = **it;
    const bool in_turn = std::none_of(insert.targets.begin(), insert.targets.end(),
                                      [&](const TableTarget& t) { return awaited[t.table]; });
    if ((in_turn || FeedsStarvingSample(insert)) && InsertBlocker(insert) < 0) {
      for (const TableTarget& target : insert.targets) {
        tables_[target.table]->Insert(*insert.chunk, target.priorities, garbage);
      }
      ++unfinished_inserts_;
      inserts_.erase(it);
      insert.Finish(absl::OkStatus());
      return true;
    }
    for (const TableTarget& target : insert.targets) awaited[target.table] = true;
    const bool all = std::all_of(awaited.begin(), awaited.end(), [](bool each) { return each; });
    if (all && samples_.empty()) return false;
  }
  return false;
}

void TableSet::ServeWaiting(Garbage& garbage) {
  do {
    ServeSamples(garbage);
  } while (AdmitNextInsert(garbage));
}

void TableSet::AwaitTurn(WaitingCall& call, int32_t table, WaitMeter Blocked::* meter,
                         absl::Time deadline) {
  if (call.done || deadline == absl::InfinitePast()) return;
  (blocked_[table].*meter).Begin(absl::Now());
  while (!call.done && !call.wake.WaitWithDeadline(&mu_, deadline)) {
  }
  (blocked_[table].*meter).End(absl::Now());
}

absl::Status TableSet::Insert(const ChunkRef& chunk, std::span<const TableTarget> targets,
                              absl::Time deadline, const CancelToken* token) {
  Garbage garbage;
  WaitingInsert insert;
  insert.chunk = &chunk;
  insert.targets = targets;
  insert.token = token;
  absl::MutexLock lock(&mu_);
  if (absl::Status status = CheckOpen(token); !status.ok()) return status;
  inserts_.push_back(&insert);
  ServeWaiting(garbage);
  if (insert.done) return insert.status;
  // Where no table holds it up, somebody does who came earlier.
  const int32_t blocker = std::max(InsertBlocker(insert), 0);
  AwaitTurn(insert, blocker, &Blocked::inserts, deadline);
  if (insert.done) return insert.status;
  std::erase(inserts_, &insert);
  ServeWaiting(garbage);  // Those who came later may be admitted now.
  return StillWaits("insert", options_[blocker]);
}

void TableSet::FinishInsert() {
  absl::MutexLock lock(&mu_);
  --unfinished_inserts_;
}

absl::Status TableSet::RunSample(WaitingSample& sample, absl::Time deadline) {
  Garbage garbage;
  absl::MutexLock lock(&mu_);
  if (absl::Status status = CheckOpen(sample.token); !status.ok()) return status;
  const int32_t blocker = SampleBlocker(sample.draws);
  if (blocker < 0) {
    Draw(sample, garbage);
    ServeWaiting(garbage);
    return absl::OkStatus();
  }
  if (deadline == absl::InfinitePast()) return StillWaits("sample", options_[blocker]);
  samples_.push_back(&sample);
  ServeWaiting(garbage);
  AwaitTurn(sample, blocker, &Blocked::samples, deadline);
  if (sample.done) return sample.status;
  std::erase(samples_, &sample);
  return StillWaits("sample", options_[blocker]);
}

absl::Status TableSet::Sample(std::span<const TableDraw> draws, absl::Time deadline,
                              SampledRows& out, const CancelToken* token) {
  WaitingSample sample;
  sample.token = token;
  sample.draws = draws;
  sample.out = &out;
  return RunSample(sample, deadline);
}

absl::Status TableSet::SampleLeased(std::span<const TableDraw> draws, absl::Time deadline,
                                    absl::Duration lease_timeout, SampledRows& out,
                                    uint64_t& lease_id, const CancelToken* token) {
  WaitingSample sample;
  sample.token = token;
  sample.draws = draws;
  sample.out = &out;
  sample.lease_timeout = lease_timeout;
  for (const TableDraw& draw : draws) {
    if (options_[draw.table].max_times_sampled == 0) continue;
    sample.lease.push_back({draw.table, {}});
    sample.lease.back().draws.reserve(draw.count);
  }
  absl::Status status = RunSample(sample, deadline);
  lease_id = sample.lease_id;
  return status;
}

void TableSet::Close(absl::Status why) {
  absl::MutexLock lock(&mu_);
  if (!closed_.ok()) return;
  closed_ = std::move(why);
  for (WaitingInsert* insert : inserts_) insert->Finish(closed_);
  for (WaitingSample* sample : samples_) sample->Finish(closed_);
  inserts_.clear();
  samples_.clear();
  expiry_changed_.SignalAll();
}

void TableSet::Cancel(CancelToken& token) {
  Garbage garbage;
  absl::MutexLock lock(&mu_);
  token.cancelled_.store(true, std::memory_order_release);
  const auto end = [&token](WaitingCall* call) {
    if (call->token != &token) return false;
    call->Finish(Cancelled());
    return true;
  };
  std::erase_if(samples_, end);
  if (std::erase_if(inserts_, end) > 0) ServeWaiting(garbage);
  expiry_changed_.SignalAll();
}

int64_t TableSet::UpdatePriorities(int32_t table, std::span<const uint64_t> keys,
                                   std::span<const double> priorities) {
  absl::MutexLock lock(&mu_);
  int64_t updated = 0;
  for (size_t i = 0; i < keys.size(); ++i) {
    updated += tables_[table]->UpdatePriority(keys[i], priorities[i]) ? 1 : 0;
  }
  return updated;
}

void TableSet::CountDuplicates(std::span<const TableTarget> targets, int64_t items) {
  absl::MutexLock lock(&mu_);
  for (const TableTarget& target : targets) tables_[target.table]->CountDuplicates(items);
}

TableSet::Info TableSet::GetInfo(int32_t table) const {
  absl::MutexLock lock(&mu_);
  const absl::Time now = absl::Now();
  Info info{tables_[table]->stats(), blocked_[table].inserts.Read(now),
            blocked_[table].samples.Read(now)};
  for (const WaitingInsert* insert : inserts_) {
    for (const TableTarget& each : insert->targets) info.inserts_waiting += each.table == table;
  }
  for (const WaitingSample* sample : samples_) {
    for (const TableDraw& each : sample->draws) info.samples_waiting += each.table == table;
  }
  return info;
}

void TableSet::Snapshot(
    absl::FunctionRef<void(std::span<const std::unique_ptr<ReplayTable>>)> look) const {
  absl::MutexLock lock(&mu_);
  const auto all_done = [this] {
    mu_.AssertHeld();
    return unfinished_inserts_ == 0;
  };
  mu_.Await(absl::Condition(&all_done));
  look(tables_);
}

absl::Status TableSet::Restore(std::span<const v1::ReplayTableState* const> states,
                               std::span<const ChunkRef> chunks) {
  if (states.size() != options_.size()) {
    return absl::FailedPreconditionError(absl::StrCat("replay.tables: the state has ",
                                                      states.size(), " tables, the configuration ",
                                                      options_.size()));
  }
  absl::MutexLock lock(&mu_);
  for (size_t i = 0; i < states.size(); ++i) {
    if (absl::Status status = tables_[i]->Restore(*states[i], chunks); !status.ok()) return status;
  }
  return absl::OkStatus();
}

}  // namespace anabranch
