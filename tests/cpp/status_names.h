// Short names of statuses, for tables of refusals.
#pragma once

#include <cstdint>

#include "groupgemm_fp8/groupgemm_fp8.h"

constexpr int32_t kAlignment = GGFP8_ERROR_INVALID_ALIGNMENT;
constexpr int32_t kArgument = GGFP8_ERROR_INVALID_ARGUMENT;
constexpr int32_t kDevice = GGFP8_ERROR_INVALID_DEVICE;
constexpr int32_t kDtype = GGFP8_ERROR_INVALID_DTYPE;
constexpr int32_t kGranularity = GGFP8_ERROR_INVALID_GRANULARITY;
constexpr int32_t kLayout = GGFP8_ERROR_INVALID_GROUP_LAYOUT;
constexpr int32_t kMajor = GGFP8_ERROR_INVALID_SCALE_MAJOR;
constexpr int32_t kShape = GGFP8_ERROR_INVALID_SHAPE;
constexpr int32_t kStride = GGFP8_ERROR_INVALID_STRIDE;
