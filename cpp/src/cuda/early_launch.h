// Whether a kernel may begin before the kernel before it on the stream has ended (programmatic
// dependent launch). A kernel that does waits by itself before it touches global memory, so a
// result never depends on the answer.
//
// In a stream it is always worth it. In a graph it is after a kernel of this library, which lets
// the next one begin early; after any other kernel it costs time. A capture tells which kernel that
// is.
#pragma once

#include <cuda_runtime_api.h>

namespace ggfp8 {

// One launch: asks before it, and is told after it.
class EarlyLaunch {
 public:
  // Asks whether a launch on the stream is worth beginning early.
  explicit EarlyLaunch(cudaStream_t stream) noexcept;

  bool is_worth_it() const { return is_worth_it_; }

  // Remembers that the launch is the stream's last one, for the launch after it.
  void done() const noexcept;

 private:
  cudaStream_t stream_;
  bool is_captured_ = false;
  bool is_worth_it_ = false;
};

}  // namespace ggfp8
