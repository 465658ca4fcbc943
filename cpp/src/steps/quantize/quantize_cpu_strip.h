// Quantises one strip of rows on the CPU, written once for all instruction sets. Included by each
// quantize_cpu_<isa>.cpp, whose flags let the compiler vectorise the loops.
//
// NOTE: everything here is in an unnamed namespace and calls no inline function with external
// linkage, so that the linker cannot merge code of one instruction set into that of another.
#pragma once

#include <cstdint>

#include "core/fp8_round.h"
#include "host/input_convert.h"
#include "host/prefetch.h"
#include "steps/quantize/block_scale.h"
#include "steps/quantize/quantize_cpu.h"
#include "steps/quantize/quantize_cpu_amax.h"
#include "steps/quantize/quantize_cpu_code.h"
#include "steps/quantize/quantize_cpu_gate.h"
#include "steps/quantize/quantize_cpu_gate_pairs.h"
#include "steps/quantize/quantize_cpu_pairs.h"

namespace ggfp8::steps {
namespace {

constexpr int64_t kMaxBlockK = 128;
constexpr int64_t kTileBlocks = 8;     // a tile of activated values is 4 KiB
constexpr int64_t kBytesAhead = 6144;  // three tiles of elements of 16 bits
constexpr int64_t kTallBlocks = 64;    // rows are read in pieces of 8192 columns

// The sign of an element, where FP8 has it.
template <Dtype kIn>
inline uint8_t sign_byte(Input<kIn> element) {
  if constexpr (kIn == Dtype::kFloat32) {
    return static_cast<uint8_t>((__builtin_bit_cast(uint32_t, element) >> 24) & 0x80);
  } else {
    return static_cast<uint8_t>((element >> 8) & 0x80);
  }
}

// Rounds x / scale in a block whose largest magnitude is finite and at least kSmallAmax.
//
// Codes are computed as words and stored as bytes in a second loop: in one loop the compiler
// computes parts of a code as bytes, and packs each part.
template <Dtype kIn, Dtype kOut>
inline void round_in_range(const Input<kIn>* x, int64_t count, float scale, float reciprocal,
                           uint8_t* out) {
  if constexpr (kIn != Dtype::kFloat32) {
    if (count % kElementsOfVector == 0) {
      return round_pairs<kIn, kOut>(x, count, scale, reciprocal, out);
    }
  }
  uint32_t codes[kMaxBlockK];
  for (int64_t i = 0; i < count; ++i) {
    const float magnitude = magnitude_value<kIn>(magnitude_bits<kIn>(x[i]));
    codes[i] = magnitude_code<kOut>(divide(magnitude, scale, reciprocal));
  }
  for (int64_t i = 0; i < count; ++i) {
    out[i] = static_cast<uint8_t>(codes[i]) | sign_byte<kIn>(x[i]);
  }
}

// Rounds x / scale in blocks with NaNs, infinities or small elements.
template <Dtype kIn, Dtype kOut>
inline void round_any(const Input<kIn>* x, int64_t count, float scale, float amax, uint8_t* out) {
  const float factor = amax < kSmallAmax ? kSmallFactor : 1.0f;
  const float divisor = scale * factor;
  const float reciprocal = 1.0f / divisor;
  for (int64_t i = 0; i < count; ++i) {
    const float value = bring_into_range(to_float<kIn>(x[i]), factor);
    out[i] = static_cast<uint8_t>(round_to_fp8<kOut>(divide(value, divisor, reciprocal)));
  }
}

// Quantises one block of a row. Not inlined into quantize_tile(), whose loop keeps its constants in
// registers.
template <Dtype kIn, Dtype kOut>
[[gnu::noinline]] void quantize_row_block(const Input<kIn>* x, int64_t count, bool power_of_two,
                                          float* scale, uint8_t* out) {
  const float largest = largest_magnitude<kIn>(x, count);
  const bool in_range = largest >= kSmallAmax && largest <= kMaxFloat;
  const float amax = in_range ? largest : find_amax<kIn>(x, count);
  *scale = block_scale(amax, kFp8Max<kOut>, power_of_two);
  if (in_range) {
    round_in_range<kIn, kOut>(x, count, *scale, 1.0f / *scale, out);
  } else {
    round_any<kIn, kOut>(x, count, *scale, amax, out);
  }
}

// Rounds the rows of a tall block, whose largest magnitude is amax.
template <Dtype kIn, Dtype kOut>
inline void round_tall_row(const Input<kIn>* x, int64_t count, float scale, float amax,
                           bool in_range, uint8_t* out) {
  if (in_range && amax >= kSmallAmax) {
    round_in_range<kIn, kOut>(x, count, scale, 1.0f / scale, out);
  } else {
    round_any<kIn, kOut>(x, count, scale, amax, out);
  }
}

// Quantises up to kTallBlocks blocks of many rows, row by row: long pieces of memory are read and
// written faster than one block's 128 columns of each row.
template <Dtype kIn, Dtype kOut>
inline void quantize_tall_blocks(const QuantizeProblem& problem, const CpuStrip& strip,
                                 int64_t first, int64_t num_blocks, float* scale) {
  const auto row_of = [&](int64_t row) {
    return reinterpret_cast<const Input<kIn>*>(strip.x + row * strip.x_row_bytes);
  };
  const auto count_of = [&](int64_t block) {
    const int64_t left = problem.k - block * problem.block_k;
    return left < problem.block_k ? left : problem.block_k;
  };
  float amax[kTallBlocks] = {}, scales[kTallBlocks];
  bool in_range[kTallBlocks];
  for (int64_t i = 0; i < num_blocks; ++i) in_range[i] = true;
  for (int64_t row = 0; row < strip.num_rows; ++row) {
    for (int64_t i = 0; i < num_blocks; ++i) {
      const auto* x = row_of(row) + (first + i) * problem.block_k;
      const int64_t count = count_of(first + i);
      const float all = largest_magnitude<kIn>(x, count);
      const bool finite = all <= kMaxFloat;
      const float largest = finite ? all : largest_finite_magnitude<kIn>(x, count);
      in_range[i] = in_range[i] && finite;
      amax[i] = amax[i] < largest ? largest : amax[i];
    }
  }
  for (int64_t i = 0; i < num_blocks; ++i) {
    scales[i] = block_scale(amax[i], kFp8Max<kOut>, problem.power_of_two);
    scale[i * problem.scale_k_stride] = scales[i];
  }
  for (int64_t row = 0; row < strip.num_rows; ++row) {
    for (int64_t i = 0; i < num_blocks; ++i) {
      const int64_t begin = (first + i) * problem.block_k;
      round_tall_row<kIn, kOut>(row_of(row) + begin, count_of(first + i), scales[i], amax[i],
                                in_range[i], strip.out + row * strip.out_row_stride + begin);
    }
  }
}

template <Dtype kIn, Dtype kOut>
inline void quantize_tall_strip(const QuantizeProblem& problem, const CpuStrip& strip) {
  const int64_t num_blocks = (problem.k + problem.block_k - 1) / problem.block_k;
  for (int64_t first = 0; first < num_blocks; first += kTallBlocks) {
    const int64_t left = num_blocks - first;
    quantize_tall_blocks<kIn, kOut>(problem, strip, first, left < kTallBlocks ? left : kTallBlocks,
                                    strip.scale + first * problem.scale_k_stride);
  }
}

// Activates and quantises one block of a row. A full block has a constant length, which lets the
// compiler unroll loops.
template <Dtype kIn, Dtype kOut>
inline void quantize_block(const QuantizeProblem& problem, const CpuStrip& strip, int64_t begin,
                           int64_t count, float* scale) {
  uint8_t* out = strip.out + begin;
  if (!problem.gate.enabled) {
    const auto* x = reinterpret_cast<const Input<kIn>*>(strip.x) + begin;
    quantize_row_block<kIn, kOut>(x, count, problem.power_of_two, scale, out);
    return;
  }
  float values[kMaxBlockK];
  activate_columns<kIn>(problem, strip.x, begin, count, values);
  quantize_row_block<Dtype::kFloat32, kOut>(values, count, problem.power_of_two, scale, out);
}

// The scales of kTileBlocks blocks whose largest magnitudes are in range; other blocks get some
// number.
struct TileScales {
  float scales[kTileBlocks];
  float reciprocals[kTileBlocks];
};

template <Dtype kOut>
inline TileScales make_tile_scales(const float (&amax)[kTileBlocks], bool power_of_two) {
  TileScales tile;
  for (int64_t i = 0; i < kTileBlocks; ++i) {
    const float quotient = amax[i] / kFp8Max<kOut>;
    tile.scales[i] = power_of_two ? next_power_of_two(quotient) : quotient;
    tile.reciprocals[i] = 1.0f / tile.scales[i];
  }
  return tile;
}

// Blocks of the tile that begins with block `first`.
inline int64_t blocks_of_tile(int64_t num_blocks, int64_t first) {
  const int64_t left = num_blocks - first;
  return left < kTileBlocks ? left : kTileBlocks;
}

inline bool is_in_range(float amax) {
  return amax >= kSmallAmax && amax <= kMaxFloat;
}

// The largest magnitudes of up to kTileBlocks full blocks.
struct TileMagnitudes {
  float amax[kTileBlocks] = {};
};

template <Dtype kIn>
inline TileMagnitudes find_tile_magnitudes(const Input<kIn>* x, int64_t num_blocks) {
  TileMagnitudes tile;
  for (int64_t i = 0; i < num_blocks; ++i) {
    tile.amax[i] = largest_magnitude<kIn>(x + i * kMaxBlockK, kMaxBlockK);
  }
  return tile;
}

// Rounds up to kTileBlocks full blocks of a row, whose largest magnitudes are known. Requests
// elements that are read three tiles later.
template <Dtype kIn, Dtype kOut>
inline void round_tile(const Input<kIn>* x, int64_t num_blocks, const TileMagnitudes& magnitudes,
                       const TileScales& tile, bool power_of_two, float* scale,
                       int64_t scale_stride, uint8_t* out) {
  for (int64_t i = 0; i < num_blocks; ++i) {
    const int64_t begin = i * kMaxBlockK;
    if constexpr (kIn != Dtype::kFloat32) {
      prefetch(reinterpret_cast<const char*>(x + begin) + kBytesAhead, kMaxBlockK * 2);
    }
    if (is_in_range(magnitudes.amax[i])) {
      scale[i * scale_stride] = tile.scales[i];
      round_in_range<kIn, kOut>(x + begin, kMaxBlockK, tile.scales[i], tile.reciprocals[i],
                                out + begin);
    } else {
      quantize_row_block<kIn, kOut>(x + begin, kMaxBlockK, power_of_two, &scale[i * scale_stride],
                                    out + begin);
    }
  }
}

// Quantises num_blocks full blocks of a row, tile after tile. Each pass goes over all blocks of a
// tile, so that the latencies of the blocks' scales overlap, and the magnitudes of the next tile
// are found while the scales of a tile are computed.
template <Dtype kIn, Dtype kOut>
inline void quantize_full_blocks(const Input<kIn>* x, int64_t num_blocks, bool power_of_two,
                                 float* scale, int64_t scale_stride, uint8_t* out) {
  TileMagnitudes next = find_tile_magnitudes<kIn>(x, blocks_of_tile(num_blocks, 0));
  for (int64_t block = 0; block < num_blocks; block += kTileBlocks) {
    const TileMagnitudes magnitudes = next;
    const TileScales tile = make_tile_scales<kOut>(magnitudes.amax, power_of_two);
    const auto* x_of_tile = x + block * kMaxBlockK;
    next = find_tile_magnitudes<kIn>(x_of_tile + kTileBlocks * kMaxBlockK,
                                     blocks_of_tile(num_blocks, block + kTileBlocks));
    round_tile<kIn, kOut>(x_of_tile, blocks_of_tile(num_blocks, block), magnitudes, tile,
                          power_of_two, scale + block * scale_stride, scale_stride,
                          out + block * kMaxBlockK);
  }
}

// quantize_full_blocks() of a tile of silu(gate) * up where all gates are moderate. Requests the
// row `next_row` bytes further on: two streams with so much work between their loads run ahead of
// the processor's own prefetching.
template <Dtype kIn, Dtype kOut>
inline void activate_tile(const Input<kIn>* gate, const Input<kIn>* up, int64_t num_blocks,
                          int64_t next_row, bool power_of_two, float* scale, int64_t scale_stride,
                          uint8_t* out) {
  constexpr int64_t kVectorsOfBlock = 2 * kMaxBlockK / kElementsOfVector;
  Floats values[kTileBlocks * kVectorsOfBlock];
  float amax[kTileBlocks] = {};
  for (int64_t i = 0; i < num_blocks; ++i) {
    const int64_t begin = i * kMaxBlockK;
    prefetch(reinterpret_cast<const char*>(gate + begin) + next_row, kMaxBlockK * 2);
    prefetch(reinterpret_cast<const char*>(up + begin) + next_row, kMaxBlockK * 2);
    amax[i] =
        activate_pairs<kIn, kMaxBlockK>(gate + begin, up + begin, values + i * kVectorsOfBlock);
  }
  const TileScales tile = make_tile_scales<kOut>(amax, power_of_two);
  bool all_in_range = true;
  for (int64_t i = 0; i < num_blocks; ++i) {
    const Floats* block = values + i * kVectorsOfBlock;
    if (is_in_range(amax[i])) {
      scale[i * scale_stride] = tile.scales[i];
      round_value_pairs<kOut, kMaxBlockK>(block, tile.scales[i], tile.reciprocals[i],
                                          out + i * kMaxBlockK);
    } else {
      all_in_range = false;
    }
  }
  if (all_in_range) return;
  for (int64_t i = 0; i < num_blocks; ++i) {
    if (is_in_range(amax[i])) continue;
    float merged[kMaxBlockK];
    merge_pairs<kMaxBlockK>(values + i * kVectorsOfBlock, merged);
    quantize_row_block<Dtype::kFloat32, kOut>(merged, kMaxBlockK, power_of_two,
                                              &scale[i * scale_stride], out + i * kMaxBlockK);
  }
}

template <Dtype kIn, Dtype kOut>
inline void activate_and_quantize_tile(const QuantizeProblem& problem, const CpuStrip& strip,
                                       int64_t begin, int64_t num_blocks, float* scale) {
  const int64_t count = num_blocks * kMaxBlockK;
  if constexpr (kIn != Dtype::kFloat32) {
    const auto* gate = reinterpret_cast<const Input<kIn>*>(strip.x) + begin;
    if (has_moderate_gates<kIn>(problem.gate, gate, count)) {
      return activate_tile<kIn, kOut>(gate, gate + problem.k, num_blocks, strip.next_row_bytes,
                                      problem.power_of_two, scale, problem.scale_k_stride,
                                      strip.out + begin);
    }
  }
  float values[kTileBlocks * kMaxBlockK];
  activate_columns<kIn>(problem, strip.x, begin, count, values);
  quantize_full_blocks<Dtype::kFloat32, kOut>(values, num_blocks, problem.power_of_two, scale,
                                              problem.scale_k_stride, strip.out + begin);
}

// Quantises the full blocks of a row; returns their number of columns.
template <Dtype kIn, Dtype kOut>
inline int64_t quantize_tiles(const QuantizeProblem& problem, const CpuStrip& strip) {
  const int64_t num_blocks = problem.k / kMaxBlockK;
  if (!problem.gate.enabled) {
    quantize_full_blocks<kIn, kOut>(reinterpret_cast<const Input<kIn>*>(strip.x), num_blocks,
                                    problem.power_of_two, strip.scale, problem.scale_k_stride,
                                    strip.out);
    return num_blocks * kMaxBlockK;
  }
  for (int64_t block = 0; block < num_blocks; block += kTileBlocks) {
    activate_and_quantize_tile<kIn, kOut>(problem, strip, block * kMaxBlockK,
                                          blocks_of_tile(num_blocks, block),
                                          strip.scale + block * problem.scale_k_stride);
  }
  return num_blocks * kMaxBlockK;
}

template <Dtype kIn, Dtype kOut>
void quantize_strip(const QuantizeProblem& problem, const CpuStrip& strip) {
  if (problem.block_rows > 1) return quantize_tall_strip<kIn, kOut>(problem, strip);
  const int64_t done =
      problem.block_k == kMaxBlockK ? quantize_tiles<kIn, kOut>(problem, strip) : 0;
  float* scale = strip.scale + done / kMaxBlockK * problem.scale_k_stride;
  for (int64_t begin = done; begin < problem.k; begin += problem.block_k) {
    const int64_t left = problem.k - begin;
    const int64_t count = left < problem.block_k ? left : problem.block_k;
    if (count == kMaxBlockK) {
      quantize_block<kIn, kOut>(problem, strip, begin, kMaxBlockK, scale);
    } else {
      quantize_block<kIn, kOut>(problem, strip, begin, count, scale);
    }
    scale += problem.scale_k_stride;
  }
}

template <Dtype kOut>
constexpr QuantizeStrip strip_function(Dtype x_dtype) {
  if (x_dtype == Dtype::kBFloat16) return quantize_strip<Dtype::kBFloat16, kOut>;
  if (x_dtype == Dtype::kFloat16) return quantize_strip<Dtype::kFloat16, kOut>;
  return quantize_strip<Dtype::kFloat32, kOut>;
}

QuantizeStrip find_strip_function(Dtype x_dtype, Dtype out_dtype) {
  return out_dtype == Dtype::kFloat8E4M3 ? strip_function<Dtype::kFloat8E4M3>(x_dtype)
                                         : strip_function<Dtype::kFloat8E5M2>(x_dtype);
}

}  // namespace
}  // namespace ggfp8::steps
