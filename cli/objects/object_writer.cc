#include "cli/objects/object_writer.h"

#include <algorithm>
#include <charconv>
#include <iomanip>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_replace.h"
#include "cli/distribution.h"
#include "nlohmann/json.hpp"

namespace anabranch {
namespace {

std::string AllDigits(double value) {
  char digits[32];
  return {digits, std::to_chars(digits, digits + sizeof(digits), value).ptr};
}

std::string CsvField(const std::string& text) {
  if (text.find_first_of(",\"\r\n") == std::string::npos) return text;
  return absl::StrCat("\"", absl::StrReplaceAll(text, {{"\"", "\"\""}}), "\"");
}

// One row of the page's columns.
struct Row {
  std::string object;
  std::vector<double> values;  // NaN where not valid.
  double log_reward;
  uint64_t visits;
  std::string first_policy;  // "generation.version"
  std::string last_policy;
};

std::vector<Row> RowsOf(const v1::ObjectBatch& page) {
  std::vector<Row> rows;
  size_t offset = 0;
  const int objectives = page.objectives_size();
  for (int i = 0; i < page.object_lengths_size(); ++i) {
    Row row;
    row.object = page.object_data().substr(offset, page.object_lengths(i));
    offset += page.object_lengths(i);
    for (int j = 0; j < objectives; ++j) {
      const int at = i * objectives + j;
      const bool valid = at >= page.raw_value_valid_size() || page.raw_value_valid(at);
      row.values.push_back(valid ? page.raw_values(at) : std::nan(""));
    }
    row.log_reward = page.log_rewards(i);
    row.visits = page.visits(i);
    row.first_policy =
        absl::StrCat(page.first_policy_generations(i), ".", page.first_policy_versions(i));
    row.last_policy =
        absl::StrCat(page.last_policy_generations(i), ".", page.last_policy_versions(i));
    rows.push_back(std::move(row));
  }
  return rows;
}

class TableWriter final : public ObjectWriter {
 public:
  TableWriter(const Provenance& provenance, std::ostream& out)
      : provenance_(provenance), out_(out) {}

  void WritePage(const v1::ObjectBatch& page, int64_t first_rank) override {
    const std::vector<Row> rows = RowsOf(page);
    if (first_rank == 1) WriteHeader(page, rows);
    for (const Row& row : rows) {
      out_ << absl::StrFormat("%6d  %-*s", first_rank++, width_,
                              PrintableObject(row.object, kMaxWidth));
      for (size_t j = 0; j < row.values.size(); ++j) {
        out_ << absl::StrFormat("  %*.6g", std::max<int>(12, page.objectives(j).size()),
                                row.values[j]);
      }
      out_ << absl::StrFormat("  %10.5g  %8d  %12s  %12s\n", row.log_reward, row.visits,
                              row.first_policy, row.last_policy);
    }
  }

 private:
  static constexpr size_t kMaxWidth = 60;

  void WriteHeader(const v1::ObjectBatch& page, const std::vector<Row>& rows) {
    for (const Row& row : rows) {
      width_ = std::max<int>(width_, PrintableObject(row.object, kMaxWidth).size());
    }
    out_ << "run " << provenance_.run_id << ", seed " << provenance_.seed << "\nenvironment "
         << provenance_.environment << "\noracle " << page.reward_fingerprint()
         << "\nreward shaping " << page.reward_shaping_hash() << "\n\n"
         << absl::StrFormat("%6s  %-*s", "rank", width_, "object");
    for (const std::string& objective : page.objectives()) {
      out_ << absl::StrFormat("  %*s", std::max<int>(12, objective.size()), objective);
    }
    out_ << absl::StrFormat("  %10s  %8s  %12s  %12s\n", "log-reward", "visits", "first policy",
                            "last policy");
  }

  const Provenance provenance_;
  std::ostream& out_;
  int width_ = 6;
};

class CsvWriter final : public ObjectWriter {
 public:
  CsvWriter(const Provenance& provenance, std::ostream& out) : provenance_(provenance), out_(out) {}

  void WritePage(const v1::ObjectBatch& page, int64_t first_rank) override {
    if (first_rank == 1) {
      out_ << "rank,object";
      for (const std::string& objective : page.objectives()) out_ << "," << CsvField(objective);
      out_ << ",log_reward,visits,first_policy,last_policy,run_id,seed,environment,oracle,"
              "reward_shaping\n";
    }
    const std::string tail = absl::StrCat(
        CsvField(provenance_.run_id), ",", provenance_.seed, ",", CsvField(provenance_.environment),
        ",", CsvField(page.reward_fingerprint()), ",", page.reward_shaping_hash(), "\n");
    for (const Row& row : RowsOf(page)) {
      out_ << first_rank++ << "," << CsvField(row.object);
      for (const double value : row.values) {
        out_ << "," << (value == value ? AllDigits(value) : "");
      }
      out_ << "," << AllDigits(row.log_reward) << "," << row.visits << "," << row.first_policy
           << "," << row.last_policy << "," << tail;
    }
  }

 private:
  const Provenance provenance_;
  std::ostream& out_;
};

class JsonLinesWriter final : public ObjectWriter {
 public:
  JsonLinesWriter(const Provenance& provenance, std::ostream& out)
      : provenance_(provenance), out_(out) {}

  void WritePage(const v1::ObjectBatch& page, int64_t first_rank) override {
    for (const Row& row : RowsOf(page)) {
      nlohmann::ordered_json line;
      line["rank"] = first_rank++;
      line["object"] = row.object;
      for (size_t j = 0; j < row.values.size(); ++j) {
        line["values"][page.objectives(j)] = row.values[j];  // NaN becomes null.
      }
      line["log_reward"] = row.log_reward;
      line["visits"] = row.visits;
      line["first_policy"] = row.first_policy;
      line["last_policy"] = row.last_policy;
      line["run_id"] = provenance_.run_id;
      line["seed"] = provenance_.seed;
      line["environment"] = provenance_.environment;
      line["oracle"] = page.reward_fingerprint();
      line["reward_shaping"] = page.reward_shaping_hash();
      out_ << line.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace) << "\n";
    }
  }

 private:
  const Provenance provenance_;
  std::ostream& out_;
};

}  // namespace

std::unique_ptr<ObjectWriter> ObjectWriter::Create(ObjectFormat format,
                                                   const Provenance& provenance,
                                                   std::ostream& out) {
  switch (format) {
    case ObjectFormat::kCsv:
      return std::make_unique<CsvWriter>(provenance, out);
    case ObjectFormat::kJsonLines:
      return std::make_unique<JsonLinesWriter>(provenance, out);
    case ObjectFormat::kTable:
      break;
  }
  return std::make_unique<TableWriter>(provenance, out);
}

}  // namespace anabranch
