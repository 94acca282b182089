#include "reward/adapters/program_log.h"

#include <algorithm>

#include "absl/strings/str_cat.h"

namespace anabranch {
namespace {

constexpr double kBurst = 100;
constexpr double kPerSecond = 10;

}  // namespace

bool ProgramLog::Admit(absl::Time now, int64_t& left_out) {
  absl::MutexLock lock(&mu_);
  if (now > refilled_) {
    if (refilled_ != absl::InfinitePast()) {
      room_ = std::min(kBurst, room_ + kPerSecond * absl::ToDoubleSeconds(now - refilled_));
    }
    refilled_ = now;
  }
  if (room_ < 1) {
    ++left_out_;
    return false;
  }
  room_ -= 1;
  left_out = left_out_;
  left_out_ = 0;
  return true;
}

void ProgramLog::Line(pid_t pid, absl::string_view line, absl::Time now) {
  int64_t left_out = 0;
  if (!Admit(now, left_out)) return;
  if (left_out > 0) {
    log_.Warning("lines of an oracle's program were left out",
                 {{"oracle", oracle_}, {"lines", absl::StrCat(left_out)}});
  }
  log_.Info("an oracle's program says",
            {{"oracle", oracle_}, {"pid", absl::StrCat(pid)}, {"line", std::string(line)}});
}

void ProgramLog::Event(pid_t pid, absl::string_view message, absl::string_view detail) {
  log_.Warning(message,
               {{"oracle", oracle_}, {"pid", absl::StrCat(pid)}, {"detail", std::string(detail)}});
}

}  // namespace anabranch
