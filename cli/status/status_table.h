// What `anabranch status` prints: every role of a cluster in one table.
#ifndef ANABRANCH_CLI_STATUS_STATUS_TABLE_H_
#define ANABRANCH_CLI_STATUS_STATUS_TABLE_H_

#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "anabranch/v1/replay.pb.h"
#include "anabranch/v1/status.pb.h"
#include "cli/progress/progress.h"
#include "nlohmann/json.hpp"

namespace anabranch {

// One look at a role.
struct RoleSample {
  absl::Status error;  // Why there is no answer; the rest is empty then.
  v1::GetStatusResponse status;
  std::optional<v1::GetInfoResponse> replay;  // Of a replay server.
};

// A role that was looked at once, or twice for rates.
struct RoleRow {
  std::string role;     // As far as known without an answer; may be empty.
  std::string name;     // Likewise.
  std::string address;  // HOST:PORT.
  RoleSample now;
  std::optional<RoleSample> before;
};

// Of a quantity that is counted: a rate per second where the role was looked at twice and has not
// been restarted in between, else the total.
struct Quantity {
  std::string name;
  double total = 0;
  std::optional<double> per_second = {};
};

// Totals of a role in its own order; what tells how much there is now (pending, budget_left) has no
// rate; of a replay server the inserts, samples and so on of all its tables together.
std::vector<Quantity> Quantities(const RoleRow& row);
// What has been and may be spent on oracles, of a role that tells: the learner by its training
// status, the reward service by its totals budget_used, budget_left, cost_used and cost_left.
std::optional<BudgetReport> BudgetOf(const RoleRow& row);
// Time spent waiting, seconds, by whom for; per_second is the share of time, which adds up over
// threads.
std::vector<Quantity> Waits(const RoleRow& row);

bool IsServing(const RoleRow& row);

// Columns role, name, health, version, run, uptime, policy, rates or totals, who waits for whom,
// and where there is any: objects pending, the age of the oldest, and the budget. One line a role,
// ended by line breaks; a role that doesn't answer has a line that says why.
std::string FormatStatusTable(const std::vector<RoleRow>& rows);

// The same as an array of objects, with all digits.
nlohmann::ordered_json StatusToJson(const std::vector<RoleRow>& rows);

}  // namespace anabranch

#endif  // ANABRANCH_CLI_STATUS_STATUS_TABLE_H_
