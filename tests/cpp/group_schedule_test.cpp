// core/group_schedule.h against brute force. The serial Scheduler below does what
// device/tile_scheduler.cuh does with one thread per chunk: the chunks' gains, an exclusive scan of
// them, the chunks' tiles, an exclusive running sum; then chunk and group of a tile. It does so for
// the schedule that counts row tiles, and for the schedule of sm90, which counts tiles of its own.
//
// Every tile of every group must come up exactly once and in order, in every layout and whatever
// the group array holds.
#include "core/group_schedule.h"

#include <algorithm>
#include <cstdint>
#include <random>
#include <vector>

#include "backends/sm90/sm90_tile_schedule.h"
#include "check.h"
#include "group_model.h"
#include "groupgemm_fp8/groupgemm_fp8.h"

namespace {

using ggfp8::ChunkStart;
using ggfp8::GroupKind;
using ggfp8::GroupSchedule;
using ggfp8::GroupTiles;
using ggfp8::sm90::TileSchedule;
using group_model::Groups;
using group_model::kKinds;

template <class Schedule>
class Scheduler {
 public:
  // Chunks after the last group are empty, as in a kernel with a fixed number of chunks.
  Scheduler(const Schedule& groups, int32_t num_chunks) : groups_(groups) {
    starts_.resize(static_cast<size_t>(num_chunks));
    int32_t row = 0;
    for (int32_t chunk = 0; chunk < num_chunks; ++chunk) {
      start(chunk).reached_row = chunk == 0 ? ggfp8::first_reached_row(groups.layout) : row;
      row = ggfp8::combine_gains(groups.layout, row, ggfp8::chunk_gain(groups, chunk));
    }
    for (int32_t chunk = 0; chunk < num_chunks; ++chunk) {
      start(chunk).num_tiles = num_tiles_;
      num_tiles_ += ggfp8::chunk_num_tiles(groups, chunk, start(chunk).reached_row);
    }
  }

  int32_t num_tiles() const { return num_tiles_; }

  GroupTiles group_of(int32_t tile_idx) const {
    const auto next =
        std::partition_point(starts_.begin(), starts_.end(),
                             [&](const ChunkStart& start) { return start.num_tiles <= tile_idx; });
    const auto chunk_idx = static_cast<int32_t>(next - starts_.begin()) - 1;
    return ggfp8::find_group(groups_, starts_[static_cast<size_t>(chunk_idx)], chunk_idx, tile_idx);
  }

 private:
  ChunkStart& start(int32_t chunk_idx) { return starts_[static_cast<size_t>(chunk_idx)]; }

