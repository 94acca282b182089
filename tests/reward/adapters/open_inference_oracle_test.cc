#include <gmock/gmock.h>
#include <grpcpp/client_context.h>
#include <gtest/gtest.h>
#include <stdlib.h>
#include <unistd.h>

#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "inference/open_inference.grpc.pb.h"
#include "reward/adapters/oracle_adapters.h"
#include "reward/adapters/tensor_values.h"
#include "runtime/error_reason.h"
#include "runtime/rpc/channel.h"
#include "tests/reward/adapters/peer_server.h"
#include "tests/reward/adapters/questions.h"

namespace anabranch {
namespace {

using ::testing::AllOf;
using ::testing::DoubleNear;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

constexpr char kPeers[] = ".deps/peers";

v1::OracleConfig Model(const std::string& address, const std::string& model,
                       const std::vector<std::string>& objectives, double timeout_seconds = 60) {
  v1::OracleConfig config = OracleWith(objectives, timeout_seconds);
  config.mutable_open_inference()->add_addresses(address);
  config.mutable_open_inference()->set_model(model);
  return config;
}

std::unique_ptr<RewardClient> Make(const v1::OracleConfig& config) {
  auto oracle = MakeOpenInferenceOracle(config, {});
  EXPECT_TRUE(oracle.ok()) << oracle.status();
  return oracle.ok() ? *std::move(oracle) : nullptr;
}

// One MLServer for all tests of this file.
class MlServer : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    // The peers are built for Debian 12's Python. It may keep what it compiles: that is a tenth of
    // a second to start in place of seconds.
    const bool fits =
        system("/usr/bin/python3 -c 'import sys; sys.exit(sys.version_info[:2] != (3, 11))'") == 0;
    if (!fits || access(absl::StrCat(kPeers, "/mlserver").c_str(), F_OK) != 0) return;
    server_ =
        new PeerServer({"env", "-u", "PYTHONDONTWRITEBYTECODE", absl::StrCat("PYTHONPATH=", kPeers),
                        "/usr/bin/python3", "tests/reward/adapters/peers/mlserver_peer.py"});
    // What the adapter says until the models are loaded is worth a retry, which is what is tested.
    auto oracle = Make(Model(server_->address(), "sequences", {"gc"}));
    const absl::Time deadline = absl::Now() + absl::Seconds(90);
    absl::Status status;
    do {
      status = oracle->Describe({}).status();
    } while (absl::IsUnavailable(status) && absl::Now() < deadline &&
             server_->RunsFor(absl::Milliseconds(10)));
    EXPECT_TRUE(status.ok()) << status << "\n" << server_->Log();
  }
  static void TearDownTestSuite() {
    delete server_;
    server_ = nullptr;
  }
  void SetUp() override {
    if (server_ == nullptr)
      GTEST_SKIP() << "no MLServer, or no Python 3.11 to run it; scripts/setup --peers";
  }

  static v1::OracleConfig Sequences(const std::vector<std::string>& objectives,
                                    double timeout_seconds = 60) {
    return Model(server_->address(), "sequences", objectives, timeout_seconds);
  }

  static PeerServer* server_;
};

PeerServer* MlServer::server_ = nullptr;

TEST_F(MlServer, IsDescribedByItsMetadata) {
  auto oracle = Make(Sequences({"gc", "length"}));
  const auto description = oracle->Describe({});
  ASSERT_TRUE(description.ok()) << description.status();
  EXPECT_THAT(description->fingerprint(),
              AllOf(HasSubstr("open_inference mine 1 model=sequences version=v1"),
                    HasSubstr("input=sequence")));
  EXPECT_EQ(description->objectives_size(), 2);
}

TEST_F(MlServer, ScoresBytesInOrderWhateverTheDatatypeOfTheOutput) {
  auto oracle = Make(Sequences({"gc", "gc32", "length", "long"}));
  const auto answer = oracle->Evaluate(
      Question({"GATTACA", "GC", std::string("A\0\xff\nC", 5)}, {"length", "long", "gc", "gc32"}));
  ASSERT_TRUE(answer.ok()) << answer.status();
  EXPECT_THAT(answer->statuses(), testing::Each(v1::OBJECT_STATUS_OK));
  const double gattaca = 2.0 / 7;
  EXPECT_THAT(answer->raw_values(),
              ElementsAre(7, 1, gattaca, static_cast<float>(gattaca), 2, 0, 1, 1, 5, 1,
                          DoubleNear(0.2, 1e-15), DoubleNear(0.2, 1e-7)));
}

