// Decides whether a kernel begins before the kernel before it on the stream has ended (programmatic
// dependent launch). Such a kernel waits by itself before it touches global memory, so no result
// depends on the decision.
//
// Outside graphs an early launch always saves time. In a graph it saves time after a kernel of this
// library, which lets the next kernel begin early, and costs time after any other kernel. The
// capture tells which kernel comes before.
#pragma once

#include <cuda_runtime_api.h>

namespace ggfp8 {

// The decision for one launch.
class EarlyLaunch {
 public:
  // Asks CUDA about the stream, before the launch.
  explicit EarlyLaunch(cudaStream_t stream) noexcept;

  bool is_worth_it() const { return is_worth_it_; }

  // Remembers the launched kernel as the last kernel of the stream, for the decision after it.
  void done() const noexcept;

 private:
  cudaStream_t stream_;
  bool is_captured_ = false;
  bool is_worth_it_ = false;
};

}  // namespace ggfp8
