#include "runtime/key_value_store.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <iostream>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "runtime/error_reason.h"
#include "tests/runtime/temporary_directory.h"

namespace anabranch {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Pair;

KeyValueBatch Puts(const std::vector<std::pair<std::string, std::string>>& pairs) {
  KeyValueBatch batch;
  for (const auto& [key, value] : pairs) batch.Put(key, value);
  return batch;
}

std::vector<std::pair<std::string, std::string>> All(KeyValueStore& store,
                                                     absl::string_view prefix) {
  std::vector<std::pair<std::string, std::string>> found;
  EXPECT_TRUE(store
                  .Scan(prefix,
                        [&](absl::string_view key, absl::string_view value) {
                          found.emplace_back(key, value);
                          return true;
                        })
                  .ok());
  return found;
}

// Runs in a child and gives what it exits with. For what must not happen to the tests' own process.
int InChild(const std::function<int()>& run) {
  const pid_t child = fork();
  if (child == 0) _exit(run());
  int state = 0;
  waitpid(child, &state, 0);
  return WIFEXITED(state) ? WEXITSTATUS(state) : 128 + WTERMSIG(state);
}

// Both kinds promise the same while the process lives.
class AnyStore : public testing::TestWithParam<bool> {
 protected:
  void SetUp() override {
    if (GetParam()) {
      auto opened = OpenStore(directory_.Path("store"));
      ASSERT_TRUE(opened.ok()) << opened.status();
      store_ = *std::move(opened);
    } else {
      store_ = MakeMemoryStore();
    }
  }

  TemporaryDirectory directory_;
  std::unique_ptr<KeyValueStore> store_;
};

TEST_P(AnyStore, KeepsBytesOfAnyKind) {
  const std::string key("a\0/\xff", 4), value("\0\n\xfe", 3);
  ASSERT_TRUE(store_->Write(Puts({{key, value}, {"empty", ""}}), true).ok());
  std::string found = "before";
  EXPECT_TRUE(*store_->Get(key, found));
  EXPECT_EQ(found, value);
  EXPECT_TRUE(*store_->Get("empty", found));
  EXPECT_EQ(found, "");
  found = "before";
  EXPECT_FALSE(*store_->Get("a", found));
  EXPECT_EQ(found, "before");
}

TEST_P(AnyStore, GetManySaysOfEachWhatGetSays) {
  ASSERT_TRUE(store_->Write(Puts({{"a", "1"}, {"c", ""}}), false).ok());
  std::vector<std::string> values = {"old", "old"};
  std::vector<char> found;
  ASSERT_TRUE(store_->GetMany({"c", "b", "a", "a"}, values, found).ok());
  EXPECT_THAT(values, ElementsAre("", "", "1", "1"));
  EXPECT_THAT(found, ElementsAre(1, 0, 1, 1));
  ASSERT_TRUE(store_->GetMany({}, values, found).ok());
  EXPECT_TRUE(values.empty());
}

TEST_P(AnyStore, AKeyThatIsNamedTwiceKeepsTheLast) {
  KeyValueBatch batch = Puts({{"a", "1"}, {"a", "2"}, {"b", "1"}});
  batch.Delete("b");
  batch.Delete("never there");
  ASSERT_TRUE(store_->Write(batch, false).ok());
  EXPECT_THAT(All(*store_, ""), ElementsAre(Pair("a", "2")));
}

TEST_P(AnyStore, ScanGivesThePrefixAscendingUntilItIsToldToStop) {
  ASSERT_TRUE(
      store_->Write(Puts({{"b", "0"}, {"ab", "2"}, {"a", "1"}, {"a\xff", "3"}, {"", "e"}}), false)
          .ok());
  EXPECT_THAT(All(*store_, "a"), ElementsAre(Pair("a", "1"), Pair("ab", "2"), Pair("a\xff", "3")));
  EXPECT_EQ(All(*store_, "").size(), 5u);
  int visited = 0;
  ASSERT_TRUE(
      store_->Scan("a", [&](absl::string_view, absl::string_view) { return ++visited < 2; }).ok());
  EXPECT_EQ(visited, 2);
}

TEST_P(AnyStore, AScanSeesOneMoment) {
  ASSERT_TRUE(store_->Write(Puts({{"a", "1"}, {"b", "1"}}), false).ok());
  std::vector<std::string> seen;
  const absl::Status status = store_->Scan("", [&](absl::string_view key, absl::string_view value) {
    seen.push_back(absl::StrCat(key, value));
    return store_->Write(Puts({{"b", "2"}, {"c", "2"}}), false).ok();
  });
  ASSERT_TRUE(status.ok()) << status;
  EXPECT_THAT(seen, ElementsAre("a1", "b1"));
  EXPECT_EQ(All(*store_, "").size(), 3u);
}

TEST_P(AnyStore, ABatchIsSeenWholeOrNotAtAll) {
  std::atomic<bool> stop = false;
  std::thread writer([&] {
    for (int i = 0; !stop; ++i) {
      const std::string value = std::to_string(i);
      ASSERT_TRUE(store_->Write(Puts({{"x", value}, {"y", value}}), false).ok());
    }
  });
  int torn = 0, seen = 0;
  while (seen < 300) {
    const auto both = All(*store_, "");
    if (both.empty()) continue;
    ++seen;
    if (both.size() != 2 || both[0].second != both[1].second) ++torn;
  }
  stop = true;
  writer.join();
  EXPECT_EQ(torn, 0);
}

INSTANTIATE_TEST_SUITE_P(Kinds, AnyStore, testing::Bool(),
                         [](const auto& info) { return info.param ? "Rocks" : "Memory"; });

class RocksStoreTest : public testing::Test {
 protected:
  std::unique_ptr<KeyValueStore> Open() {
    auto opened = OpenStore(path_);
    EXPECT_TRUE(opened.ok()) << opened.status();
    return opened.ok() ? *std::move(opened) : nullptr;
  }
  // The newest file whose name ends so.
  std::string File(const std::string& ending) const {
    std::string newest;
    for (const auto& entry : std::filesystem::directory_iterator(path_)) {
      const std::string name = entry.path().string();
      if (name.ends_with(ending) && name > newest) newest = name;
    }
    return newest;
  }

