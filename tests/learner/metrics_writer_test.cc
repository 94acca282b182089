#include "learner/metrics_writer.h"

#include <gtest/gtest.h>
#include <stdlib.h>

#include <filesystem>
#include <limits>
#include <string>

namespace anabranch {
namespace {

using Json = nlohmann::ordered_json;

class MetricsWriterTest : public testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = JoinPath(testing::TempDir(), "anabranch_metrics_XXXXXX");
    ASSERT_NE(mkdtemp(pattern.data()), nullptr);
    root_ = pattern;
  }
  void TearDown() override { std::filesystem::remove_all(root_); }

  std::unique_ptr<MetricsWriter> Open(int64_t last_step) {
    auto writer = MetricsWriter::Open(PosixFileSystem(), root_, last_step);
    EXPECT_TRUE(writer.ok()) << writer.status();
    return *std::move(writer);
  }
  std::string Lines() { return *PosixFileSystem()->Read(JoinPath(root_, "metrics.jsonl")); }

  std::string root_;
};

TEST_F(MetricsWriterTest, EachLineIsThereAtOnceInTheOrderOfItsKeys) {
  auto writer = Open(0);
  ASSERT_TRUE(writer->Append(Json{{"step", 1}, {"loss", 0.5}, {"alpha", 2}}).ok());
  EXPECT_EQ(Lines(), "{\"step\":1,\"loss\":0.5,\"alpha\":2}\n");
}

TEST_F(MetricsWriterTest, WhatIsNotFiniteIsNull) {
  auto writer = Open(0);
  ASSERT_TRUE(
      writer->Append(Json{{"step", 1}, {"loss", std::numeric_limits<double>::infinity()}}).ok());
  EXPECT_EQ(Lines(), "{\"step\":1,\"loss\":null}\n");
}

TEST_F(MetricsWriterTest, AResumedRunDropsItsFutureAndHalfLines) {
  ASSERT_TRUE(PosixFileSystem()
                  ->Write(JoinPath(root_, "metrics.jsonl"),
                          "{\"step\":1,\"seconds\":2.5}\n{\"step\":2}\n{\"step\":1,\"se")
                  .ok());
  auto writer = Open(1);
  EXPECT_EQ(writer->last_kept()["seconds"], 2.5);
  ASSERT_TRUE(writer->Append(Json{{"step", 2}, {"again", true}}).ok());
  EXPECT_EQ(Lines(), "{\"step\":1,\"seconds\":2.5}\n{\"step\":2,\"again\":true}\n");
}

TEST_F(MetricsWriterTest, TheSummaryIsReplacedAsAWhole) {
  auto writer = Open(0);
  ASSERT_TRUE(writer->WriteSummary(Json{{"a", 1}, {"b", 2}}).ok());
  ASSERT_TRUE(writer->WriteSummary(Json{{"a", 3}}).ok());
  EXPECT_EQ(Json::parse(*PosixFileSystem()->Read(JoinPath(root_, "summary.json"))),
            (Json{{"a", 3}}));
}

}  // namespace
}  // namespace anabranch
