// The code of the amx backend for a tile, with tile registers in software.
#pragma once

#include "backends/amx/amx_gemm.h"

namespace amx_model {

// Computes a tile as compute_amx_tile() does. The processor must have AVX-512 VBMI.
void compute_soft_tile(const ggfp8::Problem& problem, const ggfp8::WorkTile& tile,
                       const ggfp8::AmxScratch& scratch);

}  // namespace amx_model
