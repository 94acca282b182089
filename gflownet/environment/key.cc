#include "gflownet/environment/key.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "absl/strings/escaping.h"

namespace anabranch {
namespace {

void AppendBigEndian(uint64_t value, std::string& out) {
  for (int shift = 56; shift >= 0; shift -= 8) out.push_back(static_cast<char>(value >> shift));
}

uint64_t ReadBigEndian(std::string_view bytes) {
  uint64_t value = 0;
  for (const char byte : bytes) value = value << 8 | static_cast<unsigned char>(byte);
  return value;
}

}  // namespace

Key128 Key128::Of(std::string_view canonical_bytes) {
  const XXH128_hash_t hash = XXH3_128bits(canonical_bytes.data(), canonical_bytes.size());
  return {hash.high64, hash.low64};
}

std::string Key128::ToBytes() const {
  std::string bytes;
  bytes.reserve(16);
  AppendBigEndian(high, bytes);
  AppendBigEndian(low, bytes);
  return bytes;
}

std::string Key128::ToHex() const { return absl::BytesToHexString(ToBytes()); }

bool Key128::FromBytes(std::string_view bytes, Key128* key) {
  if (bytes.size() != 16) return false;
  *key = {ReadBigEndian(bytes.substr(0, 8)), ReadBigEndian(bytes.substr(8))};
  return true;
}

}  // namespace anabranch
