// Index arithmetic past 2^31: the same small problem dense and spread over address space that is
// reserved but hardly touched must give the same bytes, at every row, column and group.
#include <sys/mman.h>

#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <random>
#include <vector>

#include "backends/cpu/cpu_device.h"
#include "backends/cpu/cpu_isa.h"
#include "check.h"
#include "environment_variable.h"
#include "select/backend.h"

namespace ggfp8 {
extern const Backend kCpuBackend;
}

namespace {

constexpr int64_t kRows = 6;
constexpr int64_t kN = 8;
constexpr int64_t kK = 32;
constexpr int64_t kGroups = 2;

// Zeroed address space; only pages that are written or read take memory.
class AddressSpace {
 public:
  explicit AddressSpace(int64_t num_bytes) : num_bytes_(static_cast<size_t>(num_bytes)) {
    base_ = mmap(nullptr, num_bytes_, PROT_READ | PROT_WRITE,
                 MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  }
  ~AddressSpace() {
    if (ok()) munmap(base_, num_bytes_);
  }
  AddressSpace(const AddressSpace&) = delete;
  AddressSpace& operator=(const AddressSpace&) = delete;

  bool ok() const { return base_ != MAP_FAILED; }
  uint8_t* bytes() const { return static_cast<uint8_t*>(base_); }

 private:
  size_t num_bytes_;
  void* base_;
};

void launch(const ggfp8::Problem& problem) {
  ggfp8::DeviceInfo device;
  CHECK_EQ(ggfp8::query_cpu_device(&device), ggfp8::kSuccess);
  const ggfp8::Plan plan = ggfp8::kCpuBackend.plan(problem, device);
  CHECK_EQ(ggfp8::kCpuBackend.launch(problem, device, plan, {}), ggfp8::kSuccess);
}

}  // namespace

int main() {
  std::mt19937 random(3);
  std::vector<uint8_t> a(kRows * kK);
  std::vector<uint8_t> b(kGroups * kN * kK);
  for (uint8_t& code : a) code = static_cast<uint8_t>(random() & 0xBF);
  for (uint8_t& code : b) code = static_cast<uint8_t>(random() & 0xBF);
  const std::vector<float> scales(kRows, 0.5f);
  const int32_t m_indptr[kGroups + 1] = {0, 2, kRows};
  std::vector<float> dense(kRows * kN);

  ggfp8::Problem problem;
  problem.device_type = ggfp8::DeviceType::kCpu;
  problem.out_dtype = ggfp8::Dtype::kFloat32;
  problem.a = a.data();
  problem.b = b.data();
  problem.a_scale = problem.b_scale = scales.data();
  problem.groups = m_indptr;
  problem.out = dense.data();
  problem.cum_m = problem.num_m_blocks = problem.a_scale_k_stride = kRows;
  problem.n = problem.out_row_stride = kN;
  problem.k = problem.a_row_stride = problem.b_row_stride = kK;
  problem.batch_size = kGroups;
  problem.b_group_stride = kN * kK;
  problem.num_n_blocks = problem.num_k_blocks = 1;
  problem.a_scale_m_stride = problem.b_scale_n_stride = problem.b_scale_k_stride = 1;
  problem.b_scale_group_stride = 1;
  launch(problem);

  problem.a_row_stride = int64_t{3} << 30;
  problem.b_row_stride = int64_t{1} << 30;
  problem.b_group_stride = kN * problem.b_row_stride;
  problem.out_row_stride = int64_t{1} << 30;
  const AddressSpace wide_a(kRows * problem.a_row_stride);
  const AddressSpace wide_b(kGroups * problem.b_group_stride);
  const AddressSpace wide_out(kRows * problem.out_row_stride * int64_t{sizeof(float)});
  if (!CHECK(wide_a.ok() && wide_b.ok() && wide_out.ok())) return check::report();
  for (int64_t row = 0; row < kRows; ++row) {
    std::memcpy(wide_a.bytes() + row * problem.a_row_stride, &a[size_t(row * kK)], kK);
  }
  for (int64_t col = 0; col < kGroups * kN; ++col) {
    std::memcpy(wide_b.bytes() + col * problem.b_row_stride, &b[size_t(col * kK)], kK);
  }
  problem.a = wide_a.bytes();
  problem.b = wide_b.bytes();
  problem.out = wide_out.bytes();
  for (const ggfp8::CpuIsa* isa : ggfp8::available_isas()) {
    check::set_variable("GGFP8_CPU_ISA", isa->name);
    launch(problem);
    for (int64_t row = 0; row < kRows; ++row) {
      uint8_t* wide_row = wide_out.bytes() + row * problem.out_row_stride * int64_t{sizeof(float)};
      CHECK(std::memcmp(wide_row, &dense[size_t(row * kN)], kN * sizeof(float)) == 0);
      std::memset(wide_row, 0xA5, kN * sizeof(float));
    }
  }
  return check::report();
}
