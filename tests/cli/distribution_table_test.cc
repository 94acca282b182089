#include "cli/distribution_table.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <string>

#include "tests/cli/distributions.h"

namespace anabranch {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

std::string MessageOf(const absl::Status& status) { return std::string(status.message()); }

TEST(DistributionCsvTest, HasALineForEachStateInOrder) {
  Distribution d = MakeDistribution({0.25, 0.75, 0}, {0.5, 0.5, 0});
  d.states = {0, 4, 7};
  const auto csv = DistributionCsv(d);
  ASSERT_TRUE(csv.ok()) << csv.status();
  EXPECT_EQ(*csv,
            "state,object,learned_probability,true_probability,log_reward\n"
            "0,x0,0.25,0.5,1.609437912\n"
            "4,x1,0.75,0.5,1.609437912\n"
            "7,x2,0,0,-inf\n");
}

TEST(DistributionCsvTest, ObjectsThatHoldSeparatorsAreQuoted) {
  Distribution d = MakeDistribution({0.25, 0.75}, {0.5, 0.5});
  d.objects = {"a,b", "say \"hi\"\n"};
  const std::string csv = DistributionCsv(d).value();
  EXPECT_THAT(csv, HasSubstr("\n0,\"a,b\",0.25,"));
  EXPECT_THAT(csv, HasSubstr("\n1,\"say \"\"hi\"\"\n\",0.75,"));
}

TEST(TopStatesTableTest, ShowsTheMostProbableFirstAndWhatTheyHold) {
  const Distribution d = MakeDistribution({0.1, 0.3, 0.2, 0.4}, {0.1, 0.2, 0.3, 0.4});
  TableOptions options;
  options.rows = 2;
  const std::string table = TopStatesTable(d, options).value();
  const size_t first = table.find("x3"), second = table.find("x2");
  ASSERT_NE(first, std::string::npos) << table;
  ASSERT_NE(second, std::string::npos) << table;
  EXPECT_LT(first, second);
  EXPECT_THAT(table, Not(HasSubstr("x1")));
  EXPECT_THAT(table, HasSubstr("0.667"));
  EXPECT_THAT(table,
              HasSubstr("these 2 of 4 states: 60.0 % of the learned probability, 70.0 % of the"));
}

TEST(TopStatesTableTest, EscapesAreForTerminalsOnly) {
  const Distribution d = MakeDistribution({0.3, 0.7}, {0.7, 0.3});
  TableOptions options;
  EXPECT_THAT(TopStatesTable(d, options).value(), Not(HasSubstr("\x1b")));
  options.ansi = true;
  EXPECT_THAT(TopStatesTable(d, options).value(), HasSubstr("\x1b[33m"));
}

TEST(TopStatesTableTest, ObjectsCannotSpeakToTheTerminal) {
  Distribution d = MakeDistribution({0.3, 0.7}, {0.7, 0.3});
  d.objects = {"\x1b[2Jgone", std::string(200, 'A')};
  const std::string table = TopStatesTable(d).value();
  EXPECT_THAT(table, Not(HasSubstr("\x1b")));
  EXPECT_THAT(table, HasSubstr("?[2Jgone"));
  EXPECT_THAT(table, HasSubstr(std::string(29, 'A') + "... "));
  EXPECT_EQ(PrintableObject("\xC3\x97\x7F b", 10), "??? b");
  EXPECT_EQ(PrintableObject("", 10), "(empty)");
}

TEST(TopStatesTableTest, StatesOfProbabilityZeroHaveNoNonsenseInTheirRow) {
  const Distribution d = MakeDistribution({1, 0}, {1, 0});
  const std::string table = TopStatesTable(d).value();
  EXPECT_THAT(table, Not(HasSubstr("nan")));
  EXPECT_THAT(table, HasSubstr("      -"));
}

TEST(DistributionTest, WrongInputIsNamed) {
  const Distribution good = MakeDistribution({0.5, 0.5}, {0.5, 0.5});
  EXPECT_TRUE(good.Validate().ok());
  EXPECT_THAT(MessageOf(Distribution().Validate()), HasSubstr("objects is empty"));
  Distribution d = good;
  d.log_true.pop_back();
  EXPECT_THAT(MessageOf(DistributionCsv(d).status()),
              HasSubstr("distribution.log_true has 1 entries and distribution.objects has 2"));
  d = good;
  d.log_learned[1] = std::nan("");
  EXPECT_THAT(MessageOf(TopStatesTable(d).status()), HasSubstr("log_learned[1] is nan"));
  d = MakeDistribution({0.5, 0.2}, {0.5, 0.5});
  EXPECT_THAT(MessageOf(d.Validate()), HasSubstr("distribution.log_learned sum to 0.7"));
  TableOptions options;
  options.rows = 0;
  EXPECT_THAT(MessageOf(TopStatesTable(good, options).status()), HasSubstr("rows is 0"));
}

}  // namespace
}  // namespace anabranch
