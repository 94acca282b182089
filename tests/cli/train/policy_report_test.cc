// What `anabranch evaluate` says of a run whose values only oracles know.
#include "cli/evaluate/policy_report.h"

#include <gtest/gtest.h>

#include <set>
#include <string>
#include <utility>

#include "learner/run_directory.h"
#include "learner/trained_model.h"
#include "tests/cli/train/run_fixture.h"

namespace anabranch {
namespace {

class PolicyReportTest : public RunFixture {
 protected:
  std::set<std::string> Keys(bool built_in) {
    EmbeddedRunOptions options;
    options.config = Config(R"(
environment: {hypergrid: {dimensions: 2, side: 8, r0: 0.1}}
policy: {mlp: {hidden_layers: 1, hidden_width: 16}}
learner: {max_steps: 3, batch_trajectories: 4}
)");
    options.directory = Path(built_in ? "known" : "unknown");
    const std::string directory = options.directory;
    EXPECT_TRUE(Train(std::move(options)).ok());
    auto opened = OpenRun(*PosixFileSystem(), directory);
    auto trained = LoadTrainedModel(opened->checkpoint);
    if (!built_in) trained->components.reward.reset();
    PolicyReportOptions report;
    report.samples = 100;
    report_ = *EvaluatePolicy(*trained, report);
    std::set<std::string> keys;
    for (const Figure& figure : report_.figures) keys.insert(figure.key);
    return keys;
  }

  PolicyReport report_;
};

TEST_F(PolicyReportTest, WithoutABuiltInRewardItLeavesOutWhatNeedsValuesAndSaysSo) {
  EXPECT_EQ(Keys(false), (std::set<std::string>{"log_z", "samples", "unique_objects"}));
  EXPECT_EQ(report_.left_out.size(), 2u);
  EXPECT_FALSE(report_.distribution.has_value());
}

TEST_F(PolicyReportTest, WithOneNothingIsLeftOut) {
  const std::set<std::string> keys = Keys(true);
  for (const char* key : {"tv", "log_z_error", "elbo", "eubo", "modes", "top_10_log_reward"}) {
    EXPECT_EQ(keys.count(key), 1u) << key;
  }
  EXPECT_TRUE(report_.left_out.empty());
}

}  // namespace
}  // namespace anabranch
