#include "reward/result_cache.h"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <utility>

#include "absl/memory/memory.h"
#include "absl/strings/str_cat.h"
#include "reward/result_columns.h"
#include "runtime/sha256.h"

namespace anabranch {
namespace {

// Parts with their lengths, so that no two lists of parts look the same.
void AppendPart(std::string& out, absl::string_view part) {
  absl::StrAppend(&out, part.size(), ":", part);
}

// What all objects of a request have in common, as 16 bytes.
std::string GroupOf(const v1::EvaluateRequest& request, absl::string_view fingerprint,
                    const std::vector<std::string>& objective_set) {
  std::string text;
  AppendPart(text, fingerprint);
  AppendPart(text, request.environment_fingerprint());
  AppendPart(text, request.format());
  for (const std::string& objective : objective_set) AppendPart(text, objective);
  return Sha256Digest(text).substr(0, 16);
}

// Empty where the answer may not be kept.
std::string KeyOf(const v1::EvaluateRequest& request, const v1::RewardObject& object,
                  absl::string_view group) {
  absl::string_view context;
  if (object.context() > 0) {
    context = request.contexts(static_cast<int>(object.context()) - 1).key();
    if (context.empty()) return "";
  }
  std::string key(group);
  AppendPart(key, context);
  switch (object.content_case()) {
    case v1::RewardObject::kInline:
      return absl::StrCat(key, "=", object.inline_());
    case v1::RewardObject::kReference:
      if (object.reference().sha256().empty()) return "";
      return absl::StrCat(key, "#", object.reference().sha256());
    case v1::RewardObject::CONTENT_NOT_SET:
      break;
  }
  return "";
}

bool MayBeKept(const ObjectResult& result) {
  if (result.status == v1::OBJECT_STATUS_INVALID) return true;
  return result.status == v1::OBJECT_STATUS_OK &&
         std::all_of(result.values.begin(), result.values.end(),
                     [](double value) { return std::isfinite(value); });
}

bool ContextsExist(const v1::EvaluateRequest& request) {
  const auto contexts = static_cast<uint32_t>(request.contexts_size());
  return std::all_of(request.objects().begin(), request.objects().end(),
                     [&](const v1::RewardObject& object) { return object.context() <= contexts; });
}

}  // namespace

// A request on its way through the cache.
struct ResultCache::Question {
  Question(const v1::EvaluateRequest& request, const Known& known);
  // What the oracle is asked: the missing objects.
  v1::EvaluateRequest Rest() const;

