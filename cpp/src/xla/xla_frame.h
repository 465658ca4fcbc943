// Serves a call frame of XLA for any handler: metadata, the device and stream, arrays, errors.
//
// Arrays are described here, not checked: whoever knows a handler's name may call it with any, and
// the C API refuses what is wrong.
#pragma once

#include "core/status.h"
#include "groupgemm_fp8/groupgemm_fp8.h"
#include "xla/xla_abi.h"

namespace ggfp8::xla {

// The device and stream of a call: all arrays of a frame are on one device.
struct Place {
  int32_t device_type;
  int32_t device_id;
  void* stream;
};

using Run = Status (*)(const CallFrame& frame, const Place& place);

// Serves a call frame: answers a question for metadata, or finds the place and calls `run`. Returns
// an error of XLA with the sentence of the status, or nullptr. traits: what XLA may do with the
// handler.
void* serve(void* call_frame, int32_t device_type, uint32_t traits, Run run) noexcept;

// Fails unless the frame has num_arguments and from least to most results, all of them arrays;
// `wanted` names them.
[[nodiscard]] Status check_counts(const CallFrame& frame, int64_t num_arguments, int64_t least,
                                  int64_t most, const char* wanted) noexcept;

// Describes array idx of the arguments or results; its shape belongs to the frame.
[[nodiscard]] Status describe(const char* name, const Values& values, int idx, const Place& place,
                              ggfp8_tensor* tensor) noexcept;

}  // namespace ggfp8::xla
