// Whether the user's own oracles are described well enough to be asked, and what may be spent.
#include <cmath>
#include <set>
#include <string>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "runtime/config_problems.h"
#include "runtime/socket_address.h"

namespace anabranch {
namespace {

// Beyond these, threads and memory end before an oracle is any faster; they catch slipped digits.
constexpr uint32_t kMaxInFlight = 1024;
constexpr uint32_t kMaxProcesses = 256;
constexpr uint32_t kMaxBatchObjects = 1 << 20;

void CheckAddresses(const google::protobuf::RepeatedPtrField<std::string>& addresses,
                    const std::string& key, Problems& problems) {
  if (addresses.empty()) {
    problems.Add(key, "is missing; write HOST:PORT, such as [\"127.0.0.1:7500\"]");
  }
  std::set<std::string> taken;
  for (int i = 0; i < addresses.size(); ++i) {
    const std::string at = absl::StrCat(key, ".", i);
    problems.Check(taken.insert(addresses[i]).second, at, absl::StrCat("\"", addresses[i], "\""),
                   "which stands before", "name each replica once");
    if (absl::StartsWith(addresses[i], "unix:")) continue;
    const auto address = ParseSocketAddress(addresses[i]);
    if (!address.ok()) problems.Add(at, address.status().message());
  }
}

void CheckToken(bool has_token, bool encrypted, const std::string& key, absl::string_view remedy,
                Problems& problems) {
  if (has_token && !encrypted) {
    problems.Add(key, absl::StrCat("is a secret that would travel in the clear; ", remedy));
  }
}

void CheckProcess(const v1::ProcessOracleConfig& process, const std::string& key,
                  Problems& problems) {
  if (process.command().empty() || process.command(0).empty()) {
    problems.Add(key + ".command",
                 "is missing; give a program and its arguments, such as [python3, oracle.py]");
  }
  problems.Check(process.processes() >= 1 && process.processes() <= kMaxProcesses,
                 key + ".processes", process.processes(),
                 absl::StrCat("must be from 1 to ", kMaxProcesses), "1 is a good start");
}

void CheckHttp(const v1::HttpOracleConfig& http, const std::string& key, Problems& problems) {
  const bool https = absl::StartsWith(http.url(), "https://");
  problems.Check(https || absl::StartsWith(http.url(), "http://"), key + ".url",
                 absl::StrCat("\"", http.url(), "\""), "must begin with http:// or https://",
                 "write it like \"http://127.0.0.1:8000/score\"");
  problems.Check(!http.objects_key().empty(), key + ".objects_key", "\"\"", "must not be empty",
                 "\"smiles\" is the default");
  CheckTls(http.tls(), false, key + ".tls", problems);
  CheckToken(http.has_token_file(), https, key + ".token_file", "use https", problems);
}

void CheckKind(const v1::OracleConfig& oracle, const std::string& key, Problems& problems) {
  const auto encrypt = absl::string_view("give tls beside it");
  switch (oracle.kind_case()) {
    case v1::OracleConfig::kGrpc: {
      const v1::GrpcOracleConfig& grpc = oracle.grpc();
      CheckAddresses(grpc.addresses(), key + ".grpc.addresses", problems);
      CheckTls(grpc.tls(), false, key + ".grpc.tls", problems);
      CheckToken(grpc.has_token_file(), grpc.has_tls(), key + ".grpc.token_file", encrypt,
                 problems);
      return;
    }
    case v1::OracleConfig::kOpenInference: {
      const v1::OpenInferenceOracleConfig& model = oracle.open_inference();
      CheckAddresses(model.addresses(), key + ".open_inference.addresses", problems);
      if (model.model().empty()) {
        problems.Add(key + ".open_inference.model", "is missing; name the model");
      }
      CheckTls(model.tls(), false, key + ".open_inference.tls", problems);
      CheckToken(model.has_token_file(), model.has_tls(), key + ".open_inference.token_file",
                 encrypt, problems);
      return;
    }
    case v1::OracleConfig::kProcess:
      return CheckProcess(oracle.process(), key + ".process", problems);
    case v1::OracleConfig::kHttp:
      return CheckHttp(oracle.http(), key + ".http", problems);
    case v1::OracleConfig::KIND_NOT_SET:
      problems.Add(key,
                   "says not how it is reached; give grpc, open_inference, process or http, such "
                   "as \"grpc: {addresses: ['127.0.0.1:7500']}\"");
  }
}

void CheckOracle(const v1::OracleConfig& oracle, const std::string& key, Problems& problems) {
  if (oracle.name().empty()) problems.Add(key + ".name", "is missing; give it a name");
  CheckKind(oracle, key, problems);
  std::set<std::string> objectives;
  for (int i = 0; i < oracle.objectives_size(); ++i) {
    const std::string& name = oracle.objectives(i);
    problems.Check(!name.empty() && objectives.insert(name).second,
                   absl::StrCat(key, ".objectives.", i), absl::StrCat("\"", name, "\""),
                   "which is empty or stands before", "name each objective once");
  }
  if (oracle.objectives().empty() && !oracle.has_grpc() &&
      oracle.kind_case() != v1::OracleConfig::KIND_NOT_SET) {
    problems.Add(key + ".objectives", "is missing; name its outputs, such as [affinity]");
  }
  problems.Check(oracle.batch_objects() <= kMaxBatchObjects, key + ".batch_objects",
                 oracle.batch_objects(), absl::StrCat("must be at most ", kMaxBatchObjects),
                 "lower it");
  NotNegative(oracle.max_wait_seconds(), key + ".max_wait_seconds", problems);
  problems.Check(oracle.max_in_flight() >= 1 && oracle.max_in_flight() <= kMaxInFlight,
                 key + ".max_in_flight", oracle.max_in_flight(),
                 absl::StrCat("must be from 1 to ", kMaxInFlight), "8 is a good start");
  Positive(oracle.timeout_seconds(), key + ".timeout_seconds", problems);
  AtLeastOne(oracle.max_tries(), key + ".max_tries", problems);
  AtLeastOne(oracle.circuit().failures(), key + ".circuit.failures", problems);
  Positive(oracle.circuit().open_seconds(), key + ".circuit.open_seconds", problems);
  if (oracle.has_grpc() && oracle.has_describe()) {
    problems.Add(key + ".describe", "stands beside grpc, which describes itself; leave it out");
  }
}

}  // namespace

void CheckTls(const v1::TlsConfig& tls, bool serves, const std::string& key, Problems& problems) {
  if (tls.has_certificate_file() && !tls.has_key_file()) {
    problems.Add(key + ".key_file", "is missing beside certificate_file; name its private key");
  }
  if (tls.has_key_file() && !tls.has_certificate_file()) {
    problems.Add(key + ".certificate_file", "is missing beside key_file; name its certificate");
  }
  if (serves && !tls.has_certificate_file()) {
    problems.Add(key + ".certificate_file",
                 "is missing; every process of the cluster serves, and needs a certificate");
  }
  if (tls.require_client_certificate() && !tls.has_ca_file()) {
    problems.Add(key + ".ca_file",
                 "is missing beside require_client_certificate; name who signs the clients");
  }
}

void CheckClusterSecurity(const v1::ClusterConfig& cluster, Problems& problems) {
  if (cluster.has_tls()) CheckTls(cluster.tls(), true, "cluster.tls", problems);
  const auto check = [&](bool has, absl::string_view key) {
    CheckToken(has, cluster.has_tls(), absl::StrCat("cluster.", key), "give cluster.tls", problems);
  };
  check(cluster.has_replay_token_file(), "replay_token_file");
  check(cluster.has_reward_token_file(), "reward_token_file");
  check(cluster.has_learner_token_file(), "learner_token_file");
}

void CheckOracles(const v1::RunConfig& config, Problems& problems) {
  const v1::RewardConfig& reward = config.reward();
  std::set<std::string> names;
  for (int i = 0; i < reward.oracles_size(); ++i) {
    const std::string key = absl::StrCat("reward.oracles.", i);
    CheckOracle(reward.oracles(i), key, problems);
    problems.Check(names.insert(reward.oracles(i).name()).second, key + ".name",
                   absl::StrCat("\"", reward.oracles(i).name(), "\""), "which another oracle has",
                   "give each its own name");
  }
  NotNegative(reward.budget().max_cost(), "reward.budget.max_cost", problems);
  if (!reward.oracles().empty() && config.reward_shaping().objectives().empty()) {
    problems.Add("reward_shaping.objectives",
                 "is missing; name the objectives that the oracles are to be asked for, such as "
                 "[{name: qed}]");
  }
}

}  // namespace anabranch
