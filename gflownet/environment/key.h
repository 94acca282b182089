// 128-bit names of objects and states.
#ifndef ANABRANCH_GFLOWNET_ENVIRONMENT_KEY_H_
#define ANABRANCH_GFLOWNET_ENVIRONMENT_KEY_H_

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

namespace anabranch {

// XXH3-128 of canonical bytes. The same on every machine and in every release: it stands in stored
// data. An object's key names what the oracle sees (a molecule's canonical SMILES); a state's key
// names a terminal state of the environment. Two states may be one object; distributions are over
// states, caches and mode counts go by objects.
struct Key128 {
  uint64_t high = 0;
  uint64_t low = 0;

  static Key128 Of(std::string_view canonical_bytes);

  // 16 bytes, big-endian, as on the wire.
  std::string ToBytes() const;
  // 32 hexadecimal digits, for people.
  std::string ToHex() const;
  // False (and `*key` untouched) unless `bytes` has exactly 16 bytes.
  static bool FromBytes(std::string_view bytes, Key128* key);

  friend bool operator==(const Key128&, const Key128&) = default;
  friend auto operator<=>(const Key128&, const Key128&) = default;
  template <typename H>
  friend H AbslHashValue(H h, const Key128& k) {
    return H::combine(std::move(h), k.high, k.low);
  }
};

using ObjectKey = Key128;
using StateKey = Key128;

}  // namespace anabranch

#endif  // ANABRANCH_GFLOWNET_ENVIRONMENT_KEY_H_
