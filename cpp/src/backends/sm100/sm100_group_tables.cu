#include "backends/sm100/sm100_group_tables.h"

#include "backends/sm100/sm100_group_tables.cuh"

namespace ggfp8::sm100 {

const void* table_kernel_address() {
  return reinterpret_cast<const void*>(&sm100_fill_group_tables);
}

}  // namespace ggfp8::sm100
