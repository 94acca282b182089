#include "reward/cache/result_cache.h"

#include <algorithm>
#include <numeric>
#include <utility>

#include "absl/memory/memory.h"
#include "absl/strings/str_cat.h"
#include "reward/cache/result_question.h"
#include "runtime/error_reason.h"
#include "runtime/refusal.h"

namespace anabranch {
namespace {

// A request begins anew when the oracle becomes another under it; so often, then it is given up.
constexpr int kMostBeginnings = 5;

bool ContextsExist(const v1::EvaluateRequest& request) {
  const auto contexts = static_cast<uint32_t>(request.contexts_size());
  return std::all_of(request.objects().begin(), request.objects().end(),
                     [&](const v1::RewardObject& object) { return object.context() <= contexts; });
}

bool IsPollWithoutObject(const v1::RewardObject& object) {
  return object.content_case() == v1::RewardObject::CONTENT_NOT_SET && !object.ticket().empty();
}

// Of equal objects the oracle sees one, unless every evaluation was asked for.
bool Shares(const v1::EvaluateRequest& request) {
  return !request.bypass_cache() && request.replicates() <= 1;
}

}  // namespace

absl::Status ResultCacheOptions::Validate() const {
  if (oracle.empty()) return absl::InvalidArgumentError("oracle: is empty");
  if (max_noisy_evaluations < 1) {
    return absl::InvalidArgumentError("max_noisy_evaluations: is 0; give at least 1");
  }
  return keeps_results ? memory.Validate() : absl::OkStatus();
}

ResultCache::ResultCache(RewardClient& oracle, const ResultCacheOptions& options,
                         KeyValueStore* store, Log& log)
    : oracle_(oracle),
      options_(options),
      store_(options.memory),
      disk_(options.oracle, options.keeps_results && options.durable_results ? store : nullptr,
            log),
      tickets_(options.oracle, store, log),
      fingerprint_(options.oracle, options.allow_fingerprint_change, store, log) {}

absl::StatusOr<std::unique_ptr<ResultCache>> ResultCache::Create(RewardClient& oracle,
                                                                 const ResultCacheOptions& options,
                                                                 KeyValueStore* store, Log& log) {
  if (absl::Status status = options.Validate(); !status.ok()) return status;
  auto cache = absl::WrapUnique(new ResultCache(oracle, options, store, log));
  if (absl::Status status = cache->disk_.Load(); !status.ok()) return status;
  if (absl::Status status = cache->tickets_.Load(); !status.ok()) return status;
  if (absl::Status status = cache->fingerprint_.Load(); !status.ok()) return status;
  return cache;
}

absl::StatusOr<v1::DescribeResponse> ResultCache::Describe(const v1::DescribeRequest& request) {
  auto description = oracle_.Describe(request);
  if (!description.ok()) return description;
  if (absl::Status status = fingerprint_.Check(description->fingerprint()); !status.ok()) {
    return status;
  }
  auto known = std::make_shared<Known>();
  known->fingerprint = description->fingerprint();
  known->deterministic = description->deterministic();
  for (const v1::ObjectiveDescription& objective : description->objectives()) {
    known->objectives.push_back(objective.name());
  }
  absl::MutexLock lock(&mu_);
  known_ = std::move(known);
  return description;
}

void ResultCache::Forget() {
  absl::MutexLock lock(&mu_);
  known_ = nullptr;
}

absl::StatusOr<ResultCache::KnownPtr> ResultCache::AskKnown(const v1::EvaluateRequest& request) {
  while (true) {
    {
      absl::MutexLock lock(&mu_);
      if (known_ != nullptr) return known_;
    }
    v1::DescribeRequest describe;
    describe.set_run_id(request.run_id());
    describe.set_environment_fingerprint(request.environment_fingerprint());
    if (auto description = Describe(describe); !description.ok()) return description.status();
  }
}

absl::StatusOr<ResultCache::KnownPtr> ResultCache::AskExpected(const v1::EvaluateRequest& request) {
  const std::string& expected = request.expected_fingerprint();
  auto known = AskKnown(request);
  if (!known.ok() || expected.empty() || (*known)->fingerprint == expected) return known;
  Forget();  // The caller may know it better.
  known = AskKnown(request);
  if (!known.ok() || (*known)->fingerprint == expected) return known;
  return RefusalStatus(RefuseMismatch(kReasonFingerprintChanged, "expected_fingerprint", expected,
                                      (*known)->fingerprint));
}

absl::StatusOr<v1::EvaluateResponse> ResultCache::PassOn(const v1::EvaluateRequest& request,
                                                         const Known& known) {
  auto answer = oracle_.Evaluate(request);
  if (answer.ok()) {
    if (answer->fingerprint() == known.fingerprint) return answer;
    Forget();
    if (absl::Status status = fingerprint_.Check(answer->fingerprint()); !status.ok()) {
      return status;
    }
  } else if (absl::IsFailedPrecondition(answer.status())) {
    Forget();  // If it has become another, which this run doesn't allow, that is the better answer.
    const auto again = AskKnown(request);
    if (ReasonOf(again.status()) == kReasonFingerprintChanged) return again.status();
  }
  return answer;
}

v1::EvaluateRequest ResultCache::Restore(const v1::EvaluateRequest& request, const Known& known) {
  v1::EvaluateRequest restored = request;
  const std::string family = FamilyOf(request, ObjectiveSetOf(request, known.objectives));
  for (v1::RewardObject& object : *restored.mutable_objects()) {
    if (!IsPollWithoutObject(object)) continue;
    const ResultTickets::Record record = tickets_.FindAny(family, object.ticket());
    if (record == nullptr) continue;
    const std::string ticket = object.ticket();
    object = record->object();
    object.set_ticket(ticket);
    if (!record->has_context()) continue;
    *restored.add_contexts() = record->context();
    object.set_context(static_cast<uint32_t>(restored.contexts_size()));
  }
  return restored;
}

void ResultCache::LookInMemory(ResultQuestion& question, const Known& known,
                               std::span<const int> positions) {
  for (const int position : positions) {
    const ResultKey& key = question.keys[position];
    if (key.empty()) continue;
    auto found = store_.Find(key);
    if (found == nullptr || !Suffices(*found, question.request, known)) continue;
    question.rows[position] = std::move(found);
    ++question.memory_hits;
  }
}

bool ResultCache::Suffices(const ObjectResult& result, const v1::EvaluateRequest& request,
                           const Known& known) const {
  return known.deterministic || result.status != v1::OBJECT_STATUS_OK ||
         result.evaluations >= std::max(options_.max_noisy_evaluations, request.replicates());
}

void ResultCache::LookForTickets(ResultQuestion& question, std::span<const int> positions) {
  const bool any = tickets_.any();
  for (const int position : positions) {
    const v1::RewardObject& object = question.request.objects(position);
    if (!any && object.ticket().empty()) continue;
    if (IsPollWithoutObject(object)) {
      question.SetUnknownTicket(position);
      continue;
    }
    const std::string ticket = TicketOf(question.request, object);
    const ResultTickets::Record record = tickets_.Find(question.family, ticket);
    const absl::Time now = options_.now();
    if (record != nullptr && now < absl::FromUnixMicros(record->ask_again_micros())) {
      question.SetWaiting(position, *record, now);
    } else if (record != nullptr || !object.ticket().empty()) {
      question.polls[position] = record;
    }
  }
}

void ResultCache::LookOnDisk(ResultQuestion& question, const Known& known,
                             std::span<const int> positions) {
  if (!disk_.keeps()) return;
  std::vector<ResultKey> keys;
  std::vector<int> asked;
  for (const int position : positions) {
    const ResultKey& key = question.keys[position];
    if (key.empty() || (!disk_.has_earlier() && !store_.MayHaveForgotten(key))) continue;
    keys.push_back(key);
    asked.push_back(position);
  }
  auto found = disk_.Find(keys);
  for (size_t i = 0; i < keys.size(); ++i) {
    if (found[i] == nullptr) continue;
    // Of an oracle that varies, memory has the newer mean.
    if (known.deterministic || store_.Find(keys[i]) == nullptr) store_.Put(keys[i], found[i]);
    if (!Suffices(*found[i], question.request, known)) continue;
    question.rows[asked[i]] = std::move(found[i]);
    ++question.durable_hits;
  }
}

void ResultCache::Look(ResultQuestion& question, const Known& known) {
  const bool reads = options_.keeps_results && !question.request.bypass_cache();
  const uint64_t seen = flights_.seen();
  std::vector<int> open(question.rows.size());
  std::iota(open.begin(), open.end(), 0);
  if (reads) LookInMemory(question, known, open);
  open = question.Open(open);
  LookForTickets(question, open);
  open = question.Open(open);
  if (Shares(question.request)) {
    question.boarding = flights_.Board(open, question.keys.all(), seen);
    open = question.Open(open);
    if (question.boarding.others_landed) {
      if (reads) LookInMemory(question, known, open);
      open = question.Open(open);
      LookForTickets(question, open);
      open = question.Open(open);
    }
  }
  if (reads) LookOnDisk(question, known, open);
  question.missing = question.Open(open);
}

absl::StatusOr<bool> ResultCache::Ask(ResultQuestion& question, const Known& known) {
  question.answer.set_fingerprint(known.fingerprint);
  if (question.missing.empty()) return true;
  v1::EvaluateRequest rest;
  if (!question.AsksAll()) rest = question.Rest();
  const v1::EvaluateRequest& sent = question.AsksAll() ? question.request : rest;
  auto answer = PassOn(sent, known);
  if (!answer.ok()) return answer.status();
  if (answer->request_id() != sent.request_id()) {
    return absl::UnavailableError(absl::StrCat("the oracle answered request \"",
                                               answer->request_id(), "\", asked was \"",
                                               sent.request_id(), "\""));
  }
  if (answer->fingerprint() == known.fingerprint) {
    question.answer = *std::move(answer);
    if (absl::Status status = Learn(question, known); !status.ok()) return status;
    return true;
  }
  // What was found is another oracle's now, and so are the keys: keep what it said, begin anew.
  const auto now_known = AskKnown(question.request);
  if (!now_known.ok()) return now_known.status();
  if ((*now_known)->fingerprint != answer->fingerprint()) return false;
  ResultQuestion anew(question.request, answer->fingerprint(), (*now_known)->objectives);
  anew.missing = question.missing;
  anew.polls = question.polls;
  anew.answer = *std::move(answer);
  if (absl::Status status = Learn(anew, **now_known); !status.ok()) return status;
  return false;
}

void ResultCache::Land(ResultQuestion& question, const absl::StatusOr<bool>& asked,
                       const Known& known) {
  if (question.boarding.flight == nullptr) return;
  ResultFlight& flight = *question.boarding.flight;
  if (flights_.TakeOff(question.boarding, question.keys.all())) {
    flight.status = asked.status();
    if (asked.ok() && *asked) {
      flight.fingerprint = known.fingerprint;
      question.FillFlight();
    }
  }
  flight.landed.Notify();
}

absl::StatusOr<bool> ResultCache::Await(ResultQuestion& question, const Known& known) {
  for (const ResultFlights::Join& join : question.boarding.joins) {
    join.flight->landed.WaitForNotification();
    if (!join.flight->status.ok()) return join.flight->status;
    if (join.flight->fingerprint != known.fingerprint) return false;
    question.Take(join);
  }
  return true;
}

absl::StatusOr<bool> ResultCache::TryEvaluate(const v1::EvaluateRequest& request,
                                              const Known& known, v1::EvaluateResponse& out) {
  ResultQuestion question(request, known.fingerprint, known.objectives);
  Look(question, known);
  const absl::StatusOr<bool> asked = Ask(question, known);
  Land(question, asked, known);
  if (!asked.ok() || !*asked) return asked;
  const absl::StatusOr<bool> joined = Await(question, known);
  Count(question, joined.ok() && *joined);  // What the oracle answered counts in any case.
  if (!joined.ok() || !*joined) return joined;
  out = question.TakeAnswer();
  return true;
}

absl::StatusOr<v1::EvaluateResponse> ResultCache::Evaluate(const v1::EvaluateRequest& request) {
  for (int beginnings = 0; beginnings < kMostBeginnings; ++beginnings) {
    const auto expected = AskExpected(request);
    if (!expected.ok()) return expected.status();
    const Known& known = **expected;
    if (request.objects().empty() || request.request_id().empty() ||
        (request.replicates() > 1 && known.deterministic) || !ContextsExist(request)) {
      CountPassed(request.objects_size());
      return PassOn(request, known);
    }
    v1::EvaluateResponse out;
    const bool polls =
        std::any_of(request.objects().begin(), request.objects().end(), IsPollWithoutObject);
    const auto answered =
        polls ? TryEvaluate(Restore(request, known), known, out) : TryEvaluate(request, known, out);
    if (!answered.ok()) return answered.status();
    if (!*answered) continue;
    if (options_.read_budget != nullptr) *out.mutable_budget() = options_.read_budget();
    return out;
  }
  return absl::UnavailableError(absl::StrCat("oracle ", options_.oracle,
                                             " keeps becoming another: replicas of different "
                                             "versions? All of them must be the same"));
}

}  // namespace anabranch
