#include "reward/adapters/json_answer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <optional>
#include <string>
#include <vector>

#include "reward/adapters/program_log.h"
#include "runtime/error_reason.h"

namespace anabranch {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

constexpr double kInfinity = std::numeric_limits<double>::infinity();

TEST(ParseAnswer, NumbersThatJsonLacksAreUnderstood) {
  const auto answer = ParseAnswer(R"({"x": [NaN, Infinity, -Infinity, -1, null, true]})");
  ASSERT_TRUE(answer.ok()) << answer.status();
  const auto scored = ReadColumns(*answer, 6, {"x"});
  ASSERT_TRUE(scored.ok()) << scored.status();
  const auto& column = scored->columns[0];
  EXPECT_TRUE(std::isnan(column[0].value()));
  EXPECT_EQ(column[1], kInfinity);
  EXPECT_EQ(column[2], -kInfinity);
  EXPECT_EQ(column[3], -1);
  EXPECT_EQ(column[4], std::nullopt);
  EXPECT_EQ(column[5], 1);
  EXPECT_TRUE(scored->statuses.empty());
}

TEST(ParseAnswer, TextThatLooksLikeSuchNumbersStaysText) {
  const auto answer = ParseAnswer(R"({"NaN": "a \" NaN, -Infinity \\", "y\\": NaN})");
  ASSERT_TRUE(answer.ok()) << answer.status();
  EXPECT_EQ(answer->at("NaN"), "a \" NaN, -Infinity \\");
  EXPECT_EQ(answer->at("y\\"), "NaN");
}

TEST(ParseAnswer, WhatIsNoJsonIsQuotedAndNeverCrashes) {
  for (const std::string text :
       {"", " ", "{", "[1,", "\"", "\"\\", "{\"x\": [1e999]}", "NaNNaN", "-", "nul", "[1] [2]",
        "{\"x\": \"\xff\"}", "\xef\xbb", "]]]]", "{\"a\":1,}"}) {
    const auto answer = ParseAnswer(text);
    EXPECT_EQ(ReasonOf(answer.status()), kReasonMalformedAnswer) << text;
    EXPECT_TRUE(absl::IsUnavailable(answer.status())) << text;
  }
  EXPECT_THAT(ParseAnswer("<html>\x01 busy").status().ToString(), HasSubstr("<html>\\001 busy"));
}

TEST(ParseAnswer, NestingIsBounded) {
  const std::string deep(33, '['), shallow(32, '[');
  EXPECT_THAT(ParseAnswer(deep + std::string(33, ']')).status().ToString(), HasSubstr("nested"));
  EXPECT_TRUE(ParseAnswer(shallow + std::string(32, ']')).ok());
  EXPECT_THAT(ParseAnswer(std::string(10'000'000, '[')).status().ToString(), HasSubstr("nested"));
}

TEST(ReadColumns, ColumnsComeInTheOrderAskedForAndOthersAreDropped) {
  const auto scored =
      ReadColumns(nlohmann::json::parse(R"({"a": [1, 2], "b": [3, 4], "c": []})"), 2, {"b", "a"});
  ASSERT_TRUE(scored.ok()) << scored.status();
  EXPECT_THAT(scored->columns, ElementsAre(ElementsAre(3, 4), ElementsAre(1, 2)));
}

TEST(ReadColumns, AnotherFormThanListsByNameIsRefused) {
  for (const char* text : {"[]", "1", "null", R"({"a": 1})", R"({"a": {"0": 1}})", "{}"}) {
    const auto scored = ReadColumns(nlohmann::json::parse(text), 1, {"a"});
    EXPECT_EQ(ReasonOf(scored.status()), kReasonMalformedAnswer) << text;
  }
}

TEST(ReadRows, AnEntryThatIsNoObjectIsNamed) {
  const auto scored = ReadRows(nlohmann::json::parse(R"([{"a": 1}, 2])"), 2, {"a"});
  EXPECT_EQ(ReasonOf(scored.status()), kReasonMalformedAnswer);
  EXPECT_THAT(scored.status().ToString(), HasSubstr("entry 1"));
}

