// Oracles that speak another protocol than ours, behind our contract.
#ifndef ANABRANCH_REWARD_ADAPTERS_ORACLE_ADAPTERS_H_
#define ANABRANCH_REWARD_ADAPTERS_ORACLE_ADAPTERS_H_

#include <functional>
#include <memory>
#include <vector>

#include "absl/status/statusor.h"
#include "anabranch/v1/config.pb.h"
#include "runtime/channels.h"
#include "runtime/log.h"

namespace anabranch {

struct AdapterOptions {
  bool insecure = false;  // Plaintext off loopback.
  Log* log = &NullLog();  // Outlives the oracle.
  // Where given, gets what ends the calls that are under way, and later ones, with CANCELLED, as
  // long as the oracle lives.
  std::vector<std::function<void()>>* cancel = nullptr;
};

// Each takes an oracle of the configuration, its defaults filled in, whose `kind` is the one that
// the function is named after. INVALID_ARGUMENT names the key, the value and what to do.
//
// What all of them are:
// - Describe tells what the configuration says, and a fingerprint that begins with kind, name and
//   describe.version and ends with what identifies the other side. It fails as Evaluate does where
//   the other side has to be asked. No accepted format means any.
// - Evaluate blocks; several calls run side by side; each ends within timeout_seconds (beside the
//   wait for a program that is free). One try: retries, batching and caches are the caller's.
// - A failure of the transport, and an answer that isn't one to the question (not the protocol,
//   another number of values), is UNAVAILABLE or DEADLINE_EXCEEDED; the latter of the two answers
//   has the reason kReasonMalformedAnswer. What the other side refuses for good has a code that
//   isn't retryable.
// - A fault of a single object is its status: a missing value (null) INVALID, one that isn't
//   finite FAILED, an object that the protocol can't carry INVALID; always with a reason.
// - Objectives that were not asked for are dropped; contexts are refused; replicates > 1 gives one
//   evaluation, and evaluation_counts says so.
// Thread-safe. Nobody may be in a call when one is destroyed.
absl::StatusOr<std::unique_ptr<RewardClient>> MakeOpenInferenceOracle(
    const v1::OracleConfig& config, const AdapterOptions& options);
absl::StatusOr<std::unique_ptr<RewardClient>> MakeProcessOracle(const v1::OracleConfig& config,
                                                                const AdapterOptions& options);
absl::StatusOr<std::unique_ptr<RewardClient>> MakeHttpOracle(const v1::OracleConfig& config,
                                                             const AdapterOptions& options);

}  // namespace anabranch

#endif  // ANABRANCH_REWARD_ADAPTERS_ORACLE_ADAPTERS_H_
