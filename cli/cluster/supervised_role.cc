#include "cli/cluster/supervised_role.h"

#include <algorithm>
#include <fstream>
#include <iterator>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "cli/cluster/role_command.h"

namespace anabranch {
namespace {

constexpr std::streamoff kTail = 64 << 10;
constexpr size_t kLinesOfAnEnd = 8;
constexpr int kWrongUsage = 2;  // Exit status of a role.

}  // namespace

std::optional<absl::Duration> RestartPolicy::AfterDeath(absl::Time now) {
  while (!deaths_.empty() && now - deaths_.front() >= options_.window) deaths_.pop_front();
  deaths_.push_back(now);
  if (static_cast<int>(deaths_.size()) >= options_.max_deaths) return std::nullopt;
  absl::Duration delay = options_.first_delay;
  for (size_t i = 1; i < deaths_.size(); ++i) delay *= 2;
  return std::min(delay, options_.longest_delay);
}

std::vector<std::string> LastLines(const std::string& path, size_t count) {
  std::ifstream file(path, std::ios::binary | std::ios::ate);
  if (!file) return {};
  const std::streamoff size = file.tellg();
  file.seekg(std::max<std::streamoff>(0, size - kTail));
  const std::string text((std::istreambuf_iterator<char>(file)), {});
  std::vector<std::string> lines;
  for (absl::string_view line : absl::StrSplit(text, '\n')) {
    line = absl::StripAsciiWhitespace(line);
    if (!line.empty()) lines.emplace_back(line);
  }
  if (lines.size() > count) lines.erase(lines.begin(), lines.end() - count);
  return lines;
}

absl::Status SupervisedRole::Start() {
  // What the process before has left there must not be taken for the new one's.
  absl::Status removed = PosixFileSystem()->RemoveFile(options_.address_file);
  if (!removed.ok() && !absl::IsNotFound(removed)) return removed;
  address_.reset();
  start_again_ = absl::InfiniteFuture();
  end_noted_ = false;
  ProcessOptions options;
  options.command = options_.command(endpoint_.empty() ? kAnyPort : endpoint_);
  options.log_file = options_.log_file;
  // Should the launcher be killed, its processes still leave in order.
  options.death_signal = SIGTERM;
  auto process = Process::Start(options);
  if (!process.ok()) return process.status();
  process_ = *std::move(process);
  return absl::OkStatus();
}

absl::StatusOr<std::string> SupervisedRole::Tend(absl::Time now) {
  if (process_ == nullptr) return "";
  if (const std::optional<ExitStatus> status = process_->Poll(); status.has_value()) {
    if (!end_noted_) return NoteEnd(*status, now);
    if (now < start_again_) return "";
    absl::Status started = Start();
    if (!started.ok()) return started;
    return "";
  }
  if (address_.has_value()) return "";
  auto address = ReadRoleAddress(*PosixFileSystem(), options_.address_file);
  if (absl::IsNotFound(address.status())) return "";
  if (!address.ok()) return address.status();
  if (address->pid != process_->pid()) return "";
  endpoint_ = address->grpc;
  address_ = *std::move(address);
  return "";
}

absl::StatusOr<std::string> SupervisedRole::NoteEnd(const ExitStatus& status, absl::Time now) {
  end_noted_ = true;
  address_.reset();
  if (status.signal == 0 && status.code == kWrongUsage) {
    return absl::InvalidArgumentError(DescribeEnd(status));
  }
  const std::optional<absl::Duration> delay = policy_.AfterDeath(now);
  if (!delay.has_value()) {
    return absl::AbortedError(absl::StrCat("gave up on ", DescribeEnd(status), "\nIt ended ",
                                           options_.restarts.max_deaths, " times within ",
                                           absl::FormatDuration(options_.restarts.window), "."));
  }
  start_again_ = now + *delay;
  const std::vector<std::string> last = LastLines(options_.log_file, 1);
  return absl::StrCat(name(), ": ", ToString(status), "; starts again in ",
                      absl::FormatDuration(*delay),
                      last.empty() ? "" : "; it said: ", last.empty() ? "" : last[0]);
}

std::string SupervisedRole::DescribeEnd(const ExitStatus& status) const {
  const std::vector<std::string> lines = LastLines(options_.log_file, kLinesOfAnEnd);
  return absl::StrCat(name(), ": ", ToString(status), "; the end of ", options_.log_file, ":\n  ",
                      absl::StrJoin(lines, "\n  "));
}

}  // namespace anabranch