  const v1::EvaluateRequest& request;
  std::vector<std::string> columns;        // Objectives as asked, in that order.
  std::vector<std::string> objective_set;  // The same, sorted, each once: results are kept so.
  std::vector<std::string> keys;           // [n], empty where it may not be kept.
  ResultRows rows;                         // [n], null where not found.
  std::vector<int> missing;                // Positions that are null, ascending.
};

ResultCache::Question::Question(const v1::EvaluateRequest& asked, const Known& known)
    : request(asked), columns(asked.objectives().begin(), asked.objectives().end()) {
  if (columns.empty()) columns = known.objectives;
  objective_set = columns;
  std::sort(objective_set.begin(), objective_set.end());
  objective_set.erase(std::unique(objective_set.begin(), objective_set.end()), objective_set.end());
  const std::string group = GroupOf(request, known.fingerprint, objective_set);
  for (const v1::RewardObject& object : request.objects()) {
    keys.push_back(KeyOf(request, object, group));
  }
  rows.resize(keys.size());
}

v1::EvaluateRequest ResultCache::Question::Rest() const {
  if (static_cast<int>(missing.size()) == request.objects_size()) return request;
  v1::EvaluateRequest rest;
  std::string positions;
  for (const int position : missing) {
    *rest.add_objects() = request.objects(position);
    absl::StrAppend(&positions, position, " ");
  }
  rest.set_request_id(absl::StrCat(request.request_id(), "/", Sha256Hex(positions).substr(0, 16)));
  rest.set_expected_fingerprint(request.expected_fingerprint());
  rest.set_format(request.format());
  *rest.mutable_contexts() = request.contexts();
  rest.set_replicates(request.replicates());
  rest.set_bypass_cache(request.bypass_cache());
  *rest.mutable_objectives() = request.objectives();
  rest.set_run_id(request.run_id());
  rest.set_environment_fingerprint(request.environment_fingerprint());
  return rest;
}

absl::StatusOr<std::unique_ptr<ResultCache>> ResultCache::Create(
    RewardClient& oracle, const ResultStoreOptions& options) {
  if (absl::Status status = options.Validate(); !status.ok()) return status;
  return absl::WrapUnique(new ResultCache(oracle, options));
}

absl::StatusOr<v1::DescribeResponse> ResultCache::Describe(const v1::DescribeRequest& request) {
  auto description = oracle_.Describe(request);
  if (description.ok()) Remember(*description);
  return description;
}

void ResultCache::Remember(const v1::DescribeResponse& description) {
  auto known = std::make_shared<Known>();
  known->fingerprint = description.fingerprint();
  known->deterministic = description.deterministic();
  known->max_batch_objects = description.max_batch_objects();
  for (const v1::ObjectiveDescription& objective : description.objectives()) {
    known->objectives.push_back(objective.name());
  }
  absl::MutexLock lock(&mu_);
  known_ = std::move(known);
}

void ResultCache::Forget() {
  absl::MutexLock lock(&mu_);
  known_ = nullptr;
}

absl::StatusOr<std::shared_ptr<const ResultCache::Known>> ResultCache::AskKnown(
    const v1::EvaluateRequest& request) {
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

absl::StatusOr<v1::EvaluateResponse> ResultCache::PassOn(const v1::EvaluateRequest& request,
                                                         const Known& known) {
  auto answer = oracle_.Evaluate(request);
  const bool changed = answer.ok() ? answer->fingerprint() != known.fingerprint
                                   : absl::IsFailedPrecondition(answer.status());
  if (changed) Forget();
  return answer;
}

void ResultCache::Look(Question& question) {
  const v1::EvaluateRequest& request = question.request;
  for (int i = 0; i < request.objects_size(); ++i) {
    const std::string& key = question.keys[i];
    const bool readable =
        !key.empty() && !request.bypass_cache() && request.objects(i).ticket().empty();
    if (readable) question.rows[i] = store_.Find(key);
    if (question.rows[i] == nullptr) question.missing.push_back(i);
  }
}

absl::Status ResultCache::Learn(const v1::EvaluateResponse& answer, Question& question) {
  auto rows = SplitAnswer(answer, static_cast<int>(question.missing.size()), question.columns,
                          question.objective_set);
  if (!rows.ok()) return rows.status();
  for (size_t k = 0; k < question.missing.size(); ++k) {
    const int position = question.missing[k];
    question.rows[position] = std::move((*rows)[k]);
    std::string& key = question.keys[position];
    if (key.empty() || !MayBeKept(*question.rows[position])) continue;
    store_.Put(std::move(key), question.rows[position]);
  }
  return absl::OkStatus();
}

absl::StatusOr<v1::EvaluateResponse> ResultCache::Evaluate(const v1::EvaluateRequest& request) {
  const auto asked = AskKnown(request);
  if (!asked.ok()) return asked.status();
  const Known& known = **asked;
  const std::string& expected = request.expected_fingerprint();
  const auto n = static_cast<uint32_t>(request.objects_size());
  if (n == 0 || request.request_id().empty() || request.replicates() > 1 || !known.deterministic ||
      (!expected.empty() && expected != known.fingerprint) ||
      (known.max_batch_objects > 0 && n > known.max_batch_objects) || !ContextsExist(request)) {
    return PassOn(request, known);
  }
  Question question(request, known);
  Look(question);
  v1::EvaluateResponse answer;
  answer.set_fingerprint(known.fingerprint);
  if (!question.missing.empty()) {
    const v1::EvaluateRequest rest = question.Rest();
    auto fresh = PassOn(rest, known);
    if (!fresh.ok()) return fresh.status();
    if (fresh->request_id() != rest.request_id()) {
      return absl::UnavailableError(absl::StrCat("the oracle answered request \"",
                                                 fresh->request_id(), "\", asked was \"",
                                                 rest.request_id(), "\""));
    }
    // What was found is another oracle's now, and so are the keys.
    if (fresh->fingerprint() != known.fingerprint) {
      return question.missing.size() == n ? std::move(fresh) : oracle_.Evaluate(request);
    }
    if (absl::Status status = Learn(*fresh, question); !status.ok()) return status;
    answer = *std::move(fresh);
  }
  return JoinAnswer(request.request_id(), question.columns, question.objective_set, question.rows,
                    question.missing, std::move(answer));
}

}  // namespace anabranch
