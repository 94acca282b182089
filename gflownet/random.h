// Random numbers that can be saved, resumed and split.
#ifndef ANABRANCH_GFLOWNET_RANDOM_H_
#define ANABRANCH_GFLOWNET_RANDOM_H_

#include <array>
#include <cmath>
#include <cstdint>

namespace anabranch {

// Philox4x32-10 (Salmon et al., SC 2011): a block of four numbers is a pure function of key, stream
// and counter, so a generator's whole state is one counter, and streams of one seed never overlap.
// The standard library has no counter-based generator before C++26, and distributions there differ
// between implementations; a checkpoint must resume to the same bits. Not thread-safe.
class RandomStream {
 public:
  RandomStream(uint64_t seed, uint64_t stream) : seed_(seed), stream_(stream) {}

  uint32_t NextBits() {
    if (used_ == 4) {
      block_ = Block(seed_, stream_, counter_++);
      used_ = 0;
    }
    return block_[used_++];
  }
  // Uniform in [0, 1), a multiple of 2^-24: exact in float.
  float NextUniform() { return static_cast<float>(NextBits() >> 8) * 0x1p-24f; }
  // Uniform in [0, 1), a multiple of 2^-53.
  double NextUniformDouble() {
    const uint64_t high = NextBits() >> 5, low = NextBits() >> 6;
    return (static_cast<double>(high) * 0x1p26 + static_cast<double>(low)) * 0x1p-53;
  }
  // Uniform in [0, n), n ≥ 1, without modulo bias.
  uint64_t NextBelow(uint64_t n);
  // Standard normal (Box-Muller, one value of each pair).
  double NextNormal() {
    const double radius = std::sqrt(-2.0 * std::log(1.0 - NextUniformDouble()));
    return radius * std::cos(6.283185307179586 * NextUniformDouble());
  }

  // The number of 32-bit words drawn so far; SeekTo returns to that place.
  uint64_t position() const { return used_ == 4 ? counter_ * 4 : (counter_ - 1) * 4 + used_; }
  void SeekTo(uint64_t position);

  // The four words of one block. Public for the known-answer test.
  static std::array<uint32_t, 4> Block(uint64_t key, uint64_t stream, uint64_t counter);

 private:
  uint64_t seed_;
  uint64_t stream_;
  uint64_t counter_ = 0;
  std::array<uint32_t, 4> block_{};
  uint32_t used_ = 4;
};

}  // namespace anabranch

#endif  // ANABRANCH_GFLOWNET_RANDOM_H_
