#include "replay/table_set.h"

#include <algorithm>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"

namespace anabranch {

absl::StatusOr<std::unique_ptr<TableSet>> TableSet::Create(
    std::span<const ReplayTableOptions> options, uint64_t seed) {
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
      new TableSet({options.begin(), options.end()}, std::move(tables)));
}

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

// A waiting sample that draws on the table and can't be served yet (one that can is only waiting
// for its thread to run).
bool TableSet::StarvesSample(int32_t table) const {
  for (const std::span<const TableDraw> draws : waiting_samples_) {
    const bool draws_on_it = std::any_of(draws.begin(), draws.end(),
                                         [table](const TableDraw& d) { return d.table == table; });
    if (draws_on_it && SampleBlocker(draws) >= 0) return true;
  }
  return false;
}

int32_t TableSet::InsertBlocker(int64_t rows, std::span<const TableTarget> targets) const {
  for (const TableTarget& target : targets) {
    if (!tables_[target.table]->CanInsert(rows) && !StarvesSample(target.table)) {
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

absl::Status TableSet::Await(absl::FunctionRef<int32_t()> blocker, WaitMeter Blocked::* meter,
                             absl::string_view who, absl::Time deadline) {
  if (!closed_.ok()) return closed_;
  int32_t table = blocker();
  if (table < 0) return absl::OkStatus();
  const int32_t first = table;
  const auto may_go_on = [&] {
    mu_.AssertHeld();
    if (!closed_.ok()) return true;
    table = blocker();
    return table < 0;
  };
  (blocked_[first].*meter).Begin(absl::Now());
  const bool goes_on = mu_.AwaitWithDeadline(absl::Condition(&may_go_on), deadline);
  (blocked_[first].*meter).End(absl::Now());
  if (!closed_.ok()) return closed_;
  if (goes_on) return absl::OkStatus();
  return absl::DeadlineExceededError(
      absl::StrCat(who, " still waits for table \"", options_[table].name, "\""));
}

absl::Status TableSet::Insert(const ChunkRef& chunk, std::span<const TableTarget> targets,
                              absl::Time deadline) {
  std::vector<ChunkRef> garbage;  // Outlives the lock.
  absl::MutexLock lock(&mu_);
  const auto blocker = [&] {
    mu_.AssertHeld();
    return InsertBlocker(chunk->rows(), targets);
  };
  if (absl::Status status = Await(blocker, &Blocked::inserts, "insert", deadline); !status.ok()) {
    return status;
  }
  for (const TableTarget& target : targets) {
    tables_[target.table]->Insert(chunk, target.priorities, garbage);
  }
  ++unfinished_inserts_;
  return absl::OkStatus();
}

void TableSet::FinishInsert() {
  absl::MutexLock lock(&mu_);
  --unfinished_inserts_;
}

absl::Status TableSet::Sample(std::span<const TableDraw> draws, absl::Time deadline,
                              SampledRows& out) {
  std::vector<ChunkRef> garbage;  // Outlives the lock.
  absl::MutexLock lock(&mu_);
  const auto blocker = [&] {
    mu_.AssertHeld();
    return SampleBlocker(draws);
  };
  if (blocker() >= 0) {
    waiting_samples_.push_back(draws);
    absl::Status status = Await(blocker, &Blocked::samples, "sample", deadline);
    const auto mine = std::find_if(waiting_samples_.begin(), waiting_samples_.end(),
                                   [&](const auto& d) { return d.data() == draws.data(); });
    waiting_samples_.erase(mine);
    if (!status.ok()) return status;
  } else if (!closed_.ok()) {
    return closed_;
  }
  for (size_t i = 0; i < draws.size(); ++i) {
    tables_[draws[i].table]->Sample(draws[i].count, static_cast<uint32_t>(i), out, garbage);
  }
  return absl::OkStatus();
}

void TableSet::Close(absl::Status why) {
  absl::MutexLock lock(&mu_);
  if (closed_.ok()) closed_ = std::move(why);
}

void TableSet::CountDuplicates(std::span<const TableTarget> targets, int64_t items) {
  absl::MutexLock lock(&mu_);
  for (const TableTarget& target : targets) tables_[target.table]->CountDuplicates(items);
}

TableSet::Info TableSet::GetInfo(int32_t table) const {
  absl::MutexLock lock(&mu_);
  const absl::Time now = absl::Now();
  return {tables_[table]->stats(), blocked_[table].inserts.Read(now),
          blocked_[table].samples.Read(now)};
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
