// The rule of growth of the public structs that begin with their size: what is read of a caller's
// struct, and what is written to it.
#include "api/sized_struct.h"

#include <cstdint>
#include <cstring>
#include <vector>

#include "api/validate.h"
#include "check.h"

namespace {

using Args = ggfp8_group_gemm_args;
using ggfp8::Problem;

// Newer callers: a longer struct passes while its tail is zero. Older ones: the rest is zero.
void check_sized_structs() {
  std::vector<unsigned char> longer(70000, 0);
  const auto* longer_args = reinterpret_cast<const Args*>(longer.data());
  Problem problem;
  bool empty = false;
  const auto set_size = [&](size_t size) {
    Args args = GGFP8_GROUP_GEMM_ARGS_INIT;
    args.struct_size = size;
    std::memcpy(longer.data(), &args, sizeof args);
  };
  for (size_t size : {sizeof(Args) + 1, sizeof(Args) + 64, size_t{65536}}) {
    set_size(size);
    CHECK_EQ(ggfp8::validate(longer_args, &problem, &empty), ggfp8::kSuccess);
    for (unsigned char value : {1, 2, 0x80, 0xFF}) {
      longer[size - 1] = value;
      CHECK_EQ(ggfp8::validate(longer_args, &problem, &empty), GGFP8_ERROR_INVALID_STRUCT_SIZE);
    }
    longer[size - 1] = 0;
    longer[size] = 1;  // past the struct
    CHECK_EQ(ggfp8::validate(longer_args, &problem, &empty), ggfp8::kSuccess);
    longer[size] = 0;
  }
  set_size(65537);  // not followed, though its tail is zero
  CHECK_EQ(ggfp8::validate(longer_args, &problem, &empty), GGFP8_ERROR_INVALID_STRUCT_SIZE);
  struct Sized {
    size_t struct_size;
    uint64_t first, second;
  };
  const Sized source = {16, 7, 8};
  Sized copy = {99, 99, 99};
  CHECK_EQ(ggfp8::read_sized_struct(&source, sizeof copy, 16, &copy, "it"), ggfp8::kSuccess);
  CHECK(copy.struct_size == 16 && copy.first == 7 && copy.second == 0);
  CHECK_EQ(ggfp8::read_sized_struct(&source, sizeof copy, 24, &copy, "it"),
           GGFP8_ERROR_INVALID_STRUCT_SIZE);
  CHECK(std::strncmp(ggfp8::last_error(), "it.struct_size:", 15) == 0);
}

// A struct of the caller's is written up to the size that the caller knows, which stays.
template <class Struct, class Fill>
void check_written_size(size_t minimum_bytes, const Fill& fill) {
  constexpr size_t kSpare = 32;
  for (size_t size = minimum_bytes; size <= sizeof(Struct) + kSpare; size += 4) {
    alignas(Struct) unsigned char memory[sizeof(Struct) + 2 * kSpare];
    std::memset(memory, 0xA5, sizeof memory);
    // A tail that the library does not know must be zeros.
    if (size > sizeof(Struct)) std::memset(memory + sizeof(Struct), 0, size - sizeof(Struct));
    std::memcpy(memory, &size, sizeof size);
    CHECK_EQ(fill(reinterpret_cast<Struct*>(memory)), GGFP8_SUCCESS);
    size_t size_after = 0;
    std::memcpy(&size_after, memory, sizeof size_after);
    CHECK_EQ(size_after, size);
    for (size_t i = size; i < sizeof memory; ++i) CHECK_EQ(memory[i], 0xA5);
  }
}

void check_written_sizes() {
  Args args = GGFP8_GROUP_GEMM_ARGS_INIT;
  args.device_type = GGFP8_DEVICE_CPU;
  check_written_size<ggfp8_plan_info>(
      offsetof(ggfp8_plan_info, group_layout),
      [&](ggfp8_plan_info* plan) { return ggfp8_group_gemm_plan(&args, plan); });
  check_written_size<ggfp8_device_info>(sizeof(ggfp8_device_info), [](ggfp8_device_info* info) {
    return ggfp8_device_query(GGFP8_DEVICE_CPU, 0, info);
  });
}

}  // namespace

int main() {
  check_sized_structs();
  check_written_sizes();
  return check::report();
}
