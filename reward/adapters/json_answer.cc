#include "reward/adapters/json_answer.h"

#include <algorithm>
#include <limits>
#include <optional>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"

namespace anabranch {
namespace {

using nlohmann::json;

constexpr int kDeepest = 32;
constexpr absl::string_view kNan = "NaN";
constexpr absl::string_view kInfinity = "Infinity";
constexpr absl::string_view kMinusInfinity = "-Infinity";

// The beginning of a text, for a message.
std::string Excerpt(absl::string_view text) {
  constexpr size_t kLength = 80;
  return absl::StrCat("\"", absl::CEscape(text.substr(0, kLength)),
                      text.size() > kLength ? "..." : "", "\"");
}

// Where the string that begins at `at` ends: behind its closing quote.
size_t EndOfString(absl::string_view text, size_t at) {
  for (++at; at < text.size() && text[at] != '"'; ++at) {
    if (text[at] == '\\') ++at;
  }
  return std::min(at + 1, text.size());
}

// The text with the numbers that JSON lacks as strings; nothing where it is nested too deep.
std::optional<std::string> Normalize(absl::string_view text) {
  std::string out;
  out.reserve(text.size() + 16);
  int depth = 0;
  for (size_t at = 0; at < text.size();) {
    const char c = text[at];
    size_t length = 1;
    bool quote = false;
    if (c == '"') {
      length = EndOfString(text, at) - at;
    } else if (c == '[' || c == '{') {
      if (++depth > kDeepest) return std::nullopt;
    } else if (c == ']' || c == '}') {
      --depth;
    } else if (c == 'N' || c == 'I' || c == '-') {
      for (const absl::string_view name : {kNan, kInfinity, kMinusInfinity}) {
        if (!absl::StartsWith(text.substr(at), name)) continue;
        length = name.size();
        quote = true;
      }
    }
    if (quote) out.push_back('"');
    out.append(text.data() + at, length);
    if (quote) out.push_back('"');
    at += length;
  }
  return out;
}

// Takes values into `scored`, and notes which objects have one that is no number.
class ValueReader {
 public:
  ValueReader(size_t n, ScoredObjects& scored) : n_(n), scored_(scored) {}

  std::optional<double> Read(const json& value, absl::string_view objective, size_t object) {
    if (value.is_null()) return std::nullopt;
    if (value.is_boolean()) return value.get<bool>() ? 1 : 0;
    if (value.is_number()) return value.get<double>();
    if (value.is_string()) {
      const auto& text = value.get_ref<const std::string&>();
      if (text == kNan) return std::numeric_limits<double>::quiet_NaN();
      if (text == kInfinity) return std::numeric_limits<double>::infinity();
      if (text == kMinusInfinity) return -std::numeric_limits<double>::infinity();
    }
    scored_.statuses.resize(n_, v1::OBJECT_STATUS_UNSPECIFIED);
    scored_.reasons.resize(n_);
    scored_.statuses[object] = v1::OBJECT_STATUS_FAILED;
    scored_.reasons[object] =
        absl::StrCat(objective, " is ", Excerpt(WriteJson(value)), ", which is no number");
    return std::nullopt;
  }

