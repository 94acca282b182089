#include "replay/insert_window.h"

#include "absl/strings/str_cat.h"
#include "gflownet/seeded_fault.h"

namespace anabranch {

InsertWindow::Client& InsertWindow::Find(uint64_t client) {
  const auto [found, is_new] = clients_.try_emplace(client);
  Client& entry = found->second;
  if (!is_new) {
    ages_.splice(ages_.end(), ages_, entry.age);
    return entry;
  }
  entry.age = ages_.insert(ages_.end(), client);
  if (clients_.size() > kMaxClients) {
    // Not one that is inserting at this moment: its Commit needs the entry.
    for (auto oldest = ages_.begin(); oldest != ages_.end(); ++oldest) {
      const auto victim = clients_.find(*oldest);
      if (*oldest == client || !victim->second.in_progress.empty()) continue;
      clients_.erase(victim);
      ages_.erase(oldest);
      break;
    }
  }
  return clients_.find(client)->second;
}

InsertWindow::Outcome InsertWindow::Begin(uint64_t client, uint64_t sequence) {
  absl::MutexLock lock(&mu_);
  Client& entry = Find(client);
  const bool known = sequence <= entry.floor || entry.above.contains(sequence);
  if (known && !IsSeeded(SeededFault::kDuplicateCounted)) return Outcome::kDuplicate;
  if (IsSeeded(SeededFault::kAcknowledgeBeforeInsert)) entry.above.insert(sequence);
  return entry.in_progress.insert(sequence).second ? Outcome::kNew : Outcome::kInProgress;
}

void InsertWindow::Commit(uint64_t client, uint64_t sequence) {
  absl::MutexLock lock(&mu_);
  Client& entry = Find(client);
  entry.in_progress.erase(sequence);
  entry.above.insert(sequence);
  // A hole (a batch that was refused or given up) is closed once it is too old to be filled.
  while (!entry.above.empty() &&
         (*entry.above.begin() == entry.floor + 1 || entry.above.size() > kMaxGap)) {
    entry.floor = *entry.above.begin();
    entry.above.erase(entry.above.begin());
  }
}

void InsertWindow::Abandon(uint64_t client, uint64_t sequence) {
  absl::MutexLock lock(&mu_);
  Find(client).in_progress.erase(sequence);
}

uint64_t InsertWindow::AcknowledgedUpTo(uint64_t client) const {
  absl::MutexLock lock(&mu_);
  const auto found = clients_.find(client);
  return found == clients_.end() ? 0 : found->second.floor;
}

std::vector<v1::InsertWindowState> InsertWindow::Save() const {
  absl::MutexLock lock(&mu_);
  std::vector<v1::InsertWindowState> states;
  for (const uint64_t client : ages_) {
    const Client& entry = clients_.find(client)->second;
    v1::InsertWindowState& state = states.emplace_back();
    state.set_client_incarnation(client);
    state.set_floor(entry.floor);
    state.mutable_above()->Add(entry.above.begin(), entry.above.end());
  }
  return states;
}

absl::Status InsertWindow::Restore(std::span<const v1::InsertWindowState* const> clients) {
  absl::MutexLock lock(&mu_);
  clients_.clear();
  ages_.clear();
  for (const v1::InsertWindowState* state : clients) {
    Client& entry = Find(state->client_incarnation());
    entry.floor = state->floor();
    entry.above.insert(state->above().begin(), state->above().end());
    if (!entry.above.empty() && *entry.above.begin() <= entry.floor) {
      return absl::DataLossError(absl::StrCat("state of client ", state->client_incarnation(),
                                              ": a sequence above the floor lies below it"));
    }
  }
  return absl::OkStatus();
}

}  // namespace anabranch
