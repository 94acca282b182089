#include "runtime/sha256.h"

#include <gtest/gtest.h>

#include <string>
#include <utility>

#include "absl/strings/escaping.h"

namespace anabranch {
namespace {

// FIPS 180-2, appendix B.
TEST(Sha256, GivesThePublishedDigests) {
  EXPECT_EQ(Sha256Hex(""), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  EXPECT_EQ(Sha256Hex("abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  EXPECT_EQ(Sha256Hex(std::string(1'000'000, 'a')),
            "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
}

TEST(Sha256, PiecesGiveTheDigestOfTheWhole) {
  Sha256 sha256;
  sha256.Update("a");
  sha256.Update("");
  Sha256 moved = std::move(sha256);
  moved.Update("bc");
  EXPECT_EQ(moved.Finish(), Sha256Digest("abc"));
}

TEST(Sha256, FinishBeginsANewDigest) {
  Sha256 sha256;
  sha256.Update("something else");
  sha256.Finish();
  sha256.Update("abc");
  EXPECT_EQ(absl::BytesToHexString(sha256.Finish()), Sha256Hex("abc"));
}

TEST(Sha256, ZeroBytesCount) {
  EXPECT_NE(Sha256Hex(std::string("a\0b", 3)), Sha256Hex(std::string("a\0c", 3)));
}

}  // namespace
}  // namespace anabranch
