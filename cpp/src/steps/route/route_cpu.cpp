#include "steps/route/route_cpu.h"

namespace ggfp8::steps {
namespace {

// Calls visit(token, pair, group) for every pair in order; group is -1 where it is no group.
template <class Visit>
void for_each_pair(const RouteProblem& problem, const Visit& visit) {
  const auto num_groups = static_cast<int32_t>(problem.num_groups);
  int64_t pair = 0;
  for (int64_t token = 0; token < problem.num_tokens; ++token) {
    for (int64_t j = 0; j < problem.top_k; ++j, ++pair) {
      visit(static_cast<int32_t>(token), pair,
            group_of(problem.top_k_index, problem.index_is_int64, token * problem.row_stride + j,
                     num_groups));
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
  for_each_pair(problem, [&](int32_t, int64_t, int32_t group) {
    if (group >= 0) ++next_row[group + 1];
  });
  for (int64_t group = 0; group < num_groups; ++group) next_row[group + 1] += next_row[group];

  const int64_t num_rows = next_row[num_groups];
  for_each_pair(problem, [&](int32_t token, int64_t pair, int32_t group) {
    const int32_t row = group >= 0 ? next_row[group]++ : -1;
    problem.position[pair] = row;
    if (row >= 0) problem.row_index[row] = token;
  });
  for (int64_t row = num_rows; row < problem.num_pairs(); ++row) problem.row_index[row] = -1;

  // next_row[g] is where group g ends, which is where group g + 1 begins.
  for (int64_t group = num_groups; group > 0; --group) next_row[group] = next_row[group - 1];
  next_row[0] = 0;
  return kSuccess;
}

}  // namespace ggfp8::steps
