#include "reward/cache/result_tickets.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "gflownet/environment/key.h"
#include "reward/cache/result_disk.h"

namespace anabranch {
namespace {

void AppendPart(std::string& out, absl::string_view part) {
  absl::StrAppend(&out, part.size(), ":", part);
}

void AppendContext(std::string& out, const v1::EvaluateRequest& request,
                   const v1::RewardObject& object) {
  const auto context = static_cast<int>(object.context());
  if (context == 0 || context > request.contexts_size()) {
    AppendPart(out, "");
    return;
  }
  const v1::EvaluationContext& named = request.contexts(context - 1);
  AppendPart(out, named.key());
  if (!named.key().empty()) return;
  AppendPart(out, named.prompt_format());
  AppendPart(out, named.prompt());
}

}  // namespace

std::string TicketOf(const v1::EvaluateRequest& request, const v1::RewardObject& object) {
  std::string text;
  AppendPart(text, request.format());
  AppendContext(text, request, object);
  switch (object.content_case()) {
    case v1::RewardObject::kInline:
      absl::StrAppend(&text, "=", object.inline_());
      break;
    case v1::RewardObject::kReference:
      absl::StrAppend(&text, "#",
                      object.reference().sha256().empty() ? object.reference().uri()
                                                          : object.reference().sha256());
      break;
    case v1::RewardObject::CONTENT_NOT_SET:
      return "";
  }
  return Key128::Of(text).ToHex();
}

ResultTickets::ResultTickets(std::string oracle, KeyValueStore* store, Log& log)
    : prefix_(DiskPrefix("ticket", oracle)), oracle_(std::move(oracle)), store_(store), log_(log) {}

std::string ResultTickets::DiskKey(absl::string_view family, absl::string_view ticket) const {
  return absl::StrCat(prefix_, family, ticket);
}

absl::Status ResultTickets::Load() {
  if (store_ == nullptr) return absl::OkStatus();
  absl::flat_hash_map<std::string, Record> records;
  bool damaged = false;
  const absl::Status scanned =
      store_->Scan(prefix_, [&](absl::string_view key, absl::string_view value) {
        auto record = std::make_shared<v1::KeptTicket>();
        damaged = !record->ParseFromArray(value.data(), static_cast<int>(value.size()));
        if (!damaged && !record->answered()) records.emplace(key, std::move(record));
        return !damaged;
      });
  if (!scanned.ok()) return scanned;
  if (damaged) {
    return absl::DataLossError(absl::StrCat("oracle ", oracle_,
                                            ": a kept ticket is damaged; objects that the oracle "
                                            "works on can't be asked for"));
  }
  absl::MutexLock lock(&mu_);
  records_ = std::move(records);
  pending_.store(static_cast<int64_t>(records_.size()), std::memory_order_release);
  return absl::OkStatus();
}

ResultTickets::Record ResultTickets::Find(absl::string_view family,
                                          absl::string_view ticket) const {
  const std::string key = DiskKey(family, ticket);
  absl::MutexLock lock(&mu_);
  const auto found = records_.find(key);
  return found == records_.end() ? nullptr : found->second;
}

ResultTickets::Record ResultTickets::FindAny(absl::string_view family,
                                             absl::string_view ticket) const {
  if (Record pending = Find(family, ticket); pending != nullptr) return pending;
  std::string value;
  if (store_ == nullptr) return nullptr;
  const auto found = store_->Get(DiskKey(family, ticket), value);
  auto record = std::make_shared<v1::KeptTicket>();
  if (!found.ok() || !*found || !record->ParseFromString(value)) return nullptr;
  return record;
}

void ResultTickets::Apply(std::vector<Change> changes) {
  if (changes.empty()) return;
  KeyValueBatch batch;
  {
    std::vector<std::pair<std::string, Record>> fresh;
    for (Change& change : changes) {
      std::string key = DiskKey(change.family, change.record.ticket());
      if (store_ != nullptr) batch.Put(key, change.record.SerializeAsString());
      fresh.emplace_back(std::move(key),
                         std::make_shared<v1::KeptTicket>(std::move(change.record)));
    }
    absl::MutexLock lock(&mu_);
    for (auto& [key, record] : fresh) {
      if (record->answered()) {
        records_.erase(key);
      } else {
        records_[key] = std::move(record);
      }
    }
    pending_.store(static_cast<int64_t>(records_.size()), std::memory_order_release);
  }
  if (store_ == nullptr) return;
  const absl::Status status = store_->Write(batch, true);
  if (!status.ok() && !warned_.exchange(true)) {
    log_.Warning("tickets can't be kept on disk; after a restart their objects are asked for anew",
                 {{"oracle", oracle_}, {"error", status.ToString()}});
  }
  if (status.ok()) warned_.store(false, std::memory_order_relaxed);
}

absl::Time ResultTickets::OldestSince() const {
  absl::Time oldest = absl::InfiniteFuture();
  absl::MutexLock lock(&mu_);
  for (const auto& [key, record] : records_) {
    oldest = std::min(oldest, absl::FromUnixMicros(record->since_micros()));
  }
  return oldest;
}

std::vector<std::string> ResultTickets::UpstreamTickets() const {
  std::vector<std::string> tickets;
  absl::MutexLock lock(&mu_);
  for (const auto& [key, record] : records_) tickets.push_back(record->upstream_ticket());
  return tickets;
}

}  // namespace anabranch
