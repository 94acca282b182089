// What the objects of a request are kept under.
#ifndef ANABRANCH_REWARD_CACHE_RESULT_KEYS_H_
#define ANABRANCH_REWARD_CACHE_RESULT_KEYS_H_

#include <span>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "anabranch/v1/reward.pb.h"
#include "reward/cache/result_store.h"

namespace anabranch {

// What all objects of a request have in common whoever answers: environment, format, objectives.
// 16 bytes.
std::string FamilyOf(const v1::EvaluateRequest& request,
                     std::span<const std::string> objective_set);

// The keys of all objects, in one piece of memory. Contexts that objects name must exist.
class ResultKeys {
 public:
  ResultKeys(const v1::EvaluateRequest& request, absl::string_view fingerprint,
             absl::string_view family);
  ResultKeys(const ResultKeys&) = delete;
  ResultKeys& operator=(const ResultKeys&) = delete;

  // [n]; empty where an answer may not be kept. They live as long as this does.
  std::span<const ResultKey> all() const { return keys_; }
  const ResultKey& operator[](int position) const { return keys_[position]; }

 private:
  std::string bytes_;
  std::vector<ResultKey> keys_;
};

}  // namespace anabranch

#endif  // ANABRANCH_REWARD_CACHE_RESULT_KEYS_H_
