#include "replay/stream_set.h"

namespace anabranch {

StreamSet::StreamSet(size_t max_streams) : max_streams_(max_streams), reaper_([this] { Reap(); }) {}

StreamSet::~StreamSet() {
  {
    absl::MutexLock lock(&mu_);
    stopping_ = true;
  }
  reaper_.join();
}

bool StreamSet::Add(LiveStream* stream) {
  absl::MutexLock lock(&mu_);
  if (open_.size() >= max_streams_) return false;
  open_.insert(stream);
  if (!ended_.ok()) stream->End(ended_);
  return true;
}

void StreamSet::Retire(LiveStream* stream) {
  absl::MutexLock lock(&mu_);
  retired_.push_back(stream);
}

void StreamSet::End(const absl::Status& why) {
  absl::MutexLock lock(&mu_);
  ended_ = why;
  for (LiveStream* stream : open_) stream->End(why);
}

size_t StreamSet::size() const {
  absl::MutexLock lock(&mu_);
  return open_.size();
}

bool StreamSet::AwaitNone(absl::Time deadline) const {
  absl::MutexLock lock(&mu_);
  const auto none = [this]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) { return open_.empty(); };
  return mu_.AwaitWithDeadline(absl::Condition(&none), deadline);
}

void StreamSet::Reap() {
  const auto due = [this]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) {
    return !retired_.empty() || (stopping_ && open_.empty());
  };
  for (;;) {
    std::vector<LiveStream*> retired;
    {
      absl::MutexLock lock(&mu_);
      mu_.Await(absl::Condition(&due));
      if (retired_.empty()) return;
      retired.swap(retired_);
    }
    for (LiveStream* stream : retired) delete stream;
    absl::MutexLock lock(&mu_);
    for (LiveStream* stream : retired) open_.erase(stream);
  }
}

}  // namespace anabranch
