#include "backends/sm90/sm90_kernel.cuh"
template const void* ggfp8::sm90::kernel_address<36>();
