// Decides for sm100 whether a problem fits, which kernel it gets, how many CTAs, and how the
// workspace is divided. Pure host code.
#pragma once

#include <cstddef>
#include <cstdint>

#include "backends/sm100/sm100_params.h"
#include "core/device_info.h"
#include "core/plan.h"
#include "core/problem.h"
#include "core/support.h"

namespace ggfp8::sm100 {

Support supports(const Problem& problem, const DeviceInfo& device);

Plan plan(const Problem& problem, const DeviceInfo& device);

// The tables at the beginning of the workspace and the bytes they take, a multiple of 128. After
// them the GEMM kernel keeps a copy of three tensor maps per SM.
struct TableLayout {
  GroupTables tables;
  size_t bytes;
};

TableLayout lay_out_tables(int64_t batch_size, void* workspace);

constexpr size_t tensor_map_bytes(int32_t num_sms) {
  return static_cast<size_t>(num_sms) * 3 * 128;
}

}  // namespace ggfp8::sm100
