#include "reward/reward_service.h"

#include <cmath>
#include <limits>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "gflownet/environment/hypergrid.h"
#include "gflownet/environment/hypergrid_reward.h"
#include "gtest/gtest.h"

namespace anabranch {
namespace {

// The grid of side 8 in two dimensions: 0.1 in the middle, 0.6 at the corners, 2.6 in the modes.
std::unique_ptr<RewardService> Grid(uint32_t max_batch = 100) {
  HypergridOptions grid;
  grid.dimensions = 2;
  grid.side = 8;
  RewardServiceOptions options;
  options.name = "hypergrid";
  options.accepted_formats = {"grid"};
  options.environment_fingerprint = "hypergrid/1 side=8";
  options.max_batch_objects = max_batch;
  return *RewardService::Create(options, *HypergridReward::Create(grid, {}));
}

v1::EvaluateRequest Request(const std::vector<std::string>& objects) {
  v1::EvaluateRequest request;
  request.set_request_id("batch 1");
  request.set_format("grid");
  for (const std::string& object : objects) request.add_objects()->set_inline_(object);
  return request;
}

TEST(RewardService, DescribesItsFunction) {
  const auto service = Grid();
  v1::DescribeRequest request;
  const v1::DescribeResponse out = *service->Describe(request);
  EXPECT_EQ(out.name(), "hypergrid");
  EXPECT_FALSE(out.fingerprint().empty());
  ASSERT_EQ(out.objectives_size(), 1);
  EXPECT_EQ(out.objectives(0).name(), "reward");
  EXPECT_EQ(out.objectives(0).direction(), v1::OBJECTIVE_DIRECTION_MAXIMIZE);
  EXPECT_EQ(out.accepted_formats(0), "grid");
  EXPECT_EQ(out.max_batch_objects(), 100u);
  EXPECT_TRUE(out.deterministic());
  request.set_environment_fingerprint("hypergrid/1 side=16");
  EXPECT_EQ(service->Describe(request).status().code(), absl::StatusCode::kFailedPrecondition);
}

TEST(RewardService, ScoresInTheRequestsOrder) {
  const auto service = Grid();
  const auto out = service->Evaluate(Request({"3 3", "0 0", "no cell", "1 1", "0 0"}));
  ASSERT_TRUE(out.ok()) << out.status();
  EXPECT_EQ(out->request_id(), "batch 1");
  EXPECT_EQ(out->fingerprint(), service->Describe({})->fingerprint());
  const std::vector<int> statuses(out->statuses().begin(), out->statuses().end());
  EXPECT_EQ(statuses,
            (std::vector<int>{v1::OBJECT_STATUS_OK, v1::OBJECT_STATUS_OK, v1::OBJECT_STATUS_INVALID,
                              v1::OBJECT_STATUS_OK, v1::OBJECT_STATUS_OK}));
  EXPECT_DOUBLE_EQ(out->raw_values(0), 0.1);
  EXPECT_DOUBLE_EQ(out->raw_values(1), 0.6);
  EXPECT_EQ(out->raw_values(2), 0.0);
  EXPECT_DOUBLE_EQ(out->raw_values(3), 2.6);
  EXPECT_DOUBLE_EQ(out->raw_values(4), 0.6);
  EXPECT_FALSE(out->raw_value_valid(2));
  ASSERT_EQ(out->reasons_size(), 5);
  EXPECT_FALSE(out->reasons(2).empty());
  EXPECT_TRUE(out->reasons(0).empty());
}

TEST(RewardService, ObjectsThatDidNotComeAreInvalidWithAReason) {
  v1::EvaluateRequest request = Request({"0 0"});
  request.add_objects()->mutable_reference()->set_uri("s3://somewhere");
  request.add_objects()->set_ticket("42");
  request.add_objects()->set_inline_("1 1");
  const v1::EvaluateResponse out = *Grid()->Evaluate(request);
  EXPECT_EQ(out.statuses(1), v1::OBJECT_STATUS_INVALID);
  EXPECT_EQ(out.statuses(2), v1::OBJECT_STATUS_INVALID);
  EXPECT_FALSE(out.reasons(1).empty());
  EXPECT_FALSE(out.reasons(2).empty());
  EXPECT_DOUBLE_EQ(out.raw_values(3), 2.6);
}

TEST(RewardService, FaultsOfARequestNameTheField) {
  const auto service = Grid(2);
  struct Case {
    absl::StatusCode code;
    const char* message;
    void (*spoil)(v1::EvaluateRequest&);
  };
  const Case cases[] = {
      {absl::StatusCode::kInvalidArgument, "request_id", [](auto& r) { r.clear_request_id(); }},
      {absl::StatusCode::kInvalidArgument, "format: is \"smiles\"; accepted are: grid",
       [](auto& r) { r.set_format("smiles"); }},
      {absl::StatusCode::kInvalidArgument, "objects: has 3 entries; at most 2",
       [](auto& r) { r.add_objects(); }},
      {absl::StatusCode::kInvalidArgument, "objects[1].context: is 1",
       [](auto& r) { r.mutable_objects(1)->set_context(1); }},
      {absl::StatusCode::kInvalidArgument, "objectives[1]: there is no \"qed\"",
       [](auto& r) {
         r.add_objectives("reward");
         r.add_objectives("qed");
       }},
      {absl::StatusCode::kFailedPrecondition, "environment_fingerprint: is \"hypergrid/1 side=9\"",
       [](auto& r) { r.set_environment_fingerprint("hypergrid/1 side=9"); }},
  };
  for (const Case& c : cases) {
    v1::EvaluateRequest request = Request({"0 0", "1 1"});
    c.spoil(request);
    const absl::Status status = service->Evaluate(request).status();
    EXPECT_EQ(status.code(), c.code) << status;
    EXPECT_EQ(status.message().substr(0, std::string(c.message).size()), c.message) << status;
  }
}

TEST(RewardService, AnotherFingerprintIsRefusedNamingBoth) {
  const auto service = Grid();
  v1::EvaluateRequest request = Request({"0 0"});
  request.set_expected_fingerprint("older oracle");
  const absl::Status status = service->Evaluate(request).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_NE(status.message().find("older oracle"), absl::string_view::npos);
  const std::string ours = service->Describe({})->fingerprint();
  EXPECT_NE(status.message().find(ours), absl::string_view::npos);
  request.set_expected_fingerprint(ours);
  EXPECT_TRUE(service->Evaluate(request).ok());
}

// Two objectives, "length" and "inverse"; the second is infinite for the empty object and doesn't
// apply to objects that begin with "-".
class LengthReward final : public RewardFunction {
 public:
  const std::string& fingerprint() const override { return fingerprint_; }
  std::span<const ObjectiveInfo> objectives() const override { return objectives_; }
  void Evaluate(std::span<const std::string> objects, RewardColumns& out) const override {
    out = {};
    out.num_objectives = 2;
    for (const std::string& object : objects) {
      out.status.push_back(ObjectStatus::kOk);
      out.values.push_back(static_cast<double>(object.size()));
      out.values.push_back(1.0 / static_cast<double>(object.size()));
      out.valid.push_back(1);
      out.valid.push_back(object.starts_with("-") ? 0 : 1);
    }
  }

