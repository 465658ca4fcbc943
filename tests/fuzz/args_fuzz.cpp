// Random and hostile arguments of the product, on host memory between pages that nobody may touch:
// the status is that of the header, out is untouched or exact, and no byte besides is touched.
//
//   args_fuzz [SECONDS [SEED]]
#include <algorithm>
#include <cstddef>
#include <cstdio>
#include <cstring>
#include <iterator>

#include "args_oracle.h"
#include "campaign.h"
#include "groupgemm_fp8/groupgemm_fp8.h"
#include "product_case.h"
#include "random.h"

namespace {

using fuzz::Args;
using fuzz::Random;

constexpr size_t kInt64Members[] = {offsetof(Args, cum_m),
                                    offsetof(Args, n),
                                    offsetof(Args, k),
                                    offsetof(Args, batch_size),
                                    offsetof(Args, a_row_stride),
                                    offsetof(Args, b_row_stride),
                                    offsetof(Args, b_group_stride),
                                    offsetof(Args, out_row_stride),
                                    offsetof(Args, a_scale_stride),
                                    offsetof(Args, b_scale_stride),
                                    offsetof(Args, a_group_stride),
                                    offsetof(Args, b_scale_group_stride),
                                    offsetof(Args, expected_m),
                                    offsetof(Args, out_group_stride),
                                    offsetof(Args, a_scale_group_stride)};
constexpr size_t kInt32Members[] = {
    offsetof(Args, a_dtype),       offsetof(Args, b_dtype),
    offsetof(Args, out_dtype),     offsetof(Args, scale_granularity_m),
    offsetof(Args, mma_sm),        offsetof(Args, scale_granularity_n),
    offsetof(Args, scale_major),   offsetof(Args, scale_granularity_k),
    offsetof(Args, device_type),   offsetof(Args, device_id),
    offsetof(Args, flags),         offsetof(Args, reserved),
    offsetof(Args, b_scale_major), offsetof(Args, group_layout),
    offsetof(Args, group_dtype),   offsetof(Args, group_alignment)};
constexpr size_t kPointerMembers[] = {
    offsetof(Args, a),        offsetof(Args, b),   offsetof(Args, a_scale), offsetof(Args, b_scale),
    offsetof(Args, m_indptr), offsetof(Args, out), offsetof(Args, groups)};

void change_one_member(Random& random, Args* args) {
  char* const bytes = reinterpret_cast<char*>(args);
  switch (random.uniform(0, 4)) {
    case 0:
    case 1: {
      const int64_t value = random.hostile();
      const auto idx = random.uniform(0, std::size(kInt64Members) - 1);
      std::memcpy(bytes + kInt64Members[idx], &value, sizeof value);
      return;
    }
    case 2: {
      const int32_t value = random.hostile32();
      const auto idx = random.uniform(0, std::size(kInt32Members) - 1);
      std::memcpy(bytes + kInt32Members[idx], &value, sizeof value);
      return;
    }
    case 3: {
      const auto idx = random.uniform(0, std::size(kPointerMembers) - 1);
      char* pointer = nullptr;
      std::memcpy(&pointer, bytes + kPointerMembers[idx], sizeof pointer);
      // A pointer that leads past its array is for the caller to know; an odd one is refused.
      pointer = pointer == nullptr || random.one_in(2) ? nullptr : pointer - 1;
      std::memcpy(bytes + kPointerMembers[idx], &pointer, sizeof pointer);
      return;
    }
    default:
      args->backend =
          random.one_of<const char*>({"", "nobody", "cpu ", "CPU", "cpu/", "/", nullptr});
  }
}

// Whether every array has the memory that a legal call may touch.
bool has_memory(const fuzz::Verdict& verdict, const std::vector<int64_t>& capacities) {
  for (size_t i = 0; i < verdict.needs.size(); ++i) {
    if (verdict.needs[i] > capacities[i]) return false;
  }
  return true;
}

// A pointer may be changed so that it is legal, but leads out of its array.
bool has_same_pointers(const Args& x, const Args& y) {
  return std::all_of(std::begin(kPointerMembers), std::end(kPointerMembers), [&](size_t offset) {
    const char* const bytes = reinterpret_cast<const char*>(&x);
    return std::memcmp(bytes + offset, reinterpret_cast<const char*>(&y) + offset, sizeof(void*)) ==
           0;
  });
}

struct Counts {
  int64_t legal = 0, refused = 0, skipped = 0, changed_legal = 0;
};

bool fail(uint64_t seed, const char* what, int32_t status) {
  std::fprintf(stderr, "args_fuzz: seed %llu: %s, status %d: %s\n",
               static_cast<unsigned long long>(seed), what, status, ggfp8_last_error());
  return false;
}

bool run_legal(fuzz::ProductCase& product, uint64_t seed, Counts* counts) {
  product.clear_out();
  const int32_t status = ggfp8_group_gemm_nt_groupwise(&product.args(), nullptr, 0, nullptr);
  ++counts->legal;
  if (!fuzz::judge(product.args()).refusals.empty())
    return fail(seed, "the oracle refuses", status);
  if (status != GGFP8_SUCCESS) return fail(seed, "a legal call was refused", status);
  return product.out_is_right() || fail(seed, "a wrong result", status);
}

bool run_changed(fuzz::ProductCase& product, Random& random, uint64_t seed, Counts* counts) {
  Args args = product.args();
  for (int64_t edits = random.uniform(1, 3); edits > 0; --edits) change_one_member(random, &args);
  const fuzz::Verdict verdict = fuzz::judge(args);
  const bool is_legal = verdict.refusals.empty();
  const bool checks_groups = (args.flags & GGFP8_FLAG_VALIDATE_M_INDPTR) != 0;
  const bool has_arrays =
      has_memory(verdict, product.capacities()) && has_same_pointers(args, product.args());
  if (is_legal && !has_arrays) return ++counts->skipped, true;
  product.clear_out();
  const int32_t status = ggfp8_group_gemm_nt_groupwise(&args, nullptr, 0, nullptr);
  if (is_legal) {
    // The group array may be wrong for the new sizes; without a check its rows are unspecified.
    const bool refused_groups = checks_groups && status == GGFP8_ERROR_INVALID_M_INDPTR;
    ++counts->changed_legal;
    if (refused_groups) return product.out_is_untouched() || fail(seed, "out was touched", status);
    return status == GGFP8_SUCCESS || fail(seed, "a legal change was refused", status);
  }
  ++counts->refused;
  if (verdict.refusals.count(status) == 0) return fail(seed, "another status is due", status);
  return product.out_is_untouched() || fail(seed, "out was touched", status);
}

bool run_case(uint64_t seed, Counts* counts) {
  Random random(seed);
  fuzz::ProductCase product(random);
  if (!run_legal(product, seed, counts)) return false;
  for (int i = 0; i < 40; ++i) {
    if (!run_changed(product, random, seed, counts)) return false;
  }
  return true;
}

}  // namespace

int main(int argc, char** argv) {
  Counts counts;
  const auto run = [&](uint64_t seed) { return run_case(seed, &counts); };
  if (!fuzz::run_for_a_while(argc, argv, run)) return 1;
  std::printf(
      "args_fuzz: %lld legal calls right, %lld changed calls refused, %lld still legal, "
      "%lld left out for lack of memory\n",
      static_cast<long long>(counts.legal), static_cast<long long>(counts.refused),
      static_cast<long long>(counts.changed_legal), static_cast<long long>(counts.skipped));
  return 0;
}
