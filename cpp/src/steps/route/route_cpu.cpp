#include "steps/route/route_cpu.h"

namespace ggfp8::steps {
namespace {

// Writes each pair's group, or -1 for none, to its place in position, and the number of pairs of
// group g to counts[g + 1]. Requests row_index, whose places place_pairs() writes in any order.
template <class Index>
void count_pairs(const RouteProblem& problem, int32_t* counts) {
  const auto num_groups = static_cast<Index>(problem.num_groups);
  const auto* index = static_cast<const Index*>(problem.top_k_index);
  int32_t* group_of_pair = problem.position;
  for (int64_t token = 0; token < problem.num_tokens; ++token) {
    __builtin_prefetch(problem.row_index + token * problem.top_k, 1);
    for (int64_t j = 0; j < problem.top_k; ++j) {
      const Index group = index[j];
      const bool exists = group >= 0 && group < num_groups;
      *group_of_pair++ = exists ? static_cast<int32_t>(group) : -1;
      if (exists) ++counts[group + 1];
    }
    index += problem.row_stride;
  }
}

// Replaces groups in position by rows. next_row[g] is the first row of group g, and comes to be its
// end.
void place_pairs(const RouteProblem& problem, int32_t* next_row) {
  int32_t* pair = problem.position;
  for (int64_t token = 0; token < problem.num_tokens; ++token) {
    for (int64_t j = 0; j < problem.top_k; ++j, ++pair) {
      if (*pair < 0) continue;
      const int32_t row = next_row[*pair]++;
      *pair = row;
      problem.row_index[row] = static_cast<int32_t>(token);
    }
  }
}

}  // namespace

// m_indptr needs no memory beside it: counts of groups are kept one place after their group, become
// first rows, and move on to the rows after the last while pairs are placed.
Status route_on_cpu(const RouteProblem& problem) {
  int32_t* const next_row = problem.m_indptr;
  const int64_t num_groups = problem.num_groups;
  for (int64_t group = 0; group <= num_groups; ++group) next_row[group] = 0;
  if (problem.index_is_int64) {
    count_pairs<int64_t>(problem, next_row);
  } else {
    count_pairs<int32_t>(problem, next_row);
  }
  for (int64_t group = 0; group < num_groups; ++group) next_row[group + 1] += next_row[group];
  const int64_t num_rows = next_row[num_groups];
  place_pairs(problem, next_row);
  for (int64_t row = num_rows; row < problem.num_pairs(); ++row) problem.row_index[row] = -1;

  // next_row[g] is where group g ends, which is where group g + 1 begins.
  for (int64_t group = num_groups; group > 0; --group) next_row[group] = next_row[group - 1];
  next_row[0] = 0;
  return kSuccess;
}

}  // namespace ggfp8::steps
