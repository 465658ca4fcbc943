// A double of CUDA's runtime and of the driver's functions: a program that links it needs no GPU.
#pragma once

#include <cuda.h>
#include <cuda_runtime_api.h>

#include <cstddef>

namespace cuda_double {

constexpr int kDefaultSmemBytes = 48 << 10;

// The answers of the double, and counts of the questions.
struct Runtime {
  cudaError_t count_error = cudaSuccess;
  cudaError_t properties_error = cudaSuccess;
  cudaError_t limit_error = cudaSuccess;
  cudaError_t launch_error = cudaSuccess;
  bool has_driver_functions = true;
  int num_devices = 1;
  int smem_limit = kDefaultSmemBytes;  // of the kernel; cudaDeviceReset() would restore it
  int num_counts = 0;
  int num_properties = 0;
  int num_limits = 0;
  int num_launches = 0;  // that were enqueued
  int num_attempts = 0;
  int num_lookups = 0;
  CUmemorytype memory_type = CU_MEMORYTYPE_DEVICE;
  cudaStreamCaptureStatus capture = cudaStreamCaptureStatusNone;
  int current_device = 0;
  int num_copies = 0;

  // The stream's device, which the driver tells by a context.
  int stream_device = 0;
  CUresult stream_error = CUDA_SUCCESS;
  CUresult context_error = CUDA_SUCCESS;  // of the question for a context's device
  int num_stream_questions = 0;
  int num_pushed_contexts = 0;
  CUcontext pushed_context = nullptr;
  int code_version = 90;  // of the kernel
  bool last_began_early = false;

  // The capture of the stream, and the nodes that the next one comes after.
  unsigned long long capture_id = 1;
  cudaGraphNode_t nodes_before[2] = {};
  size_t num_nodes_before = 0;
  cudaError_t capture_error = cudaSuccess;
};

extern Runtime runtime;

// Adds a node to the capture: the next one comes after it alone.
void capture_node();

}  // namespace cuda_double