 private:
  const size_t n_;
  ScoredObjects& scored_;
};

absl::Status NoObjective(const std::string& name, const json& values) {
  std::vector<std::string> keys;
  constexpr size_t kMost = 20;
  for (auto it = values.begin(); it != values.end() && keys.size() < kMost; ++it) {
    keys.push_back(Shortened(it.key(), 100));
  }
  return MalformedAnswer(absl::StrCat("the answer has no objective \"", name,
                                      "\"; it has: ", absl::StrJoin(keys, ", "),
                                      "; name in `objectives` what the oracle computes"));
}

absl::StatusOr<v1::ObjectStatus> ParseStatus(absl::string_view text) {
  static constexpr std::pair<absl::string_view, v1::ObjectStatus> kNames[] = {
      {"ok", v1::OBJECT_STATUS_OK},
      {"invalid", v1::OBJECT_STATUS_INVALID},
      {"failed", v1::OBJECT_STATUS_FAILED},
      {"retryable", v1::OBJECT_STATUS_RETRYABLE},
      {"infeasible", v1::OBJECT_STATUS_INFEASIBLE}};
  for (const auto& [name, status] : kNames) {
    if (absl::EqualsIgnoreCase(name, text)) return status;
  }
  return MalformedAnswer(absl::StrCat("the answer has the status ", Excerpt(text),
                                      "; there are: ok, invalid, failed, retryable, infeasible"));
}

// The list `key` of the answer, n entries; null where there is none.
absl::StatusOr<const json*> FindList(const json& answer, absl::string_view key, size_t n) {
  const auto found = answer.find(std::string(key));
  if (found == answer.end() || found->is_null()) return nullptr;
  if (!found->is_array()) {
    return MalformedAnswer(absl::StrCat("the answer's \"", key, "\" is no list"));
  }
  if (absl::Status status = CheckCount(key, found->size(), n); !status.ok()) return status;
  return &*found;
}

}  // namespace

absl::StatusOr<json> ParseAnswer(absl::string_view text) {
  const std::optional<std::string> normal = Normalize(text);
  if (!normal.has_value()) {
    return MalformedAnswer(absl::StrCat("the answer is nested deeper than ", kDeepest,
                                        " levels; it begins ", Excerpt(text)));
  }
  json document = json::parse(*normal, nullptr, /*allow_exceptions=*/false);
  if (document.is_discarded()) {
    return MalformedAnswer(absl::StrCat("the answer is no JSON; it begins ", Excerpt(text)));
  }
  return document;
}

absl::StatusOr<ScoredObjects> ReadColumns(const json& values, size_t n,
                                          const std::vector<std::string>& objectives) {
  if (!values.is_object()) {
    return MalformedAnswer("the answer's values are no JSON object of lists by objective");
  }
  ScoredObjects scored;
  ValueReader reader(n, scored);
  for (const std::string& name : objectives) {
    const auto found = values.find(name);
    if (found == values.end()) return NoObjective(name, values);
    if (!found->is_array()) {
      return MalformedAnswer(absl::StrCat("the answer's \"", name, "\" is no list of values"));
    }
    const absl::Status status = CheckCount(absl::StrCat("values of ", name), found->size(), n);
    if (!status.ok()) return status;
    std::vector<std::optional<double>>& column = scored.columns.emplace_back();
    column.reserve(n);
    for (size_t i = 0; i < n; ++i) column.push_back(reader.Read((*found)[i], name, i));
  }
  return scored;
}

absl::StatusOr<ScoredObjects> ReadRows(const json& rows, size_t n,
                                       const std::vector<std::string>& objectives) {
  if (absl::Status status = CheckCount("entries", rows.size(), n); !status.ok()) return status;
  ScoredObjects scored;
  ValueReader reader(n, scored);
  for (const std::string& name : objectives) {
    std::vector<std::optional<double>>& column = scored.columns.emplace_back();
    column.reserve(n);
    bool anywhere = n == 0;
    for (size_t i = 0; i < n; ++i) {
      if (!rows[i].is_object()) {
        return MalformedAnswer(absl::StrCat("entry ", i, " of the answer is no JSON object"));
      }
      const auto found = rows[i].find(name);
      anywhere = anywhere || found != rows[i].end();
      column.push_back(found == rows[i].end() ? std::nullopt : reader.Read(*found, name, i));
    }
    if (!anywhere) return NoObjective(name, rows[0]);
  }
  return scored;
}

absl::Status ReadStatuses(const json& answer, size_t n, ScoredObjects& scored) {
  const auto statuses = FindList(answer, "status", n);
  if (!statuses.ok()) return statuses.status();
  const auto reasons = FindList(answer, "reasons", n);
  if (!reasons.ok()) return reasons.status();
  for (size_t i = 0; *statuses != nullptr && i < n; ++i) {
    const json& entry = (**statuses)[i];
    if (entry.is_null()) continue;
    const auto status = ParseStatus(
        entry.is_string() ? absl::string_view(entry.get_ref<const std::string&>()) : "no text");
    if (!status.ok()) return status.status();
    scored.statuses.resize(n, v1::OBJECT_STATUS_UNSPECIFIED);
    if (*status != v1::OBJECT_STATUS_OK) scored.statuses[i] = *status;
  }
  for (size_t i = 0; *reasons != nullptr && i < n; ++i) {
    const json& entry = (**reasons)[i];
    if (!entry.is_string()) continue;
    scored.reasons.resize(n);
    scored.reasons[i] = entry.get<std::string>();
  }
  return absl::OkStatus();
}

std::string WriteJson(const json& document) {
  return document.dump(-1, ' ', false, json::error_handler_t::replace);
}

}  // namespace anabranch
