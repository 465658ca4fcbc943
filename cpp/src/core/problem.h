// Problem: what is asked, after validation. Every layer below the C API speaks of this struct.
//
// api/validate makes it; select, plan and launch read it. Its invariants: every size, stride and
// code is legal for the contract, defaults are filled in, and `out` has at least one element.
#pragma once

#include <cstdint>

#include "core/math.h"
#include "core/matrix.h"

namespace ggfp8 {

// Numbered as in the public header.
enum class Dtype : int32_t {
  kFloat8E4M3 = 1,
  kFloat8E5M2 = 2,
  kBFloat16 = 3,
  kFloat16 = 4,
  kFloat32 = 5,
};

enum class ScaleMajor : int32_t { kMn = 1, kK = 2 };

// The kinds of group arrays; core/group_layout.h gives each its meaning. Numbered as in the public
// header.
enum class GroupKind : int32_t { kIndptr = 0, kEnds = 1, kCounts = 2, kMasked = 3 };

enum class DeviceType : int32_t { kCpu = 1, kCuda = 2 };

// Stands for the configuration that a backend chooses by itself.
constexpr int32_t kAnyConfig = -1;

constexpr int64_t size_of(Dtype dtype) {
  switch (dtype) {
    case Dtype::kBFloat16:
    case Dtype::kFloat16: return 2;
    case Dtype::kFloat32: return 4;
    default: return 1;
  }
}

constexpr const char* name_of(Dtype dtype) {
  switch (dtype) {
    case Dtype::kFloat8E4M3: return "float8_e4m3fn";
    case Dtype::kFloat8E5M2: return "float8_e5m2";
    case Dtype::kBFloat16: return "bfloat16";
    case Dtype::kFloat16: return "float16";
    default: return "float32";
  }
}

constexpr const char* name_of(GroupKind kind) {
  switch (kind) {
    case GroupKind::kIndptr: return "indptr";
    case GroupKind::kEnds: return "ends";
    case GroupKind::kCounts: return "counts";
    default: return "masked";
  }
}

// Returns the name of the group array in messages.
constexpr const char* group_array_name(GroupKind kind) {
  switch (kind) {
    case GroupKind::kIndptr: return "m_indptr";
    case GroupKind::kEnds: return "m_ends";
    default: return "m_counts";
  }
}

// Returns the number of entries of the group array.
constexpr int64_t num_group_values(GroupKind kind, int64_t num_groups) {
  return kind == GroupKind::kIndptr ? num_groups + 1 : num_groups;
}

struct Problem {
  // Masked groups have a slab each of a, sfa and out; the groups of other kinds share one.
  Matrix a;
  Matrix b;
  Scales sfa;
  Scales sfb;
  OutMatrix out;

  int64_t cum_m = 0;
  int64_t n = 0;
  int64_t k = 0;
  int64_t batch_size = 0;

  // The group array: bounds, ends or counts, as the kind says.
  const void* groups = nullptr;
  GroupKind group_kind = GroupKind::kIndptr;
  bool groups_are_int64 = false;
  int32_t group_alignment = 1;  // of the first rows of groups; 1 where the kind has none
  int64_t expected_m = 0;       // rows that a masked group has on average, about; 0: unknown

  Dtype a_dtype = Dtype::kFloat8E4M3;
  Dtype b_dtype = Dtype::kFloat8E4M3;
  Dtype out_dtype = Dtype::kBFloat16;

  int32_t granularity_m = 1;
  int32_t granularity_n = 128;
  int32_t granularity_k = 128;
  ScaleMajor sfa_major = ScaleMajor::kMn;
  ScaleMajor sfb_major = ScaleMajor::kMn;
  int32_t mma_sm = 1;

  DeviceType device_type = DeviceType::kCuda;
  int32_t device_id = 0;
  bool validate_groups = false;
  const char* backend = nullptr;  // as requested: "", "name", "name/configuration", or null

  // The requested configuration, an index into Backend::configs. The route of a call sets it once
  // the backend's name is known.
  int32_t requested_config = kAnyConfig;

  int64_t num_m_blocks = 0;  // ceil(rows_per_slab() / granularity_m)
  int64_t num_n_blocks = 0;  // ceil(n / granularity_n)
  int64_t num_k_blocks = 0;  // ceil(k / granularity_k)

  // Slabs of a, sfa and out.
  int64_t num_slabs() const { return group_kind == GroupKind::kMasked ? batch_size : 1; }

  // Rows of one slab of a and out; all of them where there is one slab.
  int64_t rows_per_slab() const {
    return group_kind == GroupKind::kMasked && batch_size > 0 ? cum_m / batch_size : cum_m;
  }

  // Whether nobody says how many rows groups have: slabs have room for the worst case.
  bool has_unknown_rows() const { return group_kind == GroupKind::kMasked && expected_m == 0; }

  // Rows of a group, about: what the choice of a tile may depend on, and no result. Where they are
  // unknown, all rows of a small slab, or 128 of a larger one, which has room for the worst case.
  int64_t mean_rows() const {
    if (group_kind != GroupKind::kMasked) return ceil_div(cum_m, batch_size);
    if (expected_m > 0) return expected_m;
    return rows_per_slab() <= 192 ? max_of<int64_t>(rows_per_slab(), 1) : 128;
  }

  // Whether every row of out begins at a multiple of so many bytes.
  bool out_rows_aligned(int64_t bytes) const {
    const int64_t element_bytes = size_of(out_dtype);
    return is_aligned(out.data, bytes) && out.row_stride * element_bytes % bytes == 0 &&
           out.group_stride * element_bytes % bytes == 0;
  }
};

}  // namespace ggfp8
