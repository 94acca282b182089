// What an actor has had acknowledged, for audits: one JSON object a line, such as
//   {"acknowledged":{"incarnation":"00000000000000ab","sequence":3,"first":16,"numbers":[16,17]}}
#ifndef ANABRANCH_ACTOR_LEDGER_H_
#define ANABRANCH_ACTOR_LEDGER_H_

#include <cstdio>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "anabranch/v1/replay.pb.h"

namespace anabranch {

// One thread uses it.
class Ledger {
 public:
  // Appends to what is there. Errors name the path.
  static absl::StatusOr<std::unique_ptr<Ledger>> Open(const std::string& path);
  ~Ledger();

  // Handed to the operating system before it returns, so that it outlives the process. Numbers are
  // those of the batch's trajectories, "first" the first of them; a line for each process that made
  // some. Blocks for the file system.
  absl::Status Acknowledged(const v1::InsertBatch& batch);

 private:
  Ledger(std::string path, std::FILE* file) : path_(std::move(path)), file_(file) {}

  const std::string path_;
  std::FILE* const file_;
};

}  // namespace anabranch

#endif  // ANABRANCH_ACTOR_LEDGER_H_
