// How the checks ask an oracle, and what they hold an answer against.
#ifndef ANABRANCH_CLI_CHECK_ORACLE_PROBE_H_
#define ANABRANCH_CLI_CHECK_ORACLE_PROBE_H_

#include <atomic>
#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "anabranch/v1/reward.pb.h"
#include "runtime/channels.h"

namespace anabranch {

// What an oracle said of one object.
struct Judgement {
  v1::ObjectStatus status = v1::OBJECT_STATUS_UNSPECIFIED;
  std::vector<double> values;  // By column; NaN where it isn't valid.
};

// How two judgements of one object compare. kClose differs in the last digits only.
enum class Agreement { kSame, kClose, kDifferent, kNotComparable };

struct ProbeOptions {
  std::string format;
  std::string salt;  // Makes request ids unique among runs of the command.
};

// The oracle under test. Request, Ask and Compare are thread-safe once `Settle` has returned; calls
// block up to their deadline.
class Probe {
 public:
  // Both clients outlive it; `hasty` gives up long before an answer.
  Probe(RewardClient& oracle, RewardClient& hasty, v1::DescribeResponse description,
        ProbeOptions options);

  RewardClient& oracle() { return oracle_; }
  RewardClient& hasty() { return hasty_; }
  const v1::DescribeResponse& description() const { return description_; }
  const std::string& format() const { return options_.format; }

  // A request with an id of its own and the described fingerprint; asks for fresh values.
  v1::EvaluateRequest Request(std::span<const std::string> objects);
  // The answer, if its shape is right. INTERNAL says what is wrong with the shape.
  absl::StatusOr<v1::EvaluateResponse> Ask(const v1::EvaluateRequest& request);

  // Asks for the candidates and keeps those that can be scored, as many as a request takes and the
  // checks need, with their judgements. Errors as Ask.
  absl::Status Settle(std::span<const std::string> candidates);
  // What Settle kept.
  const std::vector<std::string>& objects() const { return objects_; }
  // Some were answered with values, not a ticket.
  bool answers_at_once() const { return answered_ > 0; }
  // Whether the values of an object can be held against those heard before. Not if the oracle says
  // that they vary; nor once a check has found that they do, so that one fault isn't found many
  // times over.
  bool comparable() const { return comparable_; }
  void StopComparing() { comparable_ = false; }

  // Holds the judgement of an object against what Settle heard. `columns` are the described
  // columns of the judgement's values.
  Agreement Compare(const std::string& object, const Judgement& judgement,
                    std::span<const int> columns) const;
  Agreement Compare(const std::string& object, const Judgement& judgement) const;
  // What Settle heard, for messages.
  std::string Heard(const std::string& object) const;

 private:
  RewardClient& oracle_;
  RewardClient& hasty_;
  const v1::DescribeResponse description_;
  const ProbeOptions options_;
  std::atomic<uint64_t> requests_ = 0;
  std::vector<std::string> objects_;
  std::map<std::string, Judgement> heard_;
  int answered_ = 0;
  bool comparable_;
};

// Object i of an answer whose shape is right.
Judgement JudgementOf(const v1::EvaluateResponse& response, int i);
Agreement CompareJudgements(const Judgement& a, const Judgement& b);
// "OK (0.5, 2)".
std::string ToText(const Judgement& judgement);

// What is wrong with the columns of an answer: their lengths, a missing status, a value that isn't
// finite, a PENDING object without a ticket. Empty if nothing is.
std::string ShapeFault(const v1::DescribeResponse& description, const v1::EvaluateRequest& request,
                       const v1::EvaluateResponse& response);

}  // namespace anabranch

#endif  // ANABRANCH_CLI_CHECK_ORACLE_PROBE_H_
