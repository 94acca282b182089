// A request on its way through a cache.
#ifndef ANABRANCH_REWARD_CACHE_RESULT_QUESTION_H_
#define ANABRANCH_REWARD_CACHE_RESULT_QUESTION_H_

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "anabranch/v1/reward.pb.h"
#include "reward/cache/result_columns.h"
#include "reward/cache/result_flights.h"
#include "reward/cache/result_keys.h"
#include "reward/cache/result_tickets.h"

namespace anabranch {

// The objectives asked for, or else those `described`; sorted, each once: results are kept so.
std::vector<std::string> ObjectiveSetOf(const v1::EvaluateRequest& request,
                                        std::span<const std::string> described);

// Belongs to one thread. The request outlives it.
struct ResultQuestion {
  ResultQuestion(const v1::EvaluateRequest& request, absl::string_view fingerprint,
                 std::span<const std::string> described);

  // Whether the oracle can be asked the request as it came.
  bool AsksAll() const;
  // What the oracle is asked otherwise: the missing objects, with the oracle's own tickets.
  v1::EvaluateRequest Rest() const;
  // Positions among `positions` that have no result yet and are nobody else's to ask for.
  std::vector<int> Open(std::span<const int> positions) const;
  // Results without asking: the oracle still works on it; nobody knows its ticket.
  void SetWaiting(int position, const v1::KeptTicket& record, absl::Time now);
  void SetUnknownTicket(int position);
  // The own flight's results for all who joined it, the question itself too.
  void FillFlight() const;
  // Of an object that another led. The flight has landed, with this question's fingerprint.
  void Take(const ResultFlights::Join& join);
  // The answer to the request, once every row is there. Leaves nothing in `answer`.
  v1::EvaluateResponse TakeAnswer();

  const v1::EvaluateRequest& request;
  std::vector<std::string> columns;        // Objectives as asked, in that order.
  std::vector<std::string> objective_set;  // Of rows.
  std::string family;
  ResultKeys keys;
  ResultRows rows;                 // [n], null where not found.
  std::vector<LaterResult> later;  // Of rows that no fresh answer is about.
  ResultFlights::Boarding boarding;
  std::vector<int> missing;  // Positions that the oracle is asked about, ascending.
  // What is known of objects whose ticket is to be asked for; null drops the caller's ticket, which
  // the oracle wouldn't know.
  absl::flat_hash_map<int, ResultTickets::Record> polls;
  v1::EvaluateResponse answer;   // About the missing objects.
  bool answer_is_whole = false;  // It says of each object what its row says.
  int64_t memory_hits = 0, durable_hits = 0, waiting = 0;
};

}  // namespace anabranch

#endif  // ANABRANCH_REWARD_CACHE_RESULT_QUESTION_H_
