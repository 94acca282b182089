#include "cli/status/status_table.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "absl/strings/str_split.h"

namespace anabranch {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

RoleSample Actor(double uptime, double trajectories, double reward_seconds) {
  RoleSample sample;
  sample.status.set_role(v1::ROLE_ACTOR);
  sample.status.set_name("actor-1");
  sample.status.set_version("0.1.0");
  sample.status.set_run_id("grid-1");
  sample.status.set_incarnation(7);
  sample.status.set_state(v1::ROLE_STATE_SERVING);
  sample.status.set_uptime_seconds(uptime);
  v1::Total& total = *sample.status.add_totals();
  total.set_name("trajectories");
  total.set_value(trajectories);
  v1::WaitTotal& wait = *sample.status.add_waits();
  wait.set_waits_for("reward");
  wait.set_seconds(reward_seconds);
  sample.status.mutable_policy()->set_generation(2);
  sample.status.mutable_policy()->set_version(31);
  return sample;
}

RoleSample Replay(double uptime, uint64_t inserts, double blocked) {
  RoleSample sample;
  sample.status.set_role(v1::ROLE_REPLAY);
  sample.status.set_name("replay");
  sample.status.set_incarnation(8);
  sample.status.set_state(v1::ROLE_STATE_SERVING);
  sample.status.set_uptime_seconds(uptime);
  sample.replay.emplace();
  for (int i = 0; i < 2; ++i) {
    v1::TableInfo& table = *sample.replay->add_tables();
    table.set_name(i == 0 ? "fresh" : "old");
    table.set_items(50);
    table.set_inserts(inserts);
    table.set_samples(2 * inserts);
    table.set_insert_blocked_seconds(i == 0 ? blocked : 0);
  }
  return sample;
}

RoleRow Row(RoleSample now, std::optional<RoleSample> before = {}) {
  RoleRow row;
  row.role = "actor";
  row.name = "actor-1";
  row.address = "127.0.0.1:4711";
  row.now = std::move(now);
  row.before = std::move(before);
  return row;
}

TEST(StatusTable, TwoLooksGiveRatesByTheRolesOwnClock) {
  const RoleRow row = Row(Actor(12, 5'000, 3), Actor(10, 1'000, 2.5));
  ASSERT_EQ(Quantities(row).size(), 1u);
  EXPECT_DOUBLE_EQ(*Quantities(row)[0].per_second, 2'000);
  EXPECT_DOUBLE_EQ(*Waits(row)[0].per_second, 0.25);
  const std::string text = FormatStatusTable({row});
  EXPECT_THAT(text, HasSubstr("RATES"));
  EXPECT_THAT(text, HasSubstr("2000 trajectories/s"));
  EXPECT_THAT(text, HasSubstr("reward 25 %"));
  EXPECT_THAT(text, HasSubstr("2.31"));
  EXPECT_THAT(text, HasSubstr("0:00:12"));
}

TEST(StatusTable, OneLookGivesTotals) {
  const std::string text = FormatStatusTable({Row(Actor(12, 5'000, 3))});
  EXPECT_THAT(text, HasSubstr("TOTALS"));
  EXPECT_THAT(text, HasSubstr("5000 trajectories"));
  EXPECT_THAT(text, Not(HasSubstr("/s")));
  EXPECT_THAT(text, HasSubstr("reward 3.0 s"));
}

TEST(StatusTable, ARestartInBetweenGivesNoRate) {
  RoleSample before = Actor(100, 5'000'000, 3);
  before.status.set_incarnation(6);
  EXPECT_FALSE(Quantities(Row(Actor(1, 10, 0), before))[0].per_second.has_value());
}

TEST(StatusTable, AReplaysTablesAreAddedUpAndItsBlockedSharesShown) {
  const RoleRow row = Row(Replay(20, 3'000, 5), Replay(10, 1'000, 1));
  const std::string text = FormatStatusTable({row});
  EXPECT_THAT(text, HasSubstr("100 items, 400 inserts/s, 800 samples/s"));
  EXPECT_THAT(text, HasSubstr("inserts wait for samples 40 %"));
  EXPECT_THAT(text, HasSubstr("samples wait for inserts 0 %"));
}

TEST(StatusTable, OneThatDoesNotAnswerIsARowThatSaysSo) {
  RoleSample dead;
  dead.error = absl::UnavailableError("connection refused");
  const std::vector<RoleRow> rows = {Row(dead), Row(Actor(12, 5'000, 3))};
  EXPECT_FALSE(IsServing(rows[0]));
  EXPECT_TRUE(IsServing(rows[1]));
  const std::vector<std::string> lines = absl::StrSplit(FormatStatusTable(rows), '\n');
  ASSERT_EQ(lines.size(), 4u);  // The last is empty.
  EXPECT_THAT(lines[1], StartsWith("actor  actor-1  unreachable"));
  EXPECT_THAT(lines[1], HasSubstr("127.0.0.1:4711: connection refused"));
  EXPECT_EQ(lines[0].find("NAME"), lines[2].find("actor-1"));
}

TEST(StatusTable, WhyARoleDoesNotServeIsTold) {
  RoleSample sample = Actor(12, 5'000, 3);
  sample.status.set_state(v1::ROLE_STATE_FAILED);
  sample.status.set_state_reason("no disk");
  EXPECT_FALSE(IsServing(Row(sample)));
  EXPECT_THAT(FormatStatusTable({Row(sample)}), HasSubstr("failed: no disk"));
}

TEST(StatusJson, HoldsWhatTheTableShows) {
  RoleSample dead;
  dead.error = absl::UnavailableError("connection refused");
  const auto json = StatusToJson(
      {Row(Actor(12, 5'000, 3), Actor(10, 1'000, 2.5)), Row(Replay(20, 3'000, 5)), Row(dead)});
  ASSERT_EQ(json.size(), 3u);
  EXPECT_EQ(json[0]["role"], "actor");
  EXPECT_EQ(json[0]["health"], "serving");
  EXPECT_EQ(json[0]["totals"]["trajectories"]["total"], 5'000);
  EXPECT_EQ(json[0]["totals"]["trajectories"]["per_second"], 2'000);
  EXPECT_EQ(json[0]["waits"]["reward"]["share"], 0.25);
  EXPECT_EQ(json[0]["policy"]["version"], 31);
  EXPECT_EQ(json[1]["tables"][0]["name"], "fresh");
  EXPECT_EQ(json[1]["tables"][0]["items"], 50);
  EXPECT_EQ(json[2]["health"], "unreachable");
  EXPECT_EQ(json[2]["error"], "connection refused");
}

void AddTotal(RoleSample& sample, const char* name, double value) {
  v1::Total& total = *sample.status.add_totals();
  total.set_name(name);
  total.set_value(value);
}

TEST(StatusTable, PendingObjectsAndTheAgeOfTheOldestAreLevelsAndNotRates) {
  RoleSample before = Actor(10, 1'000, 0), now = Actor(12, 5'000, 0);
  AddTotal(before, "pending", 4);
  AddTotal(now, "pending", 12);
  AddTotal(now, "oldest_pending_seconds", 3'725);
  const RoleRow row = Row(now, before);
  const std::string text = FormatStatusTable({row});
  EXPECT_THAT(text, HasSubstr("PENDING, BUDGET"));
  EXPECT_THAT(text, HasSubstr("12 pending, oldest 1:02:05"));
  EXPECT_THAT(text, Not(HasSubstr("pending/s")));
  EXPECT_THAT(text, Not(HasSubstr("calls")));
  EXPECT_EQ(StatusToJson({row})[0]["totals"]["pending"].dump(), R"({"total":12.0})");
}

TEST(StatusTable, WithoutOraclesThereIsNoColumnForThem) {
  EXPECT_THAT(FormatStatusTable({Row(Actor(12, 5'000, 3))}), Not(HasSubstr("PENDING")));
}

TEST(StatusTable, TheLearnersBudgetAndTheRewardServicesAreToldAlike) {
  RoleSample before = Actor(10, 0, 0), now = Actor(12, 0, 0);
  before.status.mutable_training()->mutable_budget()->set_evaluations_used(1'176);
  v1::RewardBudget& budget = *now.status.mutable_training()->mutable_budget();
  budget.set_evaluations_used(1'200);
  budget.set_evaluations_left(3'800);
  const char* expected = "calls 1200/5000 (12/s, spent in 5:17)";
  EXPECT_THAT(FormatStatusTable({Row(now, before)}), HasSubstr(expected));
  EXPECT_EQ(StatusToJson({Row(now, before)})[0]["budget"]["evaluations_per_second"], 12);

  RoleSample reward_before = Actor(10, 0, 0), reward = Actor(12, 0, 0);
  AddTotal(reward_before, "budget_used", 1'176);
  AddTotal(reward, "budget_used", 1'200);
  AddTotal(reward, "budget_left", 3'800);
  AddTotal(reward, "circuits_open:docking", 2);
  AddTotal(reward, "circuits_open:qed", 0);
  const std::string text = FormatStatusTable({Row(reward, reward_before)});
  EXPECT_THAT(text, HasSubstr(expected));
  EXPECT_THAT(text, HasSubstr("docking: 2 replicas left alone"));
  EXPECT_THAT(text, Not(HasSubstr("qed")));
}

}  // namespace
}  // namespace anabranch
