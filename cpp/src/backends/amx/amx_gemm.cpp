// The product of a tile of the output in the processor's tile registers.
// NOTE: compiled with instruction-set flags; see amx_gemm_tile.h for what that forbids.
#include "backends/amx/amx_gemm.h"

#include "backends/amx/amx_gemm_tile.h"
#include "backends/amx/amx_registers.h"

namespace ggfp8 {

void compute_amx_tile(const Problem& problem, const WorkTile& tile, const AmxScratch& scratch) {
  AmxRegisters registers;
  AmxTileProduct(problem, tile, scratch, registers).compute();
}

}  // namespace ggfp8
