#include "runtime/log.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <nlohmann/json.hpp>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"

namespace anabranch {
namespace {

using ::testing::ContainsRegex;
using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::SizeIs;

// Texts that break lines, quotes, terminals or encodings.
const std::vector<std::string>& Nasty() {
  static const auto* const texts = new std::vector<std::string>{
      "",
      "plain",
      "two\nlines",
      "carriage\rreturn",
      "quote\" and \\ backslash",
      "{\"json\": true}",
      "tab\tand bell\a and escape \x1b[31m",
      std::string("nul\0inside", 10),
      "no \xff UTF-8 \xc3",
      "\u00fcber \u6f22\u5b57",
      "\u2028 is a line to some",
  };
  return *texts;
}

LogOptions Options(LogFormat format, LogLevel level = LogLevel::kInfo) {
  LogOptions options;
  options.format = format;
  options.level = level;
  options.role = "actor";
  options.name = "actor-3";
  return options;
}

// The lines that `write` puts on standard error.
std::vector<std::string> LinesOf(const std::function<void()>& write) {
  testing::internal::CaptureStderr();
  write();
  const std::string text = testing::internal::GetCapturedStderr();
  std::vector<std::string> lines = absl::StrSplit(text, '\n');
  if (!lines.empty() && lines.back().empty()) lines.pop_back();
  return lines;
}

TEST(JsonLog, EachLineIsOneObjectWhateverItsText) {
  for (const std::string& text : Nasty()) {
    Log log(Options(LogFormat::kJson));
    const auto lines = LinesOf([&] { log.Warning(text, {{"field", text}, {"other", "x"}}); });
    ASSERT_THAT(lines, SizeIs(1)) << text;
    const auto line = nlohmann::json::parse(lines[0], nullptr, false);
    ASSERT_TRUE(line.is_object()) << lines[0];
    EXPECT_EQ(line["level"], "warning");
    EXPECT_EQ(line["role"], "actor");
    EXPECT_EQ(line["name"], "actor-3");
    EXPECT_EQ(line["other"], "x");
    EXPECT_EQ(line["message"], line["field"]);
    EXPECT_THAT(std::string(line["time"]),
                ContainsRegex("^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:]{8}\\.[0-9]{3}Z$"));
  }
}

TEST(JsonLog, TextComesBackAsItWas) {
  Log log(Options(LogFormat::kJson));
  for (const std::string text : {"two\nlines", "quote\" and \\", "\u00fcber"}) {
    const auto lines = LinesOf([&] { log.Info(text); });
    ASSERT_THAT(lines, SizeIs(1));
    EXPECT_EQ(nlohmann::json::parse(lines[0])["message"], text);
  }
}

TEST(JsonLog, AFieldNeverHidesWhatStandsInEveryLine) {
  Log log(Options(LogFormat::kJson));
  log.SetRunId("run-7");
  const auto lines =
      LinesOf([&] { log.Info("real", {{"message", "field"}, {"run_id", "other"}, {"a", "1"}}); });
  ASSERT_THAT(lines, SizeIs(1));
  const auto line = nlohmann::json::parse(lines[0]);
  EXPECT_EQ(line["message"], "real");
  EXPECT_EQ(line["message_"], "field");
  EXPECT_EQ(line["run_id"], "run-7");
  EXPECT_EQ(line["run_id_"], "other");
}

TEST(TextLog, EachEventIsOneLineWithoutControlCharacters) {
  for (const std::string& text : Nasty()) {
    Log log(Options(LogFormat::kText));
    const auto lines = LinesOf([&] { log.Info(text, {{"field", text}}); });
    ASSERT_THAT(lines, SizeIs(1)) << text;
    for (const char c : lines[0]) {
      EXPECT_FALSE(static_cast<unsigned char>(c) < 0x20 || c == 0x7f) << lines[0];
    }
  }
}

TEST(TextLog, SaysWhenHowBadWhoWhatAndTheFacts) {
  Log log(Options(LogFormat::kText));
  log.SetRunId("run-7");
  const auto lines =
      LinesOf([&] { log.Error("no reward", {{"tries", "3"}, {"why", "went away"}, {"x", ""}}); });
  ASSERT_THAT(lines, SizeIs(1));
  EXPECT_THAT(lines[0], ContainsRegex("^[0-9]{4}-[0-9]{2}-[0-9]{2}T"));
  EXPECT_THAT(lines[0], EndsWith("Z error actor-3: no reward tries=3 why=\"went away\" x=\"\" "
                                 "run=run-7"));
}

TEST(TextLog, ANameThatDoesNotSayTheRoleStandsBesideIt) {
  LogOptions options = Options(LogFormat::kText);
  options.name = "left hand";
  Log log(options);
  const auto lines = LinesOf([&] { log.Info("here"); });
  ASSERT_THAT(lines, SizeIs(1));
  EXPECT_THAT(lines[0], EndsWith(" info actor/\"left hand\": here"));
}

TEST(Log, WritesNothingBelowItsLevel) {
  Log log(Options(LogFormat::kText, LogLevel::kWarning));
  EXPECT_THAT(LinesOf([&] {
                log.Debug("a");
                log.Info("b");
              }),
              SizeIs(0));
  EXPECT_THAT(LinesOf([&] {
                log.Warning("c");
                log.Error("d");
              }),
              SizeIs(2));
  EXPECT_THAT(LinesOf([&] { NullLog().Error("e"); }), SizeIs(0));
}

TEST(Log, LinesOfManyThreadsStayWhole) {
  Log log(Options(LogFormat::kJson));
  const auto lines = LinesOf([&] {
    std::vector<std::thread> threads;
    for (int i = 0; i < 4; ++i) {
      threads.emplace_back([&log, i] {
        for (int j = 0; j < 50; ++j) log.Info(std::string(300, 'x'), {{"i", absl::StrCat(i)}});
      });
    }
    log.SetRunId("later");
    for (std::thread& thread : threads) thread.join();
  });
  ASSERT_THAT(lines, SizeIs(200));
  for (const std::string& line : lines) {
    EXPECT_TRUE(nlohmann::json::parse(line, nullptr, false).is_object()) << line;
  }
}

TEST(ParseLog, NamesWhatIsPossible) {
  EXPECT_EQ(*ParseLogFormat("json"), LogFormat::kJson);
  EXPECT_EQ(*ParseLogFormat("text"), LogFormat::kText);
  EXPECT_EQ(*ParseLogLevel("debug"), LogLevel::kDebug);
  EXPECT_EQ(*ParseLogLevel("error"), LogLevel::kError);
  EXPECT_THAT(std::string(ParseLogFormat("xml").status().message()), HasSubstr("text or json"));
  EXPECT_THAT(std::string(ParseLogLevel("INFO").status().message()),
              HasSubstr("debug, info, warning or error"));
}

}  // namespace
}  // namespace anabranch
