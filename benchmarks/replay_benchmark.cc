// The replay server's work for batches of short trajectories, with a million distinct objects held,
// beside what no server of the contract could do without: parsing what comes and serialising what
// goes. (A service that does nothing else, and the network below it, come with the processes.)
//
//   build/release/bin/replay_benchmark [--objects=1000000]
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/flags/flag.h"
#include "absl/flags/parse.h"
#include "absl/flags/usage.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "benchmarks/measure.h"
#include "benchmarks/replay_batches.h"
#include "gflownet/random.h"
#include "replay/replay_service.h"

ABSL_FLAG(int, batch, 1024, "trajectories in a batch");
ABSL_FLAG(int, objects, 1 << 20, "distinct objects; at least a batch");
ABSL_FLAG(int, length, 12, "mean actions of a trajectory");
ABSL_FLAG(double, seconds, 1.0, "seconds of each workload in each round");
ABSL_FLAG(int, rounds, 5, "rounds");

namespace anabranch {
namespace {

using benchmarks::kEnvironment;
using benchmarks::kRun;
using benchmarks::MakeInsertBatch;
using benchmarks::Must;

// A server with one table, and the messages that it is fed again and again.
class Server {
 public:
  Server(const std::vector<std::string>& messages, v1::ReplaySelector selector)
      : messages_(messages) {
    ReplayServiceOptions options;
    options.run_id = kRun;
    options.environment_fingerprint = kEnvironment;
    options.max_objects = 0;
    ReplayTableOptions& table = options.tables.emplace_back();
    table.name = "table";
    table.selector = selector;
    table.max_times_sampled = selector == v1::REPLAY_SELECTOR_FIFO ? 1 : 0;
    table.max_items = absl::GetFlag(FLAGS_objects);
    table.max_bytes = 0;
    service_ = Must(ReplayService::Create(std::move(options)));
    v1::InsertOpening insert;
    insert.mutable_handshake()->set_run_id(kRun);
    insert.mutable_handshake()->set_environment_fingerprint(kEnvironment);
    insert.mutable_handshake()->mutable_source()->set_client_incarnation(1);
    inserts_ = Must(service_->OpenInsert(insert));
    v1::SampleOpening sample;
    *sample.mutable_handshake() = insert.handshake();
    sample.set_batch_trajectories(absl::GetFlag(FLAGS_batch));
    sample.add_mixture()->set_table("table");
    sample.mutable_mixture(0)->set_share(1);
    samples_ = Must(service_->OpenSample(sample));
  }

  // Bytes in, bytes out. Returns the number of trajectories.
  double OneBatch() {
    Insert();
    const v1::SampledBatch sampled = Must(samples_->Next());
    if (!sampled.SerializeToString(&out_)) std::exit(1);
    return sampled.batch().lengths_size();
  }
  double Insert() {
    v1::InsertBatch batch;
    if (!batch.ParseFromString(messages_[next_++ % messages_.size()])) std::exit(1);
    batch.set_sequence(next_);
    const v1::InsertAcknowledgement answer = Must(inserts_->Insert(std::move(batch)));
    if (answer.result() != v1::INSERT_RESULT_INSERTED) {
      std::fprintf(stderr, "%s\n", answer.refusal().ShortDebugString().c_str());
      std::exit(1);
    }
    return absl::GetFlag(FLAGS_batch);
  }
  double Sample() { return Must(samples_->Next()).batch().lengths_size(); }

 private:
  const std::vector<std::string>& messages_;
  std::unique_ptr<ReplayService> service_;
  std::unique_ptr<InsertStream> inserts_;
  std::unique_ptr<SampleStream> samples_;
  size_t next_ = 0;
  std::string out_;
};

// What remains if the server does nothing: the batch that came is the batch that goes.
class Echo {
 public:
  explicit Echo(const std::vector<std::string>& messages) : messages_(messages) {}
  double OneBatch() {
    v1::InsertBatch batch;
    if (!batch.ParseFromString(messages_[next_++ % messages_.size()])) std::exit(1);
    v1::SampledBatch sampled;
    sampled.mutable_batch()->Swap(batch.mutable_batch());
    const int n = sampled.batch().lengths_size();
    sampled.mutable_item_keys()->Resize(n, next_);
    sampled.mutable_probabilities()->Resize(n, 1.0);
    sampled.mutable_times_sampled()->Resize(n, 1);
    if (!sampled.SerializeToString(&out_)) std::exit(1);
    return n;
  }

 private:
  const std::vector<std::string>& messages_;
  size_t next_ = 0;
  std::string out_;
};

std::vector<std::string> MakeMessages() {
  RandomStream random(1, 1);
  const int n = absl::GetFlag(FLAGS_batch);
  std::vector<std::string> messages;
  for (int first = 0; first < absl::GetFlag(FLAGS_objects); first += n) {
    messages.push_back(
        MakeInsertBatch(first, n, absl::GetFlag(FLAGS_length), random).SerializeAsString());
  }
  return messages;
}

// Every object is new: once through all messages.
void FillWithNewObjects(Server& server, size_t batches) {
  const absl::Time start = absl::Now();
  double trajectories = 0;
  for (size_t i = 0; i < batches; ++i) trajectories += server.Insert();
  const double seconds = absl::ToDoubleSeconds(absl::Now() - start);
  std::printf("insert, every object new: %.3g trajectories/s\n", trajectories / seconds);
}

void Run() {
  using benchmarks::MeasureAlternating;
  using benchmarks::Rate;
  const std::vector<std::string> messages = MakeMessages();
  std::printf("%zu messages of %d trajectories, %zu bytes each\n", messages.size(),
              absl::GetFlag(FLAGS_batch), messages[0].size());
  Echo echo(messages);
  Server fifo(messages, v1::REPLAY_SELECTOR_FIFO), uniform(messages, v1::REPLAY_SELECTOR_UNIFORM);
  FillWithNewObjects(uniform, messages.size());
  for (size_t i = 0; i < messages.size(); ++i) fifo.OneBatch();
  const std::vector<Rate> rates = MeasureAlternating(
      {{"ceiling: parse and serialise", "trajectories", [&] { return echo.OneBatch(); }},
       {"fifo used once: parse, insert, sample, serialise", "trajectories",
        [&] { return fifo.OneBatch(); }},
       {"uniform: parse, insert, sample, serialise", "trajectories",
        [&] { return uniform.OneBatch(); }},
       {"uniform: sample alone", "trajectories", [&] { return uniform.Sample(); }}},
      absl::GetFlag(FLAGS_seconds), absl::GetFlag(FLAGS_rounds));
  for (const Rate& rate : rates) benchmarks::Print(rate);
  std::printf("share of the ceiling, fifo:    %.2f\n", RatioOf(rates[1], rates[0]).Median());
  std::printf("share of the ceiling, uniform: %.2f\n", RatioOf(rates[2], rates[0]).Median());
}

}  // namespace
}  // namespace anabranch

int main(int argc, char** argv) {
  absl::SetProgramUsageMessage("The replay server beside parsing and serialising alone.");
  absl::ParseCommandLine(argc, argv);
  anabranch::Run();
  return 0;
}
