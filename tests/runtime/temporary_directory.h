// A place for a test's files.
#ifndef ANABRANCH_TESTS_RUNTIME_TEMPORARY_DIRECTORY_H_
#define ANABRANCH_TESTS_RUNTIME_TEMPORARY_DIRECTORY_H_

#include <gtest/gtest.h>
#include <stdlib.h>

#include <filesystem>
#include <string>
#include <system_error>

namespace anabranch {

// A new, empty directory, removed with all that is in it when this goes. path() is empty if none
// could be made.
class TemporaryDirectory {
 public:
  TemporaryDirectory() {
    std::string pattern = testing::TempDir() + "anabranch_XXXXXX";
    if (mkdtemp(pattern.data()) != nullptr) path_ = pattern;
  }
  ~TemporaryDirectory() {
    std::error_code ignored;
    if (!path_.empty()) std::filesystem::remove_all(path_, ignored);
  }
  TemporaryDirectory(const TemporaryDirectory&) = delete;
  TemporaryDirectory& operator=(const TemporaryDirectory&) = delete;

  const std::string& path() const { return path_; }
  std::string Path(const std::string& name) const { return path_ + "/" + name; }

 private:
  std::string path_;
};

}  // namespace anabranch

#endif  // ANABRANCH_TESTS_RUNTIME_TEMPORARY_DIRECTORY_H_
