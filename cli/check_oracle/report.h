// What was found out about an oracle.
#ifndef ANABRANCH_CLI_CHECK_ORACLE_REPORT_H_
#define ANABRANCH_CLI_CHECK_ORACLE_REPORT_H_

#include <cstdint>
#include <ostream>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "anabranch/v1/reward.pb.h"

namespace anabranch {

// Code and message, without what is meant for machines.
inline std::string InWords(const absl::Status& status) {
  return status.ToString(absl::StatusToStringMode::kWithNoExtraData);
}

enum class Verdict { kPass, kFail, kWarn, kSkip };

// The outcome of one check.
struct Finding {
  Verdict verdict;
  std::string check;   // Stable name, such as "answers.order".
  std::string detail;  // What was seen, one line.
  std::string remedy;  // What to do about it; empty for PASS.
};

// How fast the oracle answers batches of one size.
struct Throughput {
  uint32_t batch_objects = 0;
  int in_flight = 1;
  double objects_per_second = 0;
  absl::Duration median_latency;
  absl::Duration worst_latency;
};

struct OracleReport {
  std::string address;
  v1::DescribeResponse description;
  std::string format;
  std::vector<Finding> findings;
  std::vector<Throughput> throughput;
  // What to write into the run's configuration; 0 where it was not measured.
  uint32_t suggested_batch_objects = 0;
  int suggested_max_in_flight = 0;

  void Pass(std::string check, std::string detail);
  void Fail(std::string check, std::string detail, std::string remedy);
  void Warn(std::string check, std::string detail, std::string remedy);
  void Skip(std::string check, std::string detail, std::string remedy = "");
  int Count(Verdict verdict) const;
};

// "PASS", "FAIL", "WARN", "SKIP".
std::string VerdictName(Verdict verdict);
// Whatever bytes an oracle sent, as one printable line of bounded length.
std::string OneLine(const std::string& text);

void WriteReportText(const OracleReport& report, std::ostream& out);
// One JSON document with the same content.
void WriteReportJson(const OracleReport& report, std::ostream& out);

}  // namespace anabranch

#endif  // ANABRANCH_CLI_CHECK_ORACLE_REPORT_H_
