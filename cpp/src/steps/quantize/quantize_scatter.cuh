// The kernel for blocks of one row where each row of x goes to several rows of out. A CTA is one
// warp, and has some k-blocks of one row. Its scales fill whole sectors of 32 bytes.
//
//     CTA (r, t): row r of x, k-blocks of tile t; with blocks of 128 columns
//     chunk of a lane   | 0                                     | 1
//     k-block           | 0: lanes 0 to 7 | ... | 3             | 4 | ... | 7
//
// From sm_90 on the part goes to shared memory, and each lane starts one bulk store to one of the
// row's targets. Elsewhere, and where addresses or sizes are not right, all lanes store to one
// target after the other.
#pragma once

#include <cstdint>

#include "ptx/griddepcontrol.cuh"
#include "ptx/smem_address.cuh"
#include "ptx/tma.cuh"
#include "steps/quantize/quantize_block.cuh"
#include "steps/quantize/quantize_config.h"
#include "steps/quantize/quantize_params.h"
#include "steps/quantize/quantize_place.cuh"
#include "steps/quantize/quantize_source.cuh"

namespace ggfp8::steps {

#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 900
constexpr bool kHasBulkStores = true;
#else
constexpr bool kHasBulkStores = false;
#endif

// The rows of out for a row of x, as the lanes of the warp hold them: lane j has that of position
// `first` + j, or -1 for none.
__device__ __forceinline__ int32_t load_target(const QuantizeProblem& p, int32_t row,
                                               int32_t first) {
  const int32_t j = first + static_cast<int32_t>(threadIdx.x);
  if (j >= p.top_k) return -1;
  const int32_t target = __ldg(p.position + row * p.position_row_stride + j);
  return target < p.out_rows ? target : -1;
}

// The part of a row that a CTA has.
struct ScatterPart {
  int32_t first_block;
  int32_t num_blocks;
  int32_t first_col;
  int32_t num_columns;
  bool codes_by_bulk;  // the lanes' chunks are full, and fill bulk stores
  bool scales_by_bulk;
};

__device__ __forceinline__ ScatterPart find_part(const QuantizeParams& params, int32_t tile) {
  const int32_t block_k = params.problem.block_k;
  ScatterPart part;
  part.first_block = tile * params.blocks_per_tile;
  part.num_blocks = min_of(params.num_k_blocks - part.first_block, params.blocks_per_tile);
  part.first_col = part.first_block * block_k;
  const int32_t columns_left = static_cast<int32_t>(params.problem.k) - part.first_col;
  part.num_columns = min_of(columns_left, part.num_blocks * block_k);
  part.codes_by_bulk = kHasBulkStores && params.out_aligned && part.num_columns % 16 == 0;
  part.scales_by_bulk = kHasBulkStores && params.scales_joined && part.num_blocks % 4 == 0;
  return part;
}

// The part's codes and scales in shared memory, from where bulk stores take them.
struct __align__(16) ScatterStage {
  uint8_t codes[kScatterThreads * kScatterChunks * kChunkSize];
  float scales[scatter_blocks(1 << lanes_log2(32))];
};

// The results of a lane.
struct ScatterChunks {
  BlockPlace places[kScatterChunks];
  Fp8Chunk<kChunkSize> codes[kScatterChunks];
  float scales[kScatterChunks];  // of the chunks' blocks
};

// Stores the lane's codes to `count` targets, which the lanes of the warp hold.
__device__ __forceinline__ void store_codes(const QuantizeParams& params,
                                            const ScatterChunks& chunks, int32_t target_of_lane,
                                            int32_t count) {
  const QuantizeProblem& p = params.problem;
#pragma unroll 4
  for (int32_t j = 0; j < count; ++j) {
    const int32_t target = __shfl_sync(0xFFFFFFFFu, target_of_lane, j);
    if (target < 0) continue;
    uint8_t* out = p.out + target * p.out_row_stride;
#pragma unroll
    for (int i = 0; i < kScatterChunks; ++i) {
      const BlockPlace& place = chunks.places[i];
      chunks.codes[i].store(out + place.col, place.length, params.out_aligned);
    }
  }
}

static_assert(kScatterChunks == 2);

// The scales of the warp's blocks, dealt to its lanes so that neighbouring lanes have neighbouring
// blocks. Every block has the lanes of several targets.
struct LaneScale {
  float scale;
  int32_t k_block;
  int32_t target_of_turn;  // the lane's target among those of a turn
  bool has_block;
};

// Hands the scales of the lanes' own blocks to the lanes that store them. All lanes of the warp
// call.
__device__ __forceinline__ LaneScale deal_scales(const QuantizeParams& params,
                                                 const float (&scales)[kScatterChunks],
                                                 int32_t first_block) {
  const int lane = static_cast<int>(threadIdx.x);
  const int blocks_log2 = 5 - params.lanes_log2;  // of a chunk of the warp
  const int num_blocks = kScatterChunks << blocks_log2;
  const int block = lane & (num_blocks - 1);
  const int owner = (block & ((1 << blocks_log2) - 1)) << params.lanes_log2;
  LaneScale result;
  result.scale = __shfl_sync(0xFFFFFFFFu, scales[0], owner);
#pragma unroll
  for (int i = 1; i < kScatterChunks; ++i) {
    const float of_chunk = __shfl_sync(0xFFFFFFFFu, scales[i], owner);
    if (block >> blocks_log2 == i) result.scale = of_chunk;
  }
  result.k_block = first_block + block;
  result.has_block = result.k_block < params.num_k_blocks;
  result.target_of_turn = lane / num_blocks;
  return result;
}

// Stores the scales of the warp's blocks to `count` targets, 32 of them in a turn.
__device__ __forceinline__ void store_scales(const QuantizeParams& params, const LaneScale& scale,
                                             int32_t target_of_lane, int32_t count) {
  const QuantizeProblem& p = params.problem;
  const int targets_per_turn = 1 << params.lanes_log2 >> 1;
  float* out = p.scale + scale.k_block * p.scale_k_stride;
  for (int32_t j = 0; j < count; j += targets_per_turn) {
    const int32_t target = __shfl_sync(0xFFFFFFFFu, target_of_lane, j + scale.target_of_turn);
    if (target >= 0 && scale.has_block) out[target * p.scale_row_stride] = scale.scale;
  }
}

// Starts the bulk stores to the lane's own target.
__device__ __forceinline__ void start_bulk_stores(const QuantizeParams& params,
                                                  const ScatterPart& part,
                                                  const ScatterStage& stage, int32_t target) {
  const QuantizeProblem& p = params.problem;
  if (target < 0) return;
  if (part.codes_by_bulk) {
    ptx::bulk_store(p.out + target * p.out_row_stride + part.first_col,
                    ptx::smem_address(stage.codes), static_cast<uint32_t>(part.num_columns));
  }
  if (part.scales_by_bulk) {
    ptx::bulk_store(p.scale + target * p.scale_row_stride + part.first_block,
                    ptx::smem_address(stage.scales), static_cast<uint32_t>(part.num_blocks) * 4);
  }
}

// Writes what bulk stores take to shared memory, and lets all lanes start them.
__device__ __forceinline__ void fill_stage(const ScatterPart& part, const ScatterChunks& chunks,
                                           ScatterStage& stage) {
#pragma unroll
  for (int i = 0; i < kScatterChunks; ++i) {
    const BlockPlace& place = chunks.places[i];
    if (part.codes_by_bulk) {
      chunks.codes[i].store(stage.codes + (place.col - part.first_col), place.length, true);
    }
    if (place.has_block && place.lane == 0) {
      stage.scales[place.k_block - part.first_block] = chunks.scales[i];
    }
  }
  ptx::tma_store_fence();
  __syncwarp();
}

// Stores the part to all targets of the row, of which target_of_lane has the first 32.
__device__ __forceinline__ void store_to_targets(const QuantizeParams& params, int32_t row,
                                                 const ScatterPart& part,
                                                 const ScatterChunks& chunks, ScatterStage& stage,
                                                 int32_t target_of_lane) {
  const auto top_k = static_cast<int32_t>(params.problem.top_k);
  const LaneScale scale = deal_scales(params, chunks.scales, part.first_block);
  if constexpr (kHasBulkStores) fill_stage(part, chunks, stage);
  for (int32_t first = 0; first < top_k; first += 32) {
    if (first > 0) target_of_lane = load_target(params.problem, row, first);
    const int32_t count = min_of(top_k - first, 32);
    if constexpr (kHasBulkStores) start_bulk_stores(params, part, stage, target_of_lane);
    if (!part.codes_by_bulk) store_codes(params, chunks, target_of_lane, count);
    if (!part.scales_by_bulk) store_scales(params, scale, target_of_lane, count);
  }
  if constexpr (kHasBulkStores) {
    ptx::tma_store_commit();
    ptx::tma_store_wait_read();
    __syncwarp();  // the stage may be written again
  }
}

template <Dtype kIn, Dtype kOut>
__device__ __forceinline__ void scatter_part(const QuantizeParams& params, int32_t row,
                                             const ScatterPart& part, ScatterStage& stage) {
  const QuantizeProblem& p = params.problem;
  const int32_t target_of_lane = load_target(p, row, 0);
  ScatterChunks chunks;
  PlainSource<kIn> sources[kScatterChunks];
  const auto* x = static_cast<const Element<kIn>*>(p.x) + row * p.x_row_stride;
#pragma unroll
  for (int i = 0; i < kScatterChunks; ++i) {
    BlockPlace& place = chunks.places[i];
    const int32_t chunk = i * kScatterThreads + static_cast<int32_t>(threadIdx.x);
    place = place_in_block<kChunkSize>(params, part.first_block + (chunk >> params.lanes_log2));
    if (params.x_aligned && place.length == kChunkSize) {
      sources[i].load_full(x + place.col, p.k);
    } else {
      sources[i].load_part(x + place.col, p.k, place.length);
    }
  }
#pragma unroll
  for (int i = 0; i < kScatterChunks; ++i) {
    float values[kChunkSize];
    sources[i].values(params, values);
    const float amax = largest_of_lanes(largest_magnitude(values), params.lanes_log2);
    const BlockDivisor block = make_divisor<kOut>(amax, p.power_of_two);
    bring_into_range(values, amax);
    chunks.codes[i] = quantize_chunk<kOut>(values, block);
    chunks.scales[i] = block.scale;
  }
  store_to_targets(params, row, part, chunks, stage, target_of_lane);
}

template <Dtype kIn, Dtype kOut>
__global__ void __launch_bounds__(kScatterThreads, 24)
    quantize_scatter(const __grid_constant__ QuantizeParams params) {
  ptx::wait_for_kernels_before();
  __shared__ ScatterStage stage;
  const unsigned row = params.tiles_first ? blockIdx.y : blockIdx.x;
  const unsigned first_tile = params.tiles_first ? blockIdx.x : blockIdx.y;
  const unsigned tile_step = params.tiles_first ? gridDim.x : gridDim.y;
  for (auto tile = static_cast<int32_t>(first_tile); tile < params.num_tiles;
       tile += static_cast<int32_t>(tile_step)) {
    scatter_part<kIn, kOut>(params, static_cast<int32_t>(row), find_part(params, tile), stage);
  }
}

}  // namespace ggfp8::steps
