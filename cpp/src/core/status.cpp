#include "core/status.h"

#include <cstdarg>
#include <cstdio>
#include <cstring>

#include "groupgemm_fp8/groupgemm_fp8.h"

namespace ggfp8 {
namespace {

thread_local Message t_last_error;

}  // namespace

void Message::append(const char* format, ...) noexcept {
  const size_t used = std::strlen(text);
  va_list arguments;
  va_start(arguments, format);
  std::vsnprintf(text + used, kMessageBytes - used, format, arguments);
  va_end(arguments);
}

Status fail(Status code, const char* format, ...) noexcept {
  // Formatted aside first: an argument may point into the sentence being replaced.
  Message message;
  va_list arguments;
  va_start(arguments, format);
  std::vsnprintf(message.text, kMessageBytes, format, arguments);
  va_end(arguments);
  t_last_error = message;
  return code;
}

const char* last_error() noexcept {
  return t_last_error.text;
}

const char* status_string(Status code) noexcept {
  switch (code) {
    case GGFP8_SUCCESS: return "success";
    case GGFP8_ERROR_INVALID_ARGUMENT: return "invalid argument";
    case GGFP8_ERROR_INVALID_STRUCT_SIZE: return "invalid struct size";
    case GGFP8_ERROR_INVALID_DTYPE: return "invalid dtype";
    case GGFP8_ERROR_INVALID_SHAPE: return "invalid shape";
    case GGFP8_ERROR_INVALID_STRIDE: return "invalid stride";
    case GGFP8_ERROR_INVALID_ALIGNMENT: return "invalid alignment";
    case GGFP8_ERROR_INVALID_GRANULARITY: return "invalid scale granularity";
    case GGFP8_ERROR_INVALID_SCALE_MAJOR: return "invalid scale major";
    case GGFP8_ERROR_INVALID_MMA_SM: return "invalid mma_sm";
    case GGFP8_ERROR_INVALID_DEVICE: return "invalid device";
    case GGFP8_ERROR_INVALID_M_INDPTR: return "invalid m_indptr";
    case GGFP8_ERROR_INVALID_GROUP_LAYOUT: return "invalid group layout";
    case GGFP8_ERROR_INVALID_WORKSPACE: return "invalid workspace";
    case GGFP8_ERROR_UNKNOWN_BACKEND: return "unknown backend";
    case GGFP8_ERROR_UNSUPPORTED: return "unsupported by every backend asked";
    case GGFP8_ERROR_NO_DRIVER: return "no usable CUDA driver or device";
    case GGFP8_ERROR_CUDA: return "a CUDA call failed";
    case GGFP8_ERROR_OUT_OF_HOST_MEMORY: return "out of host memory or threads";
    case GGFP8_ERROR_INTERNAL: return "internal error";
    default: return "unknown status";
  }
}

}  // namespace ggfp8