TEST(ReadStatuses, UnknownWordsAndWrongCountsAreRefused) {
  const auto read = [](const char* text) {
    ScoredObjects scored;
    return ReadStatuses(nlohmann::json::parse(text), 2, scored);
  };
  EXPECT_TRUE(read(R"({})").ok());
  EXPECT_TRUE(read(R"({"status": null, "reasons": [null, "x"]})").ok());
  EXPECT_THAT(read(R"({"status": ["ok", "maybe"]})").ToString(),
              AllOf(HasSubstr("maybe"), HasSubstr("retryable")));
  EXPECT_THAT(read(R"({"status": ["ok"]})").ToString(), HasSubstr("1 status, where 2"));
  EXPECT_THAT(read(R"({"reasons": ["a", "b", "c"]})").ToString(), HasSubstr("3 reasons, where 2"));
  EXPECT_EQ(ReasonOf(read(R"({"status": "ok"})")), kReasonMalformedAnswer);
}

TEST(IsUtf8, IsStrict) {
  EXPECT_TRUE(IsUtf8(""));
  EXPECT_TRUE(IsUtf8("CCO \u00e9 \u6f22 \U0001F9EA"));
  EXPECT_FALSE(IsUtf8("\x80"));
  EXPECT_FALSE(IsUtf8("\xc3"));
  EXPECT_FALSE(IsUtf8("\xc0\x80"));  // Longer than need be.
  EXPECT_FALSE(IsUtf8("\xe0\x80\x80"));
  EXPECT_FALSE(IsUtf8("\xed\xa0\x80"));      // A surrogate.
  EXPECT_FALSE(IsUtf8("\xf4\x90\x80\x80"));  // Beyond Unicode.
  EXPECT_FALSE(IsUtf8("\xff"));
}

TEST(Shortened, CutsBetweenCharacters) {
  EXPECT_EQ(Shortened("abc", 3), "abc");
  EXPECT_EQ(Shortened("abc", 2), "ab");
  EXPECT_EQ(Shortened("a\u6f22b", 3), "a");
  EXPECT_EQ(Shortened("a\u6f22b", 4), "a\u6f22");
}

TEST(LineCutter, LinesAreCutWhereverTheBytesArriveAndAreOfBoundedLength) {
  LineCutter cutter;
  std::vector<std::string> lines;
  const auto take = [&lines](absl::string_view line) { lines.emplace_back(line); };
  cutter.Add("on", take);
  cutter.Add("e\ntwo\n\nthr", take);
  cutter.Add(std::string(5000, 'x'), take);
  cutter.Add("\nlast", take);
  EXPECT_EQ(lines.size(), 3);
  cutter.Finish(take);
  EXPECT_THAT(lines, ElementsAre("one", "two", "thr" + std::string(997, 'x'), "last"));
}

TEST(ProgramLog, AFloodIsCutAndCounted) {
  LogOptions options;
  options.format = LogFormat::kJson;
  Log log(options);
  ProgramLog program("mine", log);
  const absl::Time start = absl::UnixEpoch();
  testing::internal::CaptureStderr();
  for (int i = 0; i < 150; ++i) program.Line(1, "noise", start);
  program.Line(1, "after a second", start + absl::Seconds(1));
  program.Line(1, "and once more", start + absl::Seconds(1));
  const std::string text = testing::internal::GetCapturedStderr();
  size_t lines = 0;
  for (size_t at = text.find("noise"); at != std::string::npos; at = text.find("noise", at + 1)) {
    ++lines;
  }
  EXPECT_EQ(lines, 100);
  EXPECT_THAT(text, AllOf(HasSubstr("after a second"), HasSubstr("and once more"),
                          HasSubstr("\"lines\":\"50\"")));
}

}  // namespace
}  // namespace anabranch
