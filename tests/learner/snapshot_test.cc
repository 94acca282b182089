#include "runtime/components/snapshot.h"

#include <ATen/Functions.h>
#include <ATen/TensorOperators.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "absl/status/status.h"

namespace anabranch {
namespace {

using ::absl::StatusCode;
using ::testing::HasSubstr;

Parameters TwoLayers(int64_t width = 3, const std::string& last = "head.weight") {
  Parameters parameters;
  parameters.Add("trunk.weight", {5, width});
  parameters.Add(last, {width, 2});
  parameters.Add("log_z", {1}, ParameterGroup::kLogZ);
  parameters.Allocate();
  return parameters;
}

void Fill(const Parameters& parameters, float first) {
  for (size_t i = 0; i < parameters.segments().size(); ++i) {
    for (int64_t j = 0; j < parameters.segments()[i].size; ++j) {
      parameters.Data(static_cast<int64_t>(i))[j] = first++;
    }
  }
}

TEST(Snapshot, ParametersComeBackAsTheyWent) {
  const Parameters from = TwoLayers(), to = TwoLayers();
  Fill(from, 0.1f);
  auto bytes = SerializeParameters(from, {{"step", "7"}});
  ASSERT_TRUE(bytes.ok()) << bytes.status();
  std::map<std::string, std::string> metadata;
  ASSERT_TRUE(DeserializeParameters(*bytes, to, &metadata).ok());
  EXPECT_TRUE(at::equal(from.values(), to.values()));
  EXPECT_EQ(metadata["step"], "7");
}

TEST(Snapshot, EqualParametersGiveEqualBytes) {
  const Parameters a = TwoLayers(), b = TwoLayers();
  Fill(a, 1);
  Fill(b, 1);
  EXPECT_EQ(*SerializeParameters(a, {}), *SerializeParameters(b, {}));
}

TEST(Snapshot, SeveralBuffersShareAFile) {
  const Parameters parameters = TwoLayers();
  Fill(parameters, 1);
  const at::Tensor first = parameters.values() * 2, second = parameters.values() * 3;
  auto bytes = SerializeSegments(parameters, {{"first.", first}, {"second.", second}}, {});
  ASSERT_TRUE(bytes.ok()) << bytes.status();
  const at::Tensor a = at::zeros_like(first), b = at::zeros_like(first);
  ASSERT_TRUE(DeserializeSegments(*bytes, parameters, {{"first.", a}, {"second.", b}}).ok());
  EXPECT_TRUE(at::equal(a, first));
  EXPECT_TRUE(at::equal(b, second));
}

// Each mismatch names the parameter, and nothing is loaded.
void ExpectRefused(const Parameters& from, const Parameters& to, const std::string& name) {
  Fill(from, 1);
  auto bytes = SerializeParameters(from, {});
  ASSERT_TRUE(bytes.ok());
  const absl::Status status = DeserializeParameters(*bytes, to);
  EXPECT_EQ(status.code(), StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(status.message()), HasSubstr(name));
  EXPECT_EQ(to.values().abs().sum().item<float>(), 0.0f);
}

TEST(Snapshot, AnotherShapeIsRefusedByName) {
  ExpectRefused(TwoLayers(4), TwoLayers(3), "'trunk.weight' has shape [5, 4] in the file, [5, 3]");
}

TEST(Snapshot, AMissingParameterIsRefusedByName) {
  ExpectRefused(TwoLayers(3, "other.weight"), TwoLayers(), "no tensor 'head.weight'");
}

TEST(Snapshot, AParameterTooManyIsRefusedByName) {
  Parameters fewer;
  fewer.Add("trunk.weight", {5, 3});
  fewer.Add("log_z", {1}, ParameterGroup::kLogZ);
  fewer.Allocate();
  ExpectRefused(TwoLayers(), fewer, "'head.weight'");
}

TEST(Snapshot, DamagedBytesAreDataLoss) {
  const Parameters parameters = TwoLayers();
  auto bytes = SerializeParameters(parameters, {});
  ASSERT_TRUE(bytes.ok());
  const std::string half = bytes->substr(0, bytes->size() / 2);
  EXPECT_EQ(DeserializeParameters(half, parameters).code(), StatusCode::kDataLoss);
}

}  // namespace
}  // namespace anabranch
