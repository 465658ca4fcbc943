// Allocations that fail: a call goes on without what it can spare, or returns the status of missing
// memory with `out` untouched. This program has operators new of its own.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <new>
#include <vector>

#include "check.h"
#include "groupgemm_fp8/groupgemm_fp8.h"
#include "groupgemm_fp8/moe.h"
#include "ones_call.h"

namespace {

int num_allocations = 0;
int first_failure = -1;  // counted from 0; negative: none fails
int last_failure = -1;   // all from the first to this one fail

void* allocate(std::size_t bytes, std::size_t alignment) {
  const int idx = num_allocations++;
  if (first_failure >= 0 && idx >= first_failure && idx <= last_failure) return nullptr;
  return std::aligned_alloc(alignment, (bytes + alignment) / alignment * alignment);
}

void* allocate_or_throw(std::size_t bytes) {
  void* memory = allocate(bytes, alignof(std::max_align_t));
  if (memory == nullptr) throw std::bad_alloc();
  return memory;
}

}  // namespace

void* operator new(std::size_t bytes) {
  return allocate_or_throw(bytes);
}
void* operator new(std::size_t bytes, const std::nothrow_t&) noexcept {
  return allocate(bytes, alignof(std::max_align_t));
}
void* operator new(std::size_t bytes, std::align_val_t alignment, const std::nothrow_t&) noexcept {
  return allocate(bytes, static_cast<std::size_t>(alignment));
}
void operator delete(void* memory) noexcept {
  std::free(memory);
}
void operator delete(void* memory, std::size_t) noexcept {
  std::free(memory);
}
void operator delete(void* memory, std::align_val_t) noexcept {
  std::free(memory);
}

namespace {

constexpr int32_t kRows = 64, kN = 512, kK = 512;

struct Product : OnesCall {
  Product() : OnesCall(kRows, kN, kK) {
    args.flags = GGFP8_FLAG_VALIDATE_M_INDPTR;
    args.backend = "cpu";  // amx allocates in the first call alone: kept_memory_test
  }
};

// Runs with allocations `first` to `last` failing; returns whether all of them were reached.
bool check_failing(int first, int last) {
  Product product;
  num_allocations = 0;
  first_failure = first;
  last_failure = last;
  const int32_t status = product.run();
  first_failure = -1;
  if (status == GGFP8_SUCCESS) {
    CHECK(product.out_is_right());
  } else {
    CHECK_EQ(status, GGFP8_ERROR_OUT_OF_HOST_MEMORY);
    CHECK(product.out_is_untouched());
    CHECK(std::strstr(ggfp8_last_error(), "memory") != nullptr);
  }
  return num_allocations > first;
}

void check_product() {
  CHECK(check_failing(INT32_MAX, INT32_MAX) == false);
  int num_failed = 0;
  for (int idx = 0; check_failing(idx, idx); ++idx) ++num_failed;
  CHECK(num_failed > 0);
  for (int idx = 0; check_failing(idx, INT32_MAX); ++idx) ++num_failed;
}

// The first allocation is the scratch memory of the caller's thread, without which nothing is done.
void check_own_scratch() {
  Product product;
  num_allocations = first_failure = last_failure = 0;
  CHECK_EQ(product.run(), GGFP8_ERROR_OUT_OF_HOST_MEMORY);
  first_failure = -1;
  CHECK(product.out_is_untouched());
}

// No helper is needed, so that any failure of its own is made up for.
void check_quantization() {
  OnesQuantization quantization(kN, kK);
  num_allocations = first_failure = 0;
  last_failure = INT32_MAX;
  const int32_t status = quantization.run();
  first_failure = -1;
  CHECK_EQ(status, GGFP8_SUCCESS);
  CHECK(quantization.out_is_right());
}

// Rows that are gathered several times are quantised once by lists, and without memory for the
// lists once for each time.
void check_gather() {
  constexpr int64_t kOutRows = 4096, kXRows = 1024;
  std::vector<float> x(kXRows * size_t{kK}), scale(kOutRows * size_t{kK} / 128);
  for (size_t i = 0; i < x.size(); ++i) x[i] = static_cast<float>(i / kK % 5);
  std::vector<int32_t> row_index(kOutRows);
  for (size_t row = 0; row < row_index.size(); ++row) {
    row_index[row] = static_cast<int32_t>(row * 7 % kXRows);
  }
  for (int idx : {-1, 0, 1}) {
    std::vector<uint8_t> out(kOutRows * size_t{kK}, 0xFF);
    ggfp8_quantize_groupwise_args args = GGFP8_QUANTIZE_GROUPWISE_ARGS_INIT;
    args.x = x.data();
    args.row_index = row_index.data();
    args.out = out.data();
    args.scale = scale.data();
    args.rows = kOutRows;
    args.x_rows = kXRows;
    args.k = kK;
    args.x_dtype = GGFP8_DTYPE_FLOAT32;
    args.device_type = GGFP8_DEVICE_CPU;
    num_allocations = 0;
    first_failure = last_failure = idx;
    const int32_t status = ggfp8_quantize_groupwise(&args, nullptr);
    first_failure = -1;
    CHECK_EQ(status, GGFP8_SUCCESS);
    for (size_t row = 0; row < kOutRows; ++row) {
      const uint8_t wanted = row_index[row] % 5 == 0 ? 0 : 0x7E;
      if (!CHECK_EQ(out[row * kK], wanted) || !CHECK_EQ(out[row * kK + kK - 1], wanted)) break;
    }
  }
}

void check_reload() {
  num_allocations = first_failure = last_failure = 0;
  const int32_t status = ggfp8_reload_environment();
  first_failure = -1;
  CHECK_EQ(status, GGFP8_ERROR_OUT_OF_HOST_MEMORY);
  CHECK_EQ(ggfp8_reload_environment(), GGFP8_SUCCESS);
}

}  // namespace

int main() {
  check_product();
  check_own_scratch();
  check_quantization();
  check_gather();
  check_reload();
  return check::report();
}
