#include "reward/cache/result_disk.h"

#include <cstddef>
#include <cstdint>

#include "absl/strings/str_cat.h"
#include "anabranch/v1/reward_state.pb.h"

namespace anabranch {
namespace {

std::string Encode(const ObjectResult& result) {
  v1::KeptResult kept;
  kept.set_status(result.status);
  kept.mutable_values()->Add(result.values.begin(), result.values.end());
  for (const uint8_t valid : result.valid) {
    if (valid != 0) continue;
    kept.mutable_valid()->Add(result.valid.begin(), result.valid.end());
    break;
  }
  kept.mutable_standard_errors()->Add(result.standard_errors.begin(), result.standard_errors.end());
  kept.set_reason(result.reason);
  kept.set_evaluations(result.evaluations);
  kept.mutable_value_evaluations()->Add(result.value_evaluations.begin(),
                                        result.value_evaluations.end());
  kept.mutable_squared_deviations()->Add(result.squared_deviations.begin(),
                                         result.squared_deviations.end());
  return kept.SerializeAsString();
}

bool HasLength(int length, int m) { return length == 0 || length == m; }

// Null for what Encode didn't write.
std::shared_ptr<const ObjectResult> Decode(const std::string& bytes) {
  v1::KeptResult kept;
  if (!kept.ParseFromString(bytes)) return nullptr;
  const int m = kept.values_size();
  if ((kept.status() != v1::OBJECT_STATUS_OK && kept.status() != v1::OBJECT_STATUS_INVALID) ||
      !HasLength(kept.valid_size(), m) || !HasLength(kept.standard_errors_size(), m) ||
      !HasLength(kept.value_evaluations_size(), m) ||
      !HasLength(kept.squared_deviations_size(), m)) {
    return nullptr;
  }
  auto result = std::make_shared<ObjectResult>();
  result->status = kept.status();
  result->values.assign(kept.values().begin(), kept.values().end());
  result->valid.assign(kept.valid().begin(), kept.valid().end());
  if (result->valid.empty()) result->valid.assign(m, 1);
  result->standard_errors.assign(kept.standard_errors().begin(), kept.standard_errors().end());
  result->reason = kept.reason();
  result->evaluations = kept.evaluations();
  result->value_evaluations.assign(kept.value_evaluations().begin(),
                                   kept.value_evaluations().end());
  result->squared_deviations.assign(kept.squared_deviations().begin(),
                                    kept.squared_deviations().end());
  return result;
}

}  // namespace

std::string DiskPrefix(absl::string_view kind, absl::string_view oracle) {
  return absl::StrCat(kind, "/", oracle.size(), ":", oracle, "/");
}

ResultDisk::ResultDisk(std::string oracle, KeyValueStore* store, Log& log)
    : prefix_(DiskPrefix("result", oracle)), oracle_(std::move(oracle)), store_(store), log_(log) {}

absl::Status ResultDisk::Load() {
  if (store_ == nullptr) return absl::OkStatus();
  return store_->Scan(prefix_, [this](absl::string_view, absl::string_view) {
    has_earlier_ = true;
    return false;
  });
}

void ResultDisk::Tell(const absl::Status& status, absl::string_view what) {
  if (status.ok()) {
    if (failing_.load(std::memory_order_relaxed) && failing_.exchange(false)) {
      log_.Info("results are kept on disk again", {{"oracle", oracle_}});
    }
  } else if (!failing_.exchange(true)) {
    log_.Warning(
        absl::StrCat(what, "; the run goes on without them, and a restart asks for them ", "again"),
        {{"oracle", oracle_}, {"error", status.ToString()}});
  }
}

std::vector<std::shared_ptr<const ObjectResult>> ResultDisk::Find(std::span<const ResultKey> keys) {
  std::vector<std::shared_ptr<const ObjectResult>> results(keys.size());
  if (store_ == nullptr || keys.empty()) return results;
  std::vector<std::string> wanted, values;
  std::vector<char> found;
  wanted.reserve(keys.size());
  for (const ResultKey& key : keys) wanted.push_back(DiskKey(key));
  absl::Status status = store_->GetMany(wanted, values, found);
  if (!status.ok()) {
    Tell(status, "results can't be read from disk");
    return results;
  }
  for (size_t i = 0; i < keys.size(); ++i) {
    if (found[i] == 0) continue;
    results[i] = Decode(values[i]);
    if (results[i] == nullptr) status = absl::DataLossError("a kept result is damaged");
  }
  if (!status.ok()) Tell(status, "results on disk are damaged");
  return results;
}

void ResultDisk::Put(std::span<const Entry> entries) {
  if (store_ == nullptr || entries.empty()) return;
  KeyValueBatch batch;
  for (const Entry& entry : entries) batch.Put(DiskKey(entry.key), Encode(*entry.result));
  Tell(store_->Write(batch, false), "results can't be kept on disk");
}

}  // namespace anabranch
