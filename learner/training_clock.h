// Time spent training, without what is spent looking at it.
#ifndef ANABRANCH_LEARNER_TRAINING_CLOCK_H_
#define ANABRANCH_LEARNER_TRAINING_CLOCK_H_

#include <chrono>

namespace anabranch {

// A stopwatch that stands until Start(). Not thread-safe.
class TrainingClock {
 public:
  void Start() { started_ = std::chrono::steady_clock::now(), running_ = true; }
  void Stop() { total_ = Seconds(), running_ = false; }
  double Seconds() const {
    if (!running_) return total_;
    const auto now = std::chrono::steady_clock::now();
    return total_ + std::chrono::duration<double>(now - started_).count();
  }

 private:
  std::chrono::steady_clock::time_point started_;
  double total_ = 0;
  bool running_ = false;
};

}  // namespace anabranch

#endif  // ANABRANCH_LEARNER_TRAINING_CLOCK_H_
