// Compiled with the instruction-set flags of amx_gemm.cpp.
#include "amx_soft_tile.h"

#include "amx_soft_registers.h"
#include "backends/amx/amx_gemm_tile.h"

namespace amx_model {

void compute_soft_tile(const ggfp8::Problem& problem, const ggfp8::WorkTile& tile,
                       const ggfp8::AmxScratch& scratch) {
  SoftRegisters registers;
  ggfp8::AmxTileProduct(problem, tile, scratch, registers).compute();
}

}  // namespace amx_model
