// Quantisation on the CPU: threads take strips of rows one after the other, and quantise each with
// the widest instruction set there is.
#pragma once

#include <cstdint>

#include "core/device_info.h"
#include "core/status.h"
#include "steps/quantize/quantize_problem.h"

namespace ggfp8::steps {

// The rows of one row of blocks.
struct CpuStrip {
  const char* x;  // first row
  int64_t x_row_bytes;
  uint8_t* out;
  int64_t out_row_stride;
  float* scale;  // of the first block
  int64_t num_rows;
  int64_t next_row_bytes;  // from x to the row that is likely to be read next; 0: none is known
};

using QuantizeStrip = void (*)(const QuantizeProblem& problem, const CpuStrip& strip);

// The function of one instruction set for given types of x and out.
using FindQuantizeStrip = QuantizeStrip (*)(Dtype x_dtype, Dtype out_dtype);

// Computes and returns when all is written.
Status quantize_on_cpu(const QuantizeProblem& problem, const DeviceInfo& device);

}  // namespace ggfp8::steps
