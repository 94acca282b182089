#include "runtime/rpc/token_file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <memory>
#include <string>

#include "runtime/file_system.h"
#include "tests/runtime/temporary_directory.h"

namespace anabranch {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

class TokenFileTest : public testing::Test {
 protected:
  // As a careful hand does it: the new file takes the old one's place.
  void Write(const std::string& text, mode_t mode = 0600) {
    const std::string draft = path_ + ".new";
    EXPECT_TRUE(PosixFileSystem()->Write(draft, text).ok());
    EXPECT_EQ(chmod(draft.c_str(), mode), 0);
    EXPECT_TRUE(PosixFileSystem()->Rename(draft, path_).ok());
  }
  absl::StatusOr<std::unique_ptr<TokenFile>> Open() {
    return TokenFile::Open("cluster.replay_token_file", path_, log_, [this] { return now_; });
  }
  std::unique_ptr<TokenFile> Opened(const std::string& text) {
    Write(text);
    auto file = Open();
    EXPECT_TRUE(file.ok()) << file.status();
    return *std::move(file);
  }
  // What is said of a file that must be refused.
  std::string Refusal() {
    const absl::Status status = Open().status();
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << status;
    EXPECT_THAT(std::string(status.message()),
                AllOf(HasSubstr("cluster.replay_token_file"), HasSubstr(path_)));
    return std::string(status.message());
  }
  std::string Refusal(const std::string& text) {
    Write(text);
    return Refusal();
  }

  absl::Time now_ = absl::FromUnixSeconds(1'800'000'000);
  Log log_{LogOptions()};
  TemporaryDirectory directory_;
  const std::string path_ = directory_.Path("token");
};

TEST_F(TokenFileTest, TheLastLineBreakIsNotPartOfTheToken) {
  EXPECT_EQ(Opened("swordfish")->Current(), "swordfish");
  EXPECT_EQ(Opened("swordfish\n")->Current(), "swordfish");
  EXPECT_EQ(Opened("swordfish\r\n")->Current(), "swordfish");
}

TEST_F(TokenFileTest, WhatIsNoTokenIsRefusedAndNeverQuoted) {
  EXPECT_THAT(Refusal(), HasSubstr("No such file"));
  EXPECT_THAT(Refusal(""), HasSubstr("is empty"));
  EXPECT_THAT(Refusal("\n"), HasSubstr("is empty"));
  for (const std::string text : {"sword\nfish", "sword\nfish\n", "swordfish\n\n"}) {
    EXPECT_THAT(Refusal(text), AllOf(HasSubstr("more than one line"), Not(HasSubstr("sword"))));
  }
  EXPECT_THAT(Refusal("sword fish"), AllOf(HasSubstr("byte 6"), Not(HasSubstr("fish"))));
  EXPECT_THAT(Refusal("sw\xc3\xb6rdfish"), AllOf(HasSubstr("byte 3"), Not(HasSubstr("fish"))));
  EXPECT_THAT(Refusal(std::string(4097, 'x')), HasSubstr("4097 bytes"));
}

TEST_F(TokenFileTest, OnlyTheWholeTokenIsAccepted) {
  auto token = Opened("swordfish");
  EXPECT_TRUE(token->Accepts("swordfish"));
  for (const std::string other : {"", "s", "swordfis", "swordfish ", "swordfisH", "swordfishh"}) {
    EXPECT_FALSE(token->Accepts(other)) << other;
  }
}

TEST_F(TokenFileTest, ASenderSeesANewTokenWithinASecond) {
  auto token = Opened("swordfish");
  Write("trout");
  EXPECT_EQ(token->Current(), "swordfish");  // No look at the file for each call.
  now_ += absl::Seconds(1);
  EXPECT_EQ(token->Current(), "trout");
}

TEST_F(TokenFileTest, AServerLooksAtOnceWhenItDoesNotKnowAToken) {
  auto token = Opened("swordfish");
  EXPECT_FALSE(token->Accepts("trout"));
  Write("trout");
  EXPECT_TRUE(token->Accepts("trout"));
}

TEST_F(TokenFileTest, TheTokenBeforeOpensUntilEveryoneHasHadTimeToReadTheNewOne) {
  auto token = Opened("swordfish");
  Write("trout");
  now_ += absl::Seconds(2);
  EXPECT_TRUE(token->Accepts("trout"));
  now_ += TokenFile::kOverlap - absl::Seconds(1);
  EXPECT_TRUE(token->Accepts("swordfish"));
  now_ += absl::Seconds(1);
  EXPECT_FALSE(token->Accepts("swordfish"));
  EXPECT_TRUE(token->Accepts("trout"));
  // A third takes the second's place, and the first stays out.
  Write("perch");
  now_ += absl::Seconds(2);
  EXPECT_TRUE(token->Accepts("perch"));
  EXPECT_TRUE(token->Accepts("trout"));
  EXPECT_FALSE(token->Accepts("swordfish"));
}

TEST_F(TokenFileTest, AFileThatHoldsNoTokenAnyMoreIsWarnedOfOnceAndTheOldOneStays) {
  auto token = Opened("swordfish");
  Write("");
  now_ += absl::Seconds(2);
  testing::internal::CaptureStderr();
  EXPECT_EQ(token->Current(), "swordfish");
  const std::string first = testing::internal::GetCapturedStderr();
  EXPECT_THAT(first, AllOf(HasSubstr("warning"), HasSubstr("is empty"), HasSubstr("stays in use"),
                           Not(HasSubstr("swordfish"))));
  now_ += absl::Seconds(2);
  testing::internal::CaptureStderr();
  EXPECT_TRUE(token->Accepts("swordfish"));
  EXPECT_FALSE(token->Accepts(""));
  EXPECT_EQ(testing::internal::GetCapturedStderr(), "");
  Write("trout");
  now_ += absl::Seconds(2);
  EXPECT_EQ(token->Current(), "trout");
}

TEST_F(TokenFileTest, AFileThatEverybodyMayReadIsWarnedOf) {
  Write("swordfish", 0644);
  testing::internal::CaptureStderr();
  EXPECT_TRUE(Open().ok());
  EXPECT_THAT(testing::internal::GetCapturedStderr(),
              AllOf(HasSubstr(path_), HasSubstr("chmod"), Not(HasSubstr("swordfish"))));
}

}  // namespace
}  // namespace anabranch
