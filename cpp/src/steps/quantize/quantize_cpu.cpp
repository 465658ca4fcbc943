#include "steps/quantize/quantize_cpu.h"

#include "host/work_counter.h"
#include "steps/cpu_isa_choice.h"

namespace ggfp8::steps {

extern const FindQuantizeStrip kFindQuantizeStripPortable;
#ifdef GGFP8_CPU_X86
extern const FindQuantizeStrip kFindQuantizeStripAvx2;
extern const FindQuantizeStrip kFindQuantizeStripAvx512;
#endif

namespace {

QuantizeStrip choose_strip_function(const QuantizeProblem& problem, const DeviceInfo& device) {
#ifdef GGFP8_CPU_X86
  const FindQuantizeStrip find = choose_isa(device, kFindQuantizeStripPortable,
                                            kFindQuantizeStripAvx2, kFindQuantizeStripAvx512);
#else
  const FindQuantizeStrip find = kFindQuantizeStripPortable;
#endif
  return find(problem.x_dtype, problem.out_dtype);
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
                         CpuStrip strip;
                         if (make_strip(problem, range, matrix, first, &strip)) {
                           quantize_strip(problem, strip);
                         }
                       });
  return kSuccess;
}

}  // namespace ggfp8::steps
