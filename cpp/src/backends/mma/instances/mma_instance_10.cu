#include "backends/mma/mma_kernel.cuh"
template const void* ggfp8::mma::kernel_address<10>();
