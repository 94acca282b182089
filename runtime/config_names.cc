#include "runtime/config_names.h"

#include <algorithm>
#include <cstddef>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/strip.h"

namespace anabranch {
namespace {

using ::google::protobuf::Descriptor;
using ::google::protobuf::EnumDescriptor;
using ::google::protobuf::EnumValueDescriptor;
using ::google::protobuf::FieldDescriptor;

constexpr absl::string_view kUnspecified = "UNSPECIFIED";

// Insertions, deletions, replacements and swaps of neighbours that turn `a` into `b`.
size_t EditDistance(absl::string_view a, absl::string_view b) {
  std::vector<std::vector<size_t>> d(a.size() + 1, std::vector<size_t>(b.size() + 1));
  for (size_t i = 0; i <= a.size(); ++i) d[i][0] = i;
  for (size_t j = 0; j <= b.size(); ++j) d[0][j] = j;
  for (size_t i = 1; i <= a.size(); ++i) {
    for (size_t j = 1; j <= b.size(); ++j) {
      const size_t replaced = d[i - 1][j - 1] + (a[i - 1] == b[j - 1] ? 0 : 1);
      d[i][j] = std::min({d[i - 1][j] + 1, d[i][j - 1] + 1, replaced});
      if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1]) {
        d[i][j] = std::min(d[i][j], d[i - 2][j - 2] + 1);
      }
    }
  }
  return d[a.size()][b.size()];
}

void CollectPaths(const Descriptor& message, absl::string_view name, const std::string& prefix,
                  std::vector<std::string>& out) {
  for (int i = 0; i < message.field_count(); ++i) {
    const FieldDescriptor& field = *message.field(i);
    const std::string path =
        prefix.empty() ? field.name() : absl::StrCat(prefix, ".", field.name());
    if (field.name() == name) out.push_back(path);
    if (field.message_type() != nullptr && !field.is_repeated()) {
      CollectPaths(*field.message_type(), name, path, out);
    }
  }
}

}  // namespace

std::string ShortEnumName(const EnumValueDescriptor& value) {
  absl::string_view prefix = value.type()->value(0)->name();
  absl::ConsumeSuffix(&prefix, kUnspecified);
  return absl::AsciiStrToLower(absl::StripPrefix(value.name(), prefix));
}

std::vector<std::string> ShortEnumNames(const EnumDescriptor& type) {
  std::vector<std::string> names;
  for (int i = 1; i < type.value_count(); ++i) names.push_back(ShortEnumName(*type.value(i)));
  return names;
}

const EnumValueDescriptor* FindEnumValue(const EnumDescriptor& type, absl::string_view short_name) {
  for (int i = 1; i < type.value_count(); ++i) {
    if (ShortEnumName(*type.value(i)) == short_name) return type.value(i);
  }
  return nullptr;
}

std::vector<std::string> FieldNames(const Descriptor& message) {
  std::vector<std::string> names;
  for (int i = 0; i < message.field_count(); ++i) names.push_back(message.field(i)->name());
  return names;
}

std::string NearestName(absl::string_view name, const std::vector<std::string>& candidates) {
  std::string best;
  // A third of the letters may be wrong, but never all of a short name.
  size_t best_distance = std::max<size_t>(name.size() / 3, 1) + 1;
  for (const std::string& candidate : candidates) {
    const size_t distance = EditDistance(absl::AsciiStrToLower(name), candidate);
    if (distance < best_distance) {
      best_distance = distance;
      best = candidate;
    }
  }
  return best;
}

std::vector<std::string> PathsOfName(const Descriptor& message, absl::string_view name) {
  std::vector<std::string> paths;
  CollectPaths(message, name, "", paths);
  return paths;
}

std::string KeyAdvice(const Descriptor& message, absl::string_view name, const Descriptor& root) {
  const std::string nearest = NearestName(name, FieldNames(message));
  if (!nearest.empty()) return absl::StrCat("; did you mean \"", nearest, "\"?");
  const std::vector<std::string> elsewhere = PathsOfName(root, name);
  if (!elsewhere.empty()) {
    return absl::StrCat("; did you mean \"", absl::StrJoin(elsewhere, "\" or \""), "\"?");
  }
  if (message.field_count() == 0) return "; it takes no keys";
  return absl::StrCat("; its keys are ", absl::StrJoin(FieldNames(message), ", "));
}

}  // namespace anabranch
