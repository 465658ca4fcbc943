// The check that GGFP8_FLAG_VALIDATE_M_INDPTR asks for: m_indptr's contents, read on the host.
#pragma once

#include "core/problem.h"
#include "core/status.h"

namespace ggfp8 {

// Checks batch_size + 1 host values; the sentence names the first bad index.
Status check_m_indptr_values(const Problem& problem, const int32_t* values) noexcept;

// Reads m_indptr from the problem's device, which waits for the stream on CUDA, and checks it.
// May throw std::bad_alloc.
Status check_m_indptr(const Problem& problem, void* stream);

}  // namespace ggfp8
