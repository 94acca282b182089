#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "cli/check_oracle/checks.h"
#include "runtime/error_reason.h"
#include "runtime/retry.h"

namespace anabranch {
namespace {

constexpr size_t kLongBytes = 100000;
// Of the request of one object too many: more isn't worth sending.
constexpr uint64_t kMostOversizeBytes = 32 << 20;

struct BadObject {
  const char* what;
  std::string bytes;
};

std::vector<BadObject> BadObjects() {
  std::string garbage = "\xff\xfe";
  garbage.push_back('\0');
  garbage += "\x80garbage\x1b[2J";
  return {{"the empty object", ""},
          {"garbage bytes", garbage},
          {"an object of 100,000 bytes", std::string(kLongBytes, '(')}};
}

// What is wrong with the answer for one bad object, or empty.
std::string BadObjectFault(const BadObject& bad, v1::ObjectStatus status) {
  switch (status) {
    case v1::OBJECT_STATUS_RETRYABLE:
    case v1::OBJECT_STATUS_PENDING:
      return absl::StrCat(bad.what, " is ", v1::ObjectStatus_Name(status),
                          ", so that it would be asked again and again");
    default:
      return "";
  }
}

void CheckOneBadObject(Probe& probe, const BadObject& bad, std::string& fault,
                       std::string& scored) {
  const std::string &left = probe.objects().front(), &right = probe.objects().back();
  const auto response = probe.Ask(probe.Request(std::vector<std::string>{left, bad.bytes, right}));
  if (!response.ok()) {
    fault = absl::StrCat(bad.what, " fails its whole batch: ", InWords(response.status()));
    return;
  }
  const v1::ObjectStatus status = response->statuses(1);
  fault = BadObjectFault(bad, status);
  if (status == v1::OBJECT_STATUS_OK) scored = bad.what;
  for (const int i : {0, 2}) {
    const std::string& object = i == 0 ? left : right;
    const Judgement judgement = JudgementOf(*response, i);
    const bool comparable = probe.comparable() || judgement.status != v1::OBJECT_STATUS_OK;
    if (comparable && probe.Compare(object, judgement) == Agreement::kDifferent) {
      fault = absl::StrCat("beside ", bad.what, ", \"", OneLine(object), "\" got ",
                           ToText(judgement), " after ", probe.Heard(object));
    }
  }
}

// A request that must be refused in a way that isn't tried again.
void MustRefuse(Probe& probe, const char* check, const v1::EvaluateRequest& request,
                const std::vector<absl::StatusCode>& codes, absl::string_view reason,
                OracleReport& report) {
  const absl::Status status = probe.oracle().Evaluate(request).status();
  const std::string wanted = absl::StrCat("Refuse it with ", absl::StatusCodeToString(codes[0]));
  if (status.ok()) {
    report.Fail(check, "is accepted", wanted);
  } else if (IsRetryable(status)) {
    report.Fail(check, absl::StrCat("is refused with ", InWords(status), ", which is retried"),
                wanted);
  } else if (std::find(codes.begin(), codes.end(), status.code()) == codes.end()) {
    report.Fail(check, absl::StrCat("is refused with ", InWords(status)), wanted);
  } else if (!reason.empty() && ReasonOf(status) != reason) {
    report.Warn(check,
                absl::StrCat("is refused with ", absl::StatusCodeToString(status.code()),
                             ", but without the reason ", reason),
                "Attach a google.rpc.ErrorInfo with it: callers decide by the reason");
  } else {
    report.Pass(check, absl::StrCat("is refused with ", absl::StatusCodeToString(status.code())));
  }
}

void CheckOversize(Probe& probe, OracleReport& report) {
  const char* check = "refuses.oversize";
  const uint64_t most = probe.description().max_batch_objects();
  if (most == 0) {
    report.Skip(check, "the oracle has no limit");
    return;
  }
  const std::string& object =
      *std::min_element(probe.objects().begin(), probe.objects().end(),
                        [](const auto& a, const auto& b) { return a.size() < b.size(); });
  // Each object brings some bytes of framing.
  if ((most + 1) * (object.size() + 8) > kMostOversizeBytes) {
    report.Skip(check, absl::StrCat("a batch of ", most + 1, " objects is too large to try"));
    return;
  }
  const std::vector<std::string> objects(most + 1, object);
  MustRefuse(probe, check, probe.Request(objects),
             {absl::StatusCode::kInvalidArgument, absl::StatusCode::kResourceExhausted}, "",
             report);
}

void CheckEmptyBatch(Probe& probe, OracleReport& report) {
  const auto response = probe.Ask(probe.Request({}));
  if (response.ok()) {
    report.Pass("answers.empty_batch", "an empty batch gets an empty answer");
  } else if (absl::IsInvalidArgument(response.status())) {
    report.Warn("answers.empty_batch", InWords(response.status()),
                "Answer a batch of 0 objects with 0 answers: tools probe with it");
  } else {
    report.Fail("answers.empty_batch", InWords(response.status()),
                "Answer a batch of 0 objects with 0 answers");
  }
}

}  // namespace

void CheckInvalidObjects(Probe& probe, OracleReport& report) {
  const char* check = "answers.invalid";
  const uint32_t most = probe.description().max_batch_objects();
  if (most > 0 && most < 3) {
    report.Skip(check, "requests of three objects are not accepted");
    return;
  }
  std::string scored;
  for (const BadObject& bad : BadObjects()) {
    std::string fault;
    CheckOneBadObject(probe, bad, fault, scored);
    if (fault.empty()) continue;
    report.Fail(
        check, fault,
        "An object that can't be scored is INVALID or FAILED, alone; catch errors object by "
        "object");
    return;
  }
  if (!scored.empty()) {
    report.Warn(check, absl::StrCat(scored, " gets values"),
                "If that isn't an object, say INVALID: such values are trained on");
    return;
  }
  report.Pass(check, "empty, garbage and very long objects fail alone, neighbours are right");
}

void CheckRefusals(Probe& probe, OracleReport& report) {
  using absl::StatusCode;
  const std::vector<std::string> one = {probe.objects()[0]};
  v1::EvaluateRequest request = probe.Request(one);
  request.set_expected_fingerprint("a-fingerprint-that-no-oracle-has");
  MustRefuse(probe, "refuses.fingerprint", request, {StatusCode::kFailedPrecondition},
             kReasonFingerprintChanged, report);
  request = probe.Request(one);
  request.set_format("anabranch.no-such-format");
  MustRefuse(probe, "refuses.format", request,
             {StatusCode::kInvalidArgument, StatusCode::kFailedPrecondition}, "", report);
  request = probe.Request(one);
  request.add_objectives("no-such-objective");
  MustRefuse(probe, "refuses.objective", request,
             {StatusCode::kInvalidArgument, StatusCode::kNotFound}, "", report);
  CheckOversize(probe, report);
  CheckEmptyBatch(probe, report);
}

}  // namespace anabranch
