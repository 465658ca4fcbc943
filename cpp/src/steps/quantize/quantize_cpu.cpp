#include "steps/quantize/quantize_cpu.h"

#include <cstring>

#include "host/work_counter.h"

namespace ggfp8::steps {

extern const FindQuantizeStrip kFindQuantizeStripPortable;
#ifdef GGFP8_CPU_X86
extern const FindQuantizeStrip kFindQuantizeStripAvx2;
extern const FindQuantizeStrip kFindQuantizeStripAvx512;
#endif

namespace {

QuantizeStrip choose_strip_function(const QuantizeProblem& problem, const DeviceInfo& device) {
  // In the order of InstructionSet.
  const FindQuantizeStrip find[] = {
      kFindQuantizeStripPortable,
#ifdef GGFP8_CPU_X86
      kFindQuantizeStripAvx2,
      kFindQuantizeStripAvx512,
#endif
  };
  return find[static_cast<size_t>(device.instruction_set)](problem.x_dtype, problem.out_dtype);
}

// The first of a row's positions, from choice *j on, that is a row of out; -1: none. *j is then the
// choice after it.
int64_t next_target(const QuantizeProblem& p, int64_t row, int64_t* j) {
  while (*j < p.top_k) {
    const int64_t target = p.position[row * p.position_row_stride + (*j)++];
    if (target >= 0 && target < p.out_rows) return target;
  }
  return -1;
}

// Quantises a row into the first of its positions, and copies codes and scales to the others.
void quantize_scattered(const QuantizeProblem& p, QuantizeStrip quantize_strip, int64_t row) {
  int64_t j = 0;
  const int64_t first = next_target(p, row, &j);
  if (first < 0) return;
  const int64_t x_row_bytes = p.x_row_stride * size_of(p.x_dtype);
  quantize_strip(p, {static_cast<const char*>(p.x) + row * x_row_bytes, x_row_bytes,
                     p.out + first * p.out_row_stride, p.out_row_stride,
                     p.scale + first * p.scale_row_stride, 1});
  for (int64_t target = next_target(p, row, &j); target >= 0; target = next_target(p, row, &j)) {
    if (target == first) continue;
    std::memcpy(p.out + target * p.out_row_stride, p.out + first * p.out_row_stride,
                static_cast<size_t>(p.k));
    for (int64_t block = 0; block < p.num_k_blocks(); ++block) {
      float* scale = p.scale + block * p.scale_k_stride;
      scale[target * p.scale_row_stride] = scale[first * p.scale_row_stride];
    }
  }
}

// A strip of a matrix; false where it is to be left alone. `first` is its first row.
bool make_strip(const QuantizeProblem& p, const RowRange& range, int64_t matrix, int64_t first,
                CpuStrip* strip) {
  const int64_t source = read_row_index(p.row_index, p.index_type, first);
  if (!is_source_row(source, p) || first < range.begin || first >= range.end) return false;
  const int64_t row_block = first / p.block_rows;
  strip->x_row_bytes = p.x_row_stride * size_of(p.x_dtype);
  strip->x = static_cast<const char*>(p.x) + matrix * p.x_batch_stride * size_of(p.x_dtype) +
             source * strip->x_row_bytes;
  strip->out = p.out + matrix * p.out_batch_stride + first * p.out_row_stride;
  strip->out_row_stride = p.out_row_stride;
  strip->scale = p.scale + matrix * p.scale_batch_stride + row_block * p.scale_row_stride;
  strip->num_rows = min_of<int64_t>(p.block_rows, p.rows - first);
  return true;
}

}  // namespace

Status quantize_on_cpu(const QuantizeProblem& problem, const DeviceInfo& device) {
  const QuantizeStrip quantize_strip = choose_strip_function(problem, device);
  const RowRange range = row_range(problem.m_indptr, problem.num_groups, problem.rows);
  const int64_t strips_per_matrix = problem.num_row_blocks();
  const int64_t row_bytes = problem.k * size_of(problem.x_dtype);
  for_each_in_parallel(problem.batch_size * strips_per_matrix, problem.block_rows * row_bytes,
                       device.num_processors, [&](int64_t i) noexcept {
                         const int64_t matrix = i / strips_per_matrix;
                         const int64_t first = i % strips_per_matrix * problem.block_rows;
                         if (problem.position != nullptr) {
                           return quantize_scattered(problem, quantize_strip, first);
                         }
                         CpuStrip strip;
                         if (make_strip(problem, range, matrix, first, &strip)) {
                           quantize_strip(problem, strip);
                         }
                       });
  return kSuccess;
}

}  // namespace ggfp8::steps
