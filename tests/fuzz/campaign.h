// Runs cases of one seed after the other for a number of seconds, on every instruction set in turn.
#pragma once

#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>

#include "backends/cpu/cpu_isa.h"
#include "groupgemm_fp8/groupgemm_fp8.h"

namespace fuzz {

constexpr uint64_t kSeedsInARow = 16;

// The instruction set of a seed, for the calls that follow. Seeds next to each other have the same.
inline void choose_isa(uint64_t seed) {
  if (seed % kSeedsInARow != 0) return;
  const auto isas = ggfp8::available_isas();
  setenv("GGFP8_CPU_ISA", isas[seed / kSeedsInARow % isas.size()]->name, 1);
  if (ggfp8_reload_environment() != GGFP8_SUCCESS) std::abort();
}

// argv: [SECONDS [FIRST_SEED]]. Returns whether run_case(seed) returned true for every seed.
template <class RunCase>
bool run_for_a_while(int argc, char** argv, const RunCase& run_case) {
  using Clock = std::chrono::steady_clock;
  const std::chrono::duration<double> limit(argc > 1 ? std::atof(argv[1]) : 5);
  const uint64_t first = argc > 2 ? std::strtoull(argv[2], nullptr, 10) : 0;
  uint64_t seed = first;
  choose_isa(first / kSeedsInARow * kSeedsInARow);
  const auto start = Clock::now();
  do {
    choose_isa(seed);
    if (!run_case(seed++)) return false;
  } while (Clock::now() - start < limit);
  return true;
}

}  // namespace fuzz
