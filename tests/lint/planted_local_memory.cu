// Planted flaw: an array with an index that is not known at compile time lies in local memory. A
// GPU backend's build must refuse it.
__global__ void planted_local_memory(float* values, int stride) {
  float kept[16];
  for (int i = 0; i < 16; ++i) kept[i] = values[i];
  for (int i = 0; i < 16; ++i) kept[i * stride & 15] += values[i + 16];
  values[threadIdx.x] = kept[stride & 15];
}
