#include "reward/gateway/patient_oracle.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <thread>

#include "absl/synchronization/notification.h"
#include "runtime/error_reason.h"
#include "tests/reward/gateway/scripted_oracle.h"

namespace anabranch {
namespace {

using ::testing::HasSubstr;

PatientOracleOptions Options(int tries) {
  PatientOracleOptions options;
  options.oracle = "docking";
  options.max_tries = tries;
  options.backoff.initial = absl::Microseconds(1);
  options.backoff.maximum = absl::Microseconds(2);
  return options;
}

class PatientOracleTest : public testing::Test {
 protected:
  // Fails so many times with `status`.
  void FailFirst(int times, const absl::Status& status) {
    oracle_.spoil = [this, times, status](const v1::EvaluateRequest&, v1::EvaluateResponse&) {
      return calls_++ < times ? status : absl::OkStatus();
    };
  }

  ScriptedOracle oracle_;
  std::atomic<int> calls_ = 0;
};

TEST_F(PatientOracleTest, WhatMayHelpIsTriedAgainUnderTheSameId) {
  FailFirst(2, absl::UnavailableError("restarting"));
  std::vector<absl::StatusCode> retries;
  PatientOracleOptions options = Options(3);
  options.on_retry = [&](const absl::Status& status) { retries.push_back(status.code()); };
  PatientOracle patient(oracle_, options);
  const auto answer = patient.Evaluate(NumberRequest("a", {"1"}));
  ASSERT_TRUE(answer.ok()) << answer.status();
  const auto requests = oracle_.requests();
  ASSERT_EQ(requests.size(), 3u);
  for (const auto& request : requests) EXPECT_EQ(request.request_id(), "a");
  EXPECT_EQ(retries, std::vector(2, absl::StatusCode::kUnavailable));
}

TEST_F(PatientOracleTest, AfterTheLastTryTheFailureNamesTheOracleAndKeepsItsReason) {
  FailFirst(99, WithReason(absl::UnavailableError("odd answer"), kReasonMalformedAnswer));
  PatientOracle patient(oracle_, Options(3));
  const absl::Status status = patient.Evaluate(NumberRequest("a", {"1"})).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kUnavailable);
  EXPECT_EQ(ReasonOf(status), kReasonMalformedAnswer);
  EXPECT_EQ(status.message(), "oracle \"docking\": odd answer (after 3 tries)");
  EXPECT_EQ(calls_, 3);
}

TEST_F(PatientOracleTest, APermanentFailureIsNeverTriedAgain) {
  const std::vector<absl::Status> permanent = {
      absl::InvalidArgumentError(""),   absl::FailedPreconditionError(""),
      absl::UnimplementedError(""),     absl::InternalError(""),
      absl::UnauthenticatedError(""),   absl::PermissionDeniedError(""),
      absl::ResourceExhaustedError(""), absl::UnknownError("")};
  for (const absl::Status& status : permanent) {
    calls_ = 0;
    FailFirst(99, status);
    PatientOracle patient(oracle_, Options(5));
    EXPECT_EQ(patient.Evaluate(NumberRequest("a", {"1"})).status().code(), status.code());
    EXPECT_EQ(calls_, 1) << status;
  }
}

TEST_F(PatientOracleTest, TheReasonDecidesWhereTheCodeAloneDoesNot) {
  FailFirst(1, WithReason(absl::ResourceExhaustedError("busy"), kReasonOverloaded));
  PatientOracle patient(oracle_, Options(2));
  EXPECT_TRUE(patient.Evaluate(NumberRequest("a", {"1"})).ok());
  calls_ = 0;
  FailFirst(9, WithReason(absl::UnavailableError("all open"), kReasonCircuitOpen));
  EXPECT_EQ(ReasonOf(patient.Evaluate(NumberRequest("a", {"1"})).status()), kReasonCircuitOpen);
  EXPECT_EQ(calls_, 1);
}

TEST_F(PatientOracleTest, CancelEndsTheWaitForTheNextTry) {
  FailFirst(99, absl::UnavailableError("down"));
  PatientOracleOptions options = Options(1000);
  options.backoff.initial = options.backoff.maximum = absl::Hours(10);
  absl::Notification waits;
  options.on_retry = [&](const absl::Status&) { waits.Notify(); };
  PatientOracle patient(oracle_, options);
  absl::Status status;
  std::thread caller([&] { status = patient.Evaluate(NumberRequest("a", {"1"})).status(); });
  waits.WaitForNotification();
  patient.Cancel();
  caller.join();
  EXPECT_EQ(status.code(), absl::StatusCode::kCancelled);
  EXPECT_THAT(std::string(status.message()), HasSubstr("down"));
}

}  // namespace
}  // namespace anabranch