 private:
  const std::string fingerprint_ = "length/1";
  const std::vector<ObjectiveInfo> objectives_ = {{"length", true, false, 0, 0},
                                                  {"inverse", false, true, 0, 1}};
};

std::unique_ptr<RewardService> Lengths() {
  RewardServiceOptions options;
  options.name = "length";
  options.accepted_formats = {"grid"};
  return *RewardService::Create(options, std::make_shared<LengthReward>());
}

TEST(RewardService, GivesTheObjectivesAskedForInThatOrder) {
  v1::EvaluateRequest request = Request({"abcd", "-b"});
  request.add_objectives("inverse");
  request.add_objectives("length");
  const v1::EvaluateResponse out = *Lengths()->Evaluate(request);
  EXPECT_EQ(std::vector<double>(out.raw_values().begin(), out.raw_values().end()),
            (std::vector<double>{0.25, 4, 0, 2}));
  EXPECT_EQ(std::vector<bool>(out.raw_value_valid().begin(), out.raw_value_valid().end()),
            (std::vector<bool>{true, true, false, true}));
  EXPECT_EQ(out.objectives(0), "inverse");
  request.clear_objectives();
  request.add_objectives("length");
  EXPECT_EQ(Lengths()->Evaluate(request)->raw_values_size(), 2);
}

TEST(RewardService, ValueThatIsNotFiniteIsNeverSent) {
  const v1::EvaluateResponse out = *Lengths()->Evaluate(Request({"ab", ""}));
  EXPECT_EQ(out.statuses(0), v1::OBJECT_STATUS_OK);
  EXPECT_EQ(out.statuses(1), v1::OBJECT_STATUS_FAILED);
  for (const double value : out.raw_values()) EXPECT_TRUE(std::isfinite(value));
  EXPECT_FALSE(out.raw_value_valid(2));
  EXPECT_NE(out.reasons(1).find("inf"), std::string::npos);
}

TEST(RewardService, DirectionAndBoundsAreDescribed) {
  const v1::DescribeResponse out = *Lengths()->Describe({});
  EXPECT_FALSE(out.objectives(0).has_lower_bound());
  EXPECT_EQ(out.objectives(1).direction(), v1::OBJECTIVE_DIRECTION_MINIMIZE);
  EXPECT_EQ(out.objectives(1).upper_bound(), 1);
  EXPECT_EQ(out.objectives(1).unit(), "nats");
}

TEST(RewardService, OptionsAreChecked) {
  EXPECT_FALSE(RewardService::Create({}, std::make_shared<LengthReward>()).ok());
}

}  // namespace
}  // namespace anabranch
