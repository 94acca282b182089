#include "cli/check_oracle/sample_objects.h"

#include <fstream>
#include <set>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"

namespace anabranch {
namespace {

constexpr size_t kMostObjects = 100000;

std::vector<std::string> Molecules() {
  return {"CCO",                                          // Ethanol.
          "CC(=O)O",                                      // Acetic acid.
          "c1ccccc1",                                     // Benzene.
          "CC(C)=O",                                      // Acetone.
          "CC(=O)Oc1ccccc1C(=O)O",                        // Aspirin.
          "CC(=O)Nc1ccc(O)cc1",                           // Paracetamol.
          "CC(C)Cc1ccc(cc1)C(C)C(=O)O",                   // Ibuprofen.
          "Cn1cnc2c1c(=O)n(C)c(=O)n2C",                   // Caffeine.
          "CN1CCCC1c1cccnc1",                             // Nicotine.
          "NCCc1ccc(O)c(O)c1",                            // Dopamine.
          "OCC1OC(O)C(O)C(O)C1O",                         // Glucose.
          "CC1(C)SC2C(NC(=O)Cc3ccccc3)C(=O)N2C1C(=O)O"};  // Penicillin G.
}

std::vector<std::string> Sequences() {
  std::vector<std::string> sequences;
  for (const std::string letters : {"ACGT", "01", "ACDEFGHIKLMNPQRSTVWY"}) {
    for (const size_t length : {1, 2, 3, 4, 5, 8, 12, 16, 20, 32}) {
      std::string sequence;
      // A walk through the alphabet that looks different for each length.
      for (size_t i = 0; i < length; ++i)
        sequence += letters[(i * i + length + i) % letters.size()];
      sequences.push_back(sequence);
    }
  }
  return sequences;
}

std::vector<std::string> GridCells() {
  std::vector<std::string> cells;
  for (int dimensions = 1; dimensions <= 8; ++dimensions) {
    for (int cell = 0; cell < 8; ++cell) {
      std::string text = absl::StrCat(cell % 4);
      for (int d = 1; d < dimensions; ++d) absl::StrAppend(&text, " ", (cell / 2 + d * cell) % 4);
      cells.push_back(text);
    }
  }
  return cells;
}

std::vector<std::string> Once(const std::vector<std::string>& objects) {
  std::vector<std::string> out;
  std::set<std::string> seen;
  for (const std::string& object : objects) {
    if (seen.insert(object).second) out.push_back(object);
  }
  return out;
}

}  // namespace

std::vector<std::string> SampleObjects(absl::string_view format) {
  if (format == "smiles") return Molecules();
  if (format == "sequence") return Once(Sequences());
  if (format == "grid-coordinates") return Once(GridCells());
  return {};
}

absl::StatusOr<std::vector<std::string>> ReadObjects(const std::string& path) {
  std::ifstream file(path);
  if (!file) {
    return absl::NotFoundError(
        absl::StrCat("--objects ", path, ": can't be read; give a file with one object a line"));
  }
  std::vector<std::string> objects;
  for (std::string line; std::getline(file, line) && objects.size() < kMostObjects;) {
    if (!line.empty() && line.back() == '\r') line.pop_back();
    if (!line.empty()) objects.push_back(line);
  }
  if (objects.empty()) {
    return absl::InvalidArgumentError(
        absl::StrCat("--objects ", path, ": has no objects; give one a line"));
  }
  return Once(objects);
}

}  // namespace anabranch
