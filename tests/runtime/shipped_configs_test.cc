// What is shipped works, and what is documented is true.
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/str_split.h"
#include "absl/strings/string_view.h"
#include "runtime/config.h"
#include "runtime/config_names.h"

namespace anabranch {
namespace {

std::vector<std::string> ShippedConfigs() {
  std::vector<std::string> files;
  const absl::StatusOr<std::vector<std::string>> names =
      PosixFileSystem()->List(ANABRANCH_CONFIGS_DIR);
  EXPECT_TRUE(names.ok()) << names.status();
  for (const std::string& name : *names) {
    if (absl::EndsWith(name, ".yaml")) files.push_back(JoinPath(ANABRANCH_CONFIGS_DIR, name));
  }
  return files;
}

v1::RunConfig LoadShipped(const std::string& name) {
  const absl::StatusOr<v1::RunConfig> config =
      LoadRunConfig(*PosixFileSystem(), JoinPath(ANABRANCH_CONFIGS_DIR, name));
  EXPECT_TRUE(config.ok()) << config.status();
  return config.ok() ? *config : v1::RunConfig();
}

TEST(ShippedConfigs, AllLoad) {
  EXPECT_GE(ShippedConfigs().size(), 3u);
  for (const std::string& file : ShippedConfigs()) {
    const absl::StatusOr<v1::RunConfig> config = LoadRunConfig(*PosixFileSystem(), file);
    EXPECT_TRUE(config.ok()) << config.status();
  }
}

TEST(ShippedConfigs, AreNamedAsTheirFiles) {
  for (const std::string& file : ShippedConfigs()) {
    const absl::StatusOr<v1::RunConfig> config = LoadRunConfig(*PosixFileSystem(), file);
    ASSERT_TRUE(config.ok()) << config.status();
    EXPECT_TRUE(absl::EndsWith(file, "/" + config->run_name() + ".yaml")) << file;
  }
}

TEST(ShippedConfigs, TheGridsTrainAsLongAsTheirComparisonsSay) {
  const v1::RunConfig small = LoadShipped("hypergrid-8x8.yaml");
  EXPECT_EQ(small.learner().max_steps() * small.learner().batch_trajectories(), 32'000);
  EXPECT_EQ(small.environment().hypergrid().dimensions(), 2);
  const v1::RunConfig large = LoadShipped("hypergrid-8x8x8x8.yaml");
  EXPECT_EQ(large.learner().max_steps() * large.learner().batch_trajectories(), 500'000);
  EXPECT_EQ(large.environment().hypergrid().dimensions(), 4);
  EXPECT_EQ(large.learner().optimizer().schedule().kind(), v1::LEARNING_RATE_SCHEDULE_COSINE);
}

TEST(ShippedConfigs, KeysThatScriptsRelyOnCanBeSet) {
  const absl::StatusOr<v1::RunConfig> config = LoadRunConfig(
      *PosixFileSystem(), JoinPath(ANABRANCH_CONFIGS_DIR, "hypergrid-8x8.yaml"),
      {.flags = {"seed=3", "learner.max_steps=10", "learner.batch_trajectories=4",
                 "learner.samples_per_insert=0.5", "environment.hypergrid.dimensions=3",
                 "environment.hypergrid.side=5", "environment.hypergrid.r0=0.01",
                 "evaluation.every_steps=2", "device=cuda:1"},
       .environment = {}});
  ASSERT_TRUE(config.ok()) << config.status();
  EXPECT_EQ(config->seed(), 3);
  EXPECT_EQ(config->learner().max_steps(), 10);
  EXPECT_EQ(config->learner().batch_trajectories(), 4);
  EXPECT_EQ(config->learner().samples_per_insert(), 0.5);
  EXPECT_EQ(config->environment().hypergrid().dimensions(), 3);
  EXPECT_EQ(config->environment().hypergrid().side(), 5);
  EXPECT_EQ(config->environment().hypergrid().r0(), 0.01);
  EXPECT_EQ(config->evaluation().every_steps(), 2);
  EXPECT_EQ(config->device(), "cuda:1");
}

// X where a comment says "Default X." and X is one literal; else empty.
std::string DocumentedDefault(absl::string_view comment) {
  const size_t begin = comment.find("Default ");
  if (begin == absl::string_view::npos) return "";
  comment.remove_prefix(begin + sizeof("Default ") - 1);
  const absl::string_view value =
      comment.substr(0, std::min(comment.find(". "), comment.find(" (")));
  return value.find(' ') == absl::string_view::npos ? std::string(value) : "";
}

// By `Message.field`, from the comments in config.proto.
std::map<std::string, std::string> DocumentedDefaults() {
  std::map<std::string, std::string> defaults;
  std::string owner, comment;
  const std::string text = *PosixFileSystem()->Read(ANABRANCH_CONFIG_PROTO);
  for (const std::string& line : std::vector<std::string>(absl::StrSplit(text, '\n'))) {
    const std::vector<std::string> words = absl::StrSplit(line, ' ', absl::SkipEmpty());
    if (absl::StartsWith(line, "message ")) owner = words[1];
    if (absl::StartsWith(line, "  //")) {
      absl::StrAppend(&comment, line.substr(4));
      continue;
    }
    const std::string value = DocumentedDefault(comment + " ");
    if (absl::StartsWith(line, "  optional ") && !value.empty()) {
      defaults[absl::StrCat(owner, ".", words[2])] = value;
    }
    comment.clear();
  }
  return defaults;
}

bool IsDocumented(const google::protobuf::Message& message,
                  const google::protobuf::FieldDescriptor& field, const std::string& documented) {
  const google::protobuf::Reflection& reflection = *message.GetReflection();
  const std::string text = absl::StrReplaceAll(documented, {{",", ""}, {"\"", ""}});
  double number = 0;
  switch (field.cpp_type()) {
    case google::protobuf::FieldDescriptor::CPPTYPE_UINT32:
      return absl::SimpleAtod(text, &number) && number == reflection.GetUInt32(message, &field);
    case google::protobuf::FieldDescriptor::CPPTYPE_UINT64:
      return absl::SimpleAtod(text, &number) &&
             number == static_cast<double>(reflection.GetUInt64(message, &field));
    case google::protobuf::FieldDescriptor::CPPTYPE_DOUBLE:
      return absl::SimpleAtod(text, &number) && number == reflection.GetDouble(message, &field);
    case google::protobuf::FieldDescriptor::CPPTYPE_BOOL:
      return text == (reflection.GetBool(message, &field) ? "true" : "false");
    case google::protobuf::FieldDescriptor::CPPTYPE_ENUM:
      return text == ShortEnumName(*reflection.GetEnum(message, &field));
    default:
      return text == reflection.GetString(message, &field);
  }
}

// Compares every value below `message` whose default is documented; returns the keys compared.
std::set<std::string> CompareDefaults(const google::protobuf::Message& message,
                                      const std::map<std::string, std::string>& documented) {
  std::set<std::string> compared;
  const google::protobuf::Reflection& reflection = *message.GetReflection();
  std::vector<const google::protobuf::FieldDescriptor*> fields;
  reflection.ListFields(message, &fields);
  for (const google::protobuf::FieldDescriptor* field : fields) {
    const std::string key = message.GetDescriptor()->name() + "." + field->name();
    if (field->is_repeated()) {
      if (field->message_type() == nullptr) continue;
      compared.merge(CompareDefaults(reflection.GetRepeatedMessage(message, field, 0), documented));
    } else if (field->message_type() != nullptr) {
      compared.merge(CompareDefaults(reflection.GetMessage(message, field), documented));
    } else if (const auto found = documented.find(key); found != documented.end()) {
      EXPECT_TRUE(IsDocumented(message, *field, found->second))
          << key << " is documented as " << found->second;
      compared.insert(key);
    }
  }
  return compared;
}

TEST(DocumentedDefaults, AreTheRealOnes) {
  std::map<std::string, std::string> documented = DocumentedDefaults();
  // Without a reward of its own, this one can't be loaded with nothing given: 5 modes fit 8 bits.
  const auto bits = ParseRunConfig(
      "environment: {sequence: {}}\nreward: {bit_sequence: {modes: 5}}\n"
      "reward_shaping: {objectives: [{name: a}]}\n",
      "run.yaml");
  const auto grid = ParseRunConfig("environment: {hypergrid: {}}\n", "run.yaml");
  ASSERT_TRUE(bits.ok() && grid.ok()) << bits.status() << grid.status();
  EXPECT_EQ(documented.at("BitSequenceRewardConfig.modes"), "60");
  documented.erase("BitSequenceRewardConfig.modes");
  const auto letters =
      ParseRunConfig("environment: {sequence: {}}\nreward: {sequence_modes: {}}\n", "run.yaml");
  ASSERT_TRUE(letters.ok()) << letters.status();
  std::set<std::string> compared = CompareDefaults(*grid, documented);
  compared.merge(CompareDefaults(*letters, documented));
  compared.merge(CompareDefaults(*bits, documented));
  // Two keys have a default in prioritised tables alone, which others have by saying so.
  const auto priorities = ParseRunConfig(
      "environment: {hypergrid: {}}\nreplay: {tables: [{name: a, selector: prioritised}]}\n",
      "run.yaml");
  ASSERT_TRUE(priorities.ok()) << priorities.status();
  v1::ReplayTableConfig table = priorities->replay().tables(0);
  table.clear_selector();
  table.clear_max_times_sampled();
  compared.merge(CompareDefaults(table, documented));
  const auto oracles = ParseRunConfig(
      "environment: {hypergrid: {}}\nreward_shaping: {objectives: [{name: a}]}\nreward: {oracles: "
      "[\n"
      " {name: a, objectives: [a], process: {command: [a]}},\n"
      " {name: b, objectives: [b], http: {url: 'http://127.0.0.1:1/'}}]}\n",
      "run.yaml");
  ASSERT_TRUE(oracles.ok()) << oracles.status();
  for (const v1::OracleConfig& oracle : oracles->reward().oracles()) {
    compared.merge(CompareDefaults(oracle, documented));
  }
  for (const auto& [key, value] : documented) {
    EXPECT_EQ(compared.count(key), 1u) << key << " is documented, but has no default";
  }
  EXPECT_GE(compared.size(), 70u);
}

}  // namespace
}  // namespace anabranch
