#include "runtime/components/snapshot_codec.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "runtime/components/snapshot.h"
#include "runtime/error_reason.h"

namespace anabranch {
namespace {

using ::testing::HasSubstr;

Parameters Network(int64_t width = 3, const std::string& last = "head.weight") {
  Parameters parameters;
  parameters.Add("trunk.weight", {5, width});
  parameters.Add(last, {width, 2});
  parameters.Allocate();
  return parameters;
}

WeightSnapshot SnapshotOf(const Parameters& parameters) {
  float next = 0.1f;
  for (size_t i = 0; i < parameters.segments().size(); ++i) {
    for (int64_t j = 0; j < parameters.segments()[i].size; ++j) {
      parameters.Data(static_cast<int64_t>(i))[j] = next++;
    }
  }
  WeightSnapshot snapshot;
  snapshot.schema = parameters.Schema();
  const float* values = parameters.values().data_ptr<float>();
  snapshot.values.assign(values, values + parameters.values().numel());
  return snapshot;
}

TEST(SnapshotCodec, ValuesComeBackAsTheyWentPaddingIncluded) {
  const Parameters network = Network();
  const SnapshotCodec codec(network);
  const WeightSnapshot sent = SnapshotOf(network);
  const auto bytes = codec.Encode(sent);
  ASSERT_TRUE(bytes.ok()) << bytes.status();
  v1::SnapshotManifest manifest;
  manifest.set_step(17);
  const auto got = codec.Decode(manifest, *bytes);
  ASSERT_TRUE(got.ok()) << got.status();
  EXPECT_EQ((*got)->values, sent.values);
  EXPECT_EQ((*got)->schema, sent.schema);
  EXPECT_EQ((*got)->manifest.step(), 17u);
}

TEST(SnapshotCodec, FileIsTheOneThatACheckpointsReaderReads) {
  const Parameters network = Network(), other = Network();
  const SnapshotCodec codec(network);
  const auto bytes = codec.Encode(SnapshotOf(network));
  ASSERT_TRUE(bytes.ok());
  ASSERT_TRUE(DeserializeParameters(*bytes, other).ok());
  EXPECT_EQ(SnapshotOf(other).values, SnapshotOf(network).values);
}

TEST(SnapshotCodec, SnapshotInUseIsNotOverwrittenByTheNext) {
  const Parameters network = Network();
  const SnapshotCodec codec(network);
  WeightSnapshot sent = SnapshotOf(network);
  const std::string first = *codec.Encode(sent);
  for (float& value : sent.values) value *= 2;
  const std::string second = *codec.Encode(sent);
  std::vector<std::shared_ptr<const WeightSnapshot>> in_use;
  for (int i = 0; i < 4; ++i) in_use.push_back(*codec.Decode({}, i % 2 == 0 ? first : second));
  for (int i = 0; i < 4; ++i) {
    EXPECT_EQ(in_use[i]->values[1] == sent.values[1], i % 2 == 1) << i;
  }
  EXPECT_EQ(in_use[0]->values, in_use[2]->values);
}

TEST(SnapshotCodec, MemoryOfAnUnusedSnapshotIsUsedAgain) {
  const Parameters network = Network();
  const SnapshotCodec codec(network);
  const std::string bytes = *codec.Encode(SnapshotOf(network));
  const float* place = (*codec.Decode({}, bytes))->values.data();
  EXPECT_EQ((*codec.Decode({}, bytes))->values.data(), place);
}

TEST(SnapshotCodec, SnapshotMayOutliveItsCodec) {
  const Parameters network = Network();
  std::optional<SnapshotCodec> codec(network);
  const std::string bytes = *codec->Encode(SnapshotOf(network));
  const auto snapshot = *codec->Decode({}, bytes);
  codec.reset();
  EXPECT_EQ(snapshot->values, SnapshotOf(network).values);
}

void ExpectMismatch(const Parameters& theirs, const Parameters& ours, const std::string& message) {
  const std::string bytes = *SnapshotCodec(theirs).Encode(SnapshotOf(theirs));
  const absl::Status status = SnapshotCodec(ours).Decode({}, bytes).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(ReasonOf(status), kReasonSchemaMismatch);
  EXPECT_THAT(std::string(status.message()), HasSubstr(message));
}

TEST(SnapshotCodec, AnotherNetworkIsRefusedByTheFirstTensorThatDiffers) {
  ExpectMismatch(Network(4), Network(3), "'trunk.weight' is F32 [5, 4] in the snapshot");
  ExpectMismatch(Network(3, "other.weight"), Network(), "no tensor 'head.weight'");
  Parameters more = Network();
  Parameters larger;
  larger.Add("trunk.weight", {5, 3});
  larger.Add("head.weight", {3, 2});
  larger.Add("tail.weight", {1});
  larger.Allocate();
  ExpectMismatch(larger, more, "'tail.weight'");
}

TEST(SnapshotCodec, DamagedFileIsCorrupt) {
  const Parameters network = Network();
  const SnapshotCodec codec(network);
  const std::string bytes = *codec.Encode(SnapshotOf(network));
  const absl::Status status = codec.Decode({}, bytes.substr(0, bytes.size() - 4)).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kDataLoss);
  EXPECT_EQ(ReasonOf(status), kReasonCorrupt);
}

TEST(SnapshotCodec, SchemasOfDifferentNetworksHaveDifferentDigests) {
  EXPECT_NE(SnapshotCodec(Network(3)).schema_sha256(), SnapshotCodec(Network(4)).schema_sha256());
  EXPECT_EQ(SnapshotCodec(Network(3)).schema_sha256().size(), 32u);
}

}  // namespace
}  // namespace anabranch
