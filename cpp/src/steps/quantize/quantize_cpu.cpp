#include "steps/quantize/quantize_cpu.h"

#include <cstring>

#include "host/stream_copy.h"
#include "host/work_counter.h"
#include "steps/quantize/quantize_cpu_targets.h"

namespace ggfp8::steps {

extern const FindQuantizeStrip kFindQuantizeStripPortable;
#ifdef GGFP8_CPU_X86
extern const FindQuantizeStrip kFindQuantizeStripAvx2;
extern const FindQuantizeStrip kFindQuantizeStripAvx512;
#endif

namespace {

constexpr int64_t kMostBytesInCaches = 32 << 20;
constexpr int64_t kFewRowsPerThread = 4;  // so few that threads would wait for one another

QuantizeStrip choose_strip_function(const QuantizeProblem& problem, const DeviceInfo& device) {
  switch (device.instruction_set) {
#ifdef GGFP8_CPU_X86
    case InstructionSet::kAvx512:
      return kFindQuantizeStripAvx512(problem.x_dtype, problem.out_dtype);
    case InstructionSet::kAvx2: return kFindQuantizeStripAvx2(problem.x_dtype, problem.out_dtype);
#endif
    default: return kFindQuantizeStripPortable(problem.x_dtype, problem.out_dtype);
  }
}

// Quantises a row of x into the first of its targets, and copies codes and scales to the others.
template <class Targets>
void quantize_to_targets(const QuantizeProblem& p, QuantizeStrip quantize_strip, int64_t row,
                         bool past_caches, Targets targets) {
  const int64_t first = targets.next();
  if (first < 0) return;
  const int64_t x_row_bytes = p.x_row_stride * size_of(p.x_dtype);
  quantize_strip(p, {static_cast<const char*>(p.x) + row * x_row_bytes, x_row_bytes,
                     p.out + first * p.out_row_stride, p.out_row_stride,
                     p.scale + first * p.scale_row_stride, 1});
  const uint8_t* codes = p.out + first * p.out_row_stride;
  Targets others = targets;
  for (int64_t target = others.next(); target >= 0; target = others.next()) {
    if (target == first) continue;
    uint8_t* out = p.out + target * p.out_row_stride;
    if (past_caches) {
      copy_past_caches(out, codes, static_cast<size_t>(p.k));
    } else {
      std::memcpy(out, codes, static_cast<size_t>(p.k));
    }
  }
  for (int64_t block = 0; block < p.num_k_blocks(); ++block) {
    float* scale = p.scale + block * p.scale_k_stride;
    const float value = scale[first * p.scale_row_stride];
    others = targets;
    for (int64_t target = others.next(); target >= 0; target = others.next()) {
      scale[target * p.scale_row_stride] = value;
    }
  }
}

// Quantises every row of x once. targets_of(row) has its rows of out, num_out_rows in all.
template <class TargetsOf>
void quantize_each_once(const QuantizeProblem& p, const DeviceInfo& device, int64_t x_rows,
                        int64_t num_out_rows, const TargetsOf& targets_of) {
  const QuantizeStrip quantize_strip = choose_strip_function(p, device);
  const bool past_caches = num_out_rows * p.k > kMostBytesInCaches;
  const int64_t row_bytes = p.k * size_of(p.x_dtype) + ceil_div(num_out_rows, x_rows) * p.k;
  for_each_in_parallel(x_rows, row_bytes, device.num_processors, [&](int64_t row) noexcept {
    quantize_to_targets(p, quantize_strip, row, past_caches, targets_of(row));
  });
}

// Quantises every row of x once where row_index names most of them several times; false where it
// does not, or where there is no memory for the lists.
bool gathers_by_lists(const QuantizeProblem& p, const DeviceInfo& device) {
  const bool few_repeat = p.rows < 2 * p.x_rows;
  const bool few_rows = p.x_rows < kFewRowsPerThread * device.num_processors;
  if (p.index_type == IndexType::kNone || few_repeat || few_rows) return false;
  const RowLists lists(p);
  if (!lists.has_memory()) return false;
  quantize_each_once(p, device, p.x_rows, p.rows,
                     [&](int64_t row) { return ListTargets(lists, row); });
  return true;
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
  if (problem.position != nullptr) {
    quantize_each_once(problem, device, problem.rows, problem.rows * problem.top_k,
                       [&](int64_t row) { return PositionTargets(problem, row); });
    return kSuccess;
  }
  if (gathers_by_lists(problem, device)) return kSuccess;
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
