// core/group_schedule.h against brute force. The serial Schedule below does what
// device/tile_scheduler.cuh does with one thread per chunk: the chunks' row maxima, an exclusive
// running maximum, the chunks' tiles, an exclusive running sum; then chunk and group of a tile.
//
// Every tile of every group must come up exactly once and in order, whatever m_indptr holds.
#include "core/group_schedule.h"

#include <algorithm>
#include <cstdint>
#include <random>
#include <vector>

#include "check.h"
#include "groupgemm_fp8/groupgemm_fp8.h"

namespace {

using ggfp8::ChunkStart;
using ggfp8::GroupSchedule;
using ggfp8::GroupTiles;
using Indptr = std::vector<int32_t>;

class Schedule {
 public:
  // Chunks behind the last group are empty, as in a kernel with a fixed number of chunks.
  Schedule(const GroupSchedule& groups, int32_t num_chunks) : groups_(groups) {
    starts_.resize(static_cast<size_t>(num_chunks));
    int32_t row = 0;
    for (int32_t chunk = 0; chunk < num_chunks; ++chunk) {
      start(chunk).row = chunk == 0 ? ggfp8::clamped_bound(groups, 0) : row;
      row = std::max(row, ggfp8::chunk_row_max(groups, chunk));
    }
    for (int32_t chunk = 0; chunk < num_chunks; ++chunk) {
      start(chunk).num_tiles = num_tiles_;
      num_tiles_ += ggfp8::chunk_num_tiles(groups, chunk, start(chunk).row);
    }
  }

  int32_t num_tiles() const { return num_tiles_; }

  GroupTiles group_of(int32_t tile_idx) const {
    const auto behind =
        std::partition_point(starts_.begin(), starts_.end(),
                             [&](const ChunkStart& start) { return start.num_tiles <= tile_idx; });
    const auto chunk_idx = static_cast<int32_t>(behind - starts_.begin()) - 1;
    return ggfp8::find_group(groups_, starts_[static_cast<size_t>(chunk_idx)], chunk_idx, tile_idx);
  }

 private:
  ChunkStart& start(int32_t chunk_idx) { return starts_[static_cast<size_t>(chunk_idx)]; }

