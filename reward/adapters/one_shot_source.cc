#include "reward/adapters/one_shot_source.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/time/clock.h"
#include "reward/adapters/child_program.h"
#include "reward/adapters/json_answer.h"

namespace anabranch {

using nlohmann::json;

OneShotSource::OneShotSource(ProgramOptions options, Log& log)
    : options_(std::move(options)), log_(options_.oracle, log), free_(options_.processes) {}

absl::StatusOr<std::string> OneShotSource::Identity(bool) {
  return absl::StrCat("one_shot command=", absl::StrJoin(options_.command, " "));
}

std::string OneShotSource::Refusal(absl::string_view object) const {
  if (object.empty()) return "is empty, which a list of lines can't tell from no object";
  if (object.find_first_of(absl::string_view("\n\r\0", 3)) != absl::string_view::npos) {
    return "has an end of line or a zero byte, which a list of lines can't carry";
  }
  return IsUtf8(object) ? "" : "is no UTF-8 text";
}

void OneShotSource::Cancel() {
  cancel_.Set();
  absl::MutexLock lock(&mu_);  // Whoever waits looks again when it is released.
}

absl::StatusOr<std::string> OneShotSource::Run(absl::string_view input) {
  auto program = ChildProgram::Start(options_.command, log_, cancel_);
  if (!program.ok()) return program.status();
  return (*program)->AskOnce(input, options_.max_answer_bytes, absl::Now() + options_.timeout);
}

absl::StatusOr<ScoredObjects> OneShotSource::Score(const std::vector<absl::string_view>& objects,
                                                   const std::vector<std::string>& objectives) {
  const std::string input = absl::StrCat(absl::StrJoin(objects, "\n"), "\n");
  {
    absl::MutexLock lock(&mu_);
    const auto may_go_on = [this]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) {
      return free_ > 0 || cancel_.is_set();
    };
    mu_.Await(absl::Condition(&may_go_on));
    if (cancel_.is_set()) return absl::CancelledError("the oracle has been cancelled");
    --free_;
  }
  const auto text = Run(input);
  {
    absl::MutexLock lock(&mu_);
    ++free_;
  }
  if (!text.ok()) return text.status();
  const auto answer = ParseAnswer(*text);
  if (!answer.ok()) return answer.status();
  const auto payload = answer->is_object() ? answer->find("payload") : answer->end();
  if (!answer->is_object() || payload == answer->end()) {
    return MalformedAnswer("the program's document has no \"payload\"");
  }
  const auto version = answer->find("version");
  if (version != answer->end() && *version != json(1)) {
    return MalformedAnswer(absl::StrCat("the program's document has the version ",
                                        Shortened(WriteJson(*version), 40),
                                        "; what is understood is 1"));
  }
  return ReadColumns(*payload, objects.size(), objectives);
}

}  // namespace anabranch
