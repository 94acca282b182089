// `anabranch check-oracle` against an oracle that is right, and the same one broken in each way.
#include "cli/check_oracle/check_oracle.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <fstream>
#include <functional>
#include <limits>
#include <memory>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "cli/check_oracle/check_oracle_command.h"
#include "gflownet/environment/hypergrid.h"
#include "gflownet/environment/hypergrid_reward.h"
#include "nlohmann/json.hpp"
#include "reward/reward_rpc.h"
#include "reward/reward_service.h"
#include "runtime/error_reason.h"
#include "runtime/log.h"
#include "runtime/metrics.h"
#include "runtime/rpc/server.h"
#include "tests/runtime/temporary_directory.h"

namespace anabranch {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;
using Answer = absl::StatusOr<v1::EvaluateResponse>;

// The oracle between the right one and the wire, with what is to be broken.
struct Faults {
  std::function<void(v1::DescribeResponse&)> describe = [](v1::DescribeResponse&) {};
  // In place of the right oracle; may call it.
  std::function<Answer(const v1::EvaluateRequest&, RewardClient&)> evaluate =
      [](const v1::EvaluateRequest& request, RewardClient& right) {
        return right.Evaluate(request);
      };
};

class BreakableOracle final : public RewardClient {
 public:
  BreakableOracle(RewardClient& right, Faults faults) : right_(right), faults_(std::move(faults)) {}
  absl::StatusOr<v1::DescribeResponse> Describe(const v1::DescribeRequest& request) override {
    auto description = right_.Describe(request);
    if (description.ok()) faults_.describe(*description);
    return description;
  }
  Answer Evaluate(const v1::EvaluateRequest& request) override {
    return faults_.evaluate(request, right_);
  }

 private:
  RewardClient& right_;
  const Faults faults_;
};

// Changes right answers.
Faults Changing(std::function<void(const v1::EvaluateRequest&, v1::EvaluateResponse&)> change) {
  Faults faults;
  faults.evaluate = [change](const v1::EvaluateRequest& request, RewardClient& right) {
    Answer answer = right.Evaluate(request);
    if (answer.ok()) change(request, *answer);
    return answer;
  };
  return faults;
}

Faults Describing(std::function<void(v1::DescribeResponse&)> change) {
  Faults faults;
  faults.describe = std::move(change);
  return faults;
}

struct Outcome {
  int status;
  std::string out;
  std::string err;
};

Outcome Call(const std::vector<std::string>& arguments) {
  std::ostringstream out, err;
  const int status = RunCheckOracleCommand(arguments, out, err);
  return {status, out.str(), err.str()};
}

class CheckOracleTest : public testing::Test {
 protected:
  // The reward of an 8 x 8 grid, in batches of 64 at most.
  CheckOracleTest() {
    HypergridOptions grid;
    grid.dimensions = 2;
    grid.side = 8;
    RewardServiceOptions options;
    options.name = "hypergrid";
    options.accepted_formats = {"grid-coordinates"};
    options.max_batch_objects = 64;
    right_ = *RewardService::Create(options, *HypergridReward::Create(grid, {}));
  }

  // HOST:PORT of the oracle with these faults.
  std::string Serve(Faults faults) {
    oracle_ = std::make_unique<BreakableOracle>(*right_, std::move(faults));
    rpc_ = std::make_unique<RewardRpc>(*oracle_, NullLog());
    auto server = RpcServer::Start(
        {.listen = "127.0.0.1:0"}, {rpc_.get()}, [](v1::GetStatusResponse&) {}, metrics_,
        NullLog());
    EXPECT_TRUE(server.ok()) << server.status();
    server_ = *std::move(server);
    server_->SetServing();
    return server_->address();
  }

