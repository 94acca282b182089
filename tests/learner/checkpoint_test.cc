#include "learner/checkpoint.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "learner/run_directory.h"
#include "tests/runtime/faulty_file_system.h"

namespace anabranch {
namespace {

using ::absl::StatusCode;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

class CheckpointTest : public testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = JoinPath(testing::TempDir(), "anabranch_checkpoint_XXXXXX");
    ASSERT_NE(mkdtemp(pattern.data()), nullptr);
    root_ = pattern;
    directory_ = JoinPath(root_, "checkpoints");
  }
  void TearDown() override { std::filesystem::remove_all(root_); }

  static v1::CheckpointManifest Manifest(uint64_t step) {
    v1::CheckpointManifest manifest;
    manifest.set_run_id("run-a");
    manifest.set_environment_fingerprint("grid/1 side=8");
    manifest.set_step(step);
    return manifest;
  }
  static std::map<std::string, std::string> Files(uint64_t step) {
    return {{"model.safetensors", "model of " + std::to_string(step)}, {"replay.bin", ""}};
  }
  absl::StatusOr<CheckpointStore::Saved> Save(uint64_t step, int64_t keep = 3) {
    return CheckpointStore(&files_, directory_, keep).Save(Manifest(step), Files(step));
  }
  FoundCheckpoint Latest() {
    auto found = FindLatestCheckpoint(files_, directory_, {"run-a", "grid/1 side=8"});
    EXPECT_TRUE(found.ok()) << found.status();
    return found.ok() ? *found : FoundCheckpoint();
  }
  std::vector<std::string> List(const std::string& path) { return *files_.List(path); }
  std::vector<std::string> Names() { return List(directory_); }

  FaultyFileSystem files_{PosixFileSystem()};
  std::string root_;
  std::string directory_;
};

TEST_F(CheckpointTest, WhatWasSavedIsFound) {
  ASSERT_TRUE(Save(7).ok());
  const FoundCheckpoint found = Latest();
  ASSERT_TRUE(found.checkpoint.has_value());
  EXPECT_THAT(found.warnings, IsEmpty());
  EXPECT_EQ(found.checkpoint->manifest.step(), 7);
  EXPECT_EQ(found.checkpoint->files, Files(7));
}

TEST_F(CheckpointTest, ADirectoryThatIsNotThereHoldsNone) {
  EXPECT_FALSE(Latest().checkpoint.has_value());
  EXPECT_EQ(OpenRun(files_, root_).status().code(), StatusCode::kNotFound);
}

