#include "tests/runtime/faulty_file_system.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "tests/runtime/temporary_directory.h"

namespace anabranch {
namespace {

using ::absl::StatusCode;
using Names = std::vector<std::string>;

class FaultyFileSystemTest : public testing::Test {
 protected:
  std::string Path(const std::string& name) const { return directory_.Path(name); }

  // A directory of one file, made aside, synced in all but what is left out, and renamed.
  absl::Status Publish(bool sync_file, bool sync_parent) {
    absl::Status status = files_.MakeDirectories(Path("tmp"));
    if (status.ok()) status = files_.Write(Path("tmp/f"), "content");
    if (status.ok() && sync_file) status = files_.SyncFile(Path("tmp/f"));
    if (status.ok()) status = files_.SyncDirectory(Path("tmp"));
    if (status.ok()) status = files_.Rename(Path("tmp"), Path("final"));
    if (status.ok() && sync_parent) status = files_.SyncDirectory(root_);
    return status;
  }

  const TemporaryDirectory directory_;
  const std::string root_ = directory_.path();
  FaultyFileSystem files_{PosixFileSystem()};
};

TEST_F(FaultyFileSystemTest, WhatWasSyncedSurvivesThePowerCut) {
  ASSERT_TRUE(Publish(true, true).ok());
  ASSERT_TRUE(files_.PowerOn().ok());
  EXPECT_EQ(*files_.Read(Path("final/f")), "content");
  EXPECT_EQ(*files_.List(root_), Names{"final"});
}

TEST_F(FaultyFileSystemTest, AnUnsyncedFileIsEmptyAfterThePowerCut) {
  ASSERT_TRUE(Publish(false, true).ok());
  EXPECT_EQ(*files_.Read(Path("final/f")), "content");
  ASSERT_TRUE(files_.PowerOn().ok());
  EXPECT_EQ(*files_.Read(Path("final/f")), "");
}

TEST_F(FaultyFileSystemTest, AnUnsyncedRenameIsForgotten) {
  ASSERT_TRUE(Publish(true, false).ok());
  ASSERT_TRUE(files_.PowerOn().ok());
  EXPECT_EQ(*files_.List(root_), Names{});
}

TEST_F(FaultyFileSystemTest, AnUnsyncedEntryOfARenamedDirectoryIsForgotten) {
  ASSERT_TRUE(files_.MakeDirectories(Path("tmp")).ok());
  ASSERT_TRUE(files_.WriteAndSync(Path("tmp/f"), "content").ok());
  ASSERT_TRUE(files_.Rename(Path("tmp"), Path("final")).ok());
  ASSERT_TRUE(files_.SyncDirectory(root_).ok());
  ASSERT_TRUE(files_.PowerOn().ok());
  EXPECT_EQ(*files_.List(root_), Names{"final"});
  EXPECT_EQ(*files_.List(Path("final")), Names{});
}

TEST_F(FaultyFileSystemTest, AnUnsyncedReplacementGivesTheOldContentBack) {
  ASSERT_TRUE(files_.WriteAndSync(Path("f"), "old").ok());
  ASSERT_TRUE(files_.SyncDirectory(root_).ok());
  ASSERT_TRUE(files_.WriteAndSync(Path("g"), "new").ok());
  ASSERT_TRUE(files_.Rename(Path("g"), Path("f")).ok());
  ASSERT_TRUE(files_.PowerOn().ok());
  EXPECT_EQ(*files_.Read(Path("f")), "old");
  EXPECT_EQ(*files_.List(root_), Names{"f"});
}

TEST_F(FaultyFileSystemTest, AnUnsyncedRemovalIsForgotten) {
  ASSERT_TRUE(Publish(true, true).ok());
  ASSERT_TRUE(files_.RemoveFile(Path("final/f")).ok());
  ASSERT_TRUE(files_.RemoveDirectory(Path("final")).ok());
  ASSERT_TRUE(files_.PowerOn().ok());
  EXPECT_EQ(*files_.Read(Path("final/f")), "content");
}

TEST_F(FaultyFileSystemTest, TheNthChangeFailsAndOnlyThat) {
  files_.FailAt(1, FileFault::kDiskFull);
  ASSERT_TRUE(files_.Write(Path("a"), "1").ok());
  EXPECT_EQ(files_.Write(Path("b"), "2").code(), StatusCode::kResourceExhausted);
  ASSERT_TRUE(files_.Write(Path("c"), "3").ok());
  EXPECT_EQ(*files_.List(root_), (Names{"a", "c"}));
  EXPECT_EQ(files_.changes(), 3);
}

TEST_F(FaultyFileSystemTest, AShortWriteLeavesHalf) {
  files_.FailAt(0, FileFault::kShortWrite);
  EXPECT_EQ(files_.Write(Path("a"), "123456").code(), StatusCode::kResourceExhausted);
  EXPECT_EQ(*files_.Read(Path("a")), "123");
}

TEST_F(FaultyFileSystemTest, AfterAPowerCutNothingWorksUntilPowerOn) {
  ASSERT_TRUE(files_.WriteAndSync(Path("a"), "1").ok());
  ASSERT_TRUE(files_.SyncDirectory(root_).ok());
  files_.FailAt(3, FileFault::kPowerCut);
  EXPECT_EQ(files_.Write(Path("b"), "2").code(), StatusCode::kUnavailable);
  EXPECT_EQ(files_.Read(Path("a")).status().code(), StatusCode::kUnavailable);
  EXPECT_EQ(files_.RemoveFile(Path("a")).code(), StatusCode::kUnavailable);
  ASSERT_TRUE(files_.PowerOn().ok());
  EXPECT_EQ(*files_.List(root_), Names{"a"});
}

TEST_F(FaultyFileSystemTest, APowerCutAtAnyChangeLeavesAllOfAPublicationOrNothing) {
  ASSERT_TRUE(Publish(true, true).ok());
  const int64_t changes = files_.changes();
  EXPECT_EQ(changes, 6);
  for (int64_t at = 0; at < changes; ++at) {
    const TemporaryDirectory directory;
    FaultyFileSystem files(PosixFileSystem());
    files.FailAt(at, FileFault::kPowerCut);
    absl::Status status = files.MakeDirectories(directory.Path("tmp"));
    if (status.ok()) status = files.WriteAndSync(directory.Path("tmp/f"), "content");
    if (status.ok()) status = files.SyncDirectory(directory.Path("tmp"));
    if (status.ok()) status = files.Rename(directory.Path("tmp"), directory.Path("final"));
    if (status.ok()) status = files.SyncDirectory(directory.path());
    ASSERT_EQ(status.code(), StatusCode::kUnavailable) << at;
    ASSERT_TRUE(files.PowerOn().ok()) << at;
    EXPECT_EQ(*files.List(directory.path()), Names{}) << at;
  }
}

}  // namespace
}  // namespace anabranch