  GroupSchedule groups_;
  std::vector<ChunkStart> starts_;
  int32_t num_tiles_ = 0;
};

// Row tiles, or what they are cut into if a short one, of at most half of tile_m, counts as two
// tiles and a long one as three.
enum class Count { kRowTiles, kCut };

GroupSchedule make_schedule(const Indptr& m_indptr, int32_t cum_m, int32_t tile_m,
                            int32_t groups_per_chunk, Count count) {
  const bool is_cut = count == Count::kCut;
  return {m_indptr.data(),
          static_cast<int32_t>(m_indptr.size()) - 1,
          cum_m,
          tile_m,
          groups_per_chunk,
          is_cut ? tile_m / 2 : 0,
          is_cut ? 3 : 1,
          is_cut ? 2 : 0};
}

// The definition: bounds are clamped to [0, cum_m] and to what came before; 64-bit throughout.
std::vector<GroupTiles> expected_groups(const Indptr& m_indptr, int64_t cum_m, int64_t tile_m,
                                        Count count) {
  std::vector<GroupTiles> groups;
  int64_t row = std::clamp<int64_t>(m_indptr[0], 0, cum_m);
  int64_t num_tiles = 0;
  for (size_t idx = 0; idx + 1 < m_indptr.size(); ++idx) {
    const int64_t end = std::max(row, std::clamp<int64_t>(m_indptr[idx + 1], 0, cum_m));
    const int64_t num_left = (end - row) % tile_m;
    const int64_t short_m = count == Count::kCut ? tile_m / 2 : 0;
    const int64_t num_long = (end - row) / tile_m + (num_left > short_m ? 1 : 0);
    const bool has_short = num_left > 0 && num_left <= short_m;
    const int64_t tiles = num_long * (count == Count::kCut ? 3 : 1) + (has_short ? 2 : 0);
    groups.push_back({static_cast<int32_t>(idx), static_cast<int32_t>(row),
                      static_cast<int32_t>(end), static_cast<int32_t>(num_tiles),
                      static_cast<int32_t>(tiles)});
    num_tiles += tiles;
    row = end;
  }
  return groups;
}

bool same(const GroupTiles& x, const GroupTiles& y) {
  return x.group_idx == y.group_idx && x.row_begin == y.row_begin && x.row_end == y.row_end &&
         x.first_tile_idx == y.first_tile_idx && x.num_tiles == y.num_tiles;
}

// All tiles of short groups, the edges and the middle of long ones.
bool check_schedule(const Indptr& m_indptr, int32_t cum_m, int32_t tile_m, int32_t groups_per_chunk,
                    int32_t num_chunks, Count count) {
  const Schedule schedule(make_schedule(m_indptr, cum_m, tile_m, groups_per_chunk, count),
                          num_chunks);
  bool ok = true;
  int32_t num_tiles = 0;
  for (const GroupTiles& wanted : expected_groups(m_indptr, cum_m, tile_m, count)) {
    const int32_t end = wanted.first_tile_idx + wanted.num_tiles;
    const int32_t step = std::max(1, wanted.num_tiles / 8);
    for (int32_t idx = wanted.first_tile_idx; idx < end; idx += std::min(step, end - idx)) {
      ok = ok && same(schedule.group_of(idx), wanted);
    }
    if (wanted.num_tiles > 0) ok = ok && same(schedule.group_of(end - 1), wanted);
    num_tiles = end;
  }
  if (CHECK(ok && schedule.num_tiles() == num_tiles)) return true;
  std::cerr << "  cum_m " << cum_m << ", tile_m " << tile_m << ", groups_per_chunk "
            << groups_per_chunk << ", m_indptr";
  for (size_t i = 0; i < std::min<size_t>(m_indptr.size(), 16); ++i)
    std::cerr << " " << m_indptr[i];
  std::cerr << "\n";
  return false;
}

// Every m_indptr over the values that matter for a small cum_m, the hostile ones included.
bool check_exhaustively(int32_t batch_size, int32_t cum_m) {
  std::vector<int32_t> values = {INT32_MIN, -1, cum_m + 1, INT32_MAX};
  for (int32_t value = 0; value <= cum_m; ++value) values.push_back(value);
  std::vector<size_t> digits(static_cast<size_t>(batch_size) + 1, 0);
  Indptr m_indptr(digits.size());
  for (;;) {
    for (size_t i = 0; i < digits.size(); ++i) m_indptr[i] = values[digits[i]];
    for (int32_t tile_m : {1, 2, 3, 8}) {
      for (int32_t per_chunk = 1; per_chunk <= batch_size + 1; ++per_chunk) {
        const int32_t num_chunks = ggfp8::ceil_div(batch_size, per_chunk) + 1;
        for (const Count count : {Count::kRowTiles, Count::kCut}) {
          if (!check_schedule(m_indptr, cum_m, tile_m, per_chunk, num_chunks, count)) return false;
        }
      }
    }
    size_t place = 0;
    while (place < digits.size() && ++digits[place] == values.size()) digits[place++] = 0;
    if (place == digits.size()) return true;
  }
}

// Ragged arrays of up to a few hundred groups, with empty runs and hostile words.
Indptr random_indptr(std::mt19937& random, int32_t batch_size, int32_t cum_m) {
  const auto below = [&](int64_t limit) { return static_cast<int32_t>(random() % limit); };
  const bool hostile = below(3) == 0;
  Indptr m_indptr(static_cast<size_t>(batch_size) + 1);
  int64_t row = below(4) == 0 ? below(cum_m + int64_t{1}) : 0;
  for (int32_t& entry : m_indptr) {
    entry = static_cast<int32_t>(row);
    if (below(3) != 0) row = std::min<int64_t>(cum_m, row + below(2 * cum_m / batch_size + 2));
    if (hostile && below(4) == 0) entry = static_cast<int32_t>(random());
  }
  return m_indptr;
}

void check_randomly() {
  std::mt19937 random(5);
  for (int i = 0; i < 3000; ++i) {
    const auto batch_size = static_cast<int32_t>(1 + random() % 300);
    const auto cum_m = static_cast<int32_t>(1 + random() % 3000);
    const Indptr m_indptr = random_indptr(random, batch_size, cum_m);
    const int32_t per_chunk = ggfp8::ceil_div(batch_size, 64);
    for (int32_t tile_m : {16, 64}) {
      for (const Count count : {Count::kRowTiles, Count::kCut}) {
        if (!check_schedule(m_indptr, cum_m, tile_m, per_chunk, 64, count)) return;
      }
    }
  }
}

// Rows near the largest cum_m: no sum may pass INT32_MAX (the sanitizer build watches).
void check_large_values() {
  constexpr int32_t kMax = GGFP8_MAX_CUM_M;
  const Indptr cases[] = {{0, kMax},
                          {0, INT32_MAX},
                          {INT32_MIN, INT32_MAX, 5, INT32_MAX},
                          {kMax - 1, kMax},
                          {kMax, kMax, INT32_MAX},
                          {0, 1, kMax - 1, kMax},
                          {1, kMax / 2, kMax / 2, kMax},
                          {INT32_MAX, 0, INT32_MIN, -1}};
  for (const Indptr& m_indptr : cases) {
    for (int32_t tile_m : {1, 16, 64, 128}) {
      for (int32_t per_chunk : {1, 2}) {
        check_schedule(m_indptr, kMax, tile_m, per_chunk, 64, Count::kRowTiles);
        if (tile_m >= 64) check_schedule(m_indptr, kMax, tile_m, per_chunk, 64, Count::kCut);
      }
    }
  }
}

// The most groups there may be, at the largest cum_m, with the mma backend's 64 chunks.
void check_most_groups() {
  std::mt19937 random(6);
  constexpr int32_t kMax = GGFP8_MAX_CUM_M;
  Indptr m_indptr(GGFP8_MAX_BATCH_SIZE + size_t{1});
  int64_t row = 0;
  for (int32_t& entry : m_indptr) {
    entry = static_cast<int32_t>(row);
    row = std::min<int64_t>(kMax, row + random() % 300);
  }
  const int32_t per_chunk = GGFP8_MAX_BATCH_SIZE / 64;
  const Schedule schedule(make_schedule(m_indptr, kMax, 16, per_chunk, Count::kRowTiles), 64);
  const std::vector<GroupTiles> groups = expected_groups(m_indptr, kMax, 16, Count::kRowTiles);
  CHECK_EQ(schedule.num_tiles(), groups.back().first_tile_idx + groups.back().num_tiles);
  for (int i = 0; i < 100; ++i) {
    const GroupTiles& wanted = groups[random() % groups.size()];
    if (wanted.num_tiles == 0) continue;
    CHECK(same(schedule.group_of(wanted.first_tile_idx), wanted));
    CHECK(same(schedule.group_of(wanted.first_tile_idx + wanted.num_tiles - 1), wanted));
  }
}

}  // namespace

int main() {
  bool ok = true;
  for (int32_t cum_m = 0; cum_m <= 6 && ok; ++cum_m) {
    for (int32_t batch_size = 1; batch_size <= 3 && ok; ++batch_size) {
      ok = check_exhaustively(batch_size, cum_m);
    }
  }
  check_exhaustively(4, 2);
  check_randomly();
  check_large_values();
  check_most_groups();
  return check::report();
}
