// The tile registers of AMX, as amx_gemm_tile.h asks for them.
//
// NOTE: the unnamed namespace keeps the code apart from that of other files, as in amx_gemm_tile.h.
#pragma once

#include <cstdint>

namespace ggfp8 {
namespace {

// The operand of LDTILECFG: eight registers of 16 rows of 64 bytes.
struct TileConfig {
  uint8_t palette = 1;
  uint8_t start_row = 0;
  uint8_t reserved[14] = {};
  uint16_t row_bytes[16] = {64, 64, 64, 64, 64, 64, 64, 64};
  uint8_t rows[16] = {16, 16, 16, 16, 16, 16, 16, 16};
};
static_assert(sizeof(TileConfig) == 64);

// Configures the registers for the object's life. Afterwards the thread's tile state is in its
// initial state, which the kernel does not have to save.
//
// The instructions are written as assembly: GCC's intrinsics take no number that is a template
// argument.
class AmxRegisters {
 public:
  AmxRegisters() {
    const TileConfig config;
    __asm__ volatile("ldtilecfg %0" : : "m"(config));
  }
  ~AmxRegisters() { __asm__ volatile("tilerelease"); }
  AmxRegisters(const AmxRegisters&) = delete;
  AmxRegisters& operator=(const AmxRegisters&) = delete;

  template <int kTile>
  void zero() {
    __asm__ volatile("tilezero %%tmm%c0" : : "i"(kTile));
  }
  template <int kTile>
  void load(const void* from) {
    __asm__ volatile("tileloadd (%1,%2,1), %%tmm%c0"
                     :
                     : "i"(kTile), "r"(from), "r"(kRowBytes)
                     : "memory");
  }
  template <int kTile>
  void store(void* to) {
    __asm__ volatile("tilestored %%tmm%c0, (%1,%2,1)"
                     :
                     : "i"(kTile), "r"(to), "r"(kRowBytes)
                     : "memory");
  }
  template <int kSums, int kX, int kY>
  void add_products() {
    __asm__ volatile("tdpbf16ps %%tmm%c2, %%tmm%c1, %%tmm%c0" : : "i"(kSums), "i"(kX), "i"(kY));
  }

 private:
  static constexpr int64_t kRowBytes = 64;  // from one row to the next in memory
};

}  // namespace
}  // namespace ggfp8
