#include "reward/adapters/tensor_values.h"

#include <bit>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <limits>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/string_view.h"
#include "reward/adapters/value_source.h"

namespace anabranch {
namespace {

using Output = inference::ModelInferResponse::InferOutputTensor;
using Values = std::vector<std::optional<double>>;

static_assert(std::endian::native == std::endian::little, "raw tensors are little-endian");

// IEEE 754 binary16.
struct Half {
  uint16_t bits;

  explicit operator double() const {
    const int exponent = bits >> 10 & 0x1F, fraction = bits & 0x3FF;
    double value;
    if (exponent == 0x1F) {
      value = fraction != 0 ? std::numeric_limits<double>::quiet_NaN()
                            : std::numeric_limits<double>::infinity();
    } else if (exponent == 0) {
      value = std::ldexp(fraction, -24);
    } else {
      value = std::ldexp(fraction | 0x400, exponent - 25);
    }
    return (bits & 0x8000) != 0 ? -value : value;
  }
};

template <typename T>
absl::StatusOr<Values> FromRaw(absl::string_view raw, const std::string& name, size_t n) {
  if (raw.size() != n * sizeof(T)) {
    return MalformedAnswer(absl::StrCat("the answer's output \"", name, "\" has ", raw.size(),
                                        " bytes, where ", n, " elements take ", n * sizeof(T)));
  }
  Values values;
  values.reserve(n);
  for (size_t i = 0; i < n; ++i) {
    T element;
    std::memcpy(&element, raw.data() + i * sizeof(T), sizeof(T));
    values.push_back(static_cast<double>(element));
  }
  return values;
}

template <typename List>
absl::StatusOr<Values> FromTyped(const List& list, const std::string& name, size_t n) {
  const absl::Status status =
      CheckCount(absl::StrCat("values of ", name), static_cast<size_t>(list.size()), n);
  if (!status.ok()) return status;
  Values values;
  values.reserve(n);
  for (const auto element : list) values.push_back(static_cast<double>(element));
  return values;
}

absl::StatusOr<Values> Decode(const Output& output, const std::string* raw, size_t n) {
  const std::string& type = output.datatype();
  const std::string& name = output.name();
  const inference::InferTensorContents& typed = output.contents();
  // The raw bytes as T, or the typed list.
  const auto read = [&]<typename T>(T, const auto& list) {
    return raw != nullptr ? FromRaw<T>(*raw, name, n) : FromTyped(list, name, n);
  };
  if (type == "FP32") return read(float{}, typed.fp32_contents());
  if (type == "FP64") return read(double{}, typed.fp64_contents());
  if (type == "BOOL") return read(uint8_t{}, typed.bool_contents());
  if (type == "INT8") return read(int8_t{}, typed.int_contents());
  if (type == "INT16") return read(int16_t{}, typed.int_contents());
  if (type == "INT32") return read(int32_t{}, typed.int_contents());
  if (type == "INT64") return read(int64_t{}, typed.int64_contents());
  if (type == "UINT8") return read(uint8_t{}, typed.uint_contents());
  if (type == "UINT16") return read(uint16_t{}, typed.uint_contents());
  if (type == "UINT32") return read(uint32_t{}, typed.uint_contents());
  if (type == "UINT64") return read(uint64_t{}, typed.uint64_contents());
  if (type == "FP16" && raw != nullptr) return FromRaw<Half>(*raw, name, n);
  return MalformedAnswer(absl::StrCat("the answer's output \"", name, "\" is of datatype ", type,
                                      raw != nullptr ? "" : " in typed form",
                                      ", which is no number that is understood; make it FP64"));
}

// [n] or [n, 1].
absl::Status CheckShape(const Output& output, size_t n) {
  const auto& shape = output.shape();
  const bool column = shape.size() == 1 || (shape.size() == 2 && shape[1] == 1);
  if (!column || shape[0] < 0) {
    return MalformedAnswer(absl::StrCat("the answer's output \"", output.name(), "\" is of shape [",
                                        absl::StrJoin(shape, ", "), "], where [", n, "] or [", n,
                                        ", 1] is due"));
  }
  return CheckCount(absl::StrCat("values of ", output.name()), static_cast<size_t>(shape[0]), n);
}

}  // namespace

absl::StatusOr<Values> ReadOutput(const inference::ModelInferResponse& answer,
                                  const std::string& name, size_t n) {
  const int raws = answer.raw_output_contents_size();
  if (raws != 0) {
    const absl::Status status = CheckCount("raw outputs", static_cast<size_t>(raws),
                                           static_cast<size_t>(answer.outputs_size()));
    if (!status.ok()) return status;
  }
  for (int i = 0; i < answer.outputs_size(); ++i) {
    const Output& output = answer.outputs(i);
    if (output.name() != name) continue;
    if (absl::Status status = CheckShape(output, n); !status.ok()) return status;
    return Decode(output, raws == 0 ? nullptr : &answer.raw_output_contents(i), n);
  }
  return MalformedAnswer(absl::StrCat(
      "the answer has no output \"", name,
      "\"; it has: ", absl::StrJoin(answer.outputs(), ", ", [](std::string* out, const Output& o) {
        out->append(o.name());
      })));
}

}  // namespace anabranch
