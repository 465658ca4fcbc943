// core/group_schedule.h against brute force. The serial Schedule below does what the mma tile
// scheduler does with one thread per chunk: the chunks' row maxima, an exclusive running maximum,
// the chunks' row tiles, an exclusive running sum; then chunk and group of a row tile.
//
// Every row tile of every group must come up exactly once and in order, whatever m_indptr holds.
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
      start(chunk).num_m_tiles = num_m_tiles_;
      num_m_tiles_ += ggfp8::chunk_num_m_tiles(groups, chunk, start(chunk).row);
    }
  }

  int32_t num_m_tiles() const { return num_m_tiles_; }

  GroupTiles group_of(int32_t m_tile_idx) const {
    const auto behind = std::partition_point(
        starts_.begin(), starts_.end(),
        [&](const ChunkStart& start) { return start.num_m_tiles <= m_tile_idx; });
    const auto chunk_idx = static_cast<int32_t>(behind - starts_.begin()) - 1;
    return ggfp8::find_group(groups_, starts_[static_cast<size_t>(chunk_idx)], chunk_idx,
                             m_tile_idx);
  }

 private:
  ChunkStart& start(int32_t chunk_idx) { return starts_[static_cast<size_t>(chunk_idx)]; }

  GroupSchedule groups_;
  std::vector<ChunkStart> starts_;
  int32_t num_m_tiles_ = 0;
};

// The definition: bounds are clamped to [0, cum_m] and to what came before; 64-bit throughout.
std::vector<GroupTiles> expected_groups(const Indptr& m_indptr, int64_t cum_m, int64_t tile_m) {
  std::vector<GroupTiles> groups;
  int64_t row = std::clamp<int64_t>(m_indptr[0], 0, cum_m);
  int64_t num_m_tiles = 0;
  for (size_t idx = 0; idx + 1 < m_indptr.size(); ++idx) {
    const int64_t end = std::max(row, std::clamp<int64_t>(m_indptr[idx + 1], 0, cum_m));
    const int64_t tiles = (end - row) / tile_m + ((end - row) % tile_m != 0);
    groups.push_back({static_cast<int32_t>(idx), static_cast<int32_t>(row),
                      static_cast<int32_t>(end), static_cast<int32_t>(num_m_tiles),
                      static_cast<int32_t>(tiles)});
    num_m_tiles += tiles;
    row = end;
  }
  return groups;
}

bool same(const GroupTiles& x, const GroupTiles& y) {
  return x.group_idx == y.group_idx && x.row_begin == y.row_begin && x.row_end == y.row_end &&
         x.first_m_tile_idx == y.first_m_tile_idx && x.num_m_tiles == y.num_m_tiles;
}

// All row tiles of short groups, the edges and the middle of long ones.
bool check_schedule(const Indptr& m_indptr, int32_t cum_m, int32_t tile_m, int32_t groups_per_chunk,
                    int32_t num_chunks) {
  const auto batch_size = static_cast<int32_t>(m_indptr.size()) - 1;
  const Schedule schedule({m_indptr.data(), batch_size, cum_m, tile_m, groups_per_chunk},
                          num_chunks);
  bool ok = true;
  int32_t num_m_tiles = 0;
  for (const GroupTiles& wanted : expected_groups(m_indptr, cum_m, tile_m)) {
    const int32_t end = wanted.first_m_tile_idx + wanted.num_m_tiles;
    const int32_t step = std::max(1, wanted.num_m_tiles / 8);
    for (int32_t idx = wanted.first_m_tile_idx; idx < end; idx += std::min(step, end - idx)) {
      ok = ok && same(schedule.group_of(idx), wanted);
    }
    if (wanted.num_m_tiles > 0) ok = ok && same(schedule.group_of(end - 1), wanted);
    num_m_tiles = end;
  }
  if (CHECK(ok && schedule.num_m_tiles() == num_m_tiles)) return true;
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
        if (!check_schedule(m_indptr, cum_m, tile_m, per_chunk, num_chunks)) return false;
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
      if (!check_schedule(m_indptr, cum_m, tile_m, per_chunk, 64)) return;
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
      for (int32_t per_chunk : {1, 2}) check_schedule(m_indptr, kMax, tile_m, per_chunk, 64);
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
  const Schedule schedule({m_indptr.data(), GGFP8_MAX_BATCH_SIZE, kMax, 16, per_chunk}, 64);
  const std::vector<GroupTiles> groups = expected_groups(m_indptr, kMax, 16);
  CHECK_EQ(schedule.num_m_tiles(), groups.back().first_m_tile_idx + groups.back().num_m_tiles);
  for (int i = 0; i < 100; ++i) {
    const GroupTiles& wanted = groups[random() % groups.size()];
    if (wanted.num_m_tiles == 0) continue;
    CHECK(same(schedule.group_of(wanted.first_m_tile_idx), wanted));
    CHECK(same(schedule.group_of(wanted.first_m_tile_idx + wanted.num_m_tiles - 1), wanted));
  }
}

// Tile indices in the order of the kernels: groups ascend, then bands of rows if there are any,
// then columns, then rows.
void check_tile_order(int32_t band_size) {
  std::mt19937 random(7);
  for (int i = 0; i < 500; ++i) {
    const auto batch_size = static_cast<int32_t>(1 + random() % 100);
    const Indptr m_indptr = random_indptr(random, batch_size, 500);
    const auto num_n_tiles = static_cast<int32_t>(1 + random() % 5);
    const Schedule schedule({m_indptr.data(), batch_size, 500, 16, ggfp8::ceil_div(batch_size, 64)},
                            64);
    int64_t tile_idx = 0;
    bool ok = true;
    const auto expect = [&](const GroupTiles& wanted, int32_t m_tile, int32_t n_tile) {
      const auto group = schedule.group_of(static_cast<int32_t>(tile_idx / num_n_tiles));
      const int64_t local = tile_idx - int64_t{group.first_m_tile_idx} * num_n_tiles;
      const auto place = ggfp8::place_in_group(local, group.num_m_tiles, num_n_tiles, band_size);
      ok = ok && same(group, wanted) && place.n_tile_idx == n_tile && place.m_tile_idx == m_tile;
      ++tile_idx;
    };
    for (const GroupTiles& wanted : expected_groups(m_indptr, 500, 16)) {
      const int32_t num_rows = wanted.num_m_tiles;
      const int32_t band = num_rows > 2 * band_size ? band_size : std::max(num_rows, 1);
      for (int32_t first = 0; first < num_rows; first += band) {
        for (int32_t n_tile = 0; n_tile < num_n_tiles; ++n_tile) {
          for (int32_t m_tile = first; m_tile < std::min(first + band, num_rows); ++m_tile) {
            expect(wanted, m_tile, n_tile);
          }
        }
      }
    }
    if (!CHECK(ok && tile_idx == int64_t{schedule.num_m_tiles()} * num_n_tiles)) return;
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
  for (int32_t band_size : {1, 2, 3, 8, ggfp8::kNoBands}) check_tile_order(band_size);
  return check::report();
}
