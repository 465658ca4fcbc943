// All GEMM kernels of sm100 and their params. The one file of the library that compiles CUTLASS's
// kernels: its headers cost far more than a kernel does.
#include "backends/sm100/sm100_gemm.h"

#include <array>
#include <new>
#include <type_traits>
#include <utility>

#include "backends/sm100/sm100_gemm_types.cuh"
#include "backends/sm100/sm100_tensor_map.h"

namespace ggfp8::sm100 {

template <int kConfigIdx>
__global__ void __launch_bounds__(GemmTypes<kConfigIdx>::Kernel::MaxThreadsPerBlock, 1)
    sm100_group_gemm(const __grid_constant__ typename GemmTypes<kConfigIdx>::Params params) {
  extern __shared__ char smem[];
  typename GemmTypes<kConfigIdx>::Kernel kernel;
  kernel(params, smem);
}

namespace {

template <int kConfigIdx>
GemmKernel describe() {
  using Kernel = typename GemmTypes<kConfigIdx>::Kernel;
  static_assert(Kernel::SharedStorageSize <= kSmemBytes);
  return {reinterpret_cast<const void*>(&sm100_group_gemm<kConfigIdx>), Kernel::MaxThreadsPerBlock,
          Kernel::SharedStorageSize};
}

cute::UMMA::MXF8F6F4Format fp8_format(Dtype dtype) {
  return dtype == Dtype::kFloat8E5M2 ? cute::UMMA::MXF8F6F4Format::E5M2
                                     : cute::UMMA::MXF8F6F4Format::E4M3;
}

// Corrects the tensor map of a TMA copy; false if the driver did not encode it.
template <class TmaAtom>
bool correct(TmaAtom& atom) {
  static_assert(sizeof(*atom.get_tma_descriptor()) == kTensorMapBytes);
  auto* const map = const_cast<cute::TmaDescriptor*>(atom.get_tma_descriptor());
  const bool encoded = is_encoded(map);
  clear_large_tensor_bit(map);
  return encoded;
}

template <int kConfigIdx>
bool fill_params(const GemmInput& input, void* params) {
  using Types = GemmTypes<kConfigIdx>;
  using Kernel = typename Types::Kernel;
  using Stride = cute::Stride<int64_t, cute::_1, cute::_0>;
  static_assert(sizeof(typename Kernel::Params) <= kGemmParamsBytes);
  static_assert(alignof(typename Kernel::Params) <= kGemmParamsAlignment);
  static_assert(sizeof(typename Types::ProblemShape::UnderlyingProblemShape) == sizeof(GroupShape));
  static_assert(std::is_same_v<typename Kernel::InternalStrideA, Stride> &&
                std::is_same_v<typename Kernel::InternalStrideB, Stride> &&
                std::is_same_v<typename Kernel::InternalStrideD, Stride> &&
                sizeof(Stride) == sizeof(int64_t));

  const GroupTables& tables = input.tables;
  typename Kernel::Arguments arguments;
  arguments.mode = cutlass::gemm::GemmUniversalMode::kGrouped;
  arguments.problem_shape = {
      input.batch_size,
      reinterpret_cast<typename Types::ProblemShape::UnderlyingProblemShape*>(tables.shapes),
      nullptr};
  arguments.mainloop.ptr_A = tables.a;
  arguments.mainloop.dA = reinterpret_cast<Stride*>(tables.a_row_strides);
  arguments.mainloop.ptr_B = tables.b;
  arguments.mainloop.dB = reinterpret_cast<Stride*>(tables.b_row_strides);
  arguments.mainloop.ptr_SFA = tables.sfa;
  arguments.mainloop.layout_SFA = reinterpret_cast<typename Types::SfaLayout*>(tables.sfa_layouts);
  arguments.mainloop.ptr_SFB = tables.sfb;
  arguments.mainloop.layout_SFB = reinterpret_cast<typename Types::SfbLayout*>(tables.sfb_layouts);
  arguments.mainloop.runtime_data_type_a = fp8_format(input.a_dtype);
  arguments.mainloop.runtime_data_type_b = fp8_format(input.b_dtype);
  arguments.epilogue.thread.alpha = 1.0f;
  arguments.epilogue.thread.beta = 0.0f;
  arguments.epilogue.ptr_D = reinterpret_cast<typename Types::Out**>(tables.out);
  arguments.epilogue.dD = reinterpret_cast<Stride*>(tables.out_row_strides);
  arguments.hw_info.device_id = input.device_id;
  arguments.hw_info.sm_count = input.num_sms;

  if (!Kernel::can_implement(arguments) ||
      Kernel::get_workspace_size(arguments) > input.workspace_bytes) {
    return false;
  }
  auto* const made = new (params)
      typename Kernel::Params(Kernel::to_underlying_arguments(arguments, input.workspace));
  const bool a_encoded = correct(made->mainloop.tma_load_a);
  const bool b_encoded = correct(made->mainloop.tma_load_b);
  const bool out_encoded = correct(made->epilogue.tma_store_d);
  return a_encoded && b_encoded && out_encoded;
}

struct Entry {
  GemmKernel (*describe)();
  bool (*fill_params)(const GemmInput& input, void* params);
};

template <size_t... kIdx>
constexpr std::array<Entry, sizeof...(kIdx)> make_table(std::index_sequence<kIdx...>) {
  return {Entry{&describe<static_cast<int>(kIdx)>, &fill_params<static_cast<int>(kIdx)>}...};
}

constexpr auto kTable = make_table(std::make_index_sequence<kNumConfigs>());

}  // namespace

GemmKernel gemm_kernel_of(int config_idx) {
  return kTable[static_cast<size_t>(config_idx)].describe();
}

bool make_gemm_params(int config_idx, const GemmInput& input, void* params) {
  return kTable[static_cast<size_t>(config_idx)].fill_params(input, params);
}

}  // namespace ggfp8::sm100
