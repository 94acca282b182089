// What is wrong with a configuration, collected. For config_validation*.cc.
#ifndef ANABRANCH_RUNTIME_CONFIG_PROBLEMS_H_
#define ANABRANCH_RUNTIME_CONFIG_PROBLEMS_H_

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/string_view.h"
#include "anabranch/v1/config.pb.h"
#include "runtime/config_validation.h"

namespace anabranch {

// Collects what is wrong, so that a user mends a file in one go.
class Problems {
 public:
  Problems(const ConfigPlaces& places, std::string file)
      : places_(places), file_(std::move(file)) {}

  // "PLACE: KEY is VALUE, WANT; REMEDY".
  template <typename Value>
  void Check(bool ok, absl::string_view key, const Value& value, absl::string_view want,
             absl::string_view remedy) {
    if (!ok) Add(key, absl::StrCat("is ", value, ", ", want, "; ", remedy));
  }

  void Add(absl::string_view key, absl::string_view what) {
    std::string place = PlaceOf(places_, key);
    if (place.empty()) place = file_;
    lines_.push_back(absl::StrCat(place, place.empty() ? "" : ": ", key, " ", what));
  }

  absl::Status ToStatus() const {
    if (lines_.empty()) return absl::OkStatus();
    return absl::InvalidArgumentError(absl::StrJoin(lines_, "\n"));
  }

 private:
  const ConfigPlaces& places_;
  const std::string file_;
  std::vector<std::string> lines_;
};

void AtLeastOne(uint64_t value, absl::string_view key, Problems& problems);
void Positive(double value, absl::string_view key, Problems& problems);
void NotNegative(double value, absl::string_view key, Problems& problems);
void Fraction(double value, absl::string_view key, Problems& problems);

// What is trained on: environment and reward.
void CheckEnvironment(const v1::RunConfig& config, Problems& problems);
void CheckReward(const v1::RunConfig& config, Problems& problems);
void CheckOracles(const v1::RunConfig& config, Problems& problems);
void CheckShaping(const v1::RewardShapingConfig& shaping, Problems& problems);

// How connections are secured. `serves`: the process that has it is a server, too.
void CheckTls(const v1::TlsConfig& tls, bool serves, const std::string& key, Problems& problems);
void CheckClusterSecurity(const v1::ClusterConfig& cluster, Problems& problems);

}  // namespace anabranch

#endif  // ANABRANCH_RUNTIME_CONFIG_PROBLEMS_H_
