// The scratch memory of one thread of the amx backend.
#pragma once

#include <cstdint>

#include "backends/amx/amx_gemm.h"
#include "host/kept_memory.h"
#include "host/tile_queue.h"

namespace ggfp8 {

// One block of kept memory per thread and call, carved into the parts of AmxScratch.
class AmxScratchMemory {
 public:
  // Takes a block, whatever the tiles are: it has room for the largest ones.
  explicit AmxScratchMemory(const TileShape&) noexcept
      : base_(static_cast<char*>(take_kept_memory())) {
    if (base_ == nullptr) return;
    int64_t next = 0;
    const auto place = [&](int64_t bytes) {
      char* part = base_ + next;
      next += bytes;
      return part;
    };
    view_.a = reinterpret_cast<uint16_t*>(place(kBytesA));
    view_.b = reinterpret_cast<uint16_t*>(place(kBytesB));
    view_.acc = reinterpret_cast<float*>(place(kBytesAcc));
    view_.sfa = reinterpret_cast<float*>(place(kBytesSfa));
    view_.sfb = reinterpret_cast<float*>(place(kBytesSfb));
    view_.sums = reinterpret_cast<float*>(place(kBytesSums));
    view_.loaded = &loaded_;
  }
  ~AmxScratchMemory() {
    if (base_ != nullptr) give_back_kept_memory(base_);
  }
  AmxScratchMemory(const AmxScratchMemory&) = delete;
  AmxScratchMemory& operator=(const AmxScratchMemory&) = delete;

  bool ok() const { return base_ != nullptr; }
  const AmxScratch& view() const { return view_; }

 private:
  static constexpr int64_t kFloatBytes = sizeof(float);
  static constexpr int64_t kBf16Bytes = sizeof(uint16_t);
  static constexpr int64_t kSectionSteps = kAmxMaxSectionPieces * kAmxPieceSteps;
  static constexpr int64_t kStripCols = kAmxStripPanels * kAmxPanelCols;
  static constexpr int64_t kBytesA = kAmxMaxTilesFewRows * kAmxElements * kBf16Bytes;
  static constexpr int64_t kBytesB = 2 * kSectionSteps * kStripCols * kAmxStepK * kBf16Bytes;
  static constexpr int64_t kBytesAcc = kAmxMaxRows * kAmxMaxCols * kFloatBytes;
  static constexpr int64_t kBytesSfa = kAmxMaxTilesFewRows * kAmxRows * kFloatBytes;
  static constexpr int64_t kBytesSfb = 2 * kSectionSteps * kStripCols * kFloatBytes;
  static constexpr int64_t kBytesSums = 2 * kAmxPanelCols * kAmxRows * kFloatBytes;
  static_assert(kBytesA + kBytesB + kBytesAcc + kBytesSfa + kBytesSfb + kBytesSums <=
                int64_t{kKeptBytes});

  char* base_ = nullptr;
  AmxLoadedRows loaded_;
  AmxScratch view_;
};

}  // namespace ggfp8
