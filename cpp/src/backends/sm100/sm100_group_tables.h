// The table kernel of sm100_group_tables.cu as seen by host code. It takes a TableParams and runs
// as one CTA of kNumTableThreads threads.
#pragma once

namespace ggfp8::sm100 {

const void* table_kernel_address();

}  // namespace ggfp8::sm100
