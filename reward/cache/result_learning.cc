// What ResultCache keeps of an oracle's answers, and what it counts.
#include <algorithm>
#include <cmath>
#include <utility>

#include "reward/cache/result_cache.h"
#include "reward/cache/result_columns.h"
#include "reward/cache/result_mean.h"
#include "reward/cache/result_question.h"

namespace anabranch {
namespace {

bool MayBeKept(const ObjectResult& result) {
  if (result.status == v1::OBJECT_STATUS_INVALID) return true;
  return result.status == v1::OBJECT_STATUS_OK &&
         std::all_of(result.values.begin(), result.values.end(),
                     [](double value) { return std::isfinite(value); });
}

// Whether a ticket's object is done with. RETRYABLE only says to poll again.
bool Ends(v1::ObjectStatus status) {
  return status != v1::OBJECT_STATUS_PENDING && status != v1::OBJECT_STATUS_RETRYABLE &&
         status != v1::OBJECT_STATUS_BUDGET_EXHAUSTED;
}

uint32_t EvaluationsOf(const ResultQuestion& question, int k) {
  const uint32_t asked = std::max(question.request.replicates(), 1u);
  if (question.answer.evaluation_counts().empty()) return asked;
  return std::max(question.answer.evaluation_counts(k), 1u);
}

// A new record, or the earlier one renewed.
v1::KeptTicket RecordOf(const ResultQuestion& question, int k, std::string ticket, absl::Time now,
                        const ResultTickets::Record& earlier) {
  const v1::EvaluateRequest& request = question.request;
  const v1::EvaluateResponse& answer = question.answer;
  v1::KeptTicket record;
  if (earlier != nullptr) {
    record = *earlier;
  } else {
    const v1::RewardObject& object = request.objects(question.missing[k]);
    record.set_ticket(std::move(ticket));
    record.set_format(request.format());
    *record.mutable_object() = object;
    record.mutable_object()->clear_ticket();
    record.mutable_object()->clear_context();
    if (object.context() > 0) {
      *record.mutable_context() = request.contexts(static_cast<int>(object.context()) - 1);
    }
    record.set_since_micros(absl::ToUnixMicros(now));
  }
  if (k < answer.tickets_size() && !answer.tickets(k).empty()) {
    record.set_upstream_ticket(answer.tickets(k));
  }
  const auto wait = k < answer.retry_after_millis_size() ? answer.retry_after_millis(k) : 0;
  record.set_ask_again_micros(
      absl::ToUnixMicros(now + absl::Milliseconds(static_cast<int64_t>(wait))));
  return record;
}

}  // namespace

absl::Status ResultCache::Learn(ResultQuestion& question, const Known& known) {
  const std::vector<int>& missing = question.missing;
  auto rows = SplitAnswer(question.answer, static_cast<int>(missing.size()), question.columns,
                          question.objective_set);
  if (!rows.ok()) return rows.status();
  if (!known.deterministic) MakeMeans(question, *rows);
  question.answer_is_whole = known.deterministic || question.request.bypass_cache();
  std::vector<ResultDisk::Entry> kept;
  for (size_t k = 0; k < missing.size(); ++k) {
    const ResultKey& key = question.keys[missing[k]];
    std::shared_ptr<const ObjectResult> row = std::move((*rows)[k]);
    if (options_.keeps_results && !key.empty() && MayBeKept(*row)) {
      auto keeps = known.deterministic ? row : PutMean(key, row);
      if (disk_.keeps()) kept.push_back({key, keeps});
      if (known.deterministic) store_.Put(key, row);
      if (!question.answer_is_whole) row = std::move(keeps);
    }
    question.rows[missing[k]] = std::move(row);
  }
  disk_.Put(kept);
  LearnTickets(question);
  return absl::OkStatus();
}

void ResultCache::MakeMeans(ResultQuestion& question, ResultRows& rows) {
  std::vector<ResultKey> unseen;
  for (size_t k = 0; k < rows.size(); ++k) {
    if (rows[k]->status != v1::OBJECT_STATUS_OK) continue;
    auto row = std::make_shared<ObjectResult>(*rows[k]);
    MakeMean(EvaluationsOf(question, static_cast<int>(k)), *row);
    rows[k] = std::move(row);
    const ResultKey& key = question.keys[question.missing[k]];
    if (!disk_.keeps() || key.empty() || store_.Find(key) != nullptr) continue;
    if (disk_.has_earlier() || store_.MayHaveForgotten(key)) unseen.push_back(key);
  }
  // Means that only the disk remembers are merged with too.
  const auto found = disk_.Find(unseen);
  absl::MutexLock lock(&noisy_mu_);
  for (size_t i = 0; i < unseen.size(); ++i) {
    if (found[i] != nullptr && store_.Find(unseen[i]) == nullptr) store_.Put(unseen[i], found[i]);
  }
}

std::shared_ptr<const ObjectResult> ResultCache::PutMean(
    const ResultKey& key, std::shared_ptr<const ObjectResult> fresh) {
  absl::MutexLock lock(&noisy_mu_);
  const auto kept = store_.Find(key);
  if (kept != nullptr && kept->evaluations > 0 && fresh->evaluations > 0 &&
      kept->values.size() == fresh->values.size()) {
    fresh = std::make_shared<const ObjectResult>(MergeMeans(*kept, *fresh));
  }
  store_.Put(key, fresh);
  return fresh;
}

void ResultCache::LearnTickets(ResultQuestion& question) {
  const absl::Time now = options_.now();
  v1::EvaluateResponse& answer = question.answer;
  std::vector<ResultTickets::Change> changes;
  for (int k = 0; k < answer.statuses_size(); ++k) {
    const int position = question.missing[k];
    const auto poll = question.polls.find(position);
    const ResultTickets::Record record = poll == question.polls.end() ? nullptr : poll->second;
    if (answer.statuses(k) == v1::OBJECT_STATUS_PENDING) {
      std::string ticket = TicketOf(question.request, question.request.objects(position));
      if (ticket.empty()) continue;  // Its object is known to the oracle only.
      changes.push_back({question.family, RecordOf(question, k, ticket, now, record)});
      while (answer.tickets_size() < answer.statuses_size()) answer.add_tickets();
      answer.set_tickets(k, std::move(ticket));
    } else if (record != nullptr && Ends(answer.statuses(k))) {
      changes.push_back({question.family, *record});
      changes.back().record.set_answered(true);
    }
  }
  tickets_.Apply(std::move(changes));
}

void ResultCache::Count(const ResultQuestion& question, bool answered) {
  absl::MutexLock lock(&totals_mu_);
  totals_.misses += static_cast<int64_t>(question.missing.size());
  if (!answered) return;
  totals_.hits += question.memory_hits + question.durable_hits;
  totals_.durable_hits += question.durable_hits;
  totals_.coalesced += static_cast<int64_t>(question.boarding.joins.size());
  totals_.waiting += question.waiting;
}

void ResultCache::CountPassed(int objects) {
  absl::MutexLock lock(&totals_mu_);
  totals_.misses += objects;
}

ResultCache::Totals ResultCache::totals() const {
  Totals totals;
  {
    absl::MutexLock lock(&totals_mu_);
    totals = totals_;
  }
  const ResultStore::Totals memory = store_.totals();
  totals.evictions = memory.evictions;
  totals.entries = memory.entries;
  totals.bytes = memory.bytes;
  totals.pending = tickets_.pending();
  totals.oldest_pending = tickets_.OldestSince();
  return totals;
}

}  // namespace anabranch
