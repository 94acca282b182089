#include "cli/objects/objects_command.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <map>
#include <memory>

#include "CLI/CLI.hpp"
#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "cli/objects/object_source.h"
#include "cli/objects/object_writer.h"
#include "replay/replay_service.h"

namespace anabranch {
namespace {

constexpr int kFailed = 1;
constexpr int kUsage = 2;

struct Flags {
  std::string path;
  int64_t top = 10;
  bool all = false;
  ObjectFormat format = ObjectFormat::kTable;
  std::string output;
};

void Declare(CLI::App& app, Flags& flags) {
  static const std::map<std::string, ObjectFormat> kFormats = {{"table", ObjectFormat::kTable},
                                                               {"csv", ObjectFormat::kCsv},
                                                               {"jsonl", ObjectFormat::kJsonLines}};
  app.add_option(
         "run", flags.path,
         "A run's directory (its newest checkpoint is read; of a cluster its replay server, "
         "or what that has saved), or one checkpoint")
      ->required();
  app.add_option("--top", flags.top, "How many objects, by log-reward")
      ->capture_default_str()
      ->check(CLI::PositiveNumber);
  app.add_flag("--all", flags.all, "All objects that the run keeps");
  app.add_option("--format", flags.format, "table, csv or jsonl (one JSON object a line)")
      ->transform(CLI::CheckedTransformer(kFormats, CLI::ignore_case).description(""))
      ->default_str("table");
  app.add_option("--output", flags.output, "A file instead of standard output");
  app.footer(
      "Examples:\n"
      "  anabranch objects runs/grid --top 5\n"
      "  anabranch objects runs/grid --all --format csv --output objects.csv\n"
      "Values are those that the reward or the oracles gave in training; nobody is asked anew.\n"
      "Policies are told as generation.version: the learner's start and the snapshot within it.");
}

// Page after page, so that millions never lie in memory twice.
absl::Status WriteObjects(const ObjectSource& source, int64_t wanted, ObjectWriter& writer) {
  v1::QueryObjectsRequest request;
  *request.mutable_handshake() = source.handshake;
  request.mutable_query()->set_order(v1::OBJECT_ORDER_LOG_REWARD);
  int64_t written = 0;
  do {
    request.set_limit(std::min<uint64_t>(ReplayService::kMaxPage, wanted - written));
    auto page = source.replay->QueryObjects(request);
    if (!page.ok()) return page.status();
    writer.WritePage(page->objects(), written + 1);
    written += page->objects().object_lengths_size();
    request.set_cursor(page->next_cursor());
  } while (written < wanted && !request.cursor().empty());
  return absl::OkStatus();
}

absl::Status Run(const Flags& flags, std::ostream& out, std::ostream& err) {
  auto source = OpenObjectSource(flags.path);
  if (!source.ok()) return source.status();
  for (const std::string& warning : source->warnings) err << "anabranch: " << warning << std::endl;
  std::ofstream file;
  if (!flags.output.empty()) {
    file.open(flags.output, std::ios::binary | std::ios::trunc);
    if (!file) {
      return absl::PermissionDeniedError(
          absl::StrCat("can't write ", flags.output, ": ", std::strerror(errno)));
    }
  }
  std::ostream& target = flags.output.empty() ? out : file;
  const auto writer = ObjectWriter::Create(flags.format, source->provenance, target);
  const int64_t wanted = flags.all ? std::numeric_limits<int64_t>::max() : flags.top;
  if (absl::Status status = WriteObjects(*source, wanted, *writer); !status.ok()) {
    return status;
  }
  if (!target.flush()) {
    return absl::ResourceExhaustedError(
        absl::StrCat("writing ", flags.output.empty() ? "standard output" : flags.output,
                     " failed: ", std::strerror(errno)));
  }
  return absl::OkStatus();
}

}  // namespace

int RunObjectsCommand(const std::vector<std::string>& arguments, std::ostream& out,
                      std::ostream& err) {
  Flags flags;
  CLI::App app("Prints the terminal objects of a run, best first, with where they come from.",
               "anabranch objects");
  Declare(app, flags);
  std::vector<std::string> reversed(arguments.rbegin(), arguments.rend());
  try {
    app.parse(reversed);
  } catch (const CLI::ParseError& error) {
    return app.exit(error, out, err) == 0 ? 0 : kUsage;
  }
  if (absl::Status status = Run(flags, out, err); !status.ok()) {
    err << "anabranch objects: " << status.message() << std::endl;
    return kFailed;
  }
  return 0;
}

}  // namespace anabranch
