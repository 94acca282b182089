#include "runtime/config_reader.h"

#include <set>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "google/protobuf/descriptor.h"
#include "runtime/config_names.h"
#include "runtime/config_scalar.h"
#include "yaml-cpp/yaml.h"

namespace anabranch {
namespace {

using ::google::protobuf::Descriptor;
using ::google::protobuf::FieldDescriptor;
using ::google::protobuf::Message;
using ::google::protobuf::OneofDescriptor;
using ::google::protobuf::Reflection;

std::string ChildPath(absl::string_view path, absl::string_view name) {
  return path.empty() ? std::string(name) : absl::StrCat(path, ".", name);
}

std::string PlaceInFile(const std::string& name, const YAML::Mark& mark) {
  if (mark.is_null()) return name;
  return absl::StrCat(name, ":", mark.line + 1, ":", mark.column + 1);
}

absl::Status ErrorAt(absl::string_view place, absl::string_view what) {
  return absl::InvalidArgumentError(absl::StrCat(place, ": ", what));
}

// Null unless the field is one of several alternatives.
const OneofDescriptor* AlternativesOf(const FieldDescriptor& field) {
  return field.real_containing_oneof();
}

// Walks a YAML document and a message side by side.
class Reader {
 public:
  // `file` names the places of nodes; empty if all stand at `place`.
  Reader(const Descriptor& root, std::string file, std::string place, ConfigPlaces& places)
      : root_(root), file_(std::move(file)), place_(std::move(place)), places_(places) {}

  absl::Status ReadMessage(const YAML::Node& node, const std::string& path, Message& message) {
    if (node.IsNull()) return absl::OkStatus();  // `hypergrid:` with nothing below it.
    if (!node.IsMap()) {
      return ErrorAt(Place(node.Mark()),
                     absl::StrCat(path.empty() ? "the file" : path, ": expected a mapping, found ",
                                  DescribeNode(node)));
    }
    std::set<std::string> seen;
    for (const auto& entry : node) {
      absl::Status status = ReadEntry(entry.first, entry.second, path, message, seen);
      if (!status.ok()) return status;
    }
    return absl::OkStatus();
  }

  absl::Status ReadField(const YAML::Node& node, const std::string& place, const std::string& path,
                         const FieldDescriptor& field, Message& message) {
    places_[path] = place;
    if (field.is_repeated()) return ReadList(node, path, field, message);
    if (field.message_type() != nullptr) {
      return ReadMessage(node, path, *message.GetReflection()->MutableMessage(&message, &field));
    }
    absl::Status status = SetScalar(node, field, message);
    if (status.ok()) return status;
    return ErrorAt(place, absl::StrCat(path, ": ", status.message()));
  }

 private:
  std::string Place(const YAML::Mark& mark) const {
    return file_.empty() ? place_ : PlaceInFile(file_, mark);
  }

  absl::Status ReadEntry(const YAML::Node& key, const YAML::Node& value, const std::string& path,
                         Message& message, std::set<std::string>& seen) {
    const std::string key_place = Place(key.Mark());
    const std::string owner = path.empty() ? "the run configuration" : path;
    if (!key.IsScalar()) {
      return ErrorAt(key_place, absl::StrCat("a key of ", owner, " is ", DescribeNode(key),
                                             "; keys are plain names"));
    }
    const std::string& name = key.Scalar();
    const Descriptor& type = *message.GetDescriptor();
    const FieldDescriptor* field = type.FindFieldByName(name);
    if (field == nullptr) {
      return ErrorAt(key_place, absl::StrCat("unknown key \"", name, "\" in ", owner,
                                             KeyAdvice(type, name, root_)));
    }
    if (!seen.insert(name).second) {
      return ErrorAt(key_place,
                     absl::StrCat("key \"", name, "\" of ", owner, " is given twice; keep one"));
    }
    if (absl::Status s = CheckAlternatives(*field, key_place, owner, message, seen); !s.ok()) {
      return s;
    }
    // An empty value has no place of its own.
    const std::string place = value.IsNull() ? key_place : Place(value.Mark());
    return ReadField(value, place, ChildPath(path, name), *field, message);
  }

