// A C++ program outside the project, in the oldest standard that is in wide use.
#include <groupgemm_fp8/groupgemm_fp8.h>

#include <iostream>
#include <string>

int main() {
  ggfp8_group_gemm_args args = GGFP8_GROUP_GEMM_ARGS_INIT;
  args.device_type = GGFP8_DEVICE_CPU;
  ggfp8_plan_info plan = {};
  plan.struct_size = sizeof plan;
  if (ggfp8_group_gemm_plan(&args, &plan) != GGFP8_SUCCESS) {
    std::cerr << ggfp8_last_error() << "\n";
    return 1;
  }
  std::cout << "an empty problem takes backend " << plan.backend << "\n";
  return std::string(plan.backend) == "none" ? 0 : 1;
}