  Schedule groups_;
  std::vector<ChunkStart> starts_;
  int32_t num_tiles_ = 0;
};

// The schedules, and the tiles of a group by their definitions, 64-bit throughout.
struct RowTileCount {
  static GroupSchedule schedule(const Groups& groups, int32_t tile_m, int32_t groups_per_chunk) {
    return {groups.layout(), tile_m, groups_per_chunk};
  }
  static int64_t num_tiles(int64_t num_rows, int64_t tile_m) {
    return (num_rows + tile_m - 1) / tile_m;
  }
};

// A short row tile, of at most half of tile_m, counts as two tiles and a long one as three.
struct Sm90Count {
  static TileSchedule schedule(const Groups& groups, int32_t tile_m, int32_t groups_per_chunk) {
    return {{groups.layout(), tile_m, groups_per_chunk}, tile_m / 2, 3, 2};
  }
  static int64_t num_tiles(int64_t num_rows, int64_t tile_m) {
    const int64_t num_left = num_rows % tile_m;
    const int64_t last = num_left == 0 ? 0 : num_left <= tile_m / 2 ? 2 : 3;
    return num_rows / tile_m * 3 + last;
  }
};

template <class Count>
std::vector<GroupTiles> expected_groups(const Groups& groups, int64_t tile_m) {
  std::vector<GroupTiles> expected;
  int64_t num_tiles = 0;
  for (const group_model::Rows& rows : group_model::rows_of(groups)) {
    const int64_t tiles = Count::num_tiles(rows.count(), tile_m);
    expected.push_back({static_cast<int32_t>(expected.size()), static_cast<int32_t>(rows.begin),
                        static_cast<int32_t>(rows.end), static_cast<int32_t>(num_tiles),
                        static_cast<int32_t>(tiles)});
    num_tiles += tiles;
  }
  return expected;
}

bool same(const GroupTiles& x, const GroupTiles& y) {
  return x.group_idx == y.group_idx && x.row_begin == y.row_begin && x.row_end == y.row_end &&
         x.first_tile_idx == y.first_tile_idx && x.num_tiles == y.num_tiles;
}

// All tiles of short groups, the edges and the middle of long ones.
template <class Count>
bool check_count(const Groups& groups, int32_t tile_m, int32_t groups_per_chunk,
                 int32_t num_chunks) {
  const Scheduler schedule(Count::schedule(groups, tile_m, groups_per_chunk), num_chunks);
  bool ok = true;
  int32_t num_tiles = 0;
  for (const GroupTiles& wanted : expected_groups<Count>(groups, tile_m)) {
    const int32_t end = wanted.first_tile_idx + wanted.num_tiles;
    const int32_t step = std::max(1, wanted.num_tiles / 8);
    for (int32_t idx = wanted.first_tile_idx; idx < end; idx += std::min(step, end - idx)) {
      ok = ok && same(schedule.group_of(idx), wanted);
    }
    if (wanted.num_tiles > 0) ok = ok && same(schedule.group_of(end - 1), wanted);
    num_tiles = end;
  }
  if (CHECK(ok && schedule.num_tiles() == num_tiles)) return true;
  std::cerr << "  tile_m " << tile_m << ", groups_per_chunk " << groups_per_chunk << "\n";
  group_model::print(groups);
  return false;
}

bool check_schedule(const Groups& groups, int32_t tile_m, int32_t groups_per_chunk,
                    int32_t num_chunks) {
  return check_count<RowTileCount>(groups, tile_m, groups_per_chunk, num_chunks) &&
         check_count<Sm90Count>(groups, tile_m, groups_per_chunk, num_chunks);
}

bool check_all_chunks(const Groups& groups) {
  const auto num_groups = static_cast<int32_t>(groups.num_groups());
  for (int32_t tile_m : {1, 2, 3, 8}) {
    for (int32_t per_chunk = 1; per_chunk <= num_groups + 1; ++per_chunk) {
      const int32_t num_chunks = ggfp8::ceil_div(num_groups, per_chunk) + 1;
      if (!check_schedule(groups, tile_m, per_chunk, num_chunks)) return false;
    }
  }
  return true;
}

// Every group array over the values that matter for few rows, the hostile ones included.
bool check_exhaustively(GroupKind kind, int32_t alignment, int32_t num_groups, int32_t num_rows) {
  std::vector<int64_t> values = {INT32_MIN, -1, num_rows + 1, INT32_MAX};
  for (int32_t value = 0; value <= num_rows; ++value) values.push_back(value);
  std::vector<size_t> digits(static_cast<size_t>(ggfp8::num_group_values(kind, num_groups)), 0);
  std::vector<int64_t> array(digits.size());
  for (;;) {
    for (size_t i = 0; i < digits.size(); ++i) array[i] = values[digits[i]];
    if (!check_all_chunks({kind, num_rows, alignment, digits[0] % 2 == 0, array})) return false;
    size_t place = 0;
    while (place < digits.size() && ++digits[place] == values.size()) digits[place++] = 0;
    if (place == digits.size()) return true;
  }
}

void check_small_groups() {
  for (int32_t num_rows = 0; num_rows <= 6; ++num_rows) {
    for (int32_t num_groups = 1; num_groups <= 3; ++num_groups) {
      if (!check_exhaustively(GroupKind::kIndptr, 1, num_groups, num_rows)) return;
      if (!check_exhaustively(GroupKind::kMasked, 1, num_groups, num_rows)) return;
      for (const int32_t alignment : {1, 2, 3}) {
        if (!check_exhaustively(GroupKind::kEnds, alignment, num_groups, num_rows)) return;
        if (!check_exhaustively(GroupKind::kCounts, alignment, num_groups, num_rows)) return;
      }
    }
  }
  check_exhaustively(GroupKind::kIndptr, 1, 4, 2);
}

void check_randomly() {
  std::mt19937_64 random(5);
  for (int i = 0; i < 6000; ++i) {
    const auto num_groups = static_cast<int64_t>(1 + random() % 300);
    const auto num_rows = static_cast<int64_t>(1 + random() % 3000);
    const Groups groups = group_model::random_groups(random, kKinds[i % 4], num_groups, num_rows);
    const auto per_chunk = static_cast<int32_t>(ggfp8::ceil_div<int64_t>(num_groups, 64));
    for (int32_t tile_m : {16, 64}) {
      if (!check_schedule(groups, tile_m, per_chunk, 64)) return;
    }
  }
}

// Rows near the largest cum_m: no sum may pass INT32_MAX (the sanitizer build watches).
void check_large_values() {
  constexpr int64_t kMax = GGFP8_MAX_CUM_M;
  const std::vector<int64_t> cases[] = {{0, kMax},
                                        {0, INT32_MAX},
                                        {INT32_MIN, INT32_MAX, 5, INT32_MAX},
                                        {kMax - 1, kMax},
                                        {kMax, kMax, INT32_MAX},
                                        {0, 1, kMax - 1, kMax},
                                        {1, kMax / 2, kMax / 2, kMax},
                                        {INT32_MAX, 0, INT32_MIN, -1}};
  for (const std::vector<int64_t>& values : cases) {
    for (const GroupKind kind : {GroupKind::kIndptr, GroupKind::kEnds, GroupKind::kCounts}) {
      const Groups groups = {kind, kMax, kind == GroupKind::kIndptr ? 1 : 3, false, values};
      for (int32_t tile_m : {1, 16, 64, 128}) {
        for (int32_t per_chunk : {1, 2}) {
          check_count<RowTileCount>(groups, tile_m, per_chunk, 64);
          if (tile_m >= 64) check_count<Sm90Count>(groups, tile_m, per_chunk, 64);
        }
      }
    }
  }
}

// The most groups there may be, at the largest cum_m, with the 64 chunks of a kernel.
void check_most_groups() {
  std::mt19937_64 random(6);
  constexpr int64_t kMax = GGFP8_MAX_CUM_M;
  std::vector<int64_t> bounds(GGFP8_MAX_BATCH_SIZE + size_t{1});
  int64_t row = 0;
  for (int64_t& bound : bounds) {
    bound = row;
    row = std::min<int64_t>(kMax, row + static_cast<int64_t>(random() % 300));
  }
  const Groups indptr = {GroupKind::kIndptr, kMax, 1, false, std::move(bounds)};
  const int32_t per_chunk = GGFP8_MAX_BATCH_SIZE / 64;
  const Scheduler schedule(RowTileCount::schedule(indptr, 16, per_chunk), 64);
  const std::vector<GroupTiles> groups = expected_groups<RowTileCount>(indptr, 16);
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
  check_small_groups();
  check_randomly();
  check_large_values();
  check_most_groups();
  return check::report();
}
