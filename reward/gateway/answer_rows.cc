#include "reward/gateway/answer_rows.h"

#include <algorithm>
#include <cstdint>

namespace anabranch {
namespace {

// Appends `width` entries for each of the rows, `absent` where the answer has no such column.
template <typename Column, typename Value>
void Append(const Column& from, const AnswerRows& rows, int width, const Value& absent,
            Column& to) {
  const int count = rows.count * width;
  if (from.empty()) {
    for (int i = 0; i < count; ++i) *to.Add() = absent;
    return;
  }
  const auto begin = from.begin() + rows.first * width;
  to.Add(begin, begin + count);
}

bool HasOk(const AnswerRows& rows) {
  const auto begin = rows.answer->statuses().begin() + rows.first;
  return std::find(begin, begin + rows.count, v1::OBJECT_STATUS_OK) != begin + rows.count;
}

// Joins one column after another.
class Join {
 public:
  Join(std::span<const AnswerRows> rows, v1::EvaluateResponse& out) : rows_(rows), out_(out) {}

  // A column that is left out where all lack it. `get` and `mutate` are its accessors.
  template <typename Get, typename Mutate, typename Value>
  void Column(Get get, Mutate mutate, int width, const Value& absent) {
    const bool any = std::any_of(rows_.begin(), rows_.end(), [&](const AnswerRows& rows) {
      return !((*rows.answer).*get)().empty();
    });
    if (!any) return;
    auto& to = *(out_.*mutate)();
    for (const AnswerRows& rows : rows_) {
      Append(((*rows.answer).*get)(), rows, width, absent, to);
    }
  }

  bool KnowsErrors() const {
    return std::all_of(rows_.begin(), rows_.end(), [](const AnswerRows& rows) {
      return !rows.answer->raw_standard_errors().empty() || !HasOk(rows);
    });
  }

 private:
  const std::span<const AnswerRows> rows_;
  v1::EvaluateResponse& out_;
};

}  // namespace

v1::EvaluateResponse JoinRows(const std::string& request_id, std::span<const AnswerRows> rows) {
  using Answer = v1::EvaluateResponse;
  Answer out;
  const Answer& last = *rows.back().answer;
  const int m = last.objectives_size();
  out.set_request_id(request_id);
  out.set_fingerprint(last.fingerprint());
  *out.mutable_objectives() = last.objectives();
  if (last.has_budget()) *out.mutable_budget() = last.budget();
  for (const AnswerRows& some : rows) {
    Append(some.answer->statuses(), some, 1, int{v1::OBJECT_STATUS_UNSPECIFIED},
           *out.mutable_statuses());
  }
  Join join(rows, out);
  // Each accessor has two overloads or more; the casts choose.
#define ANABRANCH_JOIN(field, Type, width, absent)                          \
  join.Column(static_cast<const Type& (Answer::*)() const>(&Answer::field), \
              static_cast<Type* (Answer::*)()>(&Answer::mutable_##field), width, absent)
  using Doubles = google::protobuf::RepeatedField<double>;
  using Bools = google::protobuf::RepeatedField<bool>;
  using Strings = google::protobuf::RepeatedPtrField<std::string>;
  ANABRANCH_JOIN(raw_values, Doubles, m, 0.0);
  ANABRANCH_JOIN(raw_value_valid, Bools, m, true);
  if (join.KnowsErrors()) ANABRANCH_JOIN(raw_standard_errors, Doubles, m, 0.0);
  ANABRANCH_JOIN(evaluation_counts, google::protobuf::RepeatedField<uint32_t>, 1, 1u);
  ANABRANCH_JOIN(tickets, Strings, 1, std::string());
  ANABRANCH_JOIN(retry_after_millis, google::protobuf::RepeatedField<uint64_t>, 1, uint64_t{0});
  ANABRANCH_JOIN(reasons, Strings, 1, std::string());
  ANABRANCH_JOIN(costs, Doubles, 1, 0.0);
  ANABRANCH_JOIN(from_cache, Bools, 1, false);
#undef ANABRANCH_JOIN
  return out;
}

v1::EvaluateResponse RetryableRows(const absl::Status& status, int count,
                                   const v1::EvaluateResponse& like) {
  v1::EvaluateResponse out;
  out.set_fingerprint(like.fingerprint());
  *out.mutable_objectives() = like.objectives();
  out.mutable_statuses()->Resize(count, v1::OBJECT_STATUS_RETRYABLE);
  out.mutable_raw_values()->Resize(count * like.objectives_size(), 0.0);
  for (int i = 0; i < count; ++i) out.add_reasons(std::string(status.message()));
  return out;
}

}  // namespace anabranch
