// Plan: how a backend would run a Problem. Made by Backend::plan, which is pure, and handed to
// Backend::launch unchanged, so that the size a query reports is the size a call uses.
#pragma once

#include <cstddef>
#include <cstdint>

namespace ggfp8 {

struct Plan {
  int32_t config_idx = 0;        // meaning belongs to the backend
  const char* config_name = "";  // for people: a tile shape, an instruction set
  int32_t tile_n = 0;            // columns of a tile, where the configuration leaves them open
  int32_t num_workers = 0;       // CTAs launched, or CPU threads at most
  size_t workspace_bytes = 0;
};

}  // namespace ggfp8
