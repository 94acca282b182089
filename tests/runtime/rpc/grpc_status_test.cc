#include "runtime/rpc/grpc_status.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "absl/strings/cord.h"
#include "google/rpc/status.pb.h"
#include "runtime/error_reason.h"
#include "runtime/retry.h"

namespace anabranch {
namespace {

using ::testing::EndsWith;
using ::testing::StartsWith;

TEST(GrpcStatus, EveryCodeAndMessageSurvivesTheRoundTrip) {
  for (int code = 1; code <= 16; ++code) {
    const absl::Status status(static_cast<absl::StatusCode>(code), "what happened");
    EXPECT_EQ(FromGrpcStatus(ToGrpcStatus(status)), status) << code;
    EXPECT_EQ(static_cast<int>(ToGrpcStatus(status).error_code()), code);
  }
  EXPECT_TRUE(ToGrpcStatus(absl::OkStatus()).ok());
  EXPECT_TRUE(FromGrpcStatus(grpc::Status::OK).ok());
}

TEST(GrpcStatus, ReasonAndFactsSurviveTheRoundTrip) {
  const absl::Status status = WithReason(absl::FailedPreconditionError("generation 1, is 2"),
                                         kReasonStaleGeneration, {{"field", "generation"}});
  const absl::Status back = FromGrpcStatus(ToGrpcStatus(status));
  EXPECT_EQ(back, status);  // Payloads included.
  EXPECT_EQ(ReasonOf(back), "STALE_GENERATION");
}

TEST(GrpcStatus, DetailsAreWhatAnyLanguagesGrpcReads) {
  const grpc::Status status =
      ToGrpcStatus(WithReason(absl::UnavailableError("soon"), kReasonDraining));
  google::rpc::Status details;
  ASSERT_TRUE(details.ParseFromString(status.error_details()));
  // Clients in Python refuse details whose code or message differ from the call's own.
  EXPECT_EQ(details.code(), static_cast<int>(status.error_code()));
  EXPECT_EQ(details.message(), status.error_message());
  ASSERT_EQ(details.details_size(), 1);
  EXPECT_EQ(details.details(0).type_url(), "type.googleapis.com/google.rpc.ErrorInfo");
}

TEST(GrpcStatus, AMessageThatTrailersCannotHoldIsCutAndItsReasonKept) {
  const std::string message(100'000, 'x');
  const grpc::Status status =
      ToGrpcStatus(WithReason(absl::InvalidArgumentError(message), "TOO_LARGE_FOR_TEST"));
  EXPECT_LT(3 * status.error_message().size() + status.error_details().size() * 4 / 3, 7000u);
  EXPECT_THAT(status.error_message(), StartsWith("xxx"));
  EXPECT_THAT(status.error_message(), EndsWith(" ..."));
  EXPECT_EQ(ReasonOf(FromGrpcStatus(status)), "TOO_LARGE_FOR_TEST");
}

TEST(GrpcStatus, DetailsThatTrailersCannotHoldAreLeftOut) {
  absl::Status status = WithReason(absl::InternalError("big"), kReasonCorrupt);
  status.SetPayload("type.googleapis.com/other",
                    absl::Cord(absl::string_view(std::string(100'000, 'x'))));
  const grpc::Status sent = ToGrpcStatus(status);
  EXPECT_LT(sent.error_details().size(), 2000u);
  EXPECT_EQ(ReasonOf(FromGrpcStatus(sent)), "CORRUPT");
}

TEST(GrpcStatus, AMessageThatIsNoUtf8IsMadeReadable) {
  const grpc::Status status = ToGrpcStatus(
      WithReason(absl::InvalidArgumentError("key \xff\xfe and \xc3\xbc"), kReasonCorrupt));
  EXPECT_THAT(status.error_message(), StartsWith("key \xef\xbf\xbd"));
  EXPECT_THAT(status.error_message(), EndsWith(" and \xc3\xbc"));
  EXPECT_EQ(ReasonOf(FromGrpcStatus(status)), "CORRUPT");
}

TEST(GrpcStatus, DetailsThatCannotBeReadAreLeftOut) {
  const grpc::Status garbled(grpc::StatusCode::ABORTED, "message", "\xff\xff garbage");
  EXPECT_EQ(FromGrpcStatus(garbled), absl::AbortedError("message"));
}

TEST(GrpcStatus, AReasonOfOursIsNeverReplaced) {
  const absl::Status status = WithReason(
      absl::ResourceExhaustedError("Received message larger than max (9 vs. 4)"), kReasonDiskFull);
  EXPECT_EQ(ReasonOf(FromGrpcStatus(ToGrpcStatus(status))), "DISK_FULL");
  EXPECT_EQ(ReasonOf(FromGrpcStatus({grpc::StatusCode::RESOURCE_EXHAUSTED, "quota"})), "");
}

}  // namespace
}  // namespace anabranch