  absl::Status CheckAlternatives(const FieldDescriptor& field, const std::string& place,
                                 absl::string_view owner, const Message& message,
                                 const std::set<std::string>& seen) {
    const OneofDescriptor* alternatives = AlternativesOf(field);
    if (alternatives == nullptr) return absl::OkStatus();
    const FieldDescriptor* other =
        message.GetReflection()->GetOneofFieldDescriptor(message, alternatives);
    if (other == nullptr || other == &field || seen.count(other->name()) == 0) {
      return absl::OkStatus();
    }
    return ErrorAt(place, absl::StrCat(owner, " has both \"", other->name(), "\" and \"",
                                       field.name(), "\"; keep one"));
  }

  absl::Status ReadList(const YAML::Node& node, const std::string& path,
                        const FieldDescriptor& field, Message& message) {
    if (!node.IsSequence()) {
      return ErrorAt(places_[path],
                     absl::StrCat(path, ": expected a list, found ", DescribeNode(node)));
    }
    size_t index = 0;
    for (const YAML::Node& item : node) {
      const std::string item_path = ChildPath(path, absl::StrCat(index++));
      places_[item_path] = Place(item.Mark());
      absl::Status status =
          field.message_type() == nullptr
              ? AddText(item, item_path, field, message)
              : ReadMessage(item, item_path,
                            *message.GetReflection()->AddMessage(&message, &field));
      if (!status.ok()) return status;
    }
    return absl::OkStatus();
  }

  // Lists of scalars are lists of strings.
  absl::Status AddText(const YAML::Node& item, const std::string& path,
                       const FieldDescriptor& field, Message& message) {
    if (!item.IsScalar()) {
      return ErrorAt(places_[path], absl::StrCat(path, ": expected ", ExpectedScalar(field),
                                                 ", found ", DescribeNode(item)));
    }
    message.GetReflection()->AddString(&message, &field, item.Scalar());
    return absl::OkStatus();
  }

