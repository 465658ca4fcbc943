// The kernels of kConfigs put together from CUTLASS's parts: blockwise-scaled grouped GEMM with
// pointers per group.
#pragma once

#include <cutlass/cutlass.h>
#include <cutlass/numeric_types.h>
#include <cute/tensor.hpp>
#include <cutlass/epilogue/collective/collective_builder.hpp>
#include <cutlass/gemm/collective/collective_builder.hpp>
#include <cutlass/gemm/kernel/gemm_universal.hpp>

#include "backends/sm100/sm100_config.h"
#include "backends/sm100/sm100_scale_layout.cuh"

namespace ggfp8::sm100 {

template <Dtype kDtype>
struct OutElement;
template <>
struct OutElement<Dtype::kBFloat16> {
  using Type = cutlass::bfloat16_t;
};
template <>
struct OutElement<Dtype::kFloat16> {
  using Type = cutlass::half_t;
};

// The choices that follow from mma_sm: the tile of one tcgen05 product, the cluster, the schedules.
template <int kMmaSm>
struct MmaShape;
template <>
struct MmaShape<1> {
  using Tile = cute::Shape<cute::Int<kTileM>, cute::Int<kTileN>, cute::Int<kTileK>>;
  using Cluster = cute::Shape<cute::_1, cute::_1, cute::_1>;
  using Mainloop = cutlass::gemm::KernelPtrArrayTmaWarpSpecializedBlockwise1SmSm100;
  using Epilogue = cutlass::epilogue::PtrArrayTmaWarpSpecialized1Sm;
};
template <>
struct MmaShape<2> {
  using Tile = cute::Shape<cute::Int<2 * kTileM>, cute::Int<kTileN>, cute::Int<kTileK>>;
  using Cluster = cute::Shape<cute::_2, cute::_1, cute::_1>;
  using Mainloop = cutlass::gemm::KernelPtrArrayTmaWarpSpecializedBlockwise2SmSm100;
  using Epilogue = cutlass::epilogue::PtrArrayTmaWarpSpecialized2Sm;
};

template <int kConfigIdx>
struct GemmTypes {
  static constexpr Config kConfig = config_of(kConfigIdx);
  using Shape = MmaShape<kConfig.mma_sm>;
  using Fp8 = cutlass::type_erased_dynamic_float8_t;  // E4M3 or E5M2, decided at run time
  using Out = typename OutElement<kConfig.out_dtype>::Type;
  using Rows = cutlass::layout::RowMajor;
  using Columns = cutlass::layout::ColumnMajor;
  using SfaLayout = CuteScaleLayout<kConfig.granularity_m>;
  using SfbLayout = CuteScaleLayout<128>;
  static constexpr int kFp8Alignment = 16;  // elements in the 16 bytes that TMA asks for
  static constexpr int kOutAlignment = 16 / sizeof(Out);

  using Epilogue = typename cutlass::epilogue::collective::CollectiveBuilder<
      cutlass::arch::Sm100, cutlass::arch::OpClassTensorOp, typename Shape::Tile,
      typename Shape::Cluster, cutlass::epilogue::collective::EpilogueTileAuto, float, float, void,
      Rows*, kOutAlignment, Out, Rows*, kOutAlignment, typename Shape::Epilogue>::CollectiveOp;

  using Mainloop = typename cutlass::gemm::collective::CollectiveBuilder<
      cutlass::arch::Sm100, cutlass::arch::OpClassTensorOp, Fp8, cute::tuple<Rows*, SfaLayout*>,
      kFp8Alignment, Fp8, cute::tuple<Columns*, SfbLayout*>, kFp8Alignment, float,
      typename Shape::Tile, typename Shape::Cluster,
      cutlass::gemm::collective::StageCountAutoCarveout<static_cast<int>(
          sizeof(typename Epilogue::SharedStorage))>,
      typename Shape::Mainloop>::CollectiveOp;

  using ProblemShape = cutlass::gemm::GroupProblemShape<cute::Shape<int32_t, int32_t, int32_t>>;
  using Kernel = cutlass::gemm::kernel::GemmUniversal<ProblemShape, Mainloop, Epilogue, void>;
  using Params = typename Kernel::Params;
};

}  // namespace ggfp8::sm100
