#include "cuda/early_launch.h"

#include <cstddef>

namespace ggfp8 {
namespace {

// The last kernel of this library that this thread captured.
struct CapturedKernel {
  unsigned long long capture_id = 0;
  cudaGraphNode_t node = nullptr;
};

thread_local CapturedKernel last_kernel;

// The place in a graph that the next node of a stream comes after, if the stream is captured.
struct Capture {
  cudaStreamCaptureStatus status = cudaStreamCaptureStatusNone;
  unsigned long long id = 0;
  const cudaGraphNode_t* nodes_before = nullptr;
  size_t num_nodes_before = 0;
};

// Returns false, without an error that stays, if CUDA does not say.
bool query_capture(cudaStream_t stream, Capture* capture) {
  if (cudaStreamGetCaptureInfo(stream, &capture->status, &capture->id, nullptr,
                               &capture->nodes_before, nullptr,
                               &capture->num_nodes_before) == cudaSuccess) {
    return true;
  }
  (void)cudaGetLastError();
  return false;
}

}  // namespace

EarlyLaunch::EarlyLaunch(cudaStream_t stream) noexcept : stream_(stream) {
  Capture capture;
  if (!query_capture(stream, &capture)) return;
  is_captured_ = capture.status == cudaStreamCaptureStatusActive;
  is_worth_it_ =
      capture.status == cudaStreamCaptureStatusNone ||
      (is_captured_ && capture.num_nodes_before == 1 && capture.id == last_kernel.capture_id &&
       capture.nodes_before[0] == last_kernel.node);
}

void EarlyLaunch::done() const noexcept {
  if (!is_captured_) return;
  Capture capture;
  if (!query_capture(stream_, &capture) || capture.num_nodes_before != 1) {
    last_kernel = {};
  } else {
    last_kernel = {capture.id, capture.nodes_before[0]};
  }
}

}  // namespace ggfp8
