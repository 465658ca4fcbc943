// Index arithmetic past 2^31: the same small problem dense, and with one stride at a time so large
// that the array spreads over address space that is reserved but hardly touched, must give the same
// bytes at every row, column, k-block, slab and group.
#include <array>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <random>
#include <type_traits>
#include <vector>

#include "address_space.h"
#ifdef GGFP8_WITH_AMX
#include "amx_soft_tile.h"
#include "backends/amx/amx_scratch.h"
#endif
#include "backends/cpu/cpu_device.h"
#include "backends/cpu/cpu_isa.h"
#include "check.h"
#include "environment_variable.h"
#include "select/backend.h"

namespace ggfp8 {
extern const Backend kCpuBackend;
}

namespace {

using ggfp8::Problem;
using ggfp8::Scales;

constexpr int64_t kRows = 3;  // of a slab, where there are slabs
constexpr int64_t kN = 8;
constexpr int64_t kK = 64;
constexpr int64_t kGroups = 2;
constexpr int64_t kBlocks = 2;  // of k
constexpr int64_t kLarge = int64_t{3} << 30;

// Strides of group, of row or block, and of element or block of k.
using Strides = std::array<int64_t, 3>;
enum Axis { kGroupAxis, kRowAxis, kKAxis };

template <class AnyMatrix>
Strides strides_of(const AnyMatrix& matrix) {
  return {matrix.group_stride, matrix.row_stride, 1};
}

Strides strides_of(const Scales& scales) {
  return {scales.group_stride, scales.mn_stride, scales.k_stride};
}

template <class AnyMatrix>
void set_stride(AnyMatrix* matrix, Axis axis, int64_t stride) {
  (axis == kGroupAxis ? matrix->group_stride : matrix->row_stride) = stride;
}

void set_stride(Scales* scales, Axis axis, int64_t stride) {
  int64_t* const strides[] = {&scales->group_stride, &scales->mn_stride, &scales->k_stride};
  *strides[axis] = stride;
}

// The sizes of an array along the same axes.
struct Form {
  std::array<int64_t, 3> sizes;
  int64_t element_bytes;

  int64_t offset(const Strides& strides, const std::array<int64_t, 3>& place) const {
    int64_t elements = 0;
    for (size_t axis = 0; axis < 3; ++axis) elements += place[axis] * strides[axis];
    return elements * element_bytes;
  }

  int64_t num_bytes(const Strides& strides) const {
    return offset(strides, {sizes[0] - 1, sizes[1] - 1, sizes[2] - 1}) + element_bytes;
  }

  template <class Visit>
  void for_each(const Visit& visit) const {
    for (int64_t i = 0; i < sizes[0]; ++i) {
      for (int64_t j = 0; j < sizes[1]; ++j) {
        for (int64_t k = 0; k < sizes[2]; ++k) visit(std::array<int64_t, 3>{i, j, k});
      }
    }
  }

  // Copies every element from its place under some strides to its place under others.
  void copy(const Strides& from, const void* source, const Strides& to, void* target) const {
    for_each([&](const std::array<int64_t, 3>& place) {
      std::memcpy(static_cast<char*>(target) + offset(to, place),
                  static_cast<const char*>(source) + offset(from, place),
                  static_cast<size_t>(element_bytes));
    });
  }
};

// Slabs one after the other are the rows of a problem without slabs.
struct Forms {
  static std::array<int64_t, 3> rows(bool has_slabs, int64_t size) {
    return has_slabs ? std::array{kGroups, kRows, size}
                     : std::array{int64_t{1}, kGroups * kRows, size};
  }

  explicit Forms(bool has_slabs)
      : a{rows(has_slabs, kK), 1}, sfa{rows(has_slabs, kBlocks), 4}, out{rows(has_slabs, kN), 4} {}

  Form a;
  Form b = {{kGroups, kN, kK}, 1};
  Form sfa;
  Form sfb = {{kGroups, kN, kBlocks}, 4};
  Form out;
};

void launch_cpu(const Problem& problem) {
  ggfp8::DeviceInfo device;
  CHECK_EQ(ggfp8::query_cpu_device(&device), ggfp8::kSuccess);
  const ggfp8::Plan plan = ggfp8::kCpuBackend.plan(problem, device);
  CHECK_EQ(ggfp8::kCpuBackend.launch(problem, device, plan, {}), ggfp8::kSuccess);
}

// Computes with the code of the amx backend, in the tile registers of the tests.
void launch_amx([[maybe_unused]] const Problem& problem) {
#ifdef GGFP8_WITH_AMX
  constexpr ggfp8::TileShape kShape = {16, 32};
  const ggfp8::AmxScratchMemory scratch(kShape);
  ggfp8::TileQueue queue(problem, kShape);
  for (ggfp8::WorkTile tile; queue.next(&tile);) {
    amx_model::compute_soft_tile(problem, tile, scratch.view());
  }
#endif
}

bool can_launch_amx() {
#ifdef GGFP8_WITH_AMX
  __builtin_cpu_init();
  return __builtin_cpu_supports("avx512vbmi") && __builtin_cpu_supports("avx512bw") &&
         __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl");
#else
  return false;
#endif
}

void (*launch)(const Problem&) = launch_cpu;

// The dense problem with its arrays.
struct Dense {
  std::vector<uint8_t> a = std::vector<uint8_t>(kGroups * kRows * kK);
  std::vector<uint8_t> b = std::vector<uint8_t>(kGroups * kN * kK);
  std::vector<float> sfa = std::vector<float>(kGroups * kRows * kBlocks);
  std::vector<float> sfb = std::vector<float>(kGroups * kN * kBlocks);
  std::vector<float> out = std::vector<float>(kGroups * kRows * kN);
  std::vector<int32_t> counts = {2, kRows};               // of slabs
  std::vector<int32_t> bounds = {0, 2, kGroups * kRows};  // without slabs
  Problem problem;

