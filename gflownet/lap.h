// Where time goes, stage by stage.
#ifndef ANABRANCH_GFLOWNET_LAP_H_
#define ANABRANCH_GFLOWNET_LAP_H_

#include <chrono>

namespace anabranch {

// Adds the seconds since the last lap, or since it was made, to one total after another.
class Lap {
 public:
  void Add(double& total) {
    const auto now = std::chrono::steady_clock::now();
    total += std::chrono::duration<double>(now - last_).count();
    last_ = now;
  }

 private:
  std::chrono::steady_clock::time_point last_ = std::chrono::steady_clock::now();
};

}  // namespace anabranch

#endif  // ANABRANCH_GFLOWNET_LAP_H_
