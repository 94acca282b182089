#include "runtime/rpc/weight_store.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <memory>
#include <string>

#include "runtime/error_reason.h"
#include "tests/runtime/rpc/weight_fixtures.h"

namespace anabranch {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

// `spoil` makes a snapshot bad: it is refused so, and the one before stays.
void ExpectRefused(const std::function<void(HeldSnapshot&)>& spoil, absl::StatusCode code,
                   absl::string_view reason, const testing::Matcher<std::string>& message) {
  const auto store = MakeStore();
  MustPut(*store, MakeSnapshot(2, 5, "good"));
  HeldSnapshot bad = MakeSnapshot(2, 6, "next");
  spoil(bad);
  const absl::Status status = store->Put(bad.manifest, bad.blobs);
  EXPECT_EQ(status.code(), code) << status;
  EXPECT_EQ(ReasonOf(status), reason);
  EXPECT_THAT(std::string(status.message()), message);
  EXPECT_EQ(VersionName(store->Newest()->manifest.policy()), "2.5");
  EXPECT_EQ(*store->Newest()->blobs[0], "good");
}

TEST(WeightStore, NewestReplacesOlder) {
  const auto store = MakeStore();
  EXPECT_EQ(store->Newest(), nullptr);
  MustPut(*store, MakeSnapshot(1, 0, "first"));
  MustPut(*store, MakeSnapshot(1, 1, "second"));
  MustPut(*store, MakeSnapshot(2, 0, "next learner's"));
  EXPECT_EQ(VersionName(store->Newest()->manifest.policy()), "2.0");
  EXPECT_EQ(*store->Newest()->blobs[0], "next learner's");
}

TEST(WeightStore, OlderGenerationIsFencedOffNamingBoth) {
  ExpectRefused([](HeldSnapshot& bad) { *bad.manifest.mutable_policy() = Version(1, 900); },
                absl::StatusCode::kFailedPrecondition, kReasonStaleGeneration,
                AllOf(HasSubstr("1.900"), HasSubstr("2.5"), HasSubstr("generation 1 must stop")));
}

TEST(WeightStore, SameVersionIsNotNewer) {
  ExpectRefused([](HeldSnapshot& bad) { *bad.manifest.mutable_policy() = Version(2, 5); },
                absl::StatusCode::kFailedPrecondition, kReasonStaleGeneration,
                HasSubstr("2.5 (generation.version) is not newer than 2.5"));
}

TEST(WeightStore, AnotherRunIsRefusedByName) {
  ExpectRefused([](HeldSnapshot& bad) { bad.manifest.set_run_id("their-run"); },
                absl::StatusCode::kFailedPrecondition, "RUN_MISMATCH",
                AllOf(HasSubstr("run_id"), HasSubstr("their-run"), HasSubstr("our-run")));
}

TEST(WeightStore, AnotherEnvironmentIsRefusedByName) {
  ExpectRefused([](HeldSnapshot& bad) { bad.manifest.set_environment_fingerprint("maze/2"); },
                absl::StatusCode::kFailedPrecondition, "ENVIRONMENT_MISMATCH",
                AllOf(HasSubstr("maze/2"), HasSubstr("grid/1.0.0")));
}

TEST(WeightStore, AnotherSchemaIsRefused) {
  ExpectRefused([](HeldSnapshot& bad) { bad.manifest.set_schema_sha256(std::string(32, 'x')); },
                absl::StatusCode::kFailedPrecondition, kReasonSchemaMismatch,
                HasSubstr("schema_sha256"));
}

TEST(WeightStore, FirstSnapshotDecidesTheSchemaWhereNoneIsGiven) {
  WeightStoreOptions options = OurStore();
  options.schema_sha256.clear();
  const auto store = MakeStore(options);
  MustPut(*store, MakeSnapshot(1, 0, "any"));
  HeldSnapshot other = MakeSnapshot(2, 0, "other");
  other.manifest.set_schema_sha256(std::string(32, 'x'));
  EXPECT_EQ(ReasonOf(store->Put(other.manifest, other.blobs)), kReasonSchemaMismatch);
}

TEST(WeightStore, ChangedBytesAreCorrupt) {
  ExpectRefused(
      [](HeldSnapshot& bad) { bad.blobs[0] = std::make_shared<const std::string>("nexT"); },
      absl::StatusCode::kDataLoss, kReasonCorrupt,
      AllOf(HasSubstr("policy.safetensors"), HasSubstr("sha256")));
}

TEST(WeightStore, AnotherSizeIsCorrupt) {
  ExpectRefused([](HeldSnapshot& bad) { bad.manifest.mutable_blobs(0)->set_size_bytes(5); },
                absl::StatusCode::kDataLoss, kReasonCorrupt, HasSubstr("has 4 bytes"));
}

TEST(WeightStore, MalformedManifestNamesTheField) {
  const auto invalid = absl::StatusCode::kInvalidArgument;
  ExpectRefused([](HeldSnapshot& bad) { bad.manifest.clear_blobs(); }, invalid, "MISSING",
                HasSubstr("manifest.blobs"));
  ExpectRefused([](HeldSnapshot& bad) { bad.manifest.set_schema_sha256("short"); }, invalid,
                "WRONG_LENGTH", HasSubstr("manifest.schema_sha256: has 5 bytes"));
  ExpectRefused([](HeldSnapshot& bad) { bad.manifest.mutable_blobs(0)->set_sha256("x"); }, invalid,
                "WRONG_LENGTH", HasSubstr("manifest.blobs.sha256[0]"));
  ExpectRefused([](HeldSnapshot& bad) { bad.manifest.mutable_policy()->set_generation(0); },
                invalid, "OUT_OF_RANGE", HasSubstr("manifest.policy.generation"));
  ExpectRefused([](HeldSnapshot& bad) { bad.blobs.pop_back(); }, invalid, "WRONG_LENGTH",
                HasSubstr("manifest.blobs"));
}

TEST(WeightStore, SizesThatOverflowTogetherAreTooLarge) {
  ExpectRefused(
      [](HeldSnapshot& bad) {
        *bad.manifest.add_blobs() = bad.manifest.blobs(0);
        bad.manifest.mutable_blobs(0)->set_size_bytes(1);
        bad.manifest.mutable_blobs(1)->set_size_bytes(~uint64_t{0});
      },
      absl::StatusCode::kInvalidArgument, "TOO_LARGE", HasSubstr("manifest.blobs.size_bytes[1]"));
}

TEST(WeightStore, KeepsTheBlobBeforeAndNoOlderOne) {
  const auto store = MakeStore();
  const HeldSnapshot first = MakeSnapshot(1, 0, "first"), second = MakeSnapshot(1, 1, "second");
  MustPut(*store, first);
  MustPut(*store, second);
  EXPECT_TRUE(store->Find(first.manifest.blobs(0).sha256()).ok());
  MustPut(*store, MakeSnapshot(1, 2, "third"));
  EXPECT_EQ(store->Find(first.manifest.blobs(0).sha256()).status().code(),
            absl::StatusCode::kNotFound);
  EXPECT_TRUE(store->Find(second.manifest.blobs(0).sha256()).ok());
}

TEST(WeightStore, UnreadBlobIsFreedWhenItIsTwoVersionsOld) {
  const auto store = MakeStore();
  std::weak_ptr<const std::string> oldest;
  {
    const HeldSnapshot first = MakeSnapshot(1, 0, "first");
    oldest = first.blobs[0];
    MustPut(*store, first);
  }
  MustPut(*store, MakeSnapshot(1, 1, "second"));
  EXPECT_FALSE(oldest.expired());
  MustPut(*store, MakeSnapshot(1, 2, "third"));
  EXPECT_TRUE(oldest.expired());
}

TEST(WeightStore, SubscribersAreWokenUntilTheyLeave) {
  const auto store = MakeStore();
  int wakes = 0;
  const uint64_t subscription = store->Subscribe([&] { ++wakes; });
  MustPut(*store, MakeSnapshot(1, 0, "first"));
  const HeldSnapshot stale = MakeSnapshot(1, 0, "stale");
  EXPECT_FALSE(store->Put(stale.manifest, stale.blobs).ok());
  EXPECT_EQ(wakes, 1);
  store->Unsubscribe(subscription);
  MustPut(*store, MakeSnapshot(1, 1, "second"));
  EXPECT_EQ(wakes, 1);
}

}  // namespace
}  // namespace anabranch
