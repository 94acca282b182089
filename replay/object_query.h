// A query for objects, made ready to be asked of every record.
#ifndef ANABRANCH_REPLAY_OBJECT_QUERY_H_
#define ANABRANCH_REPLAY_OBJECT_QUERY_H_

#include <compare>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "anabranch/v1/replay.pb.h"
#include "replay/object_record.h"

namespace anabranch {

// A record's place in the order of a query: smaller comes first, and no two are equal.
struct ObjectPlace {
  double primary = 0;
  double secondary = 0;
  uint64_t ordinal = 0;

  friend auto operator<=>(const ObjectPlace&, const ObjectPlace&) = default;
  // 24 bytes for a cursor, and back; nothing for bytes that are no cursor.
  std::string ToBytes() const;
  static std::optional<ObjectPlace> FromBytes(absl::string_view bytes);
};

// Thread-compatible.
class ObjectQuery {
 public:
  // INVALID_ARGUMENT names the field: an unknown objective, order or status, a bad key.
  static absl::StatusOr<ObjectQuery> Create(const v1::ObjectQuery& query,
                                            std::span<const std::string> objectives);

  // `values` are the record's raw values, one per objective.
  bool Matches(const ObjectRecord& record, std::span<const double> values) const;
  ObjectPlace PlaceOf(const ObjectRecord& record, std::span<const double> values) const;

 private:
  struct Range {
    size_t objective = 0;
    double minimum = 0;
    double maximum = 0;
  };

  explicit ObjectQuery(const v1::ObjectQuery& query) : query_(query) {}
  absl::Status Resolve(std::span<const std::string> objectives);

  v1::ObjectQuery query_;
  std::optional<size_t> ordered_by_;  // Objective.
  std::vector<Range> ranges_;
  std::optional<Key128> condition_;
  int64_t from_micros_ = INT64_MIN;
  int64_t before_micros_ = INT64_MAX;
};

}  // namespace anabranch

#endif  // ANABRANCH_REPLAY_OBJECT_QUERY_H_
