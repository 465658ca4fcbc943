// The scratch memory of one thread of the amx backend.
#pragma once

#include <cstddef>
#include <cstdint>
#include <new>

#include "backends/amx/amx_gemm.h"
#include "core/math.h"
#include "host/tile_queue.h"

namespace ggfp8 {

// One allocation per thread and call, carved into the parts of AmxScratch.
class AmxScratchMemory {
 public:
  explicit AmxScratchMemory(const TileShape& shape) noexcept {
    const int64_t row_tiles = ceil_div(shape.max_rows, kAmxRows);
    const int64_t panels = ceil_div(shape.max_cols, kAmxPanelCols);
    const int64_t acc_bytes = panels * row_tiles * kAmxPanelCols * kAmxRows * kFloatBytes;
    int64_t next = 0;
    const auto place = [&](int64_t bytes) {
      const int64_t at = next;
      next += round_up(bytes, kLineBytes);
      return at;
    };
    const int64_t a = place(kAmxMaxTilesA * kAmxElements * kBf16Bytes);
    const int64_t b = place(2 * kAmxPieceSteps * 2 * kAmxElements * kBf16Bytes);
    const int64_t acc = place(acc_bytes);
    const int64_t sfa = place(kAmxMaxTilesA * kAmxRows * kFloatBytes);
    const int64_t sfb = place(2 * kAmxPieceSteps * kAmxPanelCols * kFloatBytes);
    const int64_t sums = place(2 * 2 * kAmxPanelCols * kAmxRows * kFloatBytes);
    base_ = static_cast<char*>(::operator new(static_cast<size_t>(next), kAlignment, std::nothrow));
    if (base_ == nullptr) return;
    view_ = {bf16(a), bf16(b), floats(acc), floats(sfa), floats(sfb), floats(sums)};
  }
  ~AmxScratchMemory() { ::operator delete(base_, kAlignment); }
  AmxScratchMemory(const AmxScratchMemory&) = delete;
  AmxScratchMemory& operator=(const AmxScratchMemory&) = delete;

  bool ok() const { return base_ != nullptr; }
  const AmxScratch& view() const { return view_; }

 private:
  static constexpr int64_t kLineBytes = 64;
  static constexpr std::align_val_t kAlignment{kLineBytes};
  static constexpr int64_t kFloatBytes = sizeof(float);
  static constexpr int64_t kBf16Bytes = sizeof(uint16_t);

  uint16_t* bf16(int64_t at) const { return reinterpret_cast<uint16_t*>(base_ + at); }
  float* floats(int64_t at) const { return reinterpret_cast<float*>(base_ + at); }

  char* base_ = nullptr;
  AmxScratch view_;
};

}  // namespace ggfp8
