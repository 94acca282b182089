#include <algorithm>
#include <cmath>
#include <numeric>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "cli/check_oracle/checks.h"

namespace anabranch {
namespace {

constexpr char kShapeRemedy[] =
    "Answer in columns: one status for each object and n x m values, in the request's order";

// What became of a comparison of many judgements.
struct Tally {
  int same = 0, close = 0;
  std::string different;  // The first that differs, in words.

  void Add(Agreement agreement, const std::string& words) {
    if (agreement == Agreement::kSame) ++same;
    if (agreement == Agreement::kClose) ++close;
    if (agreement == Agreement::kDifferent && different.empty()) different = words;
  }
  int compared() const { return same + close; }
};

std::string Words(Probe& probe, const std::string& object, const Judgement& judgement) {
  return absl::StrCat("\"", OneLine(object), "\" got ", ToText(judgement), " after ",
                      probe.Heard(object));
}

// Asks for `objects` and holds the answers against those heard first. Errors as Ask.
absl::Status Tell(Probe& probe, const std::vector<std::string>& objects, Tally& tally) {
  const auto response = probe.Ask(probe.Request(objects));
  if (!response.ok()) return response.status();
  for (size_t i = 0; i < objects.size(); ++i) {
    const Judgement judgement = JudgementOf(*response, static_cast<int>(i));
    tally.Add(probe.Compare(objects[i], judgement), Words(probe, objects[i], judgement));
  }
  return absl::OkStatus();
}

// Asks for the probe's objects as they are, then in `order`, and holds what each got against each
// other: whatever else an answer may depend on is the same. Errors as Ask.
absl::Status TellInOrder(Probe& probe, const std::vector<size_t>& order, Tally& tally) {
  const std::vector<std::string>& objects = probe.objects();
  std::vector<std::string> ordered;
  for (const size_t at : order) ordered.push_back(objects[at]);
  const auto first = probe.Ask(probe.Request(objects));
  if (!first.ok()) return first.status();
  const auto second = probe.Ask(probe.Request(ordered));
  if (!second.ok()) return second.status();
  for (size_t i = 0; i < order.size(); ++i) {
    const Judgement one = JudgementOf(*first, static_cast<int>(order[i]));
    const Judgement two = JudgementOf(*second, static_cast<int>(i));
    tally.Add(CompareJudgements(one, two), absl::StrCat("\"", OneLine(ordered[i]), "\" got ",
                                                        ToText(two), " after ", ToText(one)));
  }
  return absl::OkStatus();
}

std::vector<size_t> AsTheyAre(size_t n) {
  std::vector<size_t> order(n);
  std::iota(order.begin(), order.end(), size_t{0});
  return order;
}

// The same batch twice, as two requests: values that vary even then say nothing about the order.
void CheckSteadiness(Probe& probe, OracleReport& report) {
  const char* check = "answers.deterministic";
  if (!probe.comparable() || !probe.answers_at_once()) return;
  Tally tally;
  const absl::Status status = TellInOrder(probe, AsTheyAre(probe.objects().size()), tally);
  if (status.ok() && tally.different.empty()) return;
  report.Fail(
      check,
      status.ok() ? absl::StrCat("claimed, but ", tally.different, " in the same batch")
                  : InWords(status),
      status.ok() ? "Say deterministic = false: caches then keep mean and count" : kShapeRemedy);
  probe.StopComparing();
}

void CheckOrder(Probe& probe, OracleReport& report) {
  const char* check = "answers.order";
  if (!probe.answers_at_once() || !probe.comparable()) {
    report.Skip(check, probe.comparable() ? "no object was answered at once" : "values vary");
    return;
  }
  std::vector<size_t> order = AsTheyAre(probe.objects().size());
  std::reverse(order.begin(), order.end());
  std::rotate(order.begin(), order.begin() + static_cast<std::ptrdiff_t>(order.size() / 3),
              order.end());
  Tally tally;
  if (const absl::Status status = TellInOrder(probe, order, tally); !status.ok()) {
    report.Fail(check, InWords(status), kShapeRemedy);
  } else if (!tally.different.empty()) {
    report.Fail(check, absl::StrCat("in another order, ", tally.different),
                "Answer i belongs to object i of the request; nothing may be sorted or dropped");
    probe.StopComparing();
  } else {
    report.Pass(check, absl::StrCat("a permuted batch gives permuted values, ", tally.compared(),
                                    " objects"));
  }
}

void CheckRepeat(Probe& probe, OracleReport& report) {
  const char* check = "answers.repeat";
  const v1::EvaluateRequest request = probe.Request(probe.objects());
  const auto first = probe.Ask(request), second = probe.Ask(request);
  if (!first.ok() || !second.ok()) {
    report.Fail(check, InWords((first.ok() ? second : first).status()),
                "A request may be sent again after a lost answer, under the same request_id");
    return;
  }
  Tally tally;
  for (int i = 0; i < request.objects_size(); ++i) {
    const Judgement one = JudgementOf(*first, i), two = JudgementOf(*second, i);
    tally.Add(CompareJudgements(one, two),
              absl::StrCat("\"", OneLine(request.objects(i).inline_()), "\" got ", ToText(one),
                           ", then ", ToText(two)));
  }
  if (tally.different.empty() && tally.close == 0) {
    report.Pass(check, "the same request_id again gives the same answer");
  } else if (probe.description().deterministic()) {
    report.Fail(check, tally.different.empty() ? "last digits differ" : tally.different,
                "The same request_id must give the same answer: keep recent answers by it");
  } else {
    report.Warn(check, tally.different.empty() ? "last digits differ" : tally.different,
                "A retry is then not free: keep recent answers by request_id");
  }
}

// Each object alone, and the whole batch with every object twice where that is accepted.
absl::Status TellInOtherBatches(Probe& probe, Tally& tally) {
  for (const std::string& object : probe.objects()) {
    if (const absl::Status status = Tell(probe, {object}, tally); !status.ok()) return status;
  }
  std::vector<std::string> twice = probe.objects();
  twice.insert(twice.end(), probe.objects().begin(), probe.objects().end());
  const uint32_t most = probe.description().max_batch_objects();
  if (most > 0 && twice.size() > most) twice.resize(most);
  return Tell(probe, twice, tally);
}

void CheckDeterminism(Probe& probe, OracleReport& report) {
  const char* check = "answers.deterministic";
  if (!probe.answers_at_once()) {
    report.Skip(check, "no object was answered at once");
    return;
  }
  const bool claimed = probe.description().deterministic();
  if (claimed && !probe.comparable()) return;  // The fault has been found already.
  Tally tally;
  if (const absl::Status status = TellInOtherBatches(probe, tally); !status.ok()) {
    report.Fail(check, InWords(status), kShapeRemedy);
  } else if (claimed && !tally.different.empty()) {
    report.Fail(check, absl::StrCat("claimed, but ", tally.different, " in another batch"),
                "Say deterministic = false, or make values depend on the object alone");
    probe.StopComparing();
  } else if (claimed && tally.close > 0) {
    report.Warn(check, absl::StrCat("last digits of ", tally.close, " values depend on the batch"),
                "Harmless for training; a cache keeps what it saw first");
  } else if (!claimed && tally.different.empty() && tally.close == 0) {
    report.Warn(check, "not claimed, but every object got the same values each time",
                "If that is always so, say deterministic = true: caches then keep one value");
  } else {
    report.Pass(check, claimed ? "claimed, and alone, twice and in other batches all stay the same"
                               : "not claimed, and values vary");
  }
}

void CheckBounds(Probe& probe, OracleReport& report) {
  const char* check = "answers.bounds";
  const auto response = probe.Ask(probe.Request(probe.objects()));
  if (!response.ok()) {
    report.Fail(check, InWords(response.status()), kShapeRemedy);
    return;
  }
  for (int i = 0; i < static_cast<int>(probe.objects().size()); ++i) {
    const Judgement judgement = JudgementOf(*response, i);
    if (judgement.status != v1::OBJECT_STATUS_OK) continue;
    for (int j = 0; j < probe.description().objectives_size(); ++j) {
      const v1::ObjectiveDescription& objective = probe.description().objectives(j);
      const double value = judgement.values[j];
      if ((objective.has_lower_bound() && value < objective.lower_bound()) ||
          (objective.has_upper_bound() && value > objective.upper_bound())) {
        report.Fail(check,
                    absl::StrCat(OneLine(objective.name()), " of \"", OneLine(probe.objects()[i]),
                                 "\" is ", value, ", outside the described bounds"),
                    "Describe bounds that hold for every object, or none");
        return;
      }
    }
  }
  report.Pass(check, "values are finite and within the described bounds");
}

// Asks for these described columns, and holds the values against those of all columns.
std::string SubsetFault(Probe& probe, const std::vector<int>& columns) {
  v1::EvaluateRequest request = probe.Request(probe.objects());
  for (const int column : columns) {
    request.add_objectives(probe.description().objectives(column).name());
  }
  const auto response = probe.Ask(request);
  if (!response.ok()) return InWords(response.status());
  if (!probe.comparable()) return "";
  for (size_t i = 0; i < probe.objects().size(); ++i) {
    const std::string& object = probe.objects()[i];
    const Judgement judgement = JudgementOf(*response, static_cast<int>(i));
    if (probe.Compare(object, judgement, columns) == Agreement::kDifferent) {
      return Words(probe, object, judgement);
    }
  }
  return "";
}

void CheckSubsets(Probe& probe, OracleReport& report) {
  const char* check = "answers.objectives";
  std::vector<int> all(probe.description().objectives_size());
  std::iota(all.begin(), all.end(), 0);
  std::vector<std::vector<int>> subsets = {{all.rbegin(), all.rend()}};
  for (const int column : all) subsets.push_back({column});
  for (const std::vector<int>& columns : subsets) {
    const std::string fault = SubsetFault(probe, columns);
    if (fault.empty()) continue;
    report.Fail(check, fault,
                "EvaluateRequest.objectives names the columns of the answer and sets their order");
    return;
  }
  report.Pass(check, "each objective alone, and all in reverse, come in the order asked for");
}

void CheckTickets(Probe& probe, OracleReport& report) {
  const char* check = "answers.tickets";
  if (!probe.description().issues_tickets()) {
    report.Skip(check, "the oracle issues none");
    return;
  }
  const auto first = probe.Ask(probe.Request(probe.objects()));
  v1::EvaluateRequest again = probe.Request(probe.objects());
  int pending = 0;
  for (int i = 0; first.ok() && i < again.objects_size(); ++i) {
    if (first->statuses(i) != v1::OBJECT_STATUS_PENDING) continue;
    again.mutable_objects(i)->set_ticket(first->tickets(i));
    ++pending;
  }
  v1::EvaluateRequest unknown = probe.Request(std::vector<std::string>{probe.objects()[0]});
  unknown.mutable_objects(0)->set_ticket("a-ticket-that-was-never-issued");
  absl::Status status = first.status();
  if (status.ok()) status = probe.Ask(again).status();
  if (status.ok()) status = probe.Ask(unknown).status();
  if (!status.ok()) {
    report.Fail(check, InWords(status),
                "An object that comes with its ticket is answered or PENDING again; one with an "
                "unknown ticket is evaluated anew");
    return;
  }
  report.Pass(check, absl::StrCat(pending, " of ", again.objects_size(),
                                  " objects are pending and can be asked again by ticket"));
}

}  // namespace

void CheckAnswers(Probe& probe, OracleReport& report) {
  CheckSteadiness(probe, report);
  CheckOrder(probe, report);
  CheckRepeat(probe, report);
  CheckDeterminism(probe, report);
  CheckBounds(probe, report);
  CheckSubsets(probe, report);
  CheckTickets(probe, report);
}

}  // namespace anabranch