  // The one check that fails.
  void ExpectFails(const std::string& check, Faults faults) {
    const Outcome outcome = Call({Serve(std::move(faults)), "--no-throughput", "--json"});
    EXPECT_EQ(outcome.status, 1) << outcome.out;
    ExpectVerdict(outcome, "FAIL", check);
    server_.reset();
  }
  void ExpectWarns(const std::string& check, Faults faults) {
    const Outcome outcome = Call({Serve(std::move(faults)), "--no-throughput", "--json"});
    EXPECT_EQ(outcome.status, 0) << outcome.out;
    ExpectVerdict(outcome, "WARN", check);
    server_.reset();
  }
  static void ExpectVerdict(const Outcome& outcome, const std::string& verdict,
                            const std::string& check) {
    bool found = false;
    const auto report = nlohmann::json::parse(outcome.out);
    for (const auto& finding : report["findings"]) {
      if (finding["check"] != check) continue;
      found = true;
      EXPECT_EQ(finding["verdict"], verdict) << outcome.out;
      EXPECT_NE(finding["remedy"], "") << "a verdict without what to do";
    }
    EXPECT_TRUE(found) << "no finding of " << check << " in " << outcome.out;
  }

  std::unique_ptr<RewardService> right_;
  Metrics metrics_{"reward"};
  std::unique_ptr<BreakableOracle> oracle_;
  std::unique_ptr<RewardRpc> rpc_;
  std::unique_ptr<RpcServer> server_;
};

TEST_F(CheckOracleTest, OurOwnServicePassesEverythingAndIsMeasured) {
  const Outcome outcome = Call({Serve({})});
  EXPECT_EQ(outcome.status, 0) << outcome.out << outcome.err;
  EXPECT_THAT(outcome.out, Not(HasSubstr("\nFAIL ")));
  EXPECT_THAT(outcome.out, Not(HasSubstr("\nWARN ")));
  EXPECT_THAT(outcome.out, HasSubstr("objects/s"));
  EXPECT_THAT(outcome.out, HasSubstr("batch_objects: "));
  EXPECT_THAT(outcome.out, HasSubstr(", 0 failed, 0 warnings"));
}

TEST_F(CheckOracleTest, JsonHoldsTheSameFindings) {
  const Outcome outcome = Call({Serve({}), "--json"});
  const auto json = nlohmann::json::parse(outcome.out);
  EXPECT_EQ(json["passed"], true);
  EXPECT_EQ(json["name"], "hypergrid");
  EXPECT_GT(json["findings"].size(), 15u);
  EXPECT_GT(json["throughput"][0]["objects_per_second"], 0.0);
  EXPECT_GE(json["suggested"]["max_in_flight"], 1);
}

TEST_F(CheckOracleTest, DescriptionsThatPromiseNothingAreFound) {
  ExpectFails("describe.fingerprint", Describing([](auto& d) { d.clear_fingerprint(); }));
  ExpectFails("describe.fingerprint",
              Describing([n = 0](auto& d) mutable { d.set_fingerprint(absl::StrCat("x", n++)); }));
  ExpectFails("describe.objectives", Describing([](auto& d) { d.clear_objectives(); }));
  ExpectFails("describe.objectives",
              Describing([](auto& d) { *d.add_objectives() = d.objectives(0); }));
  ExpectFails("describe.objectives", Describing([](auto& d) {
                d.mutable_objectives(0)->set_lower_bound(2);
                d.mutable_objectives(0)->set_upper_bound(1);
              }));
  ExpectFails("describe.formats", Describing([](auto& d) { d.clear_accepted_formats(); }));
  ExpectFails("describe.batches", Describing([](auto& d) { d.set_preferred_batch_objects(1000); }));
  ExpectWarns("describe.objectives",
              Describing([](auto& d) { d.mutable_objectives(0)->clear_direction(); }));
}

TEST_F(CheckOracleTest, AnswersOfTheWrongShapeAreFound) {
  ExpectFails("answers.shape", Changing([](const auto&, auto& a) {
                if (a.statuses_size() > 0) a.mutable_statuses()->RemoveLast();
              }));
  ExpectFails("answers.shape", Changing([](const auto&, auto& a) { a.add_raw_values(1); }));
  ExpectFails("answers.shape", Changing([](const auto&, auto& a) { a.clear_request_id(); }));
  ExpectFails("answers.shape",
              Changing([](const auto&, auto& a) { a.set_fingerprint("another fingerprint"); }));
  ExpectFails("answers.shape", Changing([](const auto&, auto& a) {
                a.set_objectives(0, std::string("another objective"));
              }));
  ExpectFails("answers.shape", Changing([](const auto&, auto& a) {
                std::fill(a.mutable_statuses()->begin(), a.mutable_statuses()->end(), 0);
              }));
  for (const double bad :
       {std::numeric_limits<double>::quiet_NaN(), std::numeric_limits<double>::infinity()}) {
    ExpectFails("answers.shape", Changing([bad](const auto&, auto& a) {
                  for (double& value : *a.mutable_raw_values()) value = bad;
                }));
  }
  ExpectFails("answers.shape", Changing([](const auto&, auto& a) {
                std::fill(a.mutable_statuses()->begin(), a.mutable_statuses()->end(),
                          v1::OBJECT_STATUS_PENDING);
              }));
}

TEST_F(CheckOracleTest, OracleThatScoresNothingIsFound) {
  ExpectFails("answers.samples", Changing([](const auto&, auto& a) {
                std::fill(a.mutable_statuses()->begin(), a.mutable_statuses()->end(),
                          v1::OBJECT_STATUS_INVALID);
              }));
}

TEST_F(CheckOracleTest, SortedAnswersAreFound) {
  ExpectFails("answers.order", Changing([](const auto&, auto& a) {
                std::sort(a.mutable_raw_values()->begin(), a.mutable_raw_values()->end());
                std::fill(a.mutable_statuses()->begin(), a.mutable_statuses()->end(),
                          v1::OBJECT_STATUS_OK);
                a.clear_raw_value_valid();
              }));
}

TEST_F(CheckOracleTest, NoiseBehindAClaimOfDeterminismIsFound) {
  const auto add_noise = [n = std::make_shared<std::atomic<int>>(0)](const auto&, auto& a) {
    for (double& value : *a.mutable_raw_values()) value += ++*n;
  };
  ExpectFails("answers.deterministic", Changing(add_noise));
  ExpectFails("answers.repeat", Changing(add_noise));
  Faults honest = Changing(add_noise);
  honest.describe = [](auto& d) {
    d.set_deterministic(false);
    d.mutable_objectives(0)->clear_lower_bound();
    d.mutable_objectives(0)->clear_upper_bound();
  };
  ExpectWarns("answers.repeat", honest);
  ExpectWarns("answers.deterministic", Describing([](auto& d) { d.set_deterministic(false); }));
}

TEST_F(CheckOracleTest, ValuesThatDependOnTheBatchAreFound) {
  ExpectFails("answers.deterministic", Changing([](const auto& request, auto& a) {
                for (double& value : *a.mutable_raw_values()) value *= request.objects_size();
              }));
  Faults last_digits = Changing([](const auto& request, auto& a) {
    for (double& value : *a.mutable_raw_values()) value *= 1 + 1e-9 * request.objects_size();
  });
  last_digits.describe = [](auto& d) { d.mutable_objectives(0)->clear_upper_bound(); };
  ExpectWarns("answers.deterministic", last_digits);
}

TEST_F(CheckOracleTest, ValuesBeyondTheDescribedBoundsAreFound) {
  ExpectFails("answers.bounds", Describing([](auto& d) {
                d.mutable_objectives(0)->set_lower_bound(1e5);
                d.mutable_objectives(0)->set_upper_bound(1e6);
              }));
}

// Two objectives: the grid's reward, and ten times that.
Faults TwoObjectives(bool heeds_the_request) {
  Faults faults;
  faults.describe = [](auto& d) {
    *d.add_objectives() = d.objectives(0);
    d.mutable_objectives(1)->set_name("tenfold");
    d.mutable_objectives(1)->clear_upper_bound();
  };
  faults.evaluate = [heeds_the_request](const v1::EvaluateRequest& request, RewardClient& right) {
    v1::EvaluateRequest inner = request;
    inner.clear_objectives();
    std::vector<std::string> wanted(request.objectives().begin(), request.objectives().end());
    for (const std::string& name : wanted) {
      if (name != "tenfold" && name != "reward") inner.add_objectives(name);  // Is refused.
    }
    Answer answer = right.Evaluate(inner);
    if (!answer.ok()) return answer;
    if (wanted.empty()) wanted = {"reward", "tenfold"};
    const v1::EvaluateResponse one = *answer;
    answer->clear_objectives();
    answer->clear_raw_values();
    answer->clear_raw_value_valid();
    for (const std::string& name : wanted) answer->add_objectives(name);
    for (int i = 0; i < one.statuses_size(); ++i) {
      for (size_t j = 0; j < wanted.size(); ++j) {
        const bool tenfold = heeds_the_request ? wanted[j] == "tenfold" : j == 1;
        answer->add_raw_values(one.raw_values(i) * (tenfold ? 10 : 1));
        answer->add_raw_value_valid(one.raw_value_valid(i));
      }
    }
    return answer;
  };
  return faults;
}

TEST_F(CheckOracleTest, SubsetsOfTheObjectivesInTheWrongOrderAreFound) {
  const Outcome right = Call({Serve(TwoObjectives(true)), "--no-throughput"});
  EXPECT_EQ(right.status, 0) << right.out;
  server_.reset();
  ExpectFails("answers.objectives", TwoObjectives(false));
}

bool Readable(const v1::RewardObject& object) {
  const std::string& bytes = object.inline_();
  return !bytes.empty() && bytes.size() < 100 &&
         std::all_of(bytes.begin(), bytes.end(), [](char c) { return c == ' ' || isdigit(c); });
}

TEST_F(CheckOracleTest, BadObjectsThatSpoilOthersAreFound) {
  Faults refuses;
  refuses.evaluate = [](const v1::EvaluateRequest& request, RewardClient& right) -> Answer {
    for (const v1::RewardObject& object : request.objects()) {
      if (!Readable(object)) return absl::InternalError("ValueError");
    }
    return right.Evaluate(request);
  };
  ExpectFails("answers.invalid", refuses);
  ExpectFails("answers.invalid", Changing([](const auto& request, auto& a) {
                for (int i = 0; i < request.objects_size(); ++i) {
                  if (!Readable(request.objects(i))) {
                    a.set_statuses(i, v1::OBJECT_STATUS_RETRYABLE);
                  }
                }
              }));
  ExpectFails("answers.invalid", Changing([](const auto& request, auto& a) {
                for (int i = 0; i + 1 < request.objects_size(); ++i) {
                  if (!Readable(request.objects(i))) a.set_raw_values(i + 1, 0.123);
                }
              }));
  ExpectWarns("answers.invalid", Changing([](const auto& request, auto& a) {
                for (int i = 0; i < request.objects_size(); ++i) {
                  if (Readable(request.objects(i))) continue;
                  a.set_statuses(i, v1::OBJECT_STATUS_OK);
                  a.set_raw_value_valid(i, true);
                }
              }));
}

// Accepts what the right oracle refuses, after `mend` has made it acceptable.
Faults Accepting(std::function<void(v1::EvaluateRequest&, v1::EvaluateResponse&)> mend) {
  Faults faults;
  faults.evaluate = [mend](const v1::EvaluateRequest& request, RewardClient& right) -> Answer {
    Answer answer = right.Evaluate(request);
    if (answer.ok()) return answer;
    v1::EvaluateResponse made;
    v1::EvaluateRequest mended = request;
    mend(mended, made);
    return right.Evaluate(mended);
  };
  return faults;
}

TEST_F(CheckOracleTest, RequestsThatShouldBeRefusedAreFound) {
  ExpectFails("refuses.fingerprint",
              Accepting([](auto& request, auto&) { request.clear_expected_fingerprint(); }));
  ExpectFails("refuses.format",
              Accepting([](auto& request, auto&) { request.set_format("grid-coordinates"); }));
  ExpectFails("refuses.objective",
              Accepting([](auto& request, auto&) { request.clear_objectives(); }));
  ExpectFails("refuses.oversize", Accepting([](auto& request, auto&) {
                while (request.objects_size() > 64) request.mutable_objects()->RemoveLast();
              }));
}

TEST_F(CheckOracleTest, RefusalsThatWouldBeRetriedOrSayNoReasonAreFound) {
  const auto refusing = [](absl::Status status) {
    Faults faults;
    faults.evaluate = [status](const v1::EvaluateRequest& request, RewardClient& right) -> Answer {
      Answer answer = right.Evaluate(request);
      if (answer.ok()) return answer;
      return status;
    };
    return faults;
  };
  ExpectFails("refuses.oversize",
              refusing(WithReason(absl::ResourceExhaustedError("busy"), kReasonOverloaded)));
  ExpectFails("refuses.format", refusing(absl::UnavailableError("try again")));
  ExpectFails("refuses.fingerprint", refusing(absl::InvalidArgumentError("no")));
  Faults no_reason;
  no_reason.evaluate = [](const v1::EvaluateRequest& request, RewardClient& right) -> Answer {
    Answer answer = right.Evaluate(request);
    if (answer.status().code() != absl::StatusCode::kFailedPrecondition) return answer;
    return absl::FailedPreconditionError("another fingerprint");
  };
  ExpectWarns("refuses.fingerprint", no_reason);
}

TEST_F(CheckOracleTest, EmptyBatchThatFailsIsFound) {
  Faults faults;
  faults.evaluate = [](const v1::EvaluateRequest& request, RewardClient& right) -> Answer {
    if (request.objects_size() == 0) return absl::InternalError("index out of range");
    return right.Evaluate(request);
  };
  ExpectFails("answers.empty_batch", faults);
}

TEST_F(CheckOracleTest, OracleThatMixesUpRequestsSideBySideIsFound) {
  // Two requests at once overwrite each other's buffer. The first of a pair waits for the second.
  struct Shared {
    absl::Mutex mu;
    int inside = 0;
    int met = 0;
  };
  auto shared = std::make_shared<Shared>();
  Faults faults;
  faults.evaluate = [shared](const v1::EvaluateRequest& request, RewardClient& right) -> Answer {
    Answer answer = right.Evaluate(request);
    bool together;
    {
      absl::MutexLock lock(&shared->mu);
      ++shared->inside;
      const int before = shared->met;
      // Alone it goes on after a moment; side by side at once.
      const auto another = [&] { return shared->inside > 1 || shared->met > before; };
      together = shared->mu.AwaitWithTimeout(absl::Condition(&another), absl::Milliseconds(5));
      if (together) ++shared->met;
    }
    if (together && answer.ok()) {
      for (double& value : *answer->mutable_raw_values()) value += 1;
    }
    absl::MutexLock lock(&shared->mu);
    --shared->inside;
    return answer;
  };
  ExpectFails("load.concurrency", faults);
}

// Without sockets: whether a call with a deadline of a millisecond arrives at all is chance.
TEST_F(CheckOracleTest, OracleThatNeverRecoversFromAnImpatientCallerIsFound) {
  std::atomic<bool> poisoned = false;
  Faults gives_up;
  gives_up.evaluate = [&](const v1::EvaluateRequest&, RewardClient&) -> Answer {
    poisoned = true;
    return absl::DeadlineExceededError("too slow");
  };
  Faults poisonable;
  poisonable.evaluate = [&](const v1::EvaluateRequest& request, RewardClient& right) -> Answer {
    if (poisoned) return absl::InternalError("the lock is poisoned");
    return right.Evaluate(request);
  };
  BreakableOracle hasty(*right_, gives_up), oracle(*right_, poisonable);
  CheckOracleOptions options;
  options.throughput = false;
  const OracleReport report = CheckOracle(
      options, oracle, hasty, [](const std::string&) -> std::string { return "SERVING"; });
  const auto found = std::find_if(report.findings.begin(), report.findings.end(),
                                  [](const Finding& f) { return f.check == "load.deadlines"; });
  ASSERT_NE(found, report.findings.end());
  EXPECT_EQ(found->verdict, Verdict::kFail);
  EXPECT_THAT(found->detail, HasSubstr("poisoned"));
}

TEST_F(CheckOracleTest, PendingObjectsAreAskedAgainByTicket) {
  const auto pend = [](const v1::EvaluateRequest& request, v1::EvaluateResponse& a) {
    for (int i = 0; i < request.objects_size(); ++i) {
      const bool pending = a.statuses(i) == v1::OBJECT_STATUS_OK;
      a.add_tickets(pending ? absl::StrCat("ticket of ", request.objects(i).inline_()) : "");
      if (pending) a.set_statuses(i, v1::OBJECT_STATUS_PENDING);
    }
  };
  Faults lab = Changing(pend);
  lab.describe = [](auto& d) { d.set_issues_tickets(true); };
  const Outcome outcome = Call({Serve(lab)});
  EXPECT_EQ(outcome.status, 0) << outcome.out;
  EXPECT_THAT(outcome.out, HasSubstr("objects are pending"));
  server_.reset();
  Faults forgetful = Changing(pend);
  forgetful.describe = lab.describe;
  forgetful.evaluate = [inner = lab.evaluate](const v1::EvaluateRequest& request,
                                              RewardClient& right) -> Answer {
    for (const v1::RewardObject& object : request.objects()) {
      if (!object.ticket().empty()) return absl::NotFoundError("no such ticket");
    }
    return inner(request, right);
  };
  ExpectFails("answers.tickets", forgetful);
}

TEST_F(CheckOracleTest, CostlyOraclesAreNotMeasured) {
  const Outcome outcome =
      Call({Serve(Describing([](auto& d) { d.mutable_budget()->set_cost_unit("EUR"); }))});
  EXPECT_EQ(outcome.status, 0) << outcome.out;
  EXPECT_THAT(outcome.out, HasSubstr("SKIP  load.throughput"));
}

TEST_F(CheckOracleTest, HealthThatContradictsTheServiceIsFound) {
  const std::string address = Serve({});
  server_->SetNotServing(v1::ROLE_STATE_STARTING, "loading");
  const Outcome outcome = Call({address, "--no-throughput", "--json"});
  EXPECT_EQ(outcome.status, 1);
  ExpectVerdict(outcome, "FAIL", "health");
}

TEST_F(CheckOracleTest, ObjectsComeFromAFileAndUnknownFormatsAskForOne) {
  TemporaryDirectory directory;
  const std::string path = directory.Path("objects");
  std::ofstream(path) << "0 0\n3 4\n\n7 7\n";
  const Outcome mine = Call({Serve({}), "--objects", path, "--no-throughput"});
  EXPECT_EQ(mine.status, 0) << mine.out;
  EXPECT_THAT(mine.out, HasSubstr("3 of 3 objects"));
  server_.reset();
  const auto rename = Describing([](auto& d) { d.set_accepted_formats(0, "protein.pdb"); });
  const Outcome unknown = Call({Serve(rename)});
  EXPECT_EQ(unknown.status, 1);
  EXPECT_THAT(unknown.out, HasSubstr("--objects FILE"));
}

TEST_F(CheckOracleTest, OracleThatIsNotThereIsAFailureAndWrongUsageIsNot) {
  const std::string address = Serve({});
  EXPECT_EQ(Call({}).status, 2);
  EXPECT_EQ(Call({"nonsense"}).status, 2);
  EXPECT_EQ(Call({address, "--timeout", "0"}).status, 2);
  EXPECT_EQ(Call({address, "--token-file", "t"}).status, 2);
  EXPECT_EQ(Call({address, "--objects", "/no/such/file"}).status, 2);
  EXPECT_THAT(Call({"192.0.2.1:7500"}).err, HasSubstr("--insecure"));
  EXPECT_EQ(Call({address, "--format", "smiles"}).status, 1);
  server_.reset();
  const Outcome gone = Call({address, "--timeout", "5"});
  EXPECT_EQ(gone.status, 1);
  EXPECT_THAT(gone.out, HasSubstr("Is it running"));
}

}  // namespace
}  // namespace anabranch