  TemporaryDirectory directory_;
  const std::string path_ = directory_.Path("some/where");
};

TEST_F(RocksStoreTest, WhatWasWrittenIsThereAfterReopening) {
  {
    const auto store = Open();
    ASSERT_TRUE(store->Write(Puts({{"a", "1"}, {"b", "1"}}), false).ok());
    KeyValueBatch batch;
    batch.Delete("a");
    ASSERT_TRUE(store->Write(batch, false).ok());
  }
  EXPECT_THAT(All(*Open(), ""), ElementsAre(Pair("b", "1")));
}

TEST_F(RocksStoreTest, WhatWasWrittenSurvivesAKillWithoutSync) {
  const int code = InChild([&] {
    auto store = OpenStore(path_);
    if (!store.ok() || !(*store)->Write(Puts({{"a", "1"}}), false).ok()) return 1;
    kill(getpid(), SIGKILL);
    return 2;
  });
  ASSERT_EQ(code, 128 + SIGKILL);
  EXPECT_THAT(All(*Open(), ""), ElementsAre(Pair("a", "1")));
}

TEST_F(RocksStoreTest, ASecondOpenerIsRefusedAndNamesTheDirectory) {
  const auto store = Open();
  const absl::Status here = OpenStore(path_).status();
  EXPECT_EQ(here.code(), absl::StatusCode::kFailedPrecondition) << here;
  EXPECT_THAT(std::string(here.message()), HasSubstr(path_));
  const int code = InChild([&] { return static_cast<int>(OpenStore(path_).status().code()); });
  EXPECT_EQ(code, static_cast<int>(absl::StatusCode::kFailedPrecondition));
  EXPECT_TRUE(store->Write(Puts({{"a", "1"}}), false).ok());  // The first isn't harmed.
}

TEST_F(RocksStoreTest, ATornTailIsCutOffAndTheRestIsThere) {
  {
    const auto store = Open();
    ASSERT_TRUE(store->Write(Puts({{"a", "1"}}), true).ok());
    ASSERT_TRUE(store->Write(Puts({{"b", std::string(1000, 'b')}}), true).ok());
  }
  const std::string log = File(".log");
  ASSERT_FALSE(log.empty());
  std::filesystem::resize_file(log, std::filesystem::file_size(log) - 500);
  EXPECT_THAT(All(*Open(), ""), ElementsAre(Pair("a", "1")));
}

TEST_F(RocksStoreTest, DamageThatCannotBeATornTailIsDataLoss) {
  ASSERT_TRUE(Open()->Write(Puts({{"a", "1"}}), true).ok());
  Open();  // What was logged is in a table now.
  const std::string table = File(".sst");
  ASSERT_FALSE(table.empty());
  std::filesystem::resize_file(table, std::filesystem::file_size(table) / 2);
  const absl::Status status = OpenStore(path_).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kDataLoss) << status;
  EXPECT_THAT(std::string(status.message()), HasSubstr(path_));
}

