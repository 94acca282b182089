#include "replay/mixture.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "absl/strings/str_cat.h"

namespace anabranch {
namespace {

constexpr int64_t kOne = int64_t{1} << 32;

}  // namespace

absl::StatusOr<Mixture> Mixture::Create(std::span<const double> shares) {
  Mixture mixture;
  double sum = 0;
  for (size_t i = 0; i < shares.size(); ++i) {
    if (!(shares[i] > 0 && shares[i] <= 1)) {
      return absl::InvalidArgumentError(absl::StrCat("mixture[", i, "].share: is ", shares[i],
                                                     "; above 0 and at most 1 is needed"));
    }
    sum += shares[i];
  }
  if (shares.empty()) return absl::InvalidArgumentError("mixture: names no table");
  if (std::abs(sum - 1) > 1e-6) {
    return absl::InvalidArgumentError(
        absl::StrCat("mixture: the shares sum to ", sum, ", not to 1"));
  }
  for (const double share : shares) {
    mixture.shares_.push_back(std::llround(share / sum * static_cast<double>(kOne)));
  }
  const int64_t total = std::accumulate(mixture.shares_.begin(), mixture.shares_.end(), int64_t{0});
  *std::max_element(mixture.shares_.begin(), mixture.shares_.end()) += kOne - total;
  mixture.credits_.assign(shares.size(), 0);
  return mixture;
}

// Each table first takes what it is owed, rounded down by a margin that keeps the sum below n; the
// rest goes one by one to whoever is owed most.
std::vector<int64_t> Mixture::Next(int64_t n) {
  const auto tables = static_cast<int64_t>(shares_.size());
  std::vector<int64_t> counts(shares_.size());
  int64_t left = n;
  for (size_t t = 0; t < shares_.size(); ++t) {
    credits_[t] += n * shares_[t];
    counts[t] = std::clamp<int64_t>((credits_[t] >> 32) - tables, 0, left);
    credits_[t] -= counts[t] * kOne;
    left -= counts[t];
  }
  for (; left > 0; --left) {
    const auto t = std::max_element(credits_.begin(), credits_.end()) - credits_.begin();
    ++counts[t];
    credits_[t] -= kOne;
  }
  return counts;
}

void Mixture::Undo(int64_t n, std::span<const int64_t> counts) {
  for (size_t t = 0; t < shares_.size(); ++t) credits_[t] += counts[t] * kOne - n * shares_[t];
}

absl::Status Mixture::RestoreCredits(std::span<const int64_t> credits) {
  if (credits.size() != credits_.size() ||
      std::accumulate(credits.begin(), credits.end(), int64_t{0}) != 0) {
    return absl::InvalidArgumentError("consumer_groups.credits: don't fit the mixture");
  }
  credits_.assign(credits.begin(), credits.end());
  return absl::OkStatus();
}

}  // namespace anabranch
