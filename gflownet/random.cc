#include "gflownet/random.h"

namespace anabranch {
namespace {

struct Product {
  uint32_t high;
  uint32_t low;
};

Product Multiply(uint32_t a, uint32_t b) {
  const uint64_t product = static_cast<uint64_t>(a) * b;
  return {static_cast<uint32_t>(product >> 32), static_cast<uint32_t>(product)};
}

}  // namespace

std::array<uint32_t, 4> RandomStream::Block(uint64_t key, uint64_t stream, uint64_t counter) {
  uint32_t c0 = static_cast<uint32_t>(counter), c1 = static_cast<uint32_t>(counter >> 32);
  uint32_t c2 = static_cast<uint32_t>(stream), c3 = static_cast<uint32_t>(stream >> 32);
  uint32_t k0 = static_cast<uint32_t>(key), k1 = static_cast<uint32_t>(key >> 32);
  for (int round = 0; round < 10; ++round) {
    const Product p0 = Multiply(0xD2511F53u, c0);
    const Product p1 = Multiply(0xCD9E8D57u, c2);
    c0 = p1.high ^ c1 ^ k0;
    c1 = p1.low;
    c2 = p0.high ^ c3 ^ k1;
    c3 = p0.low;
    k0 += 0x9E3779B9u;
    k1 += 0xBB67AE85u;
  }
  return {c0, c1, c2, c3};
}

uint64_t RandomStream::NextBelow(uint64_t n) {
  const uint64_t rejected = (0 - n) % n;  // 2^64 mod n: values below it would be favoured.
  while (true) {
    const uint64_t high = NextBits();
    const uint64_t bits = high << 32 | NextBits();
    if (bits >= rejected) return bits % n;
  }
}

void RandomStream::SeekTo(uint64_t position) {
  counter_ = position / 4;
  used_ = 4;
  const auto offset = static_cast<uint32_t>(position % 4);
  if (offset == 0) return;
  block_ = Block(seed_, stream_, counter_++);
  used_ = offset;
}

}  // namespace anabranch
