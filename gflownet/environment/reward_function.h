// A reward that needs no service: raw objective values of canonical objects, computed here.
#ifndef ANABRANCH_GFLOWNET_ENVIRONMENT_REWARD_FUNCTION_H_
#define ANABRANCH_GFLOWNET_ENVIRONMENT_REWARD_FUNCTION_H_

#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace anabranch {

// What a raw value is for one object. Invalid is not reward 0: what it means is reward shaping's
// configuration.
enum class ObjectStatus : uint8_t { kOk, kInvalid, kFailed };

// Raw values of n objects under m objectives.
struct RewardColumns {
  int64_t num_objectives = 0;
  std::vector<ObjectStatus> status;  // [n]
  std::vector<double> values;        // [n, m], row-major.
  std::vector<uint8_t> valid;        // [n, m], 1 where the value means something.
  std::vector<std::string> reasons;  // [n] or empty; why an object is not kOk.
};

struct ObjectiveInfo {
  std::string name;
  bool maximize = true;
  bool is_log = false;  // The value is already a log-reward, such as −distance.
  double minimum = 0;   // Bounds of the value; equal where unknown.
  double maximum = 0;
};

// Immutable and thread-safe.
class RewardFunction {
 public:
  virtual ~RewardFunction() = default;
  // Name, version and parameters, readable; a change of any of them changes it.
  virtual const std::string& fingerprint() const = 0;
  virtual std::span<const ObjectiveInfo> objectives() const = 0;
  // Replaces `out`. An object that can't be read is kInvalid with its reason.
  virtual void Evaluate(std::span<const std::string> objects, RewardColumns& out) const = 0;

  // Modes are numbered [0, num_modes()); 0 where the reward defines none.
  virtual int64_t num_modes() const { return 0; }
  // The mode that the object belongs to, or −1.
  virtual int64_t ModeOf(const std::string& object) const {
    (void)object;
    return -1;
  }
};

}  // namespace anabranch

#endif  // ANABRANCH_GFLOWNET_ENVIRONMENT_REWARD_FUNCTION_H_
