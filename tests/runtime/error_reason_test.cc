#include "runtime/error_reason.h"

#include <gtest/gtest.h>

#include "absl/strings/cord.h"
#include "google/rpc/error_details.pb.h"
#include "runtime/refusal.h"

namespace anabranch {
namespace {

google::rpc::ErrorInfo InfoOf(const absl::Status& status) {
  google::rpc::ErrorInfo info;
  const auto payload = status.GetPayload(kErrorInfoUrl);
  EXPECT_TRUE(payload.has_value() && info.ParseFromString(std::string(*payload)));
  return info;
}

TEST(ErrorReason, TravelsBesideCodeAndMessage) {
  const absl::Status status =
      WithReason(absl::ResourceExhaustedError("full"), kReasonDiskFull, {{"path", "/data"}});
  EXPECT_EQ(status.code(), absl::StatusCode::kResourceExhausted);
  EXPECT_EQ(status.message(), "full");
  EXPECT_EQ(ReasonOf(status), "DISK_FULL");
  EXPECT_EQ(InfoOf(status).domain(), "anabranch");
  EXPECT_EQ(InfoOf(status).metadata().at("path"), "/data");
}

TEST(ErrorReason, TheLastReasonCounts) {
  const absl::Status status =
      WithReason(WithReason(absl::AbortedError(""), kReasonDraining), kReasonOverloaded);
  EXPECT_EQ(ReasonOf(status), "OVERLOADED");
}

TEST(ErrorReason, AnOkStatusHasNone) {
  EXPECT_TRUE(WithReason(absl::OkStatus(), kReasonCorrupt).ok());
  EXPECT_EQ(ReasonOf(WithReason(absl::OkStatus(), kReasonCorrupt)), "");
}

TEST(ErrorReason, IsEmptyWhereNoneWasGivenOrItCannotBeRead) {
  EXPECT_EQ(ReasonOf(absl::InternalError("x")), "");
  absl::Status garbled = absl::InternalError("x");
  garbled.SetPayload(kErrorInfoUrl, absl::Cord("\xff\xff\xff"));
  EXPECT_EQ(ReasonOf(garbled), "");
}

TEST(RefusalStatus, CarriesReasonFieldAndIndex) {
  const absl::Status status =
      RefusalStatus(Refuse(kReasonOutOfRange, "actions", 7, "is 9, must be below 3"));
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(status.message(), "actions[7]: is 9, must be below 3");
  EXPECT_EQ(ReasonOf(status), "OUT_OF_RANGE");
  EXPECT_EQ(InfoOf(status).metadata().at("field"), "actions");
  EXPECT_EQ(InfoOf(status).metadata().at("index"), "7");
}

TEST(RefusalStatus, LeavesOutWhatTheRefusalLeavesOut) {
  const absl::Status status = RefusalStatus(RefuseMismatch(kReasonRunMismatch, "run_id", "a", "b"));
  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(ReasonOf(status), "RUN_MISMATCH");
  EXPECT_EQ(InfoOf(status).metadata().count("index"), 0u);
}

}  // namespace
}  // namespace anabranch
