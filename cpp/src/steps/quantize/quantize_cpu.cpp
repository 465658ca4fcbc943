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

// Quantises a row of x into the first of its targets, copies the codes to the others, and leaves
// the scales, one after the other, in `scales`.
template <class Targets>
void quantize_to_targets(const QuantizeProblem& p, QuantizeStrip quantize_strip, int64_t row,
                         bool past_caches, Targets targets, float* scales) {
  const int64_t first = targets.next();
  if (first < 0) return;
  const int64_t x_row_bytes = p.x_row_stride * size_of(p.x_dtype);
  const uint8_t* codes = p.out + first * p.out_row_stride;
  quantize_strip(p, {static_cast<const char*>(p.x) + row * x_row_bytes, x_row_bytes,
                     p.out + first * p.out_row_stride, p.out_row_stride, scales, 1, x_row_bytes});
  for (int64_t target = targets.next(); target >= 0; target = targets.next()) {
    if (target == first) continue;
    uint8_t* out = p.out + target * p.out_row_stride;
    if (past_caches) {
      copy_past_caches(out, codes, static_cast<size_t>(p.k));
    } else {
      std::memcpy(out, codes, static_cast<size_t>(p.k));
    }
  }
}

// Scales of some rows of x are kept until all are known, and then written block by block: where the
// scales of a block are neighbours, those of a row lie in lines that would push one another out of
// the caches.
constexpr int64_t kMostScales = 4096;
constexpr int64_t kMostRowsTogether = 16;

// Quantises rows first to last - 1 of x, which have at most kMostScales scales.
template <class TargetsOf>
void quantize_together(const QuantizeProblem& p, QuantizeStrip quantize_strip, int64_t first,
                       int64_t last, bool past_caches, const TargetsOf& targets_of) {
  const int64_t num_blocks = p.num_k_blocks();
  float scales[kMostScales];
  QuantizeProblem packed = p;
  packed.scale_k_stride = 1;
  for (int64_t row = first; row < last; ++row) {
    quantize_to_targets(packed, quantize_strip, row, past_caches, targets_of(row),
                        scales + (row - first) * num_blocks);
  }
  for (int64_t block = 0; block < num_blocks; ++block) {
    float* scale = p.scale + block * p.scale_k_stride;
    for (int64_t row = first; row < last; ++row) {
      const float value = scales[(row - first) * num_blocks + block];
      auto targets = targets_of(row);
      for (int64_t target = targets.next(); target >= 0; target = targets.next()) {
        scale[target * p.scale_row_stride] = value;
      }
    }
  }
  if (past_caches) finish_copies_past_caches();
}

// The columns from `begin` on, as many as have kMostScales scales.
QuantizeProblem columns_of(const QuantizeProblem& p, int64_t begin) {
  QuantizeProblem piece = p;
  piece.x = static_cast<const char*>(p.x) + begin * size_of(p.x_dtype);
  piece.out = p.out + begin;
  piece.scale = p.scale + begin / p.block_k * p.scale_k_stride;
  piece.k = min_of(p.k - begin, kMostScales * p.block_k);
  return piece;
}

// Quantises every row of x once. targets_of(row) has its rows of out, num_out_rows in all.
template <class TargetsOf>
void quantize_each_once(const QuantizeProblem& p, const DeviceInfo& device, int64_t x_rows,
                        int64_t num_out_rows, const TargetsOf& targets_of) {
  const QuantizeStrip quantize_strip = choose_strip_function(p, device);
  const bool past_caches = num_out_rows * p.k > kMostBytesInCaches;
  const int64_t rows_for_all = x_rows / (kFewRowsPerThread * device.num_processors);
  for (int64_t begin = 0; begin < p.k; begin += kMostScales * p.block_k) {
    const QuantizeProblem piece = columns_of(p, begin);
    const int64_t together = clamp_to<int64_t>(
        min_of(rows_for_all, kMostScales / piece.num_k_blocks()), 1, kMostRowsTogether);
    const int64_t row_bytes =
        piece.k * size_of(p.x_dtype) + ceil_div(num_out_rows, x_rows) * piece.k;
    for_each_in_parallel(ceil_div(x_rows, together), together * row_bytes, device.num_processors,
                         [&](int64_t i) noexcept {
                           const int64_t first = i * together;
                           const int64_t last = min_of(first + together, x_rows);
                           quantize_together(piece, quantize_strip, first, last, past_caches,
                                             targets_of);
                         });
  }
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
  strip->next_row_bytes = p.index_type == IndexType::kNone ? strip->x_row_bytes : 0;
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
