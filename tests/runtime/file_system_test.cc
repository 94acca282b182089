#include "runtime/file_system.h"

#include <gtest/gtest.h>

#include <cerrno>
#include <string>
#include <vector>

#include "tests/runtime/temporary_directory.h"

namespace anabranch {
namespace {

using ::absl::StatusCode;

class PosixFileSystemTest : public testing::Test {
 protected:
  std::string Path(const std::string& name) const { return directory_.Path(name); }

  FileSystem* files_ = PosixFileSystem();
  const TemporaryDirectory directory_;
  const std::string root_ = directory_.path();
};

TEST_F(PosixFileSystemTest, ReadGivesWhatWriteTookByteForByte) {
  std::string content("zero\0byte\n", 10);
  content += std::string(300'000, 'x');
  ASSERT_TRUE(files_->WriteAndSync(Path("file"), content).ok());
  EXPECT_EQ(*files_->Read(Path("file")), content);
  ASSERT_TRUE(files_->Write(Path("file"), "").ok());
  EXPECT_EQ(*files_->Read(Path("file")), "");
}

TEST_F(PosixFileSystemTest, AMissingFileIsNotFoundAndNamed) {
  const absl::Status status = files_->Read(Path("absent.yaml")).status();
  EXPECT_EQ(status.code(), StatusCode::kNotFound);
  EXPECT_NE(status.message().find("absent.yaml\": No such file or directory; check that"),
            absl::string_view::npos)
      << status;
}

TEST_F(PosixFileSystemTest, RenameReplacesAndListIsSorted) {
  ASSERT_TRUE(files_->Write(Path("b"), "old").ok());
  ASSERT_TRUE(files_->Write(Path("c"), "new").ok());
  ASSERT_TRUE(files_->Write(Path("a"), "").ok());
  ASSERT_TRUE(files_->Rename(Path("c"), Path("b")).ok());
  ASSERT_TRUE(files_->SyncDirectory(root_).ok());
  EXPECT_EQ(*files_->Read(Path("b")), "new");
  EXPECT_EQ(*files_->List(root_), (std::vector<std::string>{"a", "b"}));
}

TEST_F(PosixFileSystemTest, MakeDirectoriesMakesParentsAndMayBeRepeated) {
  ASSERT_TRUE(files_->MakeDirectories(Path("x/y/z/")).ok());
  ASSERT_TRUE(files_->MakeDirectories(Path("x/y/z")).ok());
  EXPECT_TRUE(*files_->IsDirectory(Path("x/y/z")));
  EXPECT_FALSE(*files_->IsDirectory(Path("x/q")));
}

TEST_F(PosixFileSystemTest, AFileInTheWayOfADirectoryIsNamed) {
  ASSERT_TRUE(files_->Write(Path("file"), "").ok());
  const absl::Status status = files_->MakeDirectories(Path("file/below"));
  EXPECT_EQ(status.code(), StatusCode::kFailedPrecondition);
  EXPECT_NE(status.message().find("a file, not a directory"), absl::string_view::npos) << status;
  EXPECT_FALSE(*files_->Exists(Path("file/below")));
}

TEST_F(PosixFileSystemTest, OnlyEmptyDirectoriesAreRemoved) {
  ASSERT_TRUE(files_->MakeDirectories(Path("d")).ok());
  ASSERT_TRUE(files_->Write(Path("d/file"), "").ok());
  EXPECT_EQ(files_->RemoveDirectory(Path("d")).code(), StatusCode::kFailedPrecondition);
  EXPECT_TRUE(*files_->Exists(Path("d/file")));
}

TEST_F(PosixFileSystemTest, ADirectoryIsNotReadAsAFile) {
  EXPECT_EQ(files_->Read(root_).status().code(), StatusCode::kFailedPrecondition);
}

TEST(ErrnoToStatus, AFullDiskIsResourceExhaustedWithItsRemedy) {
  const absl::Status status = ErrnoToStatus(ENOSPC, "write", "/run/model");
  EXPECT_EQ(status.code(), StatusCode::kResourceExhausted);
  EXPECT_EQ(
      status.message(),
      "can't write \"/run/model\": No space left on device; the disk is full: free space on it");
}

TEST(ErrnoToStatus, EveryErrorNamesThePath) {
  for (int error_number = 1; error_number < 133; ++error_number) {
    const absl::Status status = ErrnoToStatus(error_number, "sync", "/a/b");
    EXPECT_FALSE(status.ok());
    EXPECT_NE(status.message().find("/a/b"), absl::string_view::npos) << status;
  }
}

TEST(Paths, JoinPutsOneSeparator) {
  EXPECT_EQ(JoinPath("a", "b"), "a/b");
  EXPECT_EQ(JoinPath("a/", "b"), "a/b");
  EXPECT_EQ(JoinPath("", "b"), "b");
}

TEST(Paths, ParentOfAPathIsWhatSyncDirectoryTakes) {
  EXPECT_EQ(ParentPath("a/b"), "a");
  EXPECT_EQ(ParentPath("a/b/"), "a");
  EXPECT_EQ(ParentPath("b"), ".");
  EXPECT_EQ(ParentPath("/b"), "/");
}

}  // namespace
}  // namespace anabranch
