#include "replay/object_query.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/string_view.h"

namespace anabranch {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();

int64_t Micros(const google::protobuf::Timestamp& time) {
  return time.seconds() * 1'000'000 + time.nanos() / 1000;
}

absl::StatusOr<size_t> FindObjective(absl::string_view field, const std::string& name,
                                     std::span<const std::string> objectives) {
  const auto found = std::find(objectives.begin(), objectives.end(), name);
  if (found != objectives.end()) return found - objectives.begin();
  return absl::InvalidArgumentError(
      absl::StrCat(field, ": there is no objective \"", name,
                   "\"; there are: ", absl::StrJoin(objectives, ", ")));
}

}  // namespace

std::string ObjectPlace::ToBytes() const {
  std::string bytes;
  for (const uint64_t word :
       {std::bit_cast<uint64_t>(primary), std::bit_cast<uint64_t>(secondary), ordinal}) {
    for (int shift = 56; shift >= 0; shift -= 8) bytes.push_back(static_cast<char>(word >> shift));
  }
  return bytes;
}

std::optional<ObjectPlace> ObjectPlace::FromBytes(absl::string_view bytes) {
  if (bytes.size() != 24) return std::nullopt;
  uint64_t words[3] = {};
  for (size_t i = 0; i < bytes.size(); ++i) {
    words[i / 8] = words[i / 8] << 8 | static_cast<uint8_t>(bytes[i]);
  }
  const ObjectPlace place{std::bit_cast<double>(words[0]), std::bit_cast<double>(words[1]),
                          words[2]};
  if (std::isnan(place.primary) || std::isnan(place.secondary)) return std::nullopt;
  return place;
}

absl::StatusOr<ObjectQuery> ObjectQuery::Create(const v1::ObjectQuery& query,
                                                std::span<const std::string> objectives) {
  ObjectQuery made(query);
  if (absl::Status status = made.Resolve(objectives); !status.ok()) return status;
  return made;
}

absl::Status ObjectQuery::Resolve(std::span<const std::string> objectives) {
  if (!v1::ObjectOrder_IsValid(query_.order())) {
    return absl::InvalidArgumentError(absl::StrCat("query.order: is unknown: ", query_.order()));
  }
  if (query_.order() == v1::OBJECT_ORDER_RAW_VALUE) {
    auto found = FindObjective("query.objective", query_.objective(), objectives);
    if (!found.ok()) return found.status();
    ordered_by_ = *found;
  }
  for (int i = 0; i < query_.objective_ranges_size(); ++i) {
    const v1::ObjectiveRange& range = query_.objective_ranges(i);
    auto found = FindObjective(absl::StrCat("query.objective_ranges[", i, "].objective"),
                               range.objective(), objectives);
    if (!found.ok()) return found.status();
    ranges_.push_back({*found, range.has_minimum() ? range.minimum() : -kInfinity,
                       range.has_maximum() ? range.maximum() : kInfinity});
  }
  if (!query_.condition_key().empty()) {
    Key128 key;
    if (!Key128::FromBytes(query_.condition_key(), &key)) {
      return absl::InvalidArgumentError(absl::StrCat(
          "query.condition_key: has ", query_.condition_key().size(), " bytes; 16 are needed"));
    }
    condition_ = key;
  }
  if (query_.has_first_seen_from()) from_micros_ = Micros(query_.first_seen_from());
  if (query_.has_first_seen_before()) before_micros_ = Micros(query_.first_seen_before());
  return absl::OkStatus();
}

bool ObjectQuery::Matches(const ObjectRecord& record, std::span<const double> values) const {
  if (query_.statuses().empty()) {
    if (record.status != v1::OBJECT_STATUS_OK) return false;
  } else if (std::find(query_.statuses().begin(), query_.statuses().end(), record.status) ==
             query_.statuses().end()) {
    return false;
  }
  if (condition_.has_value() && record.name.condition != *condition_) return false;
  if (query_.has_minimum_log_reward() && !(record.log_reward >= query_.minimum_log_reward())) {
    return false;
  }
  if (query_.has_maximum_log_reward() && !(record.log_reward <= query_.maximum_log_reward())) {
    return false;
  }
  if (record.first_seen_micros < from_micros_ || record.first_seen_micros >= before_micros_) {
    return false;
  }
  const PolicyStamp first{query_.first_policy_from().generation(),
                          query_.first_policy_from().version()};
  if (record.first_policy < first) return false;
  if (ordered_by_.has_value() && !record.is_valid(*ordered_by_)) return false;
  return std::all_of(ranges_.begin(), ranges_.end(), [&](const Range& range) {
    return record.is_valid(range.objective) && values[range.objective] >= range.minimum &&
           values[range.objective] <= range.maximum;
  });
}

ObjectPlace ObjectQuery::PlaceOf(const ObjectRecord& record, std::span<const double> values) const {
  double primary = 0, secondary = 0;
  switch (query_.order()) {
    case v1::OBJECT_ORDER_RAW_VALUE:
      primary = values[*ordered_by_];
      break;
    case v1::OBJECT_ORDER_FIRST_SEEN:
      primary = static_cast<double>(record.first_seen_micros);
      secondary = static_cast<double>(record.ordinal);
      break;
    case v1::OBJECT_ORDER_VISITS:
      primary = static_cast<double>(record.visits);
      break;
    case v1::OBJECT_ORDER_FIRST_POLICY:
      primary = static_cast<double>(record.first_policy.generation);
      secondary = static_cast<double>(record.first_policy.version);
      break;
    default:
      primary = record.log_reward;
      break;
  }
  if (!query_.ascending()) {
    primary = -primary;
    secondary = -secondary;
  }
  // No negative zero: places that are equal must have equal bytes.
  return {primary + 0.0, secondary + 0.0, record.ordinal};
}

}  // namespace anabranch