TEST_F(MlServer, RawOutputsAreDecodedToTheSameNumbers) {
  // MLServer answers raw where it is asked raw, as Triton always does.
  auto channel = MakeChannel("peer", server_->address(), {});
  ASSERT_TRUE(channel.ok()) << channel.status();
  const auto stub = inference::GRPCInferenceService::NewStub(*channel);
  inference::ModelInferRequest request;
  request.set_model_name("sequences");
  auto& input = *request.add_inputs();
  input.set_name("sequence");
  input.set_datatype("BYTES");
  input.add_shape(2);
  request.add_raw_input_contents(std::string("\x04\0\0\0GCAT\x02\0\0\0AG", 14));
  grpc::ClientContext context;
  inference::ModelInferResponse answer;
  const grpc::Status status = stub->ModelInfer(&context, request, &answer);
  ASSERT_TRUE(status.ok()) << status.error_message();
  ASSERT_EQ(answer.raw_output_contents_size(), answer.outputs_size());
  EXPECT_THAT(ReadOutput(answer, "long", 2).value(), ElementsAre(1, 0));
  EXPECT_THAT(ReadOutput(answer, "length", 2).value(), ElementsAre(4, 2));
  EXPECT_THAT(ReadOutput(answer, "gc", 2).value(), ElementsAre(0.5, 0.5));
  EXPECT_THAT(ReadOutput(answer, "gc32", 2).value(), ElementsAre(0.5, 0.5));
  EXPECT_EQ(ReasonOf(ReadOutput(answer, "upper", 2).status()), kReasonMalformedAnswer);
}

TEST_F(MlServer, NaNFailsItsObjectAlone) {
  auto oracle = Make(Sequences({"gc"}));
  const auto answer = oracle->Evaluate(Question({"G", "nan", "A"}));
  ASSERT_TRUE(answer.ok()) << answer.status();
  EXPECT_THAT(answer->statuses(),
              ElementsAre(v1::OBJECT_STATUS_OK, v1::OBJECT_STATUS_FAILED, v1::OBJECT_STATUS_OK));
  EXPECT_EQ(answer->reasons(1), "gc is NaN");
}

TEST_F(MlServer, AWrongCountNamesBoth) {
  auto oracle = Make(Sequences({"length"}));
  const absl::Status status = oracle->Evaluate(Question({"G", "short", "A"})).status();
  EXPECT_TRUE(absl::IsUnavailable(status)) << status;
  EXPECT_EQ(ReasonOf(status), kReasonMalformedAnswer);
  EXPECT_THAT(status.ToString(), AllOf(HasSubstr("2 values of length"), HasSubstr("3 were")));
}

TEST_F(MlServer, OutputsOfAnotherShapeOrKindAreNamed) {
  const absl::Status kind = Make(Sequences({"upper"}))->Evaluate(Question({"G"})).status();
  EXPECT_THAT(kind.ToString(), AllOf(HasSubstr("\"upper\""), HasSubstr("BYTES")));
  const absl::Status shape = Make(Sequences({"pairs"}))->Evaluate(Question({"G"})).status();
  EXPECT_THAT(shape.ToString(), AllOf(HasSubstr("\"pairs\""), HasSubstr("[1, 2]")));
}

TEST_F(MlServer, AnErrorOfTheModelsIsToldInItsWords) {
  auto oracle = Make(Sequences({"gc"}));
  const absl::Status status = oracle->Evaluate(Question({"fail"})).status();
  EXPECT_FALSE(status.ok());
  EXPECT_THAT(status.ToString(),
              AllOf(HasSubstr("this batch is too much"), HasSubstr("sequences")));
  EXPECT_TRUE(oracle->Evaluate(Question({"G"})).ok());
}

TEST_F(MlServer, ASlowModelEndsWithTheDeadlineAndHoldsUpNobody) {
  auto oracle = Make(Sequences({"gc"}, /*timeout_seconds=*/5));
  absl::Status slow;
  std::thread waiting([&] { slow = oracle->Evaluate(Question({"sleep"})).status(); });
  EXPECT_TRUE(oracle->Evaluate(Question({"G"})).ok());
  waiting.join();
  EXPECT_TRUE(absl::IsDeadlineExceeded(slow)) << slow;
}

