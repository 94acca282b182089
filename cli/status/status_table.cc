#include "cli/status/status_table.h"

#include <algorithm>
#include <cmath>
#include <cstdint>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "absl/strings/strip.h"

namespace anabranch {
namespace {

using Json = nlohmann::ordered_json;

constexpr size_t kColumns = 10;
constexpr char kPending[] = "pending";         // Totals of actors and reward services.
constexpr char kBudgetUsed[] = "budget_used";  // Of reward services.
constexpr char kBudgetLeft[] = "budget_left";
constexpr char kCircuits[] = "circuits_open:";  // And the oracle's name.
constexpr char kOldestPending[] = "oldest_pending_seconds";
constexpr size_t kShownQuantities = 3;  // The others are in the JSON.

std::string EnumWord(const std::string& name, const std::string& prefix) {
  return absl::AsciiStrToLower(absl::StripPrefix(name, prefix));
}

std::string RoleName(const RoleRow& row) {
  if (!row.now.error.ok()) return row.role;
  return EnumWord(v1::Role_Name(row.now.status.role()), "ROLE_");
}

std::string HealthOf(const RoleRow& row) {
  if (!row.now.error.ok()) return "unreachable";
  return EnumWord(v1::RoleState_Name(row.now.status.state()), "ROLE_STATE_");
}

std::string Short(double value) {
  const double size = std::abs(value);
  if (size >= 1e9) return absl::StrFormat("%.2fG", value / 1e9);
  if (size >= 1e6) return absl::StrFormat("%.2fM", value / 1e6);
  if (size >= 1e4) return absl::StrFormat("%.1fk", value / 1e3);
  if (size >= 100 || value == std::floor(value)) return absl::StrFormat("%.0f", value);
  return absl::StrFormat("%.1f", value);
}

std::string Uptime(double seconds) {
  const auto whole = static_cast<int64_t>(seconds);
  if (whole >= 86'400) {
    return absl::StrFormat("%dd%02d:%02d", whole / 86'400, whole / 3600 % 24, whole / 60 % 60);
  }
  return absl::StrFormat("%d:%02d:%02d", whole / 3600, whole / 60 % 60, whole % 60);
}

// Time between the two looks as the role itself counts it; absent where there are no two looks at
// the same process.
std::optional<double> SecondsBetween(const RoleRow& row) {
  if (!row.before.has_value() || !row.before->error.ok() || !row.now.error.ok()) return {};
  const v1::GetStatusResponse& before = row.before->status;
  if (before.incarnation() != row.now.status.incarnation()) return {};
  const double seconds = row.now.status.uptime_seconds() - before.uptime_seconds();
  return seconds > 0 ? std::optional<double>(seconds) : std::nullopt;
}

// Whether a total tells how much there is now, not how much there has been: its rate says nothing.
bool IsLevel(absl::string_view name) {
  return name == kPending || name == kBudgetUsed || name == kBudgetLeft ||
         name == "budget_outstanding" || absl::StartsWith(name, "oldest_") ||
         absl::StartsWith(name, "cost_") || absl::StartsWith(name, kCircuits);
}

double TotalOf(const v1::GetStatusResponse& status, absl::string_view name) {
  for (const v1::Total& total : status.totals()) {
    if (total.name() == name) return total.value();
  }
  return 0;
}

bool HasTotal(const v1::GetStatusResponse& status, absl::string_view name) {
  return std::any_of(status.totals().begin(), status.totals().end(),
                     [name](const v1::Total& total) { return total.name() == name; });
}

std::optional<v1::RewardBudget> BudgetIn(const RoleSample& sample) {
  const v1::GetStatusResponse& status = sample.status;
  if (status.training().has_budget()) return status.training().budget();
  if (!HasTotal(status, kBudgetUsed)) return {};
  v1::RewardBudget budget;
  budget.set_evaluations_used(static_cast<uint64_t>(TotalOf(status, kBudgetUsed)));
  budget.set_cost_used(TotalOf(status, "cost_used"));
  if (HasTotal(status, kBudgetLeft)) {
    budget.set_evaluations_left(static_cast<uint64_t>(TotalOf(status, kBudgetLeft)));
  }
  if (HasTotal(status, "cost_left")) {
    budget.set_cost_left(TotalOf(status, "cost_left"));
  }
  return budget;
}

// Numbers of one look, by name.
std::vector<Quantity> TotalsOf(const RoleSample& sample) {
  std::vector<Quantity> totals;
  if (sample.replay.has_value()) {
    Quantity inserts{"inserts"}, samples{"samples"}, duplicates{"duplicates"};
    for (const v1::TableInfo& table : sample.replay->tables()) {
      inserts.total += static_cast<double>(table.inserts());
      samples.total += static_cast<double>(table.samples());
      duplicates.total += static_cast<double>(table.duplicates());
    }
    return {inserts, samples, duplicates};
  }
  for (const v1::Total& total : sample.status.totals()) {
    totals.push_back({total.name(), total.value(), {}});
  }
  return totals;
}

std::vector<Quantity> WaitsOf(const RoleSample& sample) {
  std::vector<Quantity> waits;
  if (sample.replay.has_value()) {
    // An insert waits until the learner has sampled, and the other way round.
    Quantity inserts{"inserts wait for samples"}, samples{"samples wait for inserts"};
    for (const v1::TableInfo& table : sample.replay->tables()) {
      inserts.total = std::max(inserts.total, table.insert_blocked_seconds());
      samples.total = std::max(samples.total, table.sample_blocked_seconds());
    }
    return {inserts, samples};
  }
  for (const v1::WaitTotal& wait : sample.status.waits()) {
    waits.push_back({wait.waits_for(), wait.seconds(), {}});
  }
  return waits;
}

std::vector<Quantity> WithRates(const RoleRow& row,
                                std::vector<Quantity> (*of)(const RoleSample&)) {
  std::vector<Quantity> now = of(row.now);
  const std::optional<double> seconds = SecondsBetween(row);
  if (!seconds.has_value()) return now;
  const std::vector<Quantity> before = of(*row.before);
  for (Quantity& quantity : now) {
    if (IsLevel(quantity.name)) continue;
    double earlier = 0;  // What wasn't counted then has been counted since.
    for (const Quantity& other : before) {
      if (other.name == quantity.name) earlier = other.total;
    }
    quantity.per_second = (quantity.total - earlier) / *seconds;
  }
  return now;
}

std::string RatesCell(const RoleRow& row) {
  std::vector<std::string> parts;
  if (row.now.replay.has_value()) {
    uint64_t items = 0;
    for (const v1::TableInfo& table : row.now.replay->tables()) items += table.items();
    parts.push_back(absl::StrCat(Short(static_cast<double>(items)), " items"));
  }
  for (const Quantity& quantity : Quantities(row)) {
    if (parts.size() == kShownQuantities) break;
    if (IsLevel(quantity.name)) continue;
    parts.push_back(quantity.per_second.has_value()
                        ? absl::StrCat(Short(*quantity.per_second), " ", quantity.name, "/s")
                        : absl::StrCat(Short(quantity.total), " ", quantity.name));
  }
  return absl::StrJoin(parts, ", ");
}

std::string WaitsCell(const RoleRow& row) {
  std::vector<std::string> parts;
  for (const Quantity& wait : Waits(row)) {
    parts.push_back(wait.per_second.has_value()
                        ? absl::StrFormat("%s %.0f %%", wait.name, 100 * *wait.per_second)
                        : absl::StrFormat("%s %.1f s", wait.name, wait.total));
  }
  return absl::StrJoin(parts, ", ");
}

// "12 pending, oldest 0:05:00; calls 7/10 (0/s)".
std::string OracleCell(const RoleRow& row) {
  std::vector<std::string> parts;
  const v1::GetStatusResponse& status = row.now.status;
  if (const double pending = TotalOf(status, kPending); pending > 0) {
    const double oldest = TotalOf(status, kOldestPending);
    parts.push_back(
        absl::StrCat(Short(pending), " pending", oldest > 0 ? ", oldest " + Uptime(oldest) : ""));
  }
  for (const v1::Total& total : status.totals()) {
    absl::string_view oracle = total.name();
    if (!absl::ConsumePrefix(&oracle, kCircuits) || total.value() == 0) continue;
    parts.push_back(absl::StrCat(oracle, ": ", Short(total.value()), " replicas left alone"));
  }
  if (const auto budget = BudgetOf(row); budget.has_value()) {
    parts.push_back(FormatBudget(*budget));
  }
  return absl::StrJoin(parts, "; ");
}

std::string PolicyCell(const v1::GetStatusResponse& status) {
  if (!status.has_policy()) return "-";
  return absl::StrCat(status.policy().generation(), ".", status.policy().version());
}

// A role's line, cell by cell. Where there is no answer the last cell says why.
std::vector<std::string> Cells(const RoleRow& row) {
  if (!row.now.error.ok()) {
    return {RoleName(row), row.name,
            HealthOf(row), "-",
            "-",           "-",
            "-",           absl::StrCat(row.address, ": ", row.now.error.message())};
  }
  const v1::GetStatusResponse& status = row.now.status;
  std::string health = HealthOf(row);
  if (!status.state_reason().empty()) absl::StrAppend(&health, ": ", status.state_reason());
  return {RoleName(row),
          status.name(),
          health,
          status.version(),
          status.run_id().empty() ? "-" : status.run_id(),
          Uptime(status.uptime_seconds()),
          PolicyCell(status),
          RatesCell(row),
          WaitsCell(row),
          OracleCell(row)};
}

Json QuantitiesToJson(const std::vector<Quantity>& quantities, const char* rate_name) {
  Json json = Json::object();
  for (const Quantity& quantity : quantities) {
    json[quantity.name]["total"] = quantity.total;
    if (quantity.per_second.has_value()) json[quantity.name][rate_name] = *quantity.per_second;
  }
  return json;
}

Json BudgetToJson(const BudgetReport& budget) {
  Json json{{"evaluations_used", budget.used},
            {"cost_used", budget.cost_used},
            {"cost_unit", budget.cost_unit},
            {"evaluations_per_second", budget.per_second},
            {"cost_per_second", budget.cost_per_second}};
  if (budget.left.has_value()) json["evaluations_left"] = *budget.left;
  if (budget.cost_left.has_value()) json["cost_left"] = *budget.cost_left;
  return json;
}

Json TablesToJson(const v1::GetInfoResponse& info) {
  Json tables = Json::array();
  for (const v1::TableInfo& table : info.tables()) {
    tables.push_back(Json{{"name", table.name()},
                          {"items", table.items()},
                          {"bytes", table.bytes()},
                          {"leased", table.leased()},
                          {"inserts", table.inserts()},
                          {"samples", table.samples()},
                          {"duplicates", table.duplicates()},
                          {"samples_per_insert", table.samples_per_insert()},
                          {"insert_blocked_share", table.insert_blocked_share()},
                          {"sample_blocked_share", table.sample_blocked_share()}});
  }
  return tables;
}

}  // namespace

std::vector<Quantity> Quantities(const RoleRow& row) { return WithRates(row, TotalsOf); }

std::vector<Quantity> Waits(const RoleRow& row) { return WithRates(row, WaitsOf); }

std::optional<BudgetReport> BudgetOf(const RoleRow& row) {
  const auto now = BudgetIn(row.now);
  if (!now.has_value()) return {};
  BudgetReport report;
  report.used = now->evaluations_used();
  if (now->has_evaluations_left()) report.left = now->evaluations_left();
  report.cost_used = now->cost_used();
  if (now->has_cost_left()) report.cost_left = now->cost_left();
  report.cost_unit = now->cost_unit();
  const std::optional<double> seconds = SecondsBetween(row);
  if (!seconds.has_value()) return report;
  const auto before = BudgetIn(*row.before);
  if (!before.has_value()) return report;
  report.per_second =
      (static_cast<double>(report.used) - static_cast<double>(before->evaluations_used())) /
      *seconds;
  report.cost_per_second = (report.cost_used - before->cost_used()) / *seconds;
  return report;
}

bool IsServing(const RoleRow& row) {
  return row.now.error.ok() && row.now.status.state() == v1::ROLE_STATE_SERVING;
}

std::string FormatStatusTable(const std::vector<RoleRow>& rows) {
  const bool rates = std::any_of(
      rows.begin(), rows.end(), [](const RoleRow& row) { return SecondsBetween(row).has_value(); });
  std::vector<std::vector<std::string>> lines = {{"ROLE", "NAME", "HEALTH", "VERSION", "RUN",
                                                  "UPTIME", "POLICY", rates ? "RATES" : "TOTALS",
                                                  "WAITS FOR", "PENDING, BUDGET"}};
  for (const RoleRow& row : rows) lines.push_back(Cells(row));
  const bool oracles = std::any_of(lines.begin() + 1, lines.end(), [](const auto& line) {
    return line.size() == kColumns && !line.back().empty();
  });
  if (!oracles) {
    for (auto& line : lines) line.resize(std::min(line.size(), kColumns - 1));
  }
  std::vector<size_t> widths(lines[0].size(), 0);
  for (const auto& line : lines) {
    // An error may be long, and has no column behind it.
    const size_t aligned = line.size() < widths.size() ? line.size() - 1 : line.size();
    for (size_t i = 0; i < aligned; ++i) widths[i] = std::max(widths[i], line[i].size());
  }
  std::string text;
  for (const auto& line : lines) {
    for (size_t i = 0; i < line.size(); ++i) {
      const bool last = i + 1 == line.size();
      absl::StrAppendFormat(&text, "%-*s", last ? 0 : static_cast<int>(widths[i] + 2), line[i]);
    }
    absl::StripTrailingAsciiWhitespace(&text);
    text += '\n';
  }
  return text;
}

Json StatusToJson(const std::vector<RoleRow>& rows) {
  Json array = Json::array();
  for (const RoleRow& row : rows) {
    Json json;
    json["role"] = RoleName(row);
    json["name"] = row.now.error.ok() ? row.now.status.name() : row.name;
    json["address"] = row.address;
    json["health"] = HealthOf(row);
    if (!row.now.error.ok()) {
      json["error"] = row.now.error.message();
      array.push_back(std::move(json));
      continue;
    }
    const v1::GetStatusResponse& status = row.now.status;
    json["reason"] = status.state_reason();
    json["version"] = status.version();
    json["run_id"] = status.run_id();
    json["uptime_seconds"] = status.uptime_seconds();
    if (status.has_policy()) {
      json["policy"] = Json{{"generation", status.policy().generation()},
                            {"version", status.policy().version()}};
    }
    json["totals"] = QuantitiesToJson(Quantities(row), "per_second");
    if (const auto budget = BudgetOf(row); budget.has_value())
      json["budget"] = BudgetToJson(*budget);
    if (!status.training().end_reason().empty())
      json["end_reason"] = status.training().end_reason();
    json["waits"] = QuantitiesToJson(Waits(row), "share");
    if (row.now.replay.has_value()) json["tables"] = TablesToJson(*row.now.replay);
    array.push_back(std::move(json));
  }
  return array;
}

}  // namespace anabranch
