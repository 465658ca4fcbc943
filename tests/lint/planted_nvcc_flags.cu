// Planted: a kernel that does not compile with options that nvcc takes from the environment.
// lint.planted_nvcc_flags builds it with such options, which the build must leave out.
#ifdef GGFP8_PLANTED
#error "nvcc read NVCC_APPEND_FLAGS or NVCC_PREPEND_FLAGS"
#endif

__global__ void planted_nvcc_flags(float* value) {
  *value *= 2;
}
