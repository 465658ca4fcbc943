// Index arithmetic past 2^31: the same small problem dense, and with one stride at a time so large
// that the array spreads over address space that is reserved but hardly touched, must give the same
// bytes at every row, column, k-block, slab and group.
#include <array>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <random>
#include <vector>

#include "address_space.h"
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
using Stride = int64_t Problem::*;

constexpr int64_t kRows = 3;  // of a slab, where there are slabs
constexpr int64_t kN = 8;
constexpr int64_t kK = 64;
constexpr int64_t kGroups = 2;
constexpr int64_t kBlocks = 2;  // of k
constexpr int64_t kLarge = int64_t{3} << 30;

// An array of three axes, each with a stride of the Problem; null: stride 1.
struct Form {
  std::array<int64_t, 3> sizes;
  std::array<Stride, 3> strides;
  int64_t element_bytes;

  int64_t offset(const Problem& problem, std::array<int64_t, 3> place) const {
    int64_t elements = 0;
    for (size_t axis = 0; axis < 3; ++axis) {
      elements += place[axis] * (strides[axis] == nullptr ? 1 : problem.*strides[axis]);
    }
    return elements * element_bytes;
  }

  int64_t num_bytes(const Problem& problem) const {
    return offset(problem, {sizes[0] - 1, sizes[1] - 1, sizes[2] - 1}) + element_bytes;
  }

  template <class Visit>
  void for_each(const Visit& visit) const {
    for (int64_t i = 0; i < sizes[0]; ++i) {
      for (int64_t j = 0; j < sizes[1]; ++j) {
        for (int64_t k = 0; k < sizes[2]; ++k) visit(std::array<int64_t, 3>{i, j, k});
      }
    }
  }

  // Copies every element from the places of one problem to those of another.
  void copy(const Problem& from, const void* source, const Problem& to, void* target) const {
    for_each([&](std::array<int64_t, 3> place) {
      std::memcpy(static_cast<char*>(target) + offset(to, place),
                  static_cast<const char*>(source) + offset(from, place),
                  static_cast<size_t>(element_bytes));
    });
  }
};

// Slabs one after the other are the rows of a problem without slabs.
struct Forms {
  std::array<int64_t, 3> rows(bool has_slabs, int64_t size) const {
    return has_slabs ? std::array{kGroups, kRows, size}
                     : std::array{int64_t{1}, kGroups * kRows, size};
  }

  explicit Forms(bool has_slabs)
      : a{rows(has_slabs, kK), {&Problem::a_slab_stride, &Problem::a_row_stride, nullptr}, 1},
        out{rows(has_slabs, kN), {&Problem::out_slab_stride, &Problem::out_row_stride, nullptr}, 4},
        a_scale{
            rows(has_slabs, kBlocks),
            {&Problem::a_scale_slab_stride, &Problem::a_scale_m_stride, &Problem::a_scale_k_stride},
            4} {}

  Form a;
  Form b = {{kGroups, kN, kK}, {&Problem::b_group_stride, &Problem::b_row_stride, nullptr}, 1};
  Form out;
  Form a_scale;
  Form b_scale = {
      {kGroups, kN, kBlocks},
      {&Problem::b_scale_group_stride, &Problem::b_scale_n_stride, &Problem::b_scale_k_stride},
      4};
};

void launch(const Problem& problem) {
  ggfp8::DeviceInfo device;
  CHECK_EQ(ggfp8::query_cpu_device(&device), ggfp8::kSuccess);
  const ggfp8::Plan plan = ggfp8::kCpuBackend.plan(problem, device);
  CHECK_EQ(ggfp8::kCpuBackend.launch(problem, device, plan, {}), ggfp8::kSuccess);
}

// The dense problem with its arrays.
struct Dense {
  std::vector<uint8_t> a = std::vector<uint8_t>(kGroups * kRows * kK);
  std::vector<uint8_t> b = std::vector<uint8_t>(kGroups * kN * kK);
  std::vector<float> a_scale = std::vector<float>(kGroups * kRows * kBlocks);
  std::vector<float> b_scale = std::vector<float>(kGroups * kN * kBlocks);
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
    for (auto* scales : {&a_scale, &b_scale}) {
      for (float& scale : *scales) scale = next += 0.125f;
    }
    set_sizes();
    set_strides();
    if (has_slabs) {
      problem.groups = counts.data();
      problem.group_kind = ggfp8::GroupKind::kMasked;
    } else {
      problem.groups = bounds.data();
      problem.a_slab_stride = problem.out_slab_stride = problem.a_scale_slab_stride = 0;
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
    p.a = a.data();
    p.b = b.data();
    p.a_scale = a_scale.data();
    p.b_scale = b_scale.data();
    p.out = out.data();
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
    p.a_row_stride = p.b_row_stride = kK;
    p.a_slab_stride = kRows * kK;
    p.b_group_stride = kN * kK;
    p.out_row_stride = kN;
    p.out_slab_stride = kRows * kN;
    p.a_scale_k_stride = p.b_scale_k_stride = 1;
    p.a_scale_m_stride = p.b_scale_n_stride = kBlocks;
    p.a_scale_slab_stride = kRows * kBlocks;
    p.b_scale_group_stride = kN * kBlocks;
  }
};

template <class Pointer>
void check_spread(const Dense& dense, const Form& form, Pointer Problem::* array, Stride stride) {
  Problem wide = dense.problem;
  wide.*stride = kLarge;
  const AddressSpace space(form.num_bytes(wide));
  if (!CHECK(space.ok())) return;
  form.copy(dense.problem, dense.problem.*array, wide, space.bytes());
  wide.*array = reinterpret_cast<Pointer>(space.bytes());
  std::vector<float> got(dense.out.size());
  const bool is_out = stride == &Problem::out_row_stride || stride == &Problem::out_slab_stride;
  for (const ggfp8::CpuIsa* isa : ggfp8::available_isas()) {
    check::set_variable("GGFP8_CPU_ISA", isa->name);
    std::fill(got.begin(), got.end(), -1.0f);  // a row of no group is left alone
    if (is_out) {
      form.copy(dense.problem, got.data(), wide, space.bytes());
      launch(wide);
      form.copy(wide, space.bytes(), dense.problem, got.data());
    } else {
      wide.out = got.data();
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
  using P = Problem;
  check_spread(dense, forms.a, &P::a, &P::a_row_stride);
  check_spread(dense, forms.b, &P::b, &P::b_row_stride);
  check_spread(dense, forms.b, &P::b, &P::b_group_stride);
  check_spread(dense, forms.out, &P::out, &P::out_row_stride);
  check_spread(dense, forms.a_scale, &P::a_scale, &P::a_scale_m_stride);
  check_spread(dense, forms.a_scale, &P::a_scale, &P::a_scale_k_stride);
  check_spread(dense, forms.b_scale, &P::b_scale, &P::b_scale_n_stride);
  check_spread(dense, forms.b_scale, &P::b_scale, &P::b_scale_k_stride);
  check_spread(dense, forms.b_scale, &P::b_scale, &P::b_scale_group_stride);
  if (!has_slabs) return;
  check_spread(dense, forms.a, &P::a, &P::a_slab_stride);
  check_spread(dense, forms.out, &P::out, &P::out_slab_stride);
  check_spread(dense, forms.a_scale, &P::a_scale, &P::a_scale_slab_stride);
}

}  // namespace

int main() {
  check_strides(false);
  check_strides(true);
  return check::report();
}
