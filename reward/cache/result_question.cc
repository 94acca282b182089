#include "reward/cache/result_question.h"

#include <algorithm>
#include <memory>
#include <utility>

#include "absl/strings/str_cat.h"

namespace anabranch {
namespace {

std::shared_ptr<const ObjectResult> RowWithout(v1::ObjectStatus status, size_t m,
                                               std::string reason) {
  auto row = std::make_shared<ObjectResult>();
  row->status = status;
  row->values.assign(m, 0.0);
  row->valid.assign(m, 0);
  row->reason = std::move(reason);
  return row;
}

std::vector<std::string> ColumnsOf(const v1::EvaluateRequest& request,
                                   std::span<const std::string> described) {
  if (request.objectives().empty()) return {described.begin(), described.end()};
  return {request.objectives().begin(), request.objectives().end()};
}

}  // namespace

std::vector<std::string> ObjectiveSetOf(const v1::EvaluateRequest& request,
                                        std::span<const std::string> described) {
  std::vector<std::string> set = ColumnsOf(request, described);
  std::sort(set.begin(), set.end());
  set.erase(std::unique(set.begin(), set.end()), set.end());
  return set;
}

ResultQuestion::ResultQuestion(const v1::EvaluateRequest& asked, absl::string_view fingerprint,
                               std::span<const std::string> described)
    : request(asked),
      columns(ColumnsOf(asked, described)),
      objective_set(ObjectiveSetOf(asked, described)),
      family(FamilyOf(asked, objective_set)),
      keys(asked, fingerprint, family),
      rows(asked.objects_size()) {}

bool ResultQuestion::AsksAll() const {
  return static_cast<int>(missing.size()) == request.objects_size() && polls.empty();
}

v1::EvaluateRequest ResultQuestion::Rest() const {
  // An oracle answers a request_id again as it did before: every poll is another.
  std::string salt;
  for (const int position : missing) {
    const auto poll = polls.find(position);
    if (poll == polls.end() || poll->second == nullptr) continue;
    absl::StrAppend(&salt, poll->second->upstream_ticket(), "@", poll->second->ask_again_micros(),
                    ";");
  }
  v1::EvaluateRequest rest = NarrowRequest(request, missing, salt);
  for (size_t k = 0; k < missing.size(); ++k) {
    const auto poll = polls.find(missing[k]);
    if (poll == polls.end()) continue;
    rest.mutable_objects(static_cast<int>(k))
        ->set_ticket(poll->second == nullptr ? "" : poll->second->upstream_ticket());
  }
  return rest;
}

std::vector<int> ResultQuestion::Open(std::span<const int> positions) const {
  std::vector<int> open;
  open.reserve(positions.size());
  size_t joined = 0;  // Both are ascending.
  for (const int position : positions) {
    while (joined < boarding.joins.size() && boarding.joins[joined].position < position) ++joined;
    const bool joins =
        joined < boarding.joins.size() && boarding.joins[joined].position == position;
    if (!joins && rows[position] == nullptr) open.push_back(position);
  }
  return open;
}

void ResultQuestion::SetWaiting(int position, const v1::KeptTicket& record, absl::Time now) {
  const absl::Duration wait = absl::FromUnixMicros(record.ask_again_micros()) - now;
  const int64_t millis = absl::ToInt64Milliseconds(wait + absl::Milliseconds(1));
  rows[position] = RowWithout(v1::OBJECT_STATUS_PENDING, objective_set.size(), "");
  later.push_back({position, record.ticket(), static_cast<uint64_t>(std::max<int64_t>(millis, 1))});
  ++waiting;
}

void ResultQuestion::SetUnknownTicket(int position) {
  rows[position] =
      RowWithout(v1::OBJECT_STATUS_FAILED, objective_set.size(),
                 absl::StrCat("ticket \"", request.objects(position).ticket().substr(0, 64),
                              "\" is not known here; ask again with the object itself"));
  ++waiting;
}

void ResultQuestion::FillFlight() const {
  ResultFlight& flight = *boarding.flight;
  std::vector<int> row_of(rows.size(), -1);
  for (const int position : boarding.leads) {
    row_of[position] = static_cast<int>(flight.rows.size());
    flight.rows.push_back(rows[position]);
  }
  for (const LaterResult& result : later) {
    if (row_of[result.position] < 0) continue;
    flight.later.push_back({row_of[result.position], result.ticket, result.retry_after_millis});
  }
  for (size_t k = 0; k < missing.size(); ++k) {
    const auto at = static_cast<int>(k);
    LaterResult result{row_of[missing[k]], "", 0};
    if (result.position < 0) continue;
    if (at < answer.tickets_size()) result.ticket = answer.tickets(at);
    if (at < answer.retry_after_millis_size()) {
      result.retry_after_millis = answer.retry_after_millis(at);
    }
    if (result.ticket.empty() && result.retry_after_millis == 0) continue;
    flight.later.push_back(std::move(result));
  }
  std::sort(flight.later.begin(), flight.later.end(),
            [](const auto& a, const auto& b) { return a.position < b.position; });
}

void ResultQuestion::Take(const ResultFlights::Join& join) {
  const ResultFlight& flight = *join.flight;
  rows[join.position] = flight.rows[join.row];
  const auto found =
      std::lower_bound(flight.later.begin(), flight.later.end(), join.row,
                       [](const LaterResult& result, int row) { return result.position < row; });
  if (found == flight.later.end() || found->position != join.row) return;
  later.push_back({join.position, found->ticket, found->retry_after_millis});
}

v1::EvaluateResponse ResultQuestion::TakeAnswer() {
  const bool same_columns = answer.objectives().empty() ||
                            std::equal(columns.begin(), columns.end(), answer.objectives().begin(),
                                       answer.objectives().end());
  if (missing.size() < rows.size() || !answer_is_whole || !same_columns) {
    return JoinAnswer(request.request_id(), columns, objective_set, rows, missing, later,
                      std::move(answer));
  }
  answer.set_request_id(request.request_id());
  if (answer.objectives().empty()) {
    *answer.mutable_objectives() = {columns.begin(), columns.end()};
  }
  if (answer.from_cache().empty()) {
    answer.mutable_from_cache()->Resize(static_cast<int>(rows.size()), false);
  }
  return std::move(answer);
}

}  // namespace anabranch
