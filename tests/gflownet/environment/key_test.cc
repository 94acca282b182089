#include "gflownet/environment/key.h"

#include <string>

#include "gtest/gtest.h"

namespace anabranch {
namespace {

// What the xxh128sum tool prints: keys stand in stored data.
TEST(Key128Test, IsXxh3With128Bits) {
  EXPECT_EQ(Key128::Of("").ToHex(), "99aa06d3014798d86001c324468d497f");
  EXPECT_EQ(Key128::Of("a").ToHex(), "a96faf705af16834e6c632b61e964e1f");
  EXPECT_EQ(Key128::Of("abc").ToHex(), "06b05ab6733a618578af5f94892f3950");
}

TEST(Key128Test, HasTheSameBytesOnEveryMachine) {
  const Key128 key{0x0102030405060708, 0xf0f1f2f3f4f5f6f7};
  EXPECT_EQ(key.ToBytes(), "\x01\x02\x03\x04\x05\x06\x07\x08\xf0\xf1\xf2\xf3\xf4\xf5\xf6\xf7");
  EXPECT_EQ(key.ToHex(), "0102030405060708f0f1f2f3f4f5f6f7");
  Key128 read;
  ASSERT_TRUE(Key128::FromBytes(key.ToBytes(), &read));
  EXPECT_EQ(read, key);
}

TEST(Key128Test, BytesOfAnotherLengthAreNoKeyAndChangeNothing) {
  const Key128 before{1, 2};
  for (const size_t size : {0, 15, 17, 32}) {
    Key128 key = before;
    EXPECT_FALSE(Key128::FromBytes(std::string(size, 'x'), &key)) << size;
    EXPECT_EQ(key, before) << size;
  }
}

}  // namespace
}  // namespace anabranch
