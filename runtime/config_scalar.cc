#include "runtime/config_scalar.h"

#include <cmath>
#include <cstdint>
#include <limits>

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/string_view.h"
#include "runtime/config_names.h"

namespace anabranch {
namespace {

using ::google::protobuf::EnumValueDescriptor;
using ::google::protobuf::FieldDescriptor;
using ::google::protobuf::Message;

std::string WholeNumberRange(uint64_t maximum) {
  return absl::StrCat("a whole number from 0 to ", maximum);
}

bool IsWholeNumber(absl::string_view text) {
  if (!text.empty() && (text[0] == '-' || text[0] == '+')) text.remove_prefix(1);
  if (text.empty()) return false;
  for (char c : text) {
    if (!absl::ascii_isdigit(static_cast<unsigned char>(c))) return false;
  }
  return true;
}

// A string in quotes is a string, whatever it spells. yaml-cpp tags plain scalars "?" and quoted
// ones "!"; a scalar made by a program has no tag.
bool IsQuoted(const YAML::Node& node) { return node.Tag() == "!"; }

absl::Status Mismatch(const YAML::Node& node, const FieldDescriptor& field) {
  return absl::InvalidArgumentError(
      absl::StrCat("expected ", ExpectedScalar(field), ", found ", DescribeNode(node)));
}

absl::Status OutOfRange(const YAML::Node& node, const FieldDescriptor& field) {
  return absl::InvalidArgumentError(
      absl::StrCat(node.Scalar(), " is out of range; expected ", ExpectedScalar(field)));
}

template <typename Integer>
absl::Status ParseWholeNumber(const YAML::Node& node, const FieldDescriptor& field, Integer* out) {
  const std::string& text = node.Scalar();
  if (IsQuoted(node) || !IsWholeNumber(text)) return Mismatch(node, field);
  if (!absl::SimpleAtoi(text, out)) return OutOfRange(node, field);
  return absl::OkStatus();
}

absl::Status ParseNumber(const YAML::Node& node, const FieldDescriptor& field, double* out) {
  const std::string& text = node.Scalar();
  // YAML's own spellings of what is not finite begin with a dot.
  const std::string lower = absl::AsciiStrToLower(text);
  const bool not_finite =
      lower == ".nan" || lower == ".inf" || lower == "-.inf" || lower == "+.inf";
  if (IsQuoted(node) || (!not_finite && !absl::SimpleAtod(text, out))) return Mismatch(node, field);
  if (not_finite || !std::isfinite(*out)) return OutOfRange(node, field);
  return absl::OkStatus();
}

absl::Status SetEnum(const YAML::Node& node, const FieldDescriptor& field, Message& message) {
  const EnumValueDescriptor* value = FindEnumValue(*field.enum_type(), node.Scalar());
  if (value != nullptr) {
    message.GetReflection()->SetEnum(&message, &field, value);
    return absl::OkStatus();
  }
  const std::string nearest = NearestName(node.Scalar(), ShortEnumNames(*field.enum_type()));
  absl::Status mismatch = Mismatch(node, field);
  if (nearest.empty()) return mismatch;
  return absl::InvalidArgumentError(
      absl::StrCat(mismatch.message(), "; did you mean \"", nearest, "\"?"));
}

absl::Status SetBool(const YAML::Node& node, const FieldDescriptor& field, Message& message) {
  const bool truth = node.Scalar() == "true";
  if (IsQuoted(node) || (!truth && node.Scalar() != "false")) return Mismatch(node, field);
  message.GetReflection()->SetBool(&message, &field, truth);
  return absl::OkStatus();
}

}  // namespace

std::string ExpectedScalar(const FieldDescriptor& field) {
  switch (field.cpp_type()) {
    case FieldDescriptor::CPPTYPE_UINT32:
      return WholeNumberRange(std::numeric_limits<uint32_t>::max());
    case FieldDescriptor::CPPTYPE_UINT64:
      return WholeNumberRange(std::numeric_limits<uint64_t>::max());
    case FieldDescriptor::CPPTYPE_DOUBLE:
      return "a finite number";
    case FieldDescriptor::CPPTYPE_BOOL:
      return "true or false";
    case FieldDescriptor::CPPTYPE_ENUM:
      return absl::StrCat("one of ", absl::StrJoin(ShortEnumNames(*field.enum_type()), ", "));
    default:
      return "a string";
  }
}

std::string DescribeNode(const YAML::Node& node) {
  switch (node.Type()) {
    case YAML::NodeType::Scalar:
      return absl::StrCat("\"", node.Scalar(), "\"");
    case YAML::NodeType::Sequence:
      return "a list";
    case YAML::NodeType::Map:
      return "a mapping";
    default:
      return "nothing";
  }
}

absl::Status SetScalar(const YAML::Node& node, const FieldDescriptor& field, Message& message) {
  if (!node.IsScalar()) return Mismatch(node, field);
  const google::protobuf::Reflection& reflection = *message.GetReflection();
  switch (field.cpp_type()) {
    case FieldDescriptor::CPPTYPE_UINT32: {
      uint32_t value = 0;
      if (absl::Status s = ParseWholeNumber(node, field, &value); !s.ok()) return s;
      reflection.SetUInt32(&message, &field, value);
      return absl::OkStatus();
    }
    case FieldDescriptor::CPPTYPE_UINT64: {
      uint64_t value = 0;
      if (absl::Status s = ParseWholeNumber(node, field, &value); !s.ok()) return s;
      reflection.SetUInt64(&message, &field, value);
      return absl::OkStatus();
    }
    case FieldDescriptor::CPPTYPE_DOUBLE: {
      double value = 0;
      if (absl::Status s = ParseNumber(node, field, &value); !s.ok()) return s;
      reflection.SetDouble(&message, &field, value);
      return absl::OkStatus();
    }
    case FieldDescriptor::CPPTYPE_BOOL:
      return SetBool(node, field, message);
    case FieldDescriptor::CPPTYPE_ENUM:
      return SetEnum(node, field, message);
    case FieldDescriptor::CPPTYPE_STRING:
      reflection.SetString(&message, &field, node.Scalar());
      return absl::OkStatus();
    default:
      // A configuration type with a field of another kind is a mistake in config.proto.
      return absl::InternalError(
          absl::StrCat("fields of type ", field.cpp_type_name(), " can't be configured"));
  }
}

}  // namespace anabranch