  const Descriptor& root_;
  const std::string file_;
  const std::string place_;
  ConfigPlaces& places_;
};

// yaml-cpp reports through exceptions; none leaves here.
absl::Status LoadNode(absl::string_view yaml, const std::string& file, const std::string& place,
                      YAML::Node* node) {
  try {
    std::vector<YAML::Node> documents = YAML::LoadAll(std::string(yaml));
    if (documents.size() > 1) {
      const std::string where = file.empty() ? place : PlaceInFile(file, documents[1].Mark());
      return ErrorAt(where, "a second YAML document begins; a configuration is one");
    }
    if (!documents.empty()) node->reset(documents[0]);
    return absl::OkStatus();
  } catch (const YAML::Exception& error) {
    const std::string where = file.empty() ? place : PlaceInFile(file, error.mark);
    return ErrorAt(where, absl::StrCat("not YAML: ", error.msg));
  }
}

// Forgets the places of everything below `path`, which is about to be replaced.
void ForgetBelow(const std::string& path, ConfigPlaces& places) {
  const std::string prefix = absl::StrCat(path, ".");
  auto entry = places.lower_bound(prefix);
  while (entry != places.end() && entry->first.compare(0, prefix.size(), prefix) == 0) {
    entry = places.erase(entry);
  }
}

// One step down a path that goes on.
absl::StatusOr<Message*> Descend(const std::vector<std::string>& parts, size_t* at,
                                 const FieldDescriptor& field, const std::string& place,
                                 Message& message) {
  const Reflection& reflection = *message.GetReflection();
  const std::string path = absl::StrJoin(parts.begin(), parts.begin() + *at + 1, ".");
  if (field.message_type() == nullptr) {
    return ErrorAt(place, absl::StrCat(path, " is a ", field.is_repeated() ? "list" : "single",
                                       field.is_repeated() ? " of strings, which is given whole"
                                                           : " value; it has no keys below it"));
  }
  if (!field.is_repeated()) {
    const OneofDescriptor* alternatives = AlternativesOf(field);
    const FieldDescriptor* set =
        alternatives ? reflection.GetOneofFieldDescriptor(message, alternatives) : nullptr;
    if (set != nullptr && set != &field) {
      return ErrorAt(place, absl::StrCat("the configuration has \"", set->name(), "\", not \"",
                                         field.name(), "\"; to switch, set ", path, "={...}"));
    }
    return reflection.MutableMessage(&message, &field);
  }
  int index = 0;
  const int size = reflection.FieldSize(message, &field);
  ++*at;
  if (!absl::SimpleAtoi(parts[*at], &index) || index < 0 || index >= size) {
    return ErrorAt(place, absl::StrCat(path, " is a list of ", size, " given in the file; \"",
                                       parts[*at], "\" is not a position in it, counted from 0"));
  }
  return reflection.MutableRepeatedMessage(&message, &field, index);
}

// The field that parts[i] names in `message`.
absl::StatusOr<const FieldDescriptor*> FindKey(const std::vector<std::string>& parts, size_t i,
                                               const Descriptor& root, const std::string& place,
                                               const Message& message) {
  const Descriptor& type = *message.GetDescriptor();
  if (const FieldDescriptor* field = type.FindFieldByName(parts[i])) return field;
  const std::string owner =
      i == 0 ? "the run configuration" : absl::StrJoin(parts.begin(), parts.begin() + i, ".");
  return ErrorAt(place, absl::StrCat("unknown key \"", parts[i], "\" in ", owner,
                                     KeyAdvice(type, parts[i], root)));
}

absl::Status Replace(const std::string& path, absl::string_view yaml, const std::string& place,
                     const Descriptor& root, const FieldDescriptor& field, Message& message,
                     ConfigPlaces& places) {
  YAML::Node node;
  if (absl::Status status = LoadNode(yaml, "", place, &node); !status.ok()) return status;
  if (field.message_type() != nullptr || field.is_repeated()) {
    message.GetReflection()->ClearField(&message, &field);
  }
  ForgetBelow(path, places);
  return Reader(root, "", place, places).ReadField(node, place, path, field, message);
}

}  // namespace

std::string PlaceOf(const ConfigPlaces& places, absl::string_view path) {
  for (;;) {
    const auto found = places.find(std::string(path));
    if (found != places.end()) return found->second;
    const size_t dot = path.rfind('.');
    if (dot == absl::string_view::npos) return "";
    path = path.substr(0, dot);
  }
}

absl::Status ReadYaml(absl::string_view yaml, const std::string& name, Message& message,
                      ConfigPlaces& places) {
  YAML::Node node;
  if (absl::Status status = LoadNode(yaml, name, "", &node); !status.ok()) return status;
  return Reader(*message.GetDescriptor(), name, "", places).ReadMessage(node, "", message);
}

absl::Status SetByPath(absl::string_view path, absl::string_view yaml, const std::string& place,
                       Message& message, ConfigPlaces& places) {
  const std::vector<std::string> parts = absl::StrSplit(path, '.');
  const Descriptor& root = *message.GetDescriptor();
  Message* at = &message;
  for (size_t i = 0; i < parts.size(); ++i) {
    absl::StatusOr<const FieldDescriptor*> field = FindKey(parts, i, root, place, *at);
    if (!field.ok()) return field.status();
    if (i + 1 == parts.size()) {
      return Replace(std::string(path), yaml, place, root, **field, *at, places);
    }
    absl::StatusOr<Message*> next = Descend(parts, &i, **field, place, *at);
    if (!next.ok()) return next.status();
    at = *next;
  }
  return ErrorAt(place, absl::StrCat(path, " is an element of a list; name one of its keys"));
}

}  // namespace anabranch
