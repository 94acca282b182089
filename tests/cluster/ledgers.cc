#include "tests/cluster/ledgers.h"

#include <gtest/gtest.h>

#include <set>

#include "absl/strings/match.h"
#include "absl/strings/str_split.h"
#include "cli/cluster/role_command.h"
#include "nlohmann/json.hpp"
#include "runtime/file_system.h"

namespace anabranch {
namespace {

void AddFact(const nlohmann::json& fact, Ledgers& ledgers) {
  if (fact.contains("acknowledged")) {
    const nlohmann::json& batch = fact["acknowledged"];
    for (const nlohmann::json& number : batch.at("numbers")) {
      ++ledgers.acknowledged[{batch.at("incarnation").get<std::string>(), number.get<uint64_t>()}];
    }
    return;
  }
  const nlohmann::json& batch = fact.at("trained");
  TrainedBatch trained;
  trained.generation = batch.at("generation").get<uint64_t>();
  trained.step = batch.at("step").get<uint64_t>();
  for (const nlohmann::json& id : batch.at("ids")) {
    trained.ids.emplace_back(id.at(0).get<std::string>(), id.at(1).get<uint64_t>());
  }
  ledgers.trained.push_back(std::move(trained));
}

void ReadLedger(const std::string& path, Ledgers& ledgers) {
  auto text = PosixFileSystem()->Read(path);
  ASSERT_TRUE(text.ok()) << text.status();
  const std::vector<std::string> lines = absl::StrSplit(*text, '\n');
  for (size_t i = 0; i < lines.size(); ++i) {
    if (lines[i].empty()) continue;
    const auto fact = nlohmann::json::parse(lines[i], nullptr, /*allow_exceptions=*/false);
    // A learner that was killed leaves a cut line, and its successor goes on behind it.
    if (fact.is_discarded()) continue;
    try {
      AddFact(fact, ledgers);
    } catch (const nlohmann::json::exception& error) {
      ADD_FAILURE() << path << ":" << i + 1 << ": " << error.what() << ": " << lines[i];
    }
  }
}

}  // namespace

Ledgers ReadLedgers(const std::string& directory) {
  Ledgers ledgers;
  const std::string path = JoinPath(directory, kLedgersDirectory);
  auto names = PosixFileSystem()->List(path);
  EXPECT_TRUE(names.ok()) << names.status();
  if (!names.ok()) return ledgers;
  for (const std::string& name : *names) {
    if (absl::EndsWith(name, ".jsonl")) ReadLedger(JoinPath(path, name), ledgers);
  }
  return ledgers;
}

std::map<TrajectoryId, int> TrainedIn(const Ledgers& ledgers, uint64_t generation) {
  std::map<TrajectoryId, int> counts;
  for (const TrainedBatch& batch : ledgers.trained) {
    if (batch.generation != generation) continue;
    for (const TrajectoryId& id : batch.ids) ++counts[id];
  }
  return counts;
}

std::map<TrajectoryId, int> GenerationsOf(const Ledgers& ledgers) {
  std::map<TrajectoryId, std::set<uint64_t>> generations;
  for (const TrainedBatch& batch : ledgers.trained) {
    for (const TrajectoryId& id : batch.ids) generations[id].insert(batch.generation);
  }
  std::map<TrajectoryId, int> counts;
  for (const auto& [id, in] : generations) counts[id] = static_cast<int>(in.size());
  return counts;
}

}  // namespace anabranch
