// Merges the dictionaries (prompts, conditions, sources) of chunks that rows are gathered from.
#ifndef ANABRANCH_REPLAY_DICTIONARY_MERGE_H_
#define ANABRANCH_REPLAY_DICTIONARY_MERGE_H_

#include <cstdint>
#include <string>

#include "anabranch/v1/trajectory.pb.h"
#include "replay/sampled_rows.h"

namespace anabranch {

// Each fills its dictionary of `out` with the entries that the rows name, each once in order of
// first use, and the index column beside it. Nothing is filled where no chunk has the index column.
void MergeInitialStates(const SampledRows& sample, v1::TrajectoryBatch& out);
void MergeConditions(const SampledRows& sample, v1::TrajectoryBatch& out);
void MergeSources(const SampledRows& sample, v1::TrajectoryBatch& out);

// Appends entry `index` of `from` to `to`, whose widths are the same or not set yet. Keys are kept
// as long as every entry has one.
void AppendCondition(const v1::Conditions& from, int index, v1::Conditions& to);
// The numbers of entry `index`: what conditions are told apart by.
std::string ConditionBytes(const v1::Conditions& conditions, int index);

}  // namespace anabranch

#endif  // ANABRANCH_REPLAY_DICTIONARY_MERGE_H_