TEST_F(RocksStoreTest, ADirectoryThatCannotBeMadeIsUnavailableAndNamed) {
  const std::string file = directory_.Path("file");
  ASSERT_TRUE(InChild([&] { return fclose(fopen(file.c_str(), "w")); }) == 0);
  const absl::Status status = OpenStore(file + "/below").status();
  EXPECT_EQ(status.code(), absl::StatusCode::kUnavailable) << status;
  EXPECT_THAT(std::string(status.message()), HasSubstr(file));
}

constexpr int kNoMount = 77;

// A small disk of its own, that nobody outside this (child) process sees. False where processes may
// not mount.
bool MountSmallDisk(const std::string& path) {
  if (unshare(CLONE_NEWNS) != 0 && unshare(CLONE_NEWUSER | CLONE_NEWNS) != 0) return false;
  mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr);
  return mount("tmpfs", path.c_str(), "tmpfs", 0, "size=96m") == 0;
}

// Fills what is left of the disk but for `spare` bytes, and gives the file's name.
std::string FillDisk(const std::string& path, int64_t spare) {
  const std::string name = path + "/filler";
  const auto space = std::filesystem::space(path);
  const int file = open(name.c_str(), O_CREAT | O_WRONLY, 0600);
  const bool filled =
      file >= 0 && posix_fallocate(file, 0, static_cast<off_t>(space.available) - spare) == 0;
  close(file);
  return filled ? name : "";
}

// What goes wrong first, as a number; 0 if nothing.
int WriteUntilFull(const std::string& disk) {
  if (!MountSmallDisk(disk)) return kNoMount;
  auto store = OpenStore(disk + "/store");
  if (!store.ok() || !(*store)->Write(Puts({{"first", "1"}}), false).ok()) return 1;
  const std::string filler = FillDisk(disk, 300'000);
  if (filler.empty()) return 2;
  absl::Status status;
  int written = 0;
  while (status.ok() && written < 1000) {
    status = (*store)->Write(Puts({{absl::StrCat("k", written), std::string(50'000, 'x')}}), false);
    if (status.ok()) ++written;
  }
  if (ReasonOf(status) != kReasonDiskFull || written == 0) {
    std::cerr << written << " " << status << "\n";
    return 3;
  }
  std::string value;
  const auto found = (*store)->Get("first", value);
  if (!found.ok() || !*found || value != "1") return 4;  // What was there stays readable.
  status = (*store)->Write(Puts({{"more", std::string(50'000, 'x')}}), true);
  if (ReasonOf(status) != kReasonDiskFull) return 5;  // It says so each time.
  std::filesystem::remove(filler);
  status = (*store)->Write(Puts({{"last", "2"}}), true);
  if (!status.ok()) {
    std::cerr << status << "\n";
    return 6;  // Writing works again once there is space.
  }
  store->reset();
  store = OpenStore(disk + "/store");
  if (!store.ok()) return 7;
  const std::string newest = absl::StrCat("k", written - 1);
  for (const auto* key : {"first", newest.c_str(), "last"}) {
    const auto kept = (*store)->Get(key, value);
    if (!kept.ok() || !*kept) return 8;
  }
  return 0;
}

TEST_F(RocksStoreTest, AFullDiskSaysSoHarmsNothingAndWritingWorksAgainWithSpace) {
  std::filesystem::create_directories(path_);
  const int code = InChild([&] { return WriteUntilFull(path_); });
  if (code == kNoMount) GTEST_SKIP() << "no disk can be mounted here";
  EXPECT_EQ(code, 0);
}

}  // namespace
}  // namespace anabranch
