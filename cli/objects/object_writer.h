// Objects as a table for people, and as CSV and JSON Lines for programs.
#ifndef ANABRANCH_CLI_OBJECTS_OBJECT_WRITER_H_
#define ANABRANCH_CLI_OBJECTS_OBJECT_WRITER_H_

#include <cstdint>
#include <memory>
#include <ostream>
#include <string>

#include "anabranch/v1/replay.pb.h"

namespace anabranch {

// Where objects come from; stands in every line of CSV and JSON.
struct Provenance {
  std::string run_id;
  uint64_t seed = 0;
  std::string environment;
};

enum class ObjectFormat { kTable, kCsv, kJsonLines };

// Writes page after page. Objects are text here: bytes that are no UTF-8 are shown as U+FFFD in
// JSON and written as they are in CSV.
class ObjectWriter {
 public:
  virtual ~ObjectWriter() = default;
  // `first_rank` counts from 1. Numbers have all their digits in CSV and JSON.
  virtual void WritePage(const v1::ObjectBatch& page, int64_t first_rank) = 0;

  static std::unique_ptr<ObjectWriter> Create(ObjectFormat format, const Provenance& provenance,
                                              std::ostream& out);
};

}  // namespace anabranch

#endif  // ANABRANCH_CLI_OBJECTS_OBJECT_WRITER_H_
