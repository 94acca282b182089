#include <charconv>
#include <string>

#include "runtime/config.h"
#include "runtime/config_names.h"
#include "yaml-cpp/yaml.h"

namespace anabranch {
namespace {

using ::google::protobuf::Descriptor;
using ::google::protobuf::FieldDescriptor;
using ::google::protobuf::Message;
using ::google::protobuf::Reflection;

// The shortest text that reads back as the same number.
std::string ShortestNumber(double value) {
  char text[32];
  const std::to_chars_result end = std::to_chars(text, text + sizeof(text), value);
  return std::string(text, end.ptr);
}

void EmitMessage(const Message& message, YAML::Emitter& out);

void EmitScalar(const Message& message, const FieldDescriptor& field, YAML::Emitter& out) {
  const Reflection& reflection = *message.GetReflection();
  switch (field.cpp_type()) {
    case FieldDescriptor::CPPTYPE_UINT32:
      out << reflection.GetUInt32(message, &field);
      return;
    case FieldDescriptor::CPPTYPE_UINT64:
      out << std::to_string(reflection.GetUInt64(message, &field));
      return;
    case FieldDescriptor::CPPTYPE_DOUBLE:
      out << ShortestNumber(reflection.GetDouble(message, &field));
      return;
    case FieldDescriptor::CPPTYPE_BOOL:
      out << (reflection.GetBool(message, &field) ? "true" : "false");
      return;
    case FieldDescriptor::CPPTYPE_ENUM:
      out << ShortEnumName(*reflection.GetEnum(message, &field));
      return;
    default:
      // Quoted, so that other YAML readers don't take the alphabet "01" for a number.
      out << YAML::DoubleQuoted << reflection.GetString(message, &field);
      return;
  }
}

void EmitField(const Message& message, const FieldDescriptor& field, YAML::Emitter& out) {
  const Reflection& reflection = *message.GetReflection();
  out << YAML::Key << field.name() << YAML::Value;
  if (field.is_repeated()) {
    out << YAML::BeginSeq;
    for (int i = 0; i < reflection.FieldSize(message, &field); ++i) {
      if (field.message_type() == nullptr) {
        out << YAML::DoubleQuoted << reflection.GetRepeatedString(message, &field, i);
        continue;
      }
      EmitMessage(reflection.GetRepeatedMessage(message, &field, i), out);
    }
    out << YAML::EndSeq;
  } else if (field.message_type() != nullptr) {
    EmitMessage(reflection.GetMessage(message, &field), out);
  } else {
    EmitScalar(message, field, out);
  }
}

bool IsPresent(const Message& message, const FieldDescriptor& field) {
  const Reflection& reflection = *message.GetReflection();
  return field.is_repeated() ? reflection.FieldSize(message, &field) > 0
                             : reflection.HasField(message, &field);
}

void EmitMessage(const Message& message, YAML::Emitter& out) {
  const Descriptor& type = *message.GetDescriptor();
  out << YAML::BeginMap;
  for (int i = 0; i < type.field_count(); ++i) {
    if (IsPresent(message, *type.field(i))) EmitField(message, *type.field(i), out);
  }
  out << YAML::EndMap;
}

}  // namespace

std::string PrintRunConfig(const v1::RunConfig& config) {
  YAML::Emitter out;
  EmitMessage(config, out);
  return std::string(out.c_str()) + "\n";
}

}  // namespace anabranch
