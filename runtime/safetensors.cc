#include "runtime/safetensors.h"

#include <algorithm>
#include <limits>
#include <memory>
#include <set>
#include <tuple>
#include <utility>

#include "absl/strings/str_cat.h"
#include "nlohmann/json.hpp"

namespace anabranch {
namespace {

using Json = nlohmann::json;

constexpr size_t kLengthBytes = 8;
// The limit that the format's own reader sets.
constexpr uint64_t kMaxHeaderBytes = 100'000'000;
constexpr char kMetadataKey[] = "__metadata__";

struct TypeInfo {
  TensorType type;
  absl::string_view name;
  int64_t size;
};
constexpr TypeInfo kTypes[] = {
    {TensorType::kF64, "F64", 8}, {TensorType::kI64, "I64", 8},   {TensorType::kF32, "F32", 4},
    {TensorType::kI32, "I32", 4}, {TensorType::kBF16, "BF16", 2}, {TensorType::kU8, "U8", 1},
};

const TypeInfo& InfoOf(TensorType type) { return kTypes[static_cast<size_t>(type)]; }

// Product of the shape and the element size; false if negative or too large to count.
bool CountBytes(const TypeInfo& type, const std::vector<int64_t>& shape, int64_t* bytes) {
  // A zero makes the product zero, wherever it stands, but must not hide an overflow before it.
  *bytes = type.size;
  for (int64_t extent : shape) {
    if (extent < 0) return false;
    if (extent > 0 && *bytes > std::numeric_limits<int64_t>::max() / extent) return false;
    *bytes *= extent;
  }
  return true;
}

absl::Status CheckTensors(const std::vector<const TensorView*>& sorted) {
  std::set<absl::string_view> names;
  for (const TensorView* tensor : sorted) {
    if (tensor->name.empty() || tensor->name == kMetadataKey) {
      return absl::InvalidArgumentError(
          absl::StrCat("tensor name \"", tensor->name, "\" is reserved; choose another"));
    }
    if (!names.insert(tensor->name).second) {
      return absl::InvalidArgumentError(
          absl::StrCat("tensor \"", tensor->name, "\" is given twice; names must be unique"));
    }
    int64_t bytes = 0;
    if (!CountBytes(InfoOf(tensor->type), tensor->shape, &bytes) ||
        static_cast<uint64_t>(bytes) != tensor->bytes.size()) {
      return absl::InvalidArgumentError(absl::StrCat("tensor \"", tensor->name, "\" has ",
                                                     tensor->bytes.size(),
                                                     " bytes, which don't fit its shape and type"));
    }
  }
  return absl::OkStatus();
}

void AppendLittleEndian(uint64_t value, std::string& out) {
  for (size_t i = 0; i < kLengthBytes; ++i) out.push_back(static_cast<char>(value >> (8 * i)));
}

uint64_t ReadLittleEndian(absl::string_view bytes) {
  uint64_t value = 0;
  for (size_t i = 0; i < kLengthBytes; ++i) {
    value |= static_cast<uint64_t>(static_cast<unsigned char>(bytes[i])) << (8 * i);
  }
  return value;
}

absl::Status Corrupt(absl::string_view what) {
  return absl::DataLossError(absl::StrCat("damaged safetensors file: ", what));
}

absl::Status CorruptTensor(absl::string_view name, absl::string_view what) {
  return Corrupt(absl::StrCat("tensor \"", name, "\" ", what));
}

// The header as JSON, an object. A name that stands twice is damage, though JSON lets it pass.
absl::StatusOr<Json> ParseHeader(absl::string_view text) {
  std::set<std::string> names;
  std::string repeated;
  auto watch = [&](int depth, Json::parse_event_t event, Json& parsed) {
    if (event == Json::parse_event_t::key && depth == 1) {
      std::string name = parsed.get<std::string>();
      if (!names.insert(name).second) repeated = name;
    }
    return true;
  };
  Json header = Json::parse(text.begin(), text.end(), watch, /*allow_exceptions=*/false);
  if (!header.is_object()) return Corrupt("its header is not a JSON object");
  if (!repeated.empty()) return CorruptTensor(repeated, "is described twice");
  return header;
}

// A list of non-negative integers.
bool ReadCounts(const Json& entry, const char* key, std::vector<int64_t>* out) {
  const auto found = entry.find(key);
  if (found == entry.end() || !found->is_array()) return false;
  for (const Json& item : *found) {
    if (!item.is_number_unsigned()) return false;
    const uint64_t value = item.get<uint64_t>();
    if (value > static_cast<uint64_t>(std::numeric_limits<int64_t>::max())) return false;
    out->push_back(static_cast<int64_t>(value));
  }
  return true;
}

absl::StatusOr<TensorView> ReadTensor(const std::string& name, const Json& entry,
                                      absl::string_view data) {
  if (!entry.is_object()) return CorruptTensor(name, "is not described by an object");
  const auto type_name = entry.find("dtype");
  if (type_name == entry.end() || !type_name->is_string())
    return CorruptTensor(name, "has no dtype");
  TensorView tensor;
  tensor.name = name;
  const auto type = std::find_if(std::begin(kTypes), std::end(kTypes), [&](const TypeInfo& info) {
    return info.name == type_name->get_ref<const std::string&>();
  });
  if (type == std::end(kTypes)) {
    return absl::InvalidArgumentError(
        absl::StrCat("tensor \"", name, "\" has dtype \"", type_name->get_ref<const std::string&>(),
                     "\"; known are F64, I64, F32, I32, BF16 and U8"));
  }
  tensor.type = type->type;
  if (!ReadCounts(entry, "shape", &tensor.shape)) {
    return CorruptTensor(name, "has a shape that is not a list of counts");
  }
  std::vector<int64_t> offsets;
  if (!ReadCounts(entry, "data_offsets", &offsets) || offsets.size() != 2) {
    return CorruptTensor(name, "has data_offsets that are not two counts");
  }
  if (offsets[0] > offsets[1] || static_cast<uint64_t>(offsets[1]) > data.size()) {
    return CorruptTensor(
        name, absl::StrCat("lies at bytes ", offsets[0], " to ", offsets[1], " of ", data.size()));
  }
  int64_t bytes = 0;
  if (!CountBytes(*type, tensor.shape, &bytes) || bytes != offsets[1] - offsets[0]) {
    return CorruptTensor(name, absl::StrCat("has ", offsets[1] - offsets[0],
                                            " bytes, which don't fit its shape and type"));
  }
  tensor.bytes = data.substr(static_cast<size_t>(offsets[0]), static_cast<size_t>(bytes));
  return tensor;
}

// Tensors must cover the data exactly: a gap or an overlap is damage that no size shows.
absl::Status CheckCover(const std::vector<TensorView>& tensors, absl::string_view data) {
  std::vector<const TensorView*> by_place;
  for (const TensorView& tensor : tensors) by_place.push_back(&tensor);
  std::sort(by_place.begin(), by_place.end(), [](const TensorView* a, const TensorView* b) {
    return std::make_tuple(a->bytes.data(), a->bytes.size()) <
           std::make_tuple(b->bytes.data(), b->bytes.size());
  });
  const char* end = data.data();
  for (const TensorView* tensor : by_place) {
    if (tensor->bytes.data() < end)
      return CorruptTensor(tensor->name, "overlaps the one before it");
    if (tensor->bytes.data() > end) return CorruptTensor(tensor->name, "leaves a gap before it");
    end = tensor->bytes.data() + tensor->bytes.size();
  }
  if (end != data.data() + data.size()) return Corrupt("bytes after the last tensor");
  return absl::OkStatus();
}

absl::Status ReadMetadata(const Json& entry, std::map<std::string, std::string>* metadata) {
  if (!entry.is_object()) return Corrupt("its __metadata__ is not an object");
  for (const auto& [key, value] : entry.items()) {
    if (!value.is_string()) return Corrupt(absl::StrCat("metadata \"", key, "\" is not a string"));
    metadata->emplace(key, value.get<std::string>());
  }
  return absl::OkStatus();
}

}  // namespace

int64_t ElementSize(TensorType type) { return InfoOf(type).size; }
absl::string_view TensorTypeName(TensorType type) { return InfoOf(type).name; }

absl::StatusOr<std::string> SerializeSafetensors(
    std::span<const TensorView> tensors, const std::map<std::string, std::string>& metadata) {
  std::vector<const TensorView*> sorted;
  for (const TensorView& tensor : tensors) sorted.push_back(&tensor);
  std::sort(sorted.begin(), sorted.end(), [](const TensorView* a, const TensorView* b) {
    return std::make_tuple(-ElementSize(a->type), absl::string_view(a->name)) <
           std::make_tuple(-ElementSize(b->type), absl::string_view(b->name));
  });
  if (absl::Status status = CheckTensors(sorted); !status.ok()) return status;

  Json header = Json::object();
  if (!metadata.empty()) header[kMetadataKey] = metadata;
  size_t data_size = 0;
  for (const TensorView* tensor : sorted) {
    header[tensor->name] = {{"dtype", std::string(TensorTypeName(tensor->type))},
                            {"shape", tensor->shape},
                            {"data_offsets", {data_size, data_size + tensor->bytes.size()}}};
    data_size += tensor->bytes.size();
  }
  std::string text;
  try {
    text = header.dump();
  } catch (const Json::exception&) {  // The JSON library's only way to refuse bytes.
    return absl::InvalidArgumentError("a tensor name or a metadata string is not UTF-8");
  }
  text.append((kLengthBytes - text.size() % kLengthBytes) % kLengthBytes, ' ');

  std::string out;
  out.reserve(kLengthBytes + text.size() + data_size);
  AppendLittleEndian(text.size(), out);
  out += text;
  for (const TensorView* tensor : sorted) out.append(tensor->bytes.data(), tensor->bytes.size());
  return out;
}

absl::StatusOr<SafetensorsFile> SafetensorsFile::Parse(std::string bytes) {
  auto owned = std::make_unique<const std::string>(std::move(bytes));
  absl::StatusOr<SafetensorsFile> file = View(*owned);
  if (file.ok()) file->bytes_ = std::move(owned);
  return file;
}

absl::StatusOr<SafetensorsFile> SafetensorsFile::View(absl::string_view all) {
  SafetensorsFile file;
  if (all.size() < kLengthBytes) {
    return Corrupt(
        absl::StrCat("it has ", all.size(), " bytes, fewer than its header's length takes"));
  }
  const uint64_t header_size = ReadLittleEndian(all);
  if (header_size > kMaxHeaderBytes || header_size > all.size() - kLengthBytes) {
    return Corrupt(absl::StrCat("its header claims ", header_size, " bytes of ", all.size()));
  }
  const absl::string_view data = all.substr(kLengthBytes + header_size);
  absl::StatusOr<Json> header = ParseHeader(all.substr(kLengthBytes, header_size));
  if (!header.ok()) return header.status();
  for (const auto& [name, entry] : header->items()) {
    if (name == kMetadataKey) {
      if (absl::Status s = ReadMetadata(entry, &file.metadata_); !s.ok()) return s;
      continue;
    }
    absl::StatusOr<TensorView> tensor = ReadTensor(name, entry, data);
    if (!tensor.ok()) return tensor.status();
    file.tensors_.push_back(*std::move(tensor));
  }
  if (absl::Status status = CheckCover(file.tensors_, data); !status.ok()) return status;
  return file;
}

absl::StatusOr<TensorView> SafetensorsFile::Find(absl::string_view name) const {
  const auto found =
      std::lower_bound(tensors_.begin(), tensors_.end(), name,
                       [](const TensorView& t, absl::string_view n) { return t.name < n; });
  if (found == tensors_.end() || found->name != name) {
    return absl::NotFoundError(absl::StrCat("no tensor \"", name, "\" in the safetensors file"));
  }
  return *found;
}

}  // namespace anabranch
