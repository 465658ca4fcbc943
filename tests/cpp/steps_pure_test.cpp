// Parts of the steps that decide or round, without a device: the quotient, the FP8 rounding, the
// scale of a block, the tiles of a row and the plan of a routing.
#include <bit>
#include <cmath>
#include <cstdint>
#include <random>

#include "check.h"
#include "core/fp8_round.h"
#include "host/fp8_values.h"
#include "steps/quantize/block_scale.h"
#include "steps/quantize/quantize_config.h"
#include "steps/route/route_plan.h"

namespace {

using namespace ggfp8;
using namespace ggfp8::steps;

// The formula of divide() where instructions are fused, whatever this file is compiled for.
float fused_divide(float x, float divisor) {
  const float reciprocal = 1.0f / divisor;
  const float quotient = x * reciprocal;
  const float excess = std::fma(quotient, divisor, -x);
  return std::fma(excess, -reciprocal, quotient);
}

bool same_bits(float x, float y) {
  return std::bit_cast<uint32_t>(x) == std::bit_cast<uint32_t>(y);
}

void test_quotient_is_rounded_once() {
  std::mt19937 random(1);
  std::uniform_int_distribution<uint32_t> significand(0, (1u << 23) - 1);
  std::uniform_int_distribution<uint32_t> exponent(127 - 60, 127 + 60);
  for (int i = 0; i < 20'000'000; ++i) {
    const float divisor = std::bit_cast<float>(significand(random) | exponent(random) << 23);
    const float x = std::bit_cast<float>(significand(random)) + divisor * 3.0f;
    if (!CHECK(same_bits(fused_divide(x, divisor), x / divisor))) return;
  }
}

// Significands near 2, where the first quotient is farthest off.
void test_quotient_of_large_significands() {
  for (uint32_t i = 0; i < 2048; ++i) {
    for (uint32_t j = 0; j < 2048; ++j) {
      const float x = std::bit_cast<float>(0x3FFFFFFF - i);
      const float divisor = std::bit_cast<float>(0x3FFFFFFF - j);
      if (!CHECK(same_bits(fused_divide(x, divisor), x / divisor))) return;
    }
  }
}

// Elements that are a middle of two quotients times the divisor, rounded to either side.
void test_quotient_near_middles() {
  std::mt19937 random(2);
  std::uniform_int_distribution<uint32_t> significand(1u << 23, (1u << 24) - 1);
  for (int i = 0; i < 5'000'000; ++i) {
    const double divisor = significand(random);
    const double middle = significand(random) + 0.5;
    const auto x = static_cast<float>(middle * divisor);
    for (float near : {x, std::nextafter(x, 0.0f), std::nextafter(x, INFINITY)}) {
      const auto d = static_cast<float>(divisor);
      if (!CHECK(same_bits(fused_divide(near, d), near / d))) return;
    }
  }
}

void test_zeros_keep_their_sign() {
  CHECK(same_bits(fused_divide(-0.0f, 3.0f), -0.0f));
  CHECK(same_bits(fused_divide(0.0f, 3.0f), 0.0f));
}

// The nearest code by search, ties to the even code.
template <Dtype kDtype>
uint32_t nearest_code(float value) {
  if (std::isnan(value)) return 0x7F;
  const uint32_t sign = std::signbit(value) ? 0x80 : 0;
  const double magnitude = std::fmin(std::fabs(value), kFp8Max<kDtype>);
  uint32_t best = 0;
  for (uint32_t code = 1; kFp8Values<kDtype>[code] <= kFp8Max<kDtype> && code < 0x80; ++code) {
    const double distance = std::fabs(kFp8Values<kDtype>[code] - magnitude);
    const double best_distance = std::fabs(kFp8Values<kDtype>[best] - magnitude);
    if (distance < best_distance || (distance == best_distance && code % 2 == 0)) best = code;
  }
  return best | sign;
}

template <Dtype kDtype>
void test_rounding() {
  for (uint32_t upper = 0; upper < 0x10000; ++upper) {
    for (uint32_t lower : {0u, 1u, 0x7FFFu, 0x8000u, 0x8001u, 0xFFFFu}) {
      const float value = std::bit_cast<float>(upper << 16 | lower);
      if (!CHECK_EQ(round_to_fp8<kDtype>(value), nearest_code<kDtype>(value))) return;
      if (std::fabs(value) > kFp8Max<kDtype> || std::isnan(value)) continue;
      if (!CHECK_EQ(round_finite_to_fp8<kDtype>(value), nearest_code<kDtype>(value))) return;
    }
  }
}

void test_block_scale() {
  CHECK_EQ(block_scale(0.0f, 448.0f, false), 1.0f);
  CHECK_EQ(block_scale(0.0f, 448.0f, true), 1.0f);
  CHECK_EQ(block_scale(448.0f, 448.0f, false), 1.0f);
  CHECK_EQ(block_scale(1.0f, 448.0f, false), 1.0f / 448.0f);
  CHECK_EQ(block_scale(0x1p-149f, 448.0f, false), 0x1p-149f);
  CHECK_EQ(block_scale(0x1p-149f, 448.0f, true), 0x1p-127f);
  CHECK_EQ(block_scale(448.0f, 448.0f, true), 1.0f);
  CHECK_EQ(block_scale(449.0f, 448.0f, true), 2.0f);
  CHECK_EQ(next_power_of_two(0x1p-127f), 0x1p-127f);
  CHECK_EQ(next_power_of_two(0x1.8p-127f), 0x1p-126f);
  CHECK_EQ(next_power_of_two(0x1.000002p-10f), 0x1p-9f);
}

// Every block is in one tile, no CTA is larger than the limit, few threads have no block.
void test_row_tiles() {
  for (int max_threads : {kRowThreads, kMaxRowThreads}) {
    for (int lanes : {2, 4, 8, 16}) {
      for (int64_t num_blocks = 1; num_blocks < 3000; ++num_blocks) {
        const BlockTiles tiles = deal_blocks(num_blocks, lanes, max_threads);
        CHECK(int64_t{tiles.num_tiles} * tiles.blocks_per_tile >= num_blocks);
        CHECK((int64_t{tiles.num_tiles} - 1) * tiles.blocks_per_tile < num_blocks);
        CHECK(tiles.blocks_per_tile * lanes <= tiles.num_threads);
        CHECK(tiles.num_threads <= max_threads && tiles.num_threads % 32 == 0);
      }
    }
  }
  CHECK_EQ(deal_blocks(7168 / 128, 8, kRowThreads).num_threads, 64);
  CHECK_EQ(deal_blocks(7168 / 128, 8, kRowThreads).num_tiles, 7);
}

// Every block is in one tile, and every lane of a CTA has chunks of one.
void test_scatter_tiles() {
  for (int block_k : {32, 64, 96, 128}) {
    const int lanes = 1 << lanes_log2(block_k);
    CHECK_EQ(scatter_blocks(lanes) * lanes, kScatterThreads * kScatterChunks);
    CHECK(scatter_blocks(lanes) <= kScatterThreads);  // a lane hands on one scale
    for (int64_t num_blocks = 1; num_blocks < 300; ++num_blocks) {
      const BlockTiles tiles = deal_scatter_blocks(num_blocks, lanes);
      CHECK(int64_t{tiles.num_tiles} * tiles.blocks_per_tile >= num_blocks);
      CHECK((int64_t{tiles.num_tiles} - 1) * tiles.blocks_per_tile < num_blocks);
      CHECK_EQ(tiles.num_threads, kScatterThreads);
    }
  }
}

// Small grids have a CTA for each row, and large CTAs only where there are few.
void test_row_shapes() {
  using enum RowOrigin;
  const auto rows = [](RowOrigin origin, int64_t num_rows) {
    return choose_row_shape(origin, num_rows, 7168 / 128, 128);
  };
  CHECK_EQ(rows(kRow, 64).rows_per_cta, 1);
  CHECK_EQ(rows(kRow, 1024).rows_per_cta, kMidGridRows);
  CHECK_EQ(rows(kRow, 4096).rows_per_cta, kLargeGridRows);
  CHECK_EQ(rows(kGates, 4096).rows_per_cta, kMidGridRows);
  CHECK_EQ(rows(kRow, 512).max_threads, kRowThreads);
  CHECK_EQ(rows(kIndexedRow, 64).max_threads, kRowThreads);
  CHECK_EQ(rows(kIndexedRow, 512).max_threads, kMaxRowThreads);
  CHECK_EQ(rows(kIndexedRow, 32768).max_threads, kRowThreads);
  CHECK_EQ(rows(kGates, 64).chunk_size, kSmallChunkSize);
  CHECK_EQ(rows(kGates, 4096).chunk_size, kChunkSize);
  CHECK_EQ(rows(kRow, int64_t{1} << 40).rows_per_cta, kLargeGridRows);
  for (RowOrigin origin : {kRow, kIndexedRow, kGates}) {
    for (int block_k : {32, 64, 96, 128}) {
      for (int64_t num_rows = 1; num_rows < 5000; ++num_rows) {
        const RowShape shape = choose_row_shape(origin, num_rows, 57, block_k);
        const int lanes = 1 << lanes_log2(block_k, shape.chunk_size);
        CHECK(shape.rows_per_cta >= 1 && shape.rows_per_cta <= kLargeGridRows);
        CHECK(lanes * shape.chunk_size >= block_k && lanes <= 16);
      }
    }
  }
}

void test_route_plan() {
  for (int64_t groups : {0, 1, 7, 256, 4096, 4097, 1 << 24}) {
    for (int64_t pairs : {int64_t{0}, int64_t{1}, int64_t{2048}, int64_t{2049}, int64_t{32768},
                          int64_t{1000000}, int64_t{2147483647}}) {
      const RoutePlan plan = plan_route(pairs, groups);
      CHECK(plan.num_chunks >= 1);
      CHECK(plan.num_chunks * plan.chunk_pairs >= pairs);
      CHECK(plan.num_chunks == 1 || (plan.num_chunks - 1) * plan.chunk_pairs < pairs);
      CHECK(plan.counts_shared == (groups <= kMaxSharedGroups));
      const int64_t counts = plan.counts_shared ? (plan.num_chunks == 1 ? 0 : plan.num_chunks) : 1;
      CHECK(plan.workspace_bytes == static_cast<size_t>(counts * groups) * sizeof(int32_t));
      CHECK(plan.counts_shared || plan.num_chunks == 1);
    }
  }
}

}  // namespace

int main() {
  test_quotient_is_rounded_once();
  test_quotient_of_large_significands();
  test_quotient_near_middles();
  test_zeros_keep_their_sign();
  test_rounding<Dtype::kFloat8E4M3>();
  test_rounding<Dtype::kFloat8E5M2>();
  test_block_scale();
  test_row_tiles();
  test_scatter_tiles();
  test_row_shapes();
  test_route_plan();
  return check::report();
}
