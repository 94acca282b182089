// Keeps a table's samples in step with its inserts.
#ifndef ANABRANCH_REPLAY_RATE_LIMITER_H_
#define ANABRANCH_REPLAY_RATE_LIMITER_H_

#include <cstdint>

#include "absl/status/status.h"

namespace anabranch {

struct RateLimiterOptions {
  // Times each inserted trajectory is sampled on average; 0 means that nothing is paced.
  double samples_per_insert = 0;
  // Trajectories that the table must hold before the first sample, at least 1.
  int64_t min_size_to_sample = 1;
  // How far samples may run ahead of inserts or lag behind, in samples. Inserts of i and samples of
  // s trajectories never wait for each other for ever if it is at least samples_per_insert * i + s.
  double error_buffer = 0;

  absl::Status Validate() const;
};

// With the deficit d = samples_per_insert * inserts - samples and its set point
// d0 = samples_per_insert * min_size_to_sample, no insert brings d above d0 + error_buffer and no
// sample below d0 - error_buffer. Counts are trajectories; nothing is accumulated in floating
// point, so the bounds hold exactly however long a run is. Deterministic. Not thread-safe.
class RateLimiter {
 public:
  explicit RateLimiter(const RateLimiterOptions& options) : options_(options) {}

  bool CanInsert(int64_t n) const;
  // `size` is the number of trajectories held.
  bool CanSample(int64_t n, int64_t size) const;
  void DidInsert(int64_t n) { inserts_ += n; }
  void DidSample(int64_t n) { samples_ += n; }

  int64_t inserts() const { return inserts_; }
  int64_t samples() const { return samples_; }
  const RateLimiterOptions& options() const { return options_; }
  void Restore(int64_t inserts, int64_t samples) {
    inserts_ = inserts;
    samples_ = samples;
  }

 private:
  double SetPoint() const {
    return options_.samples_per_insert * static_cast<double>(options_.min_size_to_sample);
  }
  double Deficit(int64_t inserts, int64_t samples) const {
    return options_.samples_per_insert * static_cast<double>(inserts) -
           static_cast<double>(samples);
  }

  RateLimiterOptions options_;
  int64_t inserts_ = 0;
  int64_t samples_ = 0;
};

}  // namespace anabranch

#endif  // ANABRANCH_REPLAY_RATE_LIMITER_H_