TEST_F(MlServer, CancellingEndsAQuestionUnderWay) {
  std::vector<std::function<void()>> cancel;
  AdapterOptions options;
  options.cancel = &cancel;
  auto oracle = MakeOpenInferenceOracle(Sequences({"gc"}), options);
  ASSERT_TRUE(oracle.ok()) << oracle.status();
  absl::Status status;
  std::thread waiting([&] { status = (*oracle)->Evaluate(Question({"sleep"})).status(); });
  cancel.at(0)();
  waiting.join();
  EXPECT_TRUE(absl::IsCancelled(status)) << status;
}

TEST_F(MlServer, AnotherVersionThanDescribedIsNoticed) {
  auto oracle = Make(Sequences({"gc"}));
  const absl::Status status = oracle->Evaluate(Question({"newer"})).status();
  EXPECT_TRUE(absl::IsFailedPrecondition(status)) << status;
  EXPECT_EQ(ReasonOf(status), kReasonFingerprintChanged);
  EXPECT_THAT(status.ToString(), AllOf(HasSubstr("\"v2\""), HasSubstr("\"v1\"")));
}

TEST_F(MlServer, ConfigurationsThatDoNotFitTheModelNameWhatWould) {
  const auto refusal = [](const v1::OracleConfig& config) {
    return Make(config)->Describe({}).status();
  };
  const absl::Status output = refusal(Sequences({"width"}));
  EXPECT_TRUE(absl::IsInvalidArgument(output)) << output;
  EXPECT_THAT(output.ToString(), AllOf(HasSubstr("width"), HasSubstr("gc (FP64)")));

  v1::OracleConfig config = Model(server_->address(), "two-inputs", {"gc"});
  const absl::Status two = refusal(config);
  EXPECT_TRUE(absl::IsInvalidArgument(two)) << two;
  EXPECT_THAT(two.ToString(),
              AllOf(HasSubstr("open_inference.input"), HasSubstr("weights (FP32), sequence")));
  config.mutable_open_inference()->set_input("sequence");
  EXPECT_TRUE(refusal(config).ok()) << refusal(config);
  config.mutable_open_inference()->set_input("nothing");
  EXPECT_THAT(refusal(config).ToString(), HasSubstr("\"nothing\""));

  const absl::Status numbers = refusal(Model(server_->address(), "numbers", {"gc"}));
  EXPECT_TRUE(absl::IsInvalidArgument(numbers)) << numbers;
  EXPECT_THAT(numbers.ToString(), AllOf(HasSubstr("FP32"), HasSubstr("BYTES")));

  config = Model(server_->address(), "silent", {"gc"});
  EXPECT_TRUE(absl::IsInvalidArgument(refusal(config))) << refusal(config);
  config.mutable_open_inference()->set_input("sequence");
  EXPECT_TRUE(refusal(config).ok()) << refusal(config);
  EXPECT_TRUE(Make(config)->Evaluate(Question({"G"})).ok());

  const absl::Status none = refusal(Model(server_->address(), "no-such-model", {"gc"}));
  EXPECT_TRUE(absl::IsNotFound(none)) << none;
  EXPECT_THAT(none.ToString(), AllOf(HasSubstr("no-such-model"), HasSubstr(server_->address())));
}

TEST_F(MlServer, AServerThatIsGoneIsPassedOver) {
  v1::OracleConfig config = Sequences({"gc"});
  config.mutable_open_inference()->add_addresses("127.0.0.1:1");  // Where nobody listens.
  auto oracle = Make(config);
  const absl::Time deadline = absl::Now() + absl::Seconds(60);
  // Until the second has failed to connect, a question may be the one that finds out.
  int in_a_row = 0;
  while (in_a_row < 8 && absl::Now() < deadline) {
    const absl::Status status = oracle->Evaluate(Question({"G"})).status();
    EXPECT_TRUE(status.ok() || absl::IsUnavailable(status)) << status;
    in_a_row = status.ok() ? in_a_row + 1 : 0;
  }
  EXPECT_EQ(in_a_row, 8);
}

TEST(OpenInferenceOracle, NobodyListeningIsUnavailable) {
  auto oracle = Make(Model("127.0.0.1:1", "sequences", {"gc"}));
  EXPECT_TRUE(absl::IsUnavailable(oracle->Describe({}).status()));
  EXPECT_TRUE(absl::IsUnavailable(oracle->Evaluate(Question({"G"})).status()));
}

