#include "learner/batch_pipeline.h"

#include <utility>

#include "absl/memory/memory.h"
#include "absl/strings/str_cat.h"
#include "learner/catch_exceptions.h"

namespace anabranch {

absl::Status BatchPipelineOptions::Validate() const {
  if (max_batches < 1) {
    return absl::InvalidArgumentError(
        absl::StrCat("learner.prefetch_batches is ", max_batches, "; give at least 1"));
  }
  if (threads < 0) {
    return absl::InvalidArgumentError(
        absl::StrCat("learner.build_threads is ", threads, "; give 0 or more"));
  }
  return absl::OkStatus();
}

absl::StatusOr<std::unique_ptr<BatchPipeline>> BatchPipeline::Start(
    const BatchPipelineOptions& options, const ObservationSpec& observation, SampleStream& samples,
    const BatchPreparer& preparer) {
  if (absl::Status status = options.Validate(); !status.ok()) return status;
  auto pipeline = absl::WrapUnique(new BatchPipeline(options, observation, samples, preparer));
  pipeline->threads_.emplace_back([p = pipeline.get()] { p->Fetch(); });
  for (int64_t i = 0; i < options.threads; ++i) {
    pipeline->threads_.emplace_back([p = pipeline.get()] { p->Work(); });
  }
  return pipeline;
}

BatchPipeline::BatchPipeline(const BatchPipelineOptions& options,
                             const ObservationSpec& observation, SampleStream& samples,
                             const BatchPreparer& preparer)
    : options_(options), observation_(observation), samples_(samples), preparer_(preparer) {}

BatchPipeline::~BatchPipeline() {
  {
    absl::MutexLock lock(&mu_);
    stopping_ = true;
  }
  samples_.Cancel();
  for (std::thread& thread : threads_) thread.join();
}

bool BatchPipeline::HasRoom() const {
  return stopping_ || static_cast<int64_t>(slots_.size()) < options_.max_batches;
}

bool BatchPipeline::HasWork() const {
  if (stopping_) return true;
  for (const auto& slot : slots_) {
    if (!slot->taken) return true;
  }
  return false;
}

bool BatchPipeline::FrontIsReady() const {
  if (slots_.empty()) return !ended_.ok();
  return slots_.front()->ready || options_.threads == 0;
}

std::unique_ptr<PreparedBatch> BatchPipeline::NewBatch() {
  if (spare_.empty()) return std::make_unique<PreparedBatch>(observation_);
  auto batch = std::move(spare_.back());
  spare_.pop_back();
  return batch;
}

void BatchPipeline::Fetch() {
  while (true) {
    {
      absl::MutexLock lock(&mu_);
      mu_.Await(absl::Condition(this, &BatchPipeline::HasRoom));
      if (stopping_) return;
    }
    auto sampled = samples_.Next();
    absl::MutexLock lock(&mu_);
    if (!sampled.ok()) {
      ended_ = sampled.status();
      return;
    }
    auto slot = std::make_unique<Slot>();
    slot->sampled = *std::move(sampled);
    slot->batch = NewBatch();
    slots_.push_back(std::move(slot));
  }
}

void BatchPipeline::Prepare(Slot& slot) {
  slot.status = CatchExceptions(
      "preparing a batch", [&] { return preparer_.Prepare(std::move(slot.sampled), *slot.batch); });
}

void BatchPipeline::Work() {
  while (true) {
    Slot* mine = nullptr;
    {
      absl::MutexLock lock(&mu_);
      mu_.Await(absl::Condition(this, &BatchPipeline::HasWork));
      if (stopping_) return;
      for (const auto& slot : slots_) {
        if (slot->taken) continue;
        mine = slot.get();
        break;
      }
      mine->taken = true;
    }
    Prepare(*mine);
    absl::MutexLock lock(&mu_);
    mine->ready = true;
  }
}

bool BatchPipeline::Ready(absl::Duration wait) const {
  absl::ReaderMutexLock lock(&mu_);
  return mu_.AwaitWithTimeout(absl::Condition(this, &BatchPipeline::FrontIsReady), wait);
}

absl::StatusOr<std::unique_ptr<PreparedBatch>> BatchPipeline::Next() {
  std::unique_ptr<Slot> slot;
  {
    absl::MutexLock lock(&mu_);
    mu_.Await(absl::Condition(this, &BatchPipeline::FrontIsReady));
    if (slots_.empty()) return ended_;
    slot = std::move(slots_.front());
    slots_.pop_front();
  }
  if (!slot->ready) Prepare(*slot);
  if (!slot->status.ok()) return slot->status;
  return std::move(slot->batch);
}

void BatchPipeline::Recycle(std::unique_ptr<PreparedBatch> batch) {
  absl::MutexLock lock(&mu_);
  if (static_cast<int64_t>(spare_.size()) <= options_.max_batches) {
    spare_.push_back(std::move(batch));
  }
}

}  // namespace anabranch