TEST_F(CheckpointTest, TheNewestCountsByNumberNotByName) {
  ASSERT_TRUE(Save(999'999'999'999).ok());
  ASSERT_TRUE(Save(1'000'000'000'000).ok());  // One digit longer than the names are padded to.
  EXPECT_EQ(Latest().checkpoint->manifest.step(), 1'000'000'000'000);
}

TEST_F(CheckpointTest, OnlyTheNewestAreKept) {
  for (uint64_t step = 1; step <= 4; ++step) ASSERT_TRUE(Save(step, 2).ok());
  EXPECT_THAT(Names(), ElementsAre("step-000000000003", "step-000000000004"));
}

TEST_F(CheckpointTest, FilesOfOthersAreNeverDeleted) {
  ASSERT_TRUE(Save(1, 1).ok());
  const std::string notes = JoinPath(directory_, "step-000000000001/notes.txt");
  ASSERT_TRUE(files_.Write(notes, "mine").ok());
  auto saved = Save(2, 1);
  ASSERT_TRUE(saved.ok()) << saved.status();
  ASSERT_THAT(saved->warnings, SizeIs(1));
  EXPECT_THAT(saved->warnings[0], HasSubstr("notes.txt"));
  EXPECT_EQ(*files_.Read(notes), "mine");
  EXPECT_TRUE(ReadCheckpoint(files_, JoinPath(directory_, "step-000000000001")).ok());
}

TEST_F(CheckpointTest, ACheckpointOfTheSameStepIsReplaced) {
  ASSERT_TRUE(Save(5).ok());
  auto changed = Files(5);
  changed["model.safetensors"] = "another";
  ASSERT_TRUE(CheckpointStore(&files_, directory_, 3).Save(Manifest(5), changed).ok());
  EXPECT_EQ(Latest().checkpoint->files, changed);
  EXPECT_THAT(Names(), ElementsAre("step-000000000005"));
}

TEST_F(CheckpointTest, ADamagedOneOfTheSameStepIsMovedAside) {
  ASSERT_TRUE(Save(5).ok());
  ASSERT_TRUE(files_.Write(JoinPath(directory_, "step-000000000005/replay.bin"), "x").ok());
  ASSERT_TRUE(Save(5).ok());
  EXPECT_EQ(Latest().checkpoint->manifest.step(), 5);
  EXPECT_THAT(Names(), ElementsAre("damaged-step-000000000005", "step-000000000005"));
}

TEST_F(CheckpointTest, AnotherEnvironmentOrRunIsRefusedByName) {
  ASSERT_TRUE(Save(1).ok());
  auto found = FindLatestCheckpoint(files_, directory_, {"run-a", "grid/1 side=16"});
  EXPECT_EQ(found.status().code(), StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(found.status().message()), HasSubstr("grid/1 side=8"));
  EXPECT_THAT(std::string(found.status().message()), HasSubstr("grid/1 side=16"));
  found = FindLatestCheckpoint(files_, directory_, {"run-b", "grid/1 side=8"});
  EXPECT_EQ(found.status().code(), StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(found.status().message()), HasSubstr("run-a"));
  EXPECT_THAT(std::string(found.status().message()), HasSubstr("run-b"));
}

TEST_F(CheckpointTest, AnyChangedByteOfAnyFileIsNoticedAndTheOneBeforeIsUsed) {
  ASSERT_TRUE(Save(1).ok());
  auto saved = Save(2);
  ASSERT_TRUE(saved.ok());
  for (const std::string& name : List(saved->path)) {
    const std::string path = JoinPath(saved->path, name);
    const std::string whole = *files_.Read(path);
    for (size_t i = 0; i < whole.size(); ++i) {
      std::string changed = whole;
      changed[i] ^= 1 << (i % 8);
      ASSERT_TRUE(PosixFileSystem()->Write(path, changed).ok());
      const FoundCheckpoint found = Latest();
      ASSERT_TRUE(found.checkpoint.has_value()) << name << " byte " << i;
      EXPECT_EQ(found.checkpoint->manifest.step(), 1) << name << " byte " << i;
      ASSERT_THAT(found.warnings, SizeIs(1));
      EXPECT_THAT(found.warnings[0], HasSubstr(saved->path));
    }
    ASSERT_TRUE(PosixFileSystem()->Write(path, whole).ok());
  }
  EXPECT_EQ(Latest().checkpoint->manifest.step(), 2);
}

TEST_F(CheckpointTest, AnyFileThatIsCutShortOrGoneIsNoticed) {
  ASSERT_TRUE(Save(1).ok());
  auto saved = Save(2);
  ASSERT_TRUE(saved.ok());
  for (const std::string& name : List(saved->path)) {
    const std::string path = JoinPath(saved->path, name);
    const std::string whole = *files_.Read(path);
    for (const size_t length : {whole.size() / 2, size_t{0}}) {
      if (length == whole.size()) continue;
      ASSERT_TRUE(PosixFileSystem()->Write(path, whole.substr(0, length)).ok());
      EXPECT_EQ(Latest().checkpoint->manifest.step(), 1) << name << " cut to " << length;
    }
    ASSERT_TRUE(PosixFileSystem()->RemoveFile(path).ok());
    const FoundCheckpoint found = Latest();
    EXPECT_EQ(found.checkpoint->manifest.step(), 1) << name << " removed";
    EXPECT_THAT(found.warnings, ElementsAre(HasSubstr("is missing")));
    ASSERT_TRUE(PosixFileSystem()->Write(path, whole).ok());
  }
}

TEST_F(CheckpointTest, ANewerFormatIsRefusedNotMistakenForDamage) {
  auto saved = Save(1);
  ASSERT_TRUE(saved.ok());
  const std::string path = JoinPath(saved->path, "manifest.json");
  std::string json = *files_.Read(path);
  const size_t at = json.find("\"format_version\": 1");
  ASSERT_NE(at, std::string::npos);
  json.insert(at + 18, "9");
  ASSERT_TRUE(files_.Write(path, json).ok());
  // The sums of a whole checkpoint of that format.
  ASSERT_EQ(std::system(("cd " + saved->path +
                         " && sha256sum model.safetensors replay.bin manifest.json > SHA256SUMS")
                            .c_str()),
            0);
  auto found = FindLatestCheckpoint(files_, directory_, {});
  EXPECT_EQ(found.status().code(), StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(found.status().message()), HasSubstr("format_version is 91"));
}

// Saves step 2 over step 1 with a fault at each change of the disk in turn.
class CheckpointFaultTest : public CheckpointTest, public testing::WithParamInterface<FileFault> {};

TEST_P(CheckpointFaultTest, LeavesAWholeCheckpointWhereverItStrikes) {
  int64_t fault = 0;
  for (bool struck = true; struck; ++fault) {
    directory_ = JoinPath(root_, "checkpoints-" + std::to_string(fault));
    ASSERT_TRUE(files_.MakeDirectories(directory_).ok());
    ASSERT_TRUE(files_.SyncDirectory(root_).ok());
    ASSERT_TRUE(Save(1, 1).ok());
    const int64_t before = files_.changes();
    files_.FailAt(before + fault, GetParam());
    auto saved = Save(2, 1);
    struck = files_.changes() > before + fault;
    files_.FailAt(-1, GetParam());
    ASSERT_TRUE(files_.PowerOn().ok());
    const FoundCheckpoint found = Latest();
    ASSERT_TRUE(found.checkpoint.has_value()) << "fault at change " << fault;
    EXPECT_THAT(found.warnings, IsEmpty()) << "fault at change " << fault;
    const uint64_t step = found.checkpoint->manifest.step();
    EXPECT_TRUE(step == 1 || step == 2);
    if (saved.ok()) {
      EXPECT_EQ(step, 2) << "fault at change " << fault;
    }
    // And life goes on.
    auto next = Save(3, 1);
    ASSERT_TRUE(next.ok()) << "after a fault at change " << fault << ": " << next.status();
    EXPECT_EQ(Latest().checkpoint->manifest.step(), 3);
    EXPECT_THAT(Names(), ElementsAre("step-000000000003")) << "after a fault at change " << fault;
  }
  EXPECT_GT(fault, 10);  // So many changes were there to strike at.
}

INSTANTIATE_TEST_SUITE_P(Faults, CheckpointFaultTest,
                         testing::Values(FileFault::kDiskFull, FileFault::kShortWrite,
                                         FileFault::kPowerCut));

TEST_F(CheckpointTest, ARunIsOpenedByAnyOfItsDirectories) {
  auto saved = Save(4);
  ASSERT_TRUE(saved.ok());
  for (const std::string& path : {root_, directory_, saved->path}) {
    auto run = OpenRun(files_, path);
    ASSERT_TRUE(run.ok()) << path << ": " << run.status();
    EXPECT_EQ(run->checkpoint.manifest.step(), 4);
  }
}

}  // namespace
}  // namespace anabranch