TEST(OpenInferenceOracle, WhatCannotBeIsRefusedAtOnce) {
  const auto refusal = [](const v1::OracleConfig& config) {
    return MakeOpenInferenceOracle(config, {}).status();
  };
  v1::OracleConfig config = Model("127.0.0.1:1", "", {"gc"});
  EXPECT_THAT(refusal(config).ToString(), HasSubstr("open_inference.model"));
  config = Model("nowhere", "m", {"gc"});
  EXPECT_THAT(refusal(config).ToString(), AllOf(HasSubstr("addresses"), HasSubstr("nowhere")));
  config = Model("models.example.org:8081", "m", {"gc"});
  EXPECT_TRUE(absl::IsInvalidArgument(refusal(config))) << refusal(config);
  config = Model("127.0.0.1:1", "m", {"gc"});
  config.mutable_open_inference()->set_token_file("/nowhere/token");
  EXPECT_THAT(refusal(config).ToString(), HasSubstr("token_file"));
}

// Bytes that the protocol allows and the models above don't send.
inference::ModelInferResponse RawOutput(const std::string& datatype, const std::string& bytes,
                                        int64_t n) {
  inference::ModelInferResponse answer;
  auto& output = *answer.add_outputs();
  output.set_name("x");
  output.set_datatype(datatype);
  output.add_shape(n);
  answer.add_raw_output_contents(bytes);
  return answer;
}

TEST(TensorValues, RawElementsAreLittleEndianOfTheirDatatype) {
  const auto read = [](const std::string& datatype, const std::string& bytes) {
    return ReadOutput(RawOutput(datatype, bytes, 2), "x", 2).value();
  };
  EXPECT_THAT(read("INT8", std::string("\xff\x7f", 2)), ElementsAre(-1, 127));
  EXPECT_THAT(read("UINT8", std::string("\xff\x7f", 2)), ElementsAre(255, 127));
  EXPECT_THAT(read("INT16", std::string("\xfe\xff\x01\x02", 4)), ElementsAre(-2, 513));
  EXPECT_THAT(read("UINT16", std::string("\xfe\xff\x01\x02", 4)), ElementsAre(65534, 513));
  EXPECT_THAT(read("INT32", std::string("\xfd\xff\xff\xff\x01\0\0\0", 8)), ElementsAre(-3, 1));
  EXPECT_THAT(read("UINT64", std::string("\x01\0\0\0\0\0\0\0\0\0\0\0\x01\0\0\0", 16)),
              ElementsAre(1, 4294967296.0));
  // One and a half, and the smallest there is.
  EXPECT_THAT(read("FP16", std::string("\x00\x3e\x01\x80", 4)),
              ElementsAre(1.5, -5.9604644775390625e-08));
}

TEST(TensorValues, WhatDoesNotFitIsAnErrorAndNeverReadBeyondTheEnd) {
  const auto reason = [](const inference::ModelInferResponse& answer, size_t n) {
    return ReasonOf(ReadOutput(answer, "x", n).status());
  };
  EXPECT_EQ(reason(RawOutput("FP64", std::string(15, '\0'), 2), 2), kReasonMalformedAnswer);
  EXPECT_EQ(reason(RawOutput("FP64", std::string(16, '\0'), 2), 3), kReasonMalformedAnswer);
  EXPECT_EQ(reason(RawOutput("FP64", std::string(16, '\0'), -1), 2), kReasonMalformedAnswer);
  EXPECT_EQ(reason(RawOutput("COMPLEX", std::string(16, '\0'), 2), 2), kReasonMalformedAnswer);
  inference::ModelInferResponse answer = RawOutput("FP64", std::string(16, '\0'), 2);
  *answer.add_outputs() = answer.outputs(0);  // Two outputs, but the bytes of one.
  EXPECT_EQ(reason(answer, 2), kReasonMalformedAnswer);
  answer = RawOutput("FP32", "", 2);
  answer.clear_raw_output_contents();
  answer.mutable_outputs(0)->mutable_contents()->add_fp64_contents(1);  // In the wrong list.
  EXPECT_EQ(reason(answer, 2), kReasonMalformedAnswer);
  EXPECT_THAT(ReadOutput(answer, "y", 2).status().ToString(), HasSubstr("it has: x"));
}

}  // namespace
}  // namespace anabranch
