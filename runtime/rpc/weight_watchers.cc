#include "runtime/rpc/weight_watchers.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "runtime/error_reason.h"
#include "runtime/rpc/grpc_status.h"

namespace anabranch {
namespace {

absl::Status Draining() {
  return WithReason(absl::UnavailableError("this process is stopping; watch another holder"),
                    kReasonDraining);
}

class FinishedWatch final : public WatchReactor {
 public:
  explicit FinishedWatch(const absl::Status& status) { Finish(ToGrpcStatus(status)); }
  void OnDone() override { delete this; }
};

}  // namespace

WatchReactor* RefuseWatch(const absl::Status& status) { return new FinishedWatch(status); }

// gRPC is never called with mu_ held, since it may call back from within: what is to be done is
// decided under the lock and done after it.
class WeightWatchers::Watcher final : public WatchReactor {
 public:
  Watcher(WeightWatchers& owner, const v1::WatchRequest& request) : owner_(owner) {
    if (request.has_newest_known()) told_ = request.newest_known();
    StartSendInitialMetadata();  // Tells the watcher that it is connected, though nothing may come.
  }

  void Offer(const std::shared_ptr<const HeldSnapshot>& newest) {
    {
      absl::MutexLock lock(&mu_);
      if (next_ == nullptr || IsNewer(newest->manifest.policy(), next_->manifest.policy())) {
        next_ = newest;
      }
      if (!TakeNext()) return;
    }
    StartWrite(&response_);
  }

  void End(const absl::Status& status) {
    {
      absl::MutexLock lock(&mu_);
      if (end_.has_value()) return;
      end_ = status;
      if (writing_) return;  // OnWriteDone finishes.
    }
    Finish(ToGrpcStatus(status));
  }

  void OnWriteDone(bool ok) override {
    absl::Status end;
    {
      absl::MutexLock lock(&mu_);
      writing_ = false;
      if (!ok && !end_.has_value()) end_ = absl::CancelledError("the watcher is gone");
      if (end_.has_value()) {
        end = *end_;
      } else if (!TakeNext()) {
        return;
      }
    }
    if (end.ok()) {
      StartWrite(&response_);
    } else {
      Finish(ToGrpcStatus(end));
    }
  }

  void OnCancel() override { End(absl::CancelledError("the watcher is gone")); }
  void OnDone() override { owner_.Remove(this); }  // Deletes this, unless an Announce is under way.

 private:
  // Whether response_ is to be written now.
  bool TakeNext() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) {
    if (writing_ || end_.has_value() || next_ == nullptr) return false;
    const std::shared_ptr<const HeldSnapshot> next = std::move(next_);
    next_ = nullptr;
    if (told_.has_value() && !IsNewer(next->manifest.policy(), *told_)) return false;
    told_ = next->manifest.policy();
    *response_.mutable_manifest() = next->manifest;
    writing_ = true;
    return true;
  }

  WeightWatchers& owner_;
  absl::Mutex mu_;
  // Written under mu_ while writing_ is false, read by gRPC while it is true.
  v1::WatchResponse response_;
  std::optional<v1::PolicyVersion> told_ ABSL_GUARDED_BY(mu_);
  std::shared_ptr<const HeldSnapshot> next_ ABSL_GUARDED_BY(mu_);
  bool writing_ ABSL_GUARDED_BY(mu_) = false;
  std::optional<absl::Status> end_ ABSL_GUARDED_BY(mu_);  // Never OK. Finish was or will be called.
};

WeightWatchers::~WeightWatchers() = default;

WatchReactor* WeightWatchers::Add(const v1::WatchRequest& request, const WeightStore& store) {
  std::shared_ptr<Watcher> watcher;
  {
    absl::MutexLock lock(&mu_);
    if (shut_down_) return RefuseWatch(Draining());
    if (watchers_.size() >= max_watchers_) {
      return RefuseWatch(WithReason(
          absl::ResourceExhaustedError(absl::StrCat(max_watchers_, " watch already; try later")),
          kReasonOverloaded));
    }
    watcher = std::make_shared<Watcher>(*this, request);
    watchers_.push_back(watcher);
  }
  // Asked for only now, so that what comes after it is announced to this one too.
  if (const auto newest = store.Newest(); newest != nullptr) watcher->Offer(newest);
  return watcher.get();
}

void WeightWatchers::Announce(const std::shared_ptr<const HeldSnapshot>& newest) {
  std::vector<std::shared_ptr<Watcher>> watchers;
  {
    absl::MutexLock lock(&mu_);
    watchers = watchers_;
  }
  for (const std::shared_ptr<Watcher>& watcher : watchers) watcher->Offer(newest);
}

void WeightWatchers::Shutdown(absl::Duration grace) {
  std::vector<std::shared_ptr<Watcher>> watchers;
  {
    absl::MutexLock lock(&mu_);
    shut_down_ = true;
    watchers = watchers_;
  }
  for (const std::shared_ptr<Watcher>& watcher : watchers) watcher->End(Draining());
  watchers.clear();
  absl::MutexLock lock(&mu_);
  auto none = [this]() ABSL_SHARED_LOCKS_REQUIRED(mu_) { return watchers_.empty(); };
  mu_.AwaitWithTimeout(absl::Condition(&none), grace);
}

int64_t WeightWatchers::count() const {
  absl::MutexLock lock(&mu_);
  return static_cast<int64_t>(watchers_.size());
}

void WeightWatchers::Remove(Watcher* watcher) {
  std::shared_ptr<Watcher> removed;  // Deleted after the lock.
  absl::MutexLock lock(&mu_);
  const auto found =
      std::find_if(watchers_.begin(), watchers_.end(),
                   [&](const std::shared_ptr<Watcher>& other) { return other.get() == watcher; });
  if (found == watchers_.end()) return;
  removed = std::move(*found);
  *found = std::move(watchers_.back());
  watchers_.pop_back();
}

}  // namespace anabranch