  explicit Dense(bool has_slabs) {
    std::mt19937 random(3);
    for (auto* codes : {&a, &b}) {
      for (uint8_t& code : *codes) code = static_cast<uint8_t>(random() & 0xBF);
    }
    float next = 0.25f;  // scales all differ
    for (auto* scales : {&sfa, &sfb}) {
      for (float& scale : *scales) scale = next += 0.125f;
    }
    set_sizes();
    set_strides();
    if (has_slabs) {
      problem.groups = counts.data();
      problem.group_kind = ggfp8::GroupKind::kMasked;
    } else {
      problem.groups = bounds.data();
      problem.a.group_stride = problem.out.group_stride = problem.sfa.group_stride = 0;
    }
    launch(problem);
  }

  bool covers(int64_t row) const {
    if (problem.group_kind == ggfp8::GroupKind::kIndptr) return true;
    return row % kRows < counts[static_cast<size_t>(row / kRows)];
  }

 private:
  void set_sizes() {
    Problem& p = problem;
    p.device_type = ggfp8::DeviceType::kCpu;
    p.out_dtype = ggfp8::Dtype::kFloat32;
    p.a.data = a.data();
    p.b.data = b.data();
    p.sfa.data = sfa.data();
    p.sfb.data = sfb.data();
    p.out.data = out.data();
    p.cum_m = kGroups * kRows;
    p.n = p.num_n_blocks = kN;
    p.k = kK;
    p.batch_size = kGroups;
    p.granularity_n = 1;
    p.granularity_k = kK / kBlocks;
    p.num_m_blocks = kRows;
    p.num_k_blocks = kBlocks;
  }

  void set_strides() {
    Problem& p = problem;
    p.a.row_stride = p.b.row_stride = kK;
    p.a.group_stride = kRows * kK;
    p.b.group_stride = kN * kK;
    p.out.row_stride = kN;
    p.out.group_stride = kRows * kN;
    p.sfa.k_stride = p.sfb.k_stride = 1;
    p.sfa.mn_stride = p.sfb.mn_stride = kBlocks;
    p.sfa.group_stride = kRows * kBlocks;
    p.sfb.group_stride = kN * kBlocks;
  }
};

// Checks the problem with one stride of one of its arrays, `Array Problem::*array`, made large.
template <class Array>
void check_spread(const Dense& dense, const Form& form, Array Problem::* array, Axis axis) {
  Problem wide = dense.problem;
  set_stride(&(wide.*array), axis, kLarge);
  const Strides near = strides_of(dense.problem.*array);
  const Strides far = strides_of(wide.*array);
  const AddressSpace space(form.num_bytes(far));
  if (!CHECK(space.ok())) return;
  form.copy(near, (dense.problem.*array).data, far, space.bytes());
  (wide.*array).data = reinterpret_cast<decltype(Array::data)>(space.bytes());
  std::vector<float> got(dense.out.size());
  constexpr bool kIsOut = std::is_same_v<Array, ggfp8::OutMatrix>;
  for (const ggfp8::CpuIsa* isa : ggfp8::available_isas()) {
    check::set_variable("GGFP8_CPU_ISA", isa->name);
    std::fill(got.begin(), got.end(), -1.0f);  // a row of no group is left alone
    if (kIsOut) {
      form.copy(near, got.data(), far, space.bytes());
      launch(wide);
      form.copy(far, space.bytes(), near, got.data());
    } else {
      wide.out.data = got.data();
      launch(wide);
    }
    for (int64_t i = 0; i < kGroups * kRows * kN; ++i) {
      CHECK(got[size_t(i)] == (dense.covers(i / kN) ? dense.out[size_t(i)] : -1.0f));
    }
  }
}

void check_strides(bool has_slabs) {
  const Dense dense(has_slabs);
  const Forms forms(has_slabs);
  check_spread(dense, forms.a, &Problem::a, kRowAxis);
  check_spread(dense, forms.b, &Problem::b, kRowAxis);
  check_spread(dense, forms.b, &Problem::b, kGroupAxis);
  check_spread(dense, forms.out, &Problem::out, kRowAxis);
  check_spread(dense, forms.sfa, &Problem::sfa, kRowAxis);
  check_spread(dense, forms.sfa, &Problem::sfa, kKAxis);
  check_spread(dense, forms.sfb, &Problem::sfb, kRowAxis);
  check_spread(dense, forms.sfb, &Problem::sfb, kKAxis);
  check_spread(dense, forms.sfb, &Problem::sfb, kGroupAxis);
  if (!has_slabs) return;
  check_spread(dense, forms.a, &Problem::a, kGroupAxis);
  check_spread(dense, forms.out, &Problem::out, kGroupAxis);
  check_spread(dense, forms.sfa, &Problem::sfa, kGroupAxis);
}

}  // namespace

int main() {
  check_strides(false);
  check_strides(true);
  if (can_launch_amx()) {
    launch = launch_amx;
    check_strides(false);
    check_strides(true);
  }
  return check::report();
}
