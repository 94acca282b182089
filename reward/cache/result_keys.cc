#include "reward/cache/result_keys.h"

#include <cstddef>
#include <utility>

#include "absl/strings/str_cat.h"
#include "runtime/sha256.h"

namespace anabranch {
namespace {

constexpr size_t kGroupBytes = 16;
constexpr size_t kMostDigits = 20;

// Parts with their lengths, so that no two lists of parts look the same.
void AppendPart(std::string& out, absl::string_view part) {
  absl::StrAppend(&out, part.size(), ":", part);
}

std::string Digest(const std::string& text) { return Sha256Digest(text).substr(0, kGroupBytes); }

absl::string_view ContextKeyOf(const v1::EvaluateRequest& request, const v1::RewardObject& object) {
  if (object.context() == 0) return "";
  return request.contexts(static_cast<int>(object.context()) - 1).key();
}

// What names the object, after its kind: '=' for the object itself, '#' for a hash of it. Nothing
// where an answer may not be kept.
std::pair<char, absl::string_view> NameOf(const v1::EvaluateRequest& request,
                                          const v1::RewardObject& object) {
  if (object.context() > 0 && ContextKeyOf(request, object).empty()) return {0, ""};
  switch (object.content_case()) {
    case v1::RewardObject::kInline:
      return {'=', object.inline_()};
    case v1::RewardObject::kReference:
      if (object.reference().sha256().empty()) return {0, ""};
      return {'#', object.reference().sha256()};
    case v1::RewardObject::CONTENT_NOT_SET:
      break;
  }
  return {0, ""};
}

}  // namespace

std::string FamilyOf(const v1::EvaluateRequest& request,
                     std::span<const std::string> objective_set) {
  std::string text;
  AppendPart(text, request.environment_fingerprint());
  AppendPart(text, request.format());
  for (const std::string& objective : objective_set) AppendPart(text, objective);
  return Digest(text);
}

ResultKeys::ResultKeys(const v1::EvaluateRequest& request, absl::string_view fingerprint,
                       absl::string_view family) {
  std::string text;
  AppendPart(text, fingerprint);
  AppendPart(text, family);
  const std::string group = Digest(text);
  size_t total = 0;
  for (const v1::RewardObject& object : request.objects()) {
    total += kGroupBytes + kMostDigits + 2 + ContextKeyOf(request, object).size() +
             NameOf(request, object).second.size();
  }
  bytes_.reserve(total);  // It never moves: the keys are views of it.
  keys_.reserve(request.objects_size());
  for (const v1::RewardObject& object : request.objects()) {
    const auto [kind, name] = NameOf(request, object);
    if (kind == 0) {
      keys_.emplace_back();
      continue;
    }
    const size_t begin = bytes_.size();
    bytes_.append(group);
    AppendPart(bytes_, ContextKeyOf(request, object));
    bytes_.push_back(kind);
    bytes_.append(name.data(), name.size());
    keys_.emplace_back(absl::string_view(bytes_).substr(begin));
  }
}

}  // namespace anabranch
