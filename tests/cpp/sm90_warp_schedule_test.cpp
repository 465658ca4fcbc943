// backends/sm90/sm90_warp_schedule.cuh against the definition of groups: 32 threads stand for the
// lanes of a warp, and exchange values where lanes do.
#include <array>
#include <barrier>
#include <cstdint>
#include <random>
#include <thread>
#include <vector>

#include "backends/sm90/sm90_tile_schedule.h"
#include "check.h"
#include "group_model.h"

namespace {

constexpr int kNumLanes = 32;

// The values that lanes exchange. A lane writes its own, waits for the others, and reads.
struct Exchange {
  std::barrier<> meet{kNumLanes};
  std::array<int32_t, kNumLanes> values;

  template <class Read>
  int32_t swap(uint32_t lane, int32_t value, const Read& read) {
    values[lane] = value;
    meet.arrive_and_wait();
    const int32_t result = read(values);
    meet.arrive_and_wait();
    return result;
  }
};

Exchange exchange;

struct LaneIdx {
  uint32_t x;
};
thread_local LaneIdx threadIdx;

int32_t __shfl_sync(uint32_t, int32_t value, int lane) {
  return exchange.swap(threadIdx.x, value,
                       [&](const auto& values) { return values[static_cast<size_t>(lane)]; });
}

int32_t __shfl_up_sync(uint32_t, int32_t value, int distance) {
  const auto from = static_cast<int>(threadIdx.x) - distance;
  return exchange.swap(threadIdx.x, value, [&](const auto& values) {
    return from < 0 ? value : values[static_cast<size_t>(from)];
  });
}

uint32_t __ballot_sync(uint32_t, bool vote) {
  return static_cast<uint32_t>(exchange.swap(threadIdx.x, vote ? 1 : 0, [](const auto& values) {
    uint32_t votes = 0;
    for (size_t i = 0; i < kNumLanes; ++i) votes |= static_cast<uint32_t>(values[i]) << i;
    return static_cast<int32_t>(votes);
  }));
}

int __clz(int bits) {
  return bits == 0 ? 32 : __builtin_clz(static_cast<unsigned>(bits));
}

}  // namespace

#define __device__
#define __forceinline__ inline
#include "backends/sm90/sm90_warp_schedule.cuh"

namespace {

using ggfp8::GroupTiles;
using ggfp8::sm90::TileSchedule;
using group_model::Groups;

// Tiles whose groups are looked up: the first and the last of every group.
std::vector<GroupTiles> expected_tiles(const Groups& groups, const TileSchedule& schedule,
                                       int32_t* num_tiles) {
  std::vector<GroupTiles> expected;
  *num_tiles = 0;
  int32_t group_idx = 0;
  for (const group_model::Rows& rows : group_model::rows_of(groups)) {
    const int32_t count =
        ggfp8::sm90::num_tiles_of_rows(schedule, static_cast<int32_t>(rows.count()));
    expected.push_back({group_idx++, static_cast<int32_t>(rows.begin),
                        static_cast<int32_t>(rows.end), *num_tiles, count});
    *num_tiles += count;
  }
  return expected;
}

bool same(const GroupTiles& x, const GroupTiles& y) {
  return x.group_idx == y.group_idx && x.row_begin == y.row_begin && x.row_end == y.row_end &&
         x.first_tile_idx == y.first_tile_idx && x.num_tiles == y.num_tiles;
}

// All lanes name the same lane, and that lane knows the group: a warp goes on together with what
// the lane knows. The threads take turns on few processors, so that a search takes long: one group
// in five is looked up, or in 31 of many.
bool check_lane(const TileSchedule& schedule, const std::vector<GroupTiles>& expected,
                int32_t num_tiles) {
  const ggfp8::sm90::WarpSchedule<8> warp(schedule);
  const auto finds = [&](int32_t tile_idx, const GroupTiles& wanted) {
    const auto [lane, group] = warp.find(schedule, tile_idx);
    const int32_t from_lane_0 = warp.from_lane(0, lane);
    if (lane < 0 || lane >= kNumLanes || lane != from_lane_0) return false;
    return static_cast<uint32_t>(lane) != threadIdx.x || same(group, wanted);
  };
  bool ok = warp.total_tiles() == num_tiles;
  ok &= warp.find(schedule, num_tiles).lane == -1;
  ok &= warp.find(schedule, num_tiles + 1000).lane == -1;
  const size_t step = expected.size() > 300 ? 31 : 5;
  for (size_t i = expected.size() > step ? expected.size() % step : 0; i < expected.size();
       i += step) {
    const GroupTiles& wanted = expected[i];
    if (wanted.num_tiles == 0) continue;
    ok &= finds(wanted.first_tile_idx, wanted);
    ok &= finds(wanted.first_tile_idx + wanted.num_tiles - 1, wanted);
  }
  return ok;
}

void check_groups(const Groups& groups, int32_t tile_m, int32_t short_m) {
  TileSchedule schedule = {};
  schedule.layout = groups.layout();
  schedule.tile_m = tile_m;
  schedule.groups_per_chunk =
      ggfp8::ceil_div(schedule.layout.num_groups, ggfp8::sm90::kNumLaneChunks);
  schedule.short_m = short_m;
  schedule.tiles_per_long = 3;
  schedule.tiles_per_short = 2;
  int32_t num_tiles = 0;
  const std::vector<GroupTiles> expected = expected_tiles(groups, schedule, &num_tiles);
  std::array<bool, kNumLanes> ok = {};
  std::vector<std::thread> lanes;
  for (uint32_t lane = 0; lane < kNumLanes; ++lane) {
    lanes.emplace_back([&, lane] {
      threadIdx.x = lane;
      ok[lane] = check_lane(schedule, expected, num_tiles);
    });
  }
  for (std::thread& lane : lanes) lane.join();
  for (const bool lane_ok : ok) {
    if (!CHECK(lane_ok)) return group_model::print(groups);
  }
}

// Bounds that ascend from a row after the first, but for two neighbours: in one lane, between
// lanes, where lanes keep their groups and where they are too many.
void check_bounds(int64_t num_groups) {
  std::vector<int64_t> bounds;
  for (int64_t i = 0; i <= num_groups; ++i) bounds.push_back(7 + 3 * i);
  const auto check = [&](std::vector<int64_t> values) {
    check_groups({ggfp8::GroupKind::kIndptr, 9 + 3 * num_groups, 1, true, std::move(values)}, 2, 0);
  };
  check(bounds);
  for (const size_t place : {size_t{0}, size_t{1}, size_t{2}, bounds.size() / 2}) {
    std::vector<int64_t> swapped = bounds;
    std::swap(swapped[place], swapped[place + 1]);
    check(std::move(swapped));
  }
}

}  // namespace

// One group per lane, the last lanes without one; several, which lanes keep; more.
int main() {
  std::mt19937_64 random(11);
  for (const int64_t num_groups :
       {1, 7, 32, 33, 70, 128, 256, 257, 1, 9, 31, 60, 255, 300, 1024, 1060}) {
    for (const ggfp8::GroupKind kind : group_model::kKinds) {
      for (const int32_t short_m : {0, 32}) {
        const auto num_rows = static_cast<int64_t>(1 + random() % 900);
        check_groups(group_model::random_groups(random, kind, num_groups, num_rows), 64, short_m);
      }
    }
  }
  for (const int64_t num_groups : {40, 100, 200, 300}) check_bounds(num_groups);
  return check::report();
}
