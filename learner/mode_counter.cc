#include "learner/mode_counter.h"

#include <memory>
#include <numeric>

namespace anabranch {
namespace {

constexpr uint64_t kObjectsPerPage = 10'000;

}  // namespace

void ModeCounter::Add(const Trajectories& trajectories) {
  if (!Searches()) return;
  if (static_cast<int64_t>(trajectories.objects.size()) == trajectories.size()) {
    AddObjects(trajectories.objects);
  } else {
    AddObjects(TerminalObjects(environment_, trajectories));
  }
}

absl::Status ModeCounter::AddBestOf(ReplayClient& replay, const v1::Handshake& handshake) {
  v1::QueryObjectsRequest request;
  *request.mutable_handshake() = handshake;
  request.mutable_query()->set_order(v1::OBJECT_ORDER_LOG_REWARD);
  request.set_limit(kObjectsPerPage);
  while (Searches()) {
    auto page = replay.QueryObjects(request);
    if (!page.ok()) return page.status();
    const v1::ObjectBatch& objects = page->objects();
    std::vector<std::string> texts;
    size_t at = 0;
    for (const uint32_t length : objects.object_lengths()) {
      texts.push_back(objects.object_data().substr(at, length));
      at += length;
    }
    AddObjects(texts);
    if (page->next_cursor().empty()) break;
    request.set_cursor(page->next_cursor());
  }
  return absl::OkStatus();
}

int64_t ModeCounter::num_found() const {
  absl::MutexLock lock(&mu_);
  return modes_.has_value() ? modes_->num_found() : 0;
}

int64_t ModeCounter::num_modes() const {
  absl::MutexLock lock(&mu_);
  return modes_.has_value() ? modes_->num_modes() : 0;
}

bool ModeCounter::Searches() const {
  absl::MutexLock lock(&mu_);
  return modes_.has_value() && modes_->num_found() < modes_->num_modes();
}

void ModeCounter::AddObjects(std::span<const std::string> objects) {
  absl::MutexLock lock(&mu_);
  if (modes_.has_value()) modes_->Add(objects);
}

std::vector<std::string> TerminalObjects(const Environment& environment,
                                         const Trajectories& trajectories) {
  const int64_t n = trajectories.size();
  std::vector<std::string> objects(n);
  auto states = environment.Initial(n, trajectories.prompts);
  if (!states.ok()) return objects;
  const int64_t width = trajectories.action_value_width;
  std::vector<int64_t> offsets(n);
  std::exclusive_scan(trajectories.lengths.begin(), trajectories.lengths.end(), offsets.begin(),
                      int64_t{0});
  std::vector<int32_t> active(n), actions;
  std::iota(active.begin(), active.end(), 0);
  std::vector<float> values;
  for (int32_t t = 0; !active.empty(); ++t) {
    std::vector<int32_t> stopping, going_on, ended, still;
    actions.clear();
    values.clear();
    for (size_t k = 0; k < active.size(); ++k) {
      const int32_t i = active[k];
      const bool last = t + 1 >= trajectories.lengths[i];
      (last ? stopping : going_on).push_back(static_cast<int32_t>(k));
      (last ? ended : still).push_back(i);
      if (last) continue;
      actions.push_back(trajectories.actions[offsets[i] + t]);
      const auto value = trajectories.action_values.begin() + (offsets[i] + t) * width;
      values.insert(values.end(), value, value + width);
    }
    if (!ended.empty()) {  // They are at their objects: their last action is stop.
      std::unique_ptr<StateBatch> last = environment.Clone(**states);
      environment.Keep(*last, stopping);
      std::vector<std::string> texts;
      environment.AppendObjects(*last, texts);
      for (size_t k = 0; k < ended.size(); ++k) objects[ended[k]] = std::move(texts[k]);
    }
    environment.Keep(**states, going_on);
    active = std::move(still);
    if (!active.empty()) environment.Step(**states, {actions, values});
  }
  return objects;
}

}  // namespace anabranch
