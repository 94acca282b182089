#include "replay/replay_state_file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "runtime/error_reason.h"
#include "tests/runtime/faulty_file_system.h"
#include "tests/runtime/temporary_directory.h"

namespace anabranch {
namespace {

using testing::HasSubstr;

const SavedReplay kOld = {"run-1", std::string("old\n\0state", 10)};
const SavedReplay kNew = {"run-1", std::string(100'000, 'n')};

void ExpectHolds(const FileSystem& file_system, const std::string& directory,
                 const SavedReplay& expected) {
  const auto loaded = LoadReplayState(file_system, directory);
  ASSERT_TRUE(loaded.ok()) << loaded.status();
  ASSERT_TRUE(loaded->has_value());
  EXPECT_EQ((*loaded)->run_id, expected.run_id);
  EXPECT_EQ((*loaded)->state, expected.state);
}

TEST(ReplayStateFileTest, WhatWasSavedIsLoadedByteForByte) {
  TemporaryDirectory directory;
  const std::string made = directory.Path("made/on/the/way");
  ASSERT_TRUE(SaveReplayState(*PosixFileSystem(), made, kOld).ok());
  ExpectHolds(*PosixFileSystem(), made, kOld);
}

TEST(ReplayStateFileTest, AnEmptyStateIsAState) {
  TemporaryDirectory directory;
  ASSERT_TRUE(SaveReplayState(*PosixFileSystem(), directory.path(), {"run-1", ""}).ok());
  ExpectHolds(*PosixFileSystem(), directory.path(), {"run-1", ""});
}

TEST(ReplayStateFileTest, NothingIsLoadedWhereNothingWasSaved) {
  TemporaryDirectory directory;
  const auto loaded = LoadReplayState(*PosixFileSystem(), directory.Path("missing"));
  ASSERT_TRUE(loaded.ok()) << loaded.status();
  EXPECT_FALSE(loaded->has_value());
}

TEST(ReplayStateFileTest, ARunIdOfSeveralLinesIsRefused) {
  TemporaryDirectory directory;
  const absl::Status status =
      SaveReplayState(*PosixFileSystem(), directory.path(), {"run\n1", "state"});
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(status.message()), HasSubstr("run_id"));
}

// Every byte, and every length: no damage goes unseen, wherever it is.
TEST(ReplayStateFileTest, EveryChangedByteAndEveryCutIsRefusedByName) {
  TemporaryDirectory directory;
  FileSystem& files = *PosixFileSystem();
  ASSERT_TRUE(SaveReplayState(files, directory.path(), kOld).ok());
  const std::string path = directory.Path(kReplayStateFile);
  const std::string whole = *files.Read(path);
  for (size_t i = 0; i < whole.size(); ++i) {
    std::string changed = whole;
    changed[i] ^= 1;
    for (const std::string& content : {changed, whole.substr(0, i)}) {
      ASSERT_TRUE(files.Write(path, content).ok());
      const auto loaded = LoadReplayState(files, directory.path());
      ASSERT_EQ(loaded.status().code(), absl::StatusCode::kDataLoss) << "byte " << i;
      EXPECT_EQ(ReasonOf(loaded.status()), kReasonCorrupt);
      EXPECT_THAT(std::string(loaded.status().message()), HasSubstr(path));
    }
  }
}

// A fault at each change of the file system in turn.
void SaveWithFaultAtEachChange(FileFault fault) {
  int64_t changes = 1;
  for (int64_t at = 0; at < changes; ++at) {
    SCOPED_TRACE(at);
    TemporaryDirectory directory;
    FaultyFileSystem files(PosixFileSystem());
    ASSERT_TRUE(SaveReplayState(files, directory.path(), kOld).ok());
    changes = files.changes();
    files.FailAt(changes + at, fault);
    const absl::Status status = SaveReplayState(files, directory.path(), kNew);
    ASSERT_FALSE(status.ok());
    if (fault == FileFault::kPowerCut) {
      ASSERT_TRUE(files.PowerOn().ok());
    } else {
      EXPECT_EQ(ReasonOf(status), kReasonDiskFull);
      EXPECT_FALSE(*files.Exists(directory.Path("state.bin.new")));
    }
    // Once renamed it is the new one, whole, though nobody could promise that it survives.
    const auto loaded = LoadReplayState(files, directory.path());
    ASSERT_TRUE(loaded.ok()) << loaded.status();
    ASSERT_TRUE(loaded->has_value());
    const bool renamed = at == changes - 1 && fault != FileFault::kPowerCut;
    EXPECT_EQ((*loaded)->state, renamed ? kNew.state : kOld.state);
  }
  EXPECT_GE(changes, 5);  // Directory, write, sync, rename, sync.
}

TEST(ReplayStateFileTest, ADiskThatFillsUpAtAnyPointLeavesTheOldFile) {
  SaveWithFaultAtEachChange(FileFault::kDiskFull);
  SaveWithFaultAtEachChange(FileFault::kShortWrite);
}

TEST(ReplayStateFileTest, APowerCutAtAnyPointLeavesTheOldFile) {
  SaveWithFaultAtEachChange(FileFault::kPowerCut);
}

TEST(ReplayStateFileTest, ALeftOverTemporaryFileIsNoObstacle) {
  TemporaryDirectory directory;
  ASSERT_TRUE(PosixFileSystem()->Write(directory.Path("state.bin.new"), "half").ok());
  ASSERT_TRUE(SaveReplayState(*PosixFileSystem(), directory.path(), kNew).ok());
  ExpectHolds(*PosixFileSystem(), directory.path(), kNew);
}

}  // namespace
}  // namespace anabranch
