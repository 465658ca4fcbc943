// CUTLASS's SM90 grouped blockwise GEMM on the tables of sm100, so that pointers, strides and
// scale layouts can be proven on a Hopper GPU.
//
// The SM90 collective takes the scale pointers from the tables, but derives the scale strides from
// a group's own shape: that is a dense K-major buffer, and an MN-major buffer that all groups share
// cannot be expressed. TableMainloop therefore replaces this one step by what the SM100 collective
// does: it reads the layouts from the tables. Loads, predicates and products stay CUTLASS's.
#pragma once

#include <cutlass/cutlass.h>
#include <cute/tensor.hpp>
#include <cutlass/epilogue/collective/collective_builder.hpp>
#include <cutlass/gemm/collective/collective_builder.hpp>
#include <cutlass/gemm/kernel/gemm_universal.hpp>

#include "backends/sm100/sm100_scale_layout.cuh"

namespace sm90_collective {

using Tile = cute::Shape<cute::_128, cute::_128, cute::_128>;
using Cluster = cute::Shape<cute::_1, cute::_1, cute::_1>;
using Rows = cutlass::layout::RowMajor;
using Columns = cutlass::layout::ColumnMajor;
using Out = cutlass::bfloat16_t;
using ProblemShape = cutlass::gemm::GroupProblemShape<cute::Shape<int32_t, int32_t, int32_t>>;

using Epilogue = cutlass::epilogue::collective::CollectiveBuilder<
    cutlass::arch::Sm90, cutlass::arch::OpClassTensorOp, Tile, Cluster,
    cutlass::epilogue::collective::EpilogueTileAuto, float, float, void, Rows*, 8, Out, Rows*, 8,
    cutlass::epilogue::PtrArrayTmaWarpSpecializedCooperative>::CollectiveOp;

template <class A, class B, class SfaLayout, class SfbLayout>
using Mainloop = typename cutlass::gemm::collective::CollectiveBuilder<
    cutlass::arch::Sm90, cutlass::arch::OpClassTensorOp, A, cute::tuple<Rows*, SfaLayout*>, 16, B,
    cute::tuple<Columns*, SfbLayout*>, 16, float, Tile, Cluster,
    cutlass::gemm::collective::StageCountAutoCarveout<static_cast<int>(
        sizeof(typename Epilogue::SharedStorage))>,
    cutlass::gemm::KernelPtrArrayTmaWarpSpecializedCooperativeFP8Blockwise>::CollectiveOp;

// The collective as it is: scales are K-major and dense.
template <class A, class B, int kGranularityM>
struct DenseConfig {
  using Scales =
      cutlass::detail::Sm90BlockwiseScaleConfig<kGranularityM, 128, 128, cute::GMMA::Major::K,
                                                cute::GMMA::Major::K>;
  using SfaLayout = decltype(Scales::deduce_layoutSFA());
  using SfbLayout = decltype(Scales::deduce_layoutSFB());
  using Collective = Mainloop<A, B, SfaLayout, SfbLayout>;
};

// The collective with the layouts of the tables.
template <class Base>
struct TableMainloop : Base {
  using Params = typename Base::Params;

  // The kernel calls this once before its loops, where the scales are not looked at.
  template <class Shape>
  CUTLASS_DEVICE auto load_init(Shape const& shape, Params const& params) const {
    return inputs(shape, params, 0);
  }

  template <class Inputs, class Shape>
  CUTLASS_DEVICE Inputs tensors_perform_update(Inputs const&, Params const& params, Shape shape,
                                               int32_t group) {
    return inputs(shape, params, group);
  }

 private:
  template <class Shape>
  CUTLASS_DEVICE auto inputs(Shape const& shape, Params const& params, int32_t group) const {
    auto [a, b, sfa, sfb] = Base::load_init(shape, params);
    return cute::make_tuple(
        a, b,
        cute::make_tensor(cute::make_gmem_ptr(params.ptr_SFA[group]), params.layout_SFA[group]),
        cute::make_tensor(cute::make_gmem_ptr(params.ptr_SFB[group]), params.layout_SFB[group]));
  }
};

template <class A, class B, int kGranularityM>
struct TableConfig {
  using SfaLayout = ggfp8::sm100::CuteScaleLayout<kGranularityM>;
  using SfbLayout = ggfp8::sm100::CuteScaleLayout<128>;
  using Collective = TableMainloop<Mainloop<A, B, SfaLayout, SfbLayout>>;
};

template <class Config>
using Kernel =
    cutlass::gemm::kernel::GemmUniversal<ProblemShape, typename Config::Collective, Epilogue, void>;

template <class Config>
__global__ void __launch_bounds__(Kernel<Config>::MaxThreadsPerBlock, 1)
    run_kernel(const __grid_constant__ typename Kernel<Config>::Params params) {
  extern __shared__ char smem[];
  Kernel<Config> kernel;
  kernel(params, smem);
}

}  // namespace sm90_collective
