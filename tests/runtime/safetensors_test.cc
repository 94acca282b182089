#include "runtime/safetensors.h"

#include <gtest/gtest.h>
#include <stdlib.h>

#include <algorithm>
#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "runtime/file_system.h"
#include "tests/runtime/temporary_directory.h"

namespace anabranch {
namespace {

using ::absl::StatusCode;

constexpr float kWeights[] = {0.0f, 1.5f, -2.0f, 3.25f, 1e-8f, -1e8f};
constexpr double kLogZ[] = {6.34493};
constexpr int64_t kStep[] = {-1, 31250};
constexpr int32_t kLabels[] = {7, -7, 0};
constexpr uint16_t kHalf[] = {0x3f80, 0xc000};  // 1 and -2 as bfloat16.
constexpr uint8_t kFlags[] = {0, 255, 1};

template <typename T, size_t n>
absl::string_view BytesOf(const T (&values)[n]) {
  return absl::string_view(reinterpret_cast<const char*>(values), sizeof(values));
}

std::vector<TensorView> AllTypes() {
  return {{"trunk.0.weight", TensorType::kF32, {2, 3}, BytesOf(kWeights)},
          {"log_z", TensorType::kF64, {}, BytesOf(kLogZ)},
          {"step", TensorType::kI64, {2}, BytesOf(kStep)},
          {"labels", TensorType::kI32, {3, 1}, BytesOf(kLabels)},
          {"half", TensorType::kBF16, {2}, BytesOf(kHalf)},
          {"flags", TensorType::kU8, {3}, BytesOf(kFlags)},
          {"empty", TensorType::kF32, {0, 4}, ""}};
}

std::string Length(uint64_t value) {
  std::string bytes(8, '\0');
  for (int i = 0; i < 8; ++i) bytes[i] = static_cast<char>(value >> (8 * i));
  return bytes;
}

std::string WithHeader(const std::string& header, const std::string& data) {
  return Length(header.size()) + header + data;
}

// The one-tensor file {"a": F32[1]} with another description.
absl::Status ParseDescribed(const std::string& description, const std::string& data = "1234") {
  return SafetensorsFile::Parse(WithHeader("{\"a\":" + description + "}", data)).status();
}

TEST(Safetensors, WritesTheseBytesAndNoOthers) {
  const std::vector<TensorView> tensors = {
      {"w", TensorType::kU8, {3}, BytesOf(kFlags)},
      {"b", TensorType::kF32, {}, BytesOf(kWeights).substr(4, 4)}};
  const absl::StatusOr<std::string> bytes = SerializeSafetensors(tensors, {{"step", "5"}});
  ASSERT_TRUE(bytes.ok()) << bytes.status();
  std::string header =
      "{\"__metadata__\":{\"step\":\"5\"},"
      "\"b\":{\"data_offsets\":[0,4],\"dtype\":\"F32\",\"shape\":[]},"
      "\"w\":{\"data_offsets\":[4,7],\"dtype\":\"U8\",\"shape\":[3]}}";
  ASSERT_EQ(header.size(), 133u);
  header += "   ";  // To a multiple of 8.
  EXPECT_EQ(*bytes, Length(136) + header + std::string("\0\0\xc0\x3f\0\xff\x01", 7));
}

TEST(Safetensors, EveryTypeAndShapeReadsBackAsWritten) {
  const std::map<std::string, std::string> metadata = {{"run_id", "r"}, {"note", "ö \"quoted\""}};
  const absl::StatusOr<std::string> bytes = SerializeSafetensors(AllTypes(), metadata);
  ASSERT_TRUE(bytes.ok()) << bytes.status();
  absl::StatusOr<SafetensorsFile> file = SafetensorsFile::Parse(*bytes);
  ASSERT_TRUE(file.ok()) << file.status();
  const SafetensorsFile moved = *std::move(file);
  EXPECT_EQ(moved.metadata(), metadata);
  EXPECT_EQ(moved.tensors().size(), AllTypes().size());
  for (const TensorView& want : AllTypes()) {
    const absl::StatusOr<TensorView> got = moved.Find(want.name);
    ASSERT_TRUE(got.ok()) << got.status();
    EXPECT_EQ(got->type, want.type) << want.name;
    EXPECT_EQ(got->shape, want.shape) << want.name;
    EXPECT_EQ(got->bytes, want.bytes) << want.name;
  }
  EXPECT_EQ(moved.Find("absent").status().code(), StatusCode::kNotFound);
}

TEST(Safetensors, BytesDontDependOnTheOrderOfTensors) {
  std::vector<TensorView> tensors = AllTypes();
  const std::string bytes = *SerializeSafetensors(tensors);
  for (size_t i = 0; i < tensors.size(); ++i) {
    std::rotate(tensors.begin(), tensors.begin() + 1, tensors.end());
    EXPECT_EQ(*SerializeSafetensors(tensors), bytes);
  }
}

TEST(Safetensors, EveryTensorIsAlignedToItsElements) {
  const std::string bytes = *SerializeSafetensors(AllTypes());
  const SafetensorsFile file = *SafetensorsFile::Parse(bytes);
  const char* begin = file.Find("log_z")->bytes.data();  // The widest comes first.
  for (const TensorView& tensor : file.tensors()) {
    EXPECT_EQ((tensor.bytes.data() - begin) % ElementSize(tensor.type), 0) << tensor.name;
  }
}

TEST(Safetensors, WriterRefusesWhatItCouldNotReadBack) {
  const absl::string_view four = BytesOf(kWeights).substr(0, 4);
  const auto refused = [](std::vector<TensorView> tensors) {
    const absl::Status status = SerializeSafetensors(tensors).status();
    EXPECT_EQ(status.code(), StatusCode::kInvalidArgument) << status;
    return std::string(status.message());
  };
  EXPECT_EQ(refused({{"a", TensorType::kF32, {2}, four}}),
            "tensor \"a\" has 4 bytes, which don't fit its shape and type");
  EXPECT_EQ(refused({{"a", TensorType::kF32, {-1}, four}}),
            "tensor \"a\" has 4 bytes, which don't fit its shape and type");
  EXPECT_EQ(refused({{"a", TensorType::kF32, {1}, four}, {"a", TensorType::kI32, {1}, four}}),
            "tensor \"a\" is given twice; names must be unique");
  EXPECT_EQ(refused({{"__metadata__", TensorType::kF32, {1}, four}}),
            "tensor name \"__metadata__\" is reserved; choose another");
  EXPECT_EQ(refused({{"\xff", TensorType::kF32, {1}, four}}),
            "a tensor name or a metadata string is not UTF-8");
}

TEST(Safetensors, EveryTruncationIsRefused) {
  const std::string bytes = *SerializeSafetensors(AllTypes(), {{"k", "v"}});
  for (size_t size = 0; size < bytes.size(); ++size) {
    const absl::Status status = SafetensorsFile::Parse(bytes.substr(0, size)).status();
    EXPECT_EQ(status.code(), StatusCode::kDataLoss) << "at " << size << ": " << status;
  }
  EXPECT_EQ(SafetensorsFile::Parse(bytes + "x").status().code(), StatusCode::kDataLoss);
}

// Not every flip can be seen without a checksum (a letter of a name, a weight), but none may crash,
// and what is accepted must be sound.
TEST(Safetensors, EveryFlippedBitIsRefusedOrLeavesASoundFile) {
  const std::string bytes = *SerializeSafetensors(AllTypes(), {{"k", "v"}});
  int refused = 0;
  for (size_t at = 0; at < bytes.size(); ++at) {
    for (int bit = 0; bit < 8; ++bit) {
      std::string damaged = bytes;
      damaged[at] = static_cast<char>(damaged[at] ^ (1 << bit));
      const absl::StatusOr<SafetensorsFile> file = SafetensorsFile::Parse(damaged);
      if (!file.ok()) {
        ++refused;
        EXPECT_TRUE(file.status().code() == StatusCode::kDataLoss ||
                    file.status().code() == StatusCode::kInvalidArgument)
            << file.status();
        continue;
      }
      size_t covered = 0;
      for (const TensorView& tensor : file->tensors()) covered += tensor.bytes.size();
      EXPECT_LE(covered, bytes.size());
    }
  }
  EXPECT_GT(refused, 1000);
}

TEST(Safetensors, DamageIsNamedByTensor) {
  const auto message = [](const absl::Status& status) {
    EXPECT_EQ(status.code(), StatusCode::kDataLoss) << status;
    return std::string(status.message());
  };
  const std::string damaged = "damaged safetensors file: tensor \"a\" ";
  ASSERT_TRUE(ParseDescribed(R"({"dtype":"F32","shape":[1],"data_offsets":[0,4]})").ok());
  EXPECT_EQ(message(ParseDescribed("3")), damaged + "is not described by an object");
  EXPECT_EQ(message(ParseDescribed(R"({"shape":[1],"data_offsets":[0,4]})")),
            damaged + "has no dtype");
  EXPECT_EQ(message(ParseDescribed(R"({"dtype":"F32","shape":[-1],"data_offsets":[0,4]})")),
            damaged + "has a shape that is not a list of counts");
  EXPECT_EQ(message(ParseDescribed(R"({"dtype":"F32","shape":[1],"data_offsets":[0]})")),
            damaged + "has data_offsets that are not two counts");
  EXPECT_EQ(message(ParseDescribed(R"({"dtype":"F32","shape":[2],"data_offsets":[0,8]})")),
            damaged + "lies at bytes 0 to 8 of 4");
  EXPECT_EQ(message(ParseDescribed(R"({"dtype":"F32","shape":[1],"data_offsets":[4,0]})")),
            damaged + "lies at bytes 4 to 0 of 4");
  EXPECT_EQ(message(ParseDescribed(R"({"dtype":"F32","shape":[2],"data_offsets":[0,4]})")),
            damaged + "has 4 bytes, which don't fit its shape and type");
  EXPECT_EQ(message(ParseDescribed(
                R"({"dtype":"F32","shape":[4294967296,4294967296],"data_offsets":[0,0]})")),
            damaged + "has 0 bytes, which don't fit its shape and type");
  EXPECT_EQ(message(ParseDescribed(R"({"dtype":"U8","shape":[3],"data_offsets":[1,4]})")),
            damaged + "leaves a gap before it");
  EXPECT_EQ(message(ParseDescribed(R"({"dtype":"U8","shape":[4],"data_offsets":[0,4]},"a":{})")),
            damaged + "is described twice");
  EXPECT_EQ(message(ParseDescribed(R"({"dtype":"U8","shape":[4],"data_offsets":[0,4]},
                                      "b":{"dtype":"U8","shape":[2],"data_offsets":[2,4]})")),
            "damaged safetensors file: tensor \"b\" overlaps the one before it");
  EXPECT_EQ(message(ParseDescribed(R"({"dtype":"U8","shape":[3],"data_offsets":[0,3]})")),
            "damaged safetensors file: bytes after the last tensor");
}

TEST(Safetensors, ATypeNotKnownHereIsNamed) {
  const absl::Status status = ParseDescribed(R"({"dtype":"F16","shape":[2],"data_offsets":[0,4]})");
  EXPECT_EQ(status.code(), StatusCode::kInvalidArgument);
  EXPECT_EQ(status.message(),
            "tensor \"a\" has dtype \"F16\"; known are F64, I64, F32, I32, BF16 and U8");
}

TEST(Safetensors, AHeaderThatClaimsTooMuchIsRefusedWithoutReadingIt) {
  for (const uint64_t claim : {uint64_t{1}, uint64_t{100'000'001}, ~uint64_t{0}}) {
    EXPECT_EQ(SafetensorsFile::Parse(Length(claim)).status().code(), StatusCode::kDataLoss);
  }
  EXPECT_EQ(SafetensorsFile::Parse(WithHeader("[]", "")).status().code(), StatusCode::kDataLoss);
  EXPECT_EQ(SafetensorsFile::Parse(WithHeader(std::string(100'000, '['), "")).status().code(),
            StatusCode::kDataLoss);
}

// Read by the format's own reader, which scripts/setup puts under .deps/tools.
TEST(Safetensors, PythonReadsWhatWeWrite) {
  const std::string python = "PYTHONPATH=.deps/tools python3 ";
  if (system(absl::StrCat(python, "-c 'import safetensors' 2>/dev/null").c_str()) != 0) {
    GTEST_SKIP() << "the Python package safetensors is not installed; run scripts/setup";
  }
  const TemporaryDirectory directory;
  const std::string path = directory.Path("model.safetensors");
  const auto written = SerializeSafetensors(AllTypes(), {{"step", "5"}});
  ASSERT_TRUE(PosixFileSystem()->Write(path, *written).ok());
  // Without NumPy the package hands out bytes, and of the metadata nothing.
  const std::string script = absl::StrCat("path = '", path, "'\n", R"(
import struct
import safetensors

tensors = dict(safetensors.deserialize(open(path, 'rb').read()))
def check(name, dtype, shape, format, *values):
    tensor = tensors.pop(name)
    assert tensor['dtype'] == dtype and tensor['shape'] == shape, (name, tensor)
    assert bytes(tensor['data']) == struct.pack('<' + format, *values), (name, tensor)
check('trunk.0.weight', 'F32', [2, 3], '6f', 0, 1.5, -2, 3.25, 1e-8, -1e8)
check('log_z', 'F64', [], 'd', 6.34493)
check('step', 'I64', [2], '2q', -1, 31250)
check('labels', 'I32', [3, 1], '3i', 7, -7, 0)
check('half', 'BF16', [2], '2H', 0x3f80, 0xc000)
check('flags', 'U8', [3], '3B', 0, 255, 1)
check('empty', 'F32', [0, 4], '')
assert not tensors, tensors
)");
  const std::string script_path = directory.Path("check.py");
  ASSERT_TRUE(PosixFileSystem()->Write(script_path, script).ok());
  EXPECT_EQ(system(absl::StrCat(python, script_path).c_str()), 0);
}

}  // namespace
}  // namespace anabranch
