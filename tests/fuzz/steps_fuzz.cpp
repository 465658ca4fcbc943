// Random and hostile arguments and arrays of the steps around the product, on host memory between
// pages that nobody may touch: the status is that of the header, outputs are untouched or exact.
//
//   steps_fuzz [SECONDS [SEED]]
#include <array>
#include <cstddef>
#include <cstdio>
#include <cstring>
#include <iterator>
#include <limits>

#include "campaign.h"
#include "random.h"
#include "step_arrays.h"
#include "step_case.h"
#include "steps_oracle.h"

namespace {

using fuzz::Random;
using fuzz::StepCase;

int64_t num_legal = 0, num_refused = 0, num_changed_legal = 0, num_skipped = 0;

// Members that are pointers: how many follow struct_size, and the offset of one that was added at
// the end, or 0.
template <class Args>
struct Members {
  static constexpr size_t kNumFirst = 4;
  static constexpr size_t kLast = 0;
};
template <>
struct Members<ggfp8_quantize_groupwise_args> {
  static constexpr size_t kNumFirst = 4;
  static constexpr size_t kLast = offsetof(ggfp8_quantize_groupwise_args, position);
};

template <class Args>
std::vector<size_t> pointer_offsets() {
  std::vector<size_t> offsets;
  for (size_t i = 0; i < Members<Args>::kNumFirst; ++i) offsets.push_back((i + 1) * sizeof(void*));
  if (Members<Args>::kLast != 0) offsets.push_back(Members<Args>::kLast);
  return offsets;
}

int32_t run(const ggfp8_quantize_groupwise_args& args) {
  return ggfp8_quantize_groupwise(&args, nullptr);
}
int32_t run(const ggfp8_silu_mul_quantize_groupwise_args& args) {
  return ggfp8_silu_mul_quantize_groupwise(&args, nullptr);
}
int32_t run(const ggfp8_route_args& args) {
  return ggfp8_route(&args, nullptr, 0, nullptr);
}
int32_t run(const ggfp8_combine_args& args) {
  return ggfp8_combine(&args, nullptr);
}

// Words of numbers that may be sizes, strides, codes or floats, whatever the member is.
uint64_t hostile_word(Random& random) {
  if (!random.one_in(6)) return static_cast<uint64_t>(random.hostile());
  const float value =
      random.one_of({-1.0f, 0.0f, 1e30f, 2e30f, -0.0f, std::numeric_limits<float>::infinity(),
                     std::numeric_limits<float>::quiet_NaN()});
  uint32_t bits = 0;
  std::memcpy(&bits, &value, sizeof bits);
  return uint64_t{bits} << 32 | bits;
}

template <class Args>
void change_one_member(Random& random, Args* args) {
  char* const bytes = reinterpret_cast<char*>(args);
  const auto pointers = pointer_offsets<Args>();
  if (random.one_in(4)) {
    const auto last = static_cast<int64_t>(pointers.size()) - 1;
    const size_t offset = pointers[static_cast<size_t>(random.uniform(0, last))];
    char* pointer = nullptr;
    std::memcpy(&pointer, bytes + offset, sizeof pointer);
    // A pointer that leads past its array is for the caller to know; an odd one is refused.
    pointer = pointer == nullptr || random.one_in(2) ? nullptr : pointer - 1;
    std::memcpy(bytes + offset, &pointer, sizeof pointer);
    return;
  }
  // Numbers begin after the first pointers. Either a whole word changes or a half of it.
  const auto first = static_cast<int64_t>(Members<Args>::kNumFirst) + 1;
  const auto word_idx =
      static_cast<size_t>(random.uniform(first, static_cast<int64_t>(sizeof(Args) / 8) - 1));
  if (word_idx * 8 == Members<Args>::kLast) return;
  const uint64_t word = hostile_word(random);
  const size_t half = random.one_in(2) ? 4 : 0;
  if (random.one_in(2)) {
    std::memcpy(bytes + word_idx * 8, &word, 8);
  } else {
    std::memcpy(bytes + word_idx * 8 + half, &word, 4);
  }
}

template <class Args>
bool has_same_pointers(const Args& x, const Args& y) {
  for (size_t offset : pointer_offsets<Args>()) {
    if (std::memcmp(reinterpret_cast<const char*>(&x) + offset,
                    reinterpret_cast<const char*>(&y) + offset, sizeof(void*)) != 0) {
      return false;
    }
  }
  return true;
}

template <class Args>
bool has_memory(const fuzz::Verdict& verdict, const StepCase<Args>& step) {
  for (size_t i = 0; i < verdict.needs.size(); ++i) {
    if (verdict.needs[i] > step.arrays[i]->memory->num_bytes()) return false;
  }
  return true;
}

bool fail(uint64_t seed, const char* what, int32_t status) {
  std::fprintf(stderr, "steps_fuzz: seed %llu: %s, status %d: %s\n",
               static_cast<unsigned long long>(seed), what, status, ggfp8_last_error());
  return false;
}

template <class Args>
bool outputs_are_untouched(const StepCase<Args>& step) {
  for (const auto& array : step.arrays) {
    if (!array->is_untouched()) return false;
  }
  return true;
}

template <class Args>
bool run_legal(const StepCase<Args>& step, uint64_t seed) {
  for (const auto& array : step.arrays) array->clear();
  if (!fuzz::judge(step.args).refusals.empty()) return fail(seed, "the oracle refuses", 0);
  const int32_t status = run(step.args);
  ++num_legal;
  if (status != GGFP8_SUCCESS) return fail(seed, "a legal call was refused", status);
  for (const auto& array : step.arrays) {
    if (!array->is_right()) return fail(seed, "a wrong result", status);
  }
  return true;
}

template <class Args>
bool run_changed(const StepCase<Args>& step, Random& random, uint64_t seed) {
  Args args = step.args;
  for (int64_t edits = random.uniform(1, 3); edits > 0; --edits) change_one_member(random, &args);
  const fuzz::Verdict verdict = fuzz::judge(args);
  const bool is_legal = verdict.refusals.empty();
  if (is_legal && !(has_memory(verdict, step) && has_same_pointers(args, step.args))) {
    ++num_skipped;
    return true;
  }
  for (const auto& array : step.arrays) array->clear();
  const int32_t status = run(args);
  if (is_legal) {
    ++num_changed_legal;
    return status == GGFP8_SUCCESS || fail(seed, "a legal change was refused", status);
  }
  ++num_refused;
  if (verdict.refusals.count(status) == 0) return fail(seed, "another status is due", status);
  return outputs_are_untouched(step) || fail(seed, "an output was touched", status);
}

template <class Args>
bool run_struct_sizes(const StepCase<Args>& step, Random& random, uint64_t seed) {
  Args args = step.args;
  args.struct_size = random.one_of<size_t>({0, 8, sizeof(Args) - 1, size_t{1} << 40});
  const int32_t status = run(args);
  return status == GGFP8_ERROR_INVALID_STRUCT_SIZE || fail(seed, "a struct size was taken", status);
}

// Runs the call on arrays, which are legal or have a wrong one among them.
template <class Args>
bool run_arrays(const StepCase<Args>& step, Random& random, uint64_t seed, bool is_legal) {
  for (const auto& array : step.arrays) array->clear();
  fuzz::StepCall call = fuzz::describe(step.args);
  call.point();
  const std::set<int32_t> due = is_legal ? std::set<int32_t>{} : fuzz::spoil(random, &call);
  if (!is_legal && due.empty()) return true;
  const int32_t status = fuzz::run_tensors(call, step.args);
  if (!is_legal) {
    ++num_refused;
    if (due.count(status) == 0) return fail(seed, "another status is due to arrays", status);
    return outputs_are_untouched(step) || fail(seed, "an output was touched", status);
  }
  ++num_legal;
  if (status != GGFP8_SUCCESS) return fail(seed, "legal arrays were refused", status);
  for (const auto& array : step.arrays) {
    if (!array->is_right()) return fail(seed, "a wrong result of arrays", status);
  }
  return true;
}

template <class Args>
bool run_step(const StepCase<Args>& step, Random& random, uint64_t seed) {
  if (!run_legal(step, seed) || !run_struct_sizes(step, random, seed)) return false;
  if (!run_arrays(step, random, seed, true)) return false;
  for (int i = 0; i < 40; ++i) {
    if (!run_changed(step, random, seed)) return false;
    if (!run_arrays(step, random, seed, false)) return false;
  }
  return true;
}

bool run_case(uint64_t seed) {
  Random random(seed);
  switch (random.uniform(0, 3)) {
    case 0: return run_step(fuzz::make_quantize_case(random), random, seed);
    case 1: return run_step(fuzz::make_silu_case(random), random, seed);
    case 2: return run_step(fuzz::make_route_case(random), random, seed);
    default: return run_step(fuzz::make_combine_case(random), random, seed);
  }
}

}  // namespace

int main(int argc, char** argv) {
  if (!fuzz::run_for_a_while(argc, argv, run_case)) return 1;
  std::printf(
      "steps_fuzz: %lld legal calls right, %lld changed calls refused, %lld still legal, "
      "%lld left out for lack of memory\n",
      static_cast<long long>(num_legal), static_cast<long long>(num_refused),
      static_cast<long long>(num_changed_legal), static_cast<long long>(num_skipped));
  return 0;
}
