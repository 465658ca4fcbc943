// Legal calls of the steps on pairs of a token and one of its groups: routing, and the weighted
// sum.
#include "step_case.h"
#include "step_values.h"

namespace fuzz {
namespace {

// Places the pairs as the header says: in the order of groups, then of pairs.
void expect_routing(const std::vector<int64_t>& groups, const ggfp8_route_args& args,
                    StepCase<ggfp8_route_args>* made) {
  uint8_t* const rows = made->arrays[1]->expected.data();
  uint8_t* const position = made->arrays[2]->expected.data();
  uint8_t* const bounds = made->arrays[3]->expected.data();
  const auto num_pairs = static_cast<int64_t>(groups.size());
  for (int64_t i = 0; i < num_pairs; ++i) {
    put_index(rows, i, GGFP8_DTYPE_INT32, -1);
    put_index(position, i, GGFP8_DTYPE_INT32, -1);
  }
  int64_t next = 0;
  for (int64_t group = 0; group < args.batch_size; ++group) {
    put_index(bounds, group, GGFP8_DTYPE_INT32, next);
    for (int64_t i = 0; i < num_pairs; ++i) {
      if (groups[static_cast<size_t>(i)] != group) continue;
      put_index(rows, next, GGFP8_DTYPE_INT32, i / args.top_k);
      put_index(position, i, GGFP8_DTYPE_INT32, next++);
    }
  }
  put_index(bounds, args.batch_size, GGFP8_DTYPE_INT32, next);
}

struct CombineStrides {
  int64_t x, position, weight, out;
};

// Fills the inputs with values whose sums are exact in every type: at most 9 terms, multiples of
// 1/4 up to 6.
void fill_combine(Random& random, const CombineStrides& strides, int32_t weight_dtype,
                  int32_t out_dtype, StepCase<ggfp8_combine_args>* made) {
  const ggfp8_combine_args& x = made->args;
  void* const memory = made->arrays[0]->memory->as<void>();
  std::vector<float> values;
  for (int64_t row = 0; row < x.x_rows; ++row) {
    for (int64_t col = 0; col < x.k; ++col) {
      values.push_back(static_cast<float>(random.uniform(-3, 3)));
      put_float(memory, row * strides.x + col, x.x_dtype, values.back());
    }
  }
  for (int64_t token = 0; token < x.num_tokens; ++token) {
    std::vector<float> sums(static_cast<size_t>(x.k), 0.0f);
    for (int64_t j = 0; j < x.top_k; ++j) {
      const float factor = random.one_of({0.25f, 0.5f, 1.0f, 2.0f});
      const auto row = static_cast<int32_t>(random.one_in(4) ? random.hostile()
                                                             : random.uniform(0, x.x_rows - 1));
      put_index(made->arrays[1]->memory->as<void>(), token * strides.position + j,
                GGFP8_DTYPE_INT32, row);
      put_float(made->arrays[2]->memory->as<void>(), token * strides.weight + j, weight_dtype,
                factor);
      if (row < 0 || row >= x.x_rows) continue;
      for (int64_t col = 0; col < x.k; ++col) {
        sums[static_cast<size_t>(col)] += factor * values[static_cast<size_t>(row * x.k + col)];
      }
    }
    for (int64_t col = 0; col < x.k; ++col) {
      put_float(made->arrays[3]->expected.data(), token * strides.out + col, out_dtype,
                sums[static_cast<size_t>(col)]);
    }
  }
}

}  // namespace

StepCase<ggfp8_route_args> make_route_case(Random& random) {
  StepCase<ggfp8_route_args> made{GGFP8_ROUTE_ARGS_INIT, {}};
  ggfp8_route_args& x = made.args;
  x.num_tokens = random.uniform(0, random.one_in(8) ? 2000 : 30);
  x.top_k = random.uniform(1, 5);
  x.batch_size = random.uniform(0, 12);
  x.top_k_index_dtype = random.one_of({0, GGFP8_DTYPE_INT32, GGFP8_DTYPE_INT64});
  x.device_type = GGFP8_DEVICE_CPU;
  const int64_t stride = any_stride(random, x.top_k, &x.top_k_index_row_stride);
  const int64_t bytes = index_bytes(x.top_k_index_dtype), num_pairs = x.num_tokens * x.top_k;
  const int64_t num_indices = num_pairs == 0 ? 0 : (x.num_tokens - 1) * stride + x.top_k;
  StepArray& index = add_array(&made, random, num_indices * bytes, false);
  StepArray& rows = add_array(&made, random, num_pairs * 4, true);
  StepArray& position = add_array(&made, random, num_pairs * 4, true);
  StepArray& bounds = add_array(&made, random, (x.batch_size + 1) * 4, true);
  x.top_k_index = index.memory->as<void>();
  x.row_index = rows.memory->as<int32_t>();
  x.position = position.memory->as<int32_t>();
  x.m_indptr = bounds.memory->as<int32_t>();
  std::vector<int64_t> groups;
  for (int64_t token = 0; token < x.num_tokens; ++token) {
    for (int64_t j = 0; j < x.top_k; ++j) {
      int64_t group = random.one_in(4) ? random.hostile() : random.uniform(0, 11);
      if (x.top_k_index_dtype != GGFP8_DTYPE_INT64) group = static_cast<int32_t>(group);
      put_index(x.top_k_index == nullptr ? nullptr : index.memory->as<void>(), token * stride + j,
                x.top_k_index_dtype, group);
      groups.push_back(group);
    }
  }
  expect_routing(groups, x, &made);
  return made;
}

StepCase<ggfp8_combine_args> make_combine_case(Random& random) {
  StepCase<ggfp8_combine_args> made{GGFP8_COMBINE_ARGS_INIT, {}};
  ggfp8_combine_args& x = made.args;
  x.x_rows = random.uniform(1, 20);
  x.num_tokens = random.uniform(1, 20);
  x.top_k = random.uniform(1, 9);
  x.k = random.uniform(1, 300);
  x.x_dtype = any_float_dtype(random);
  x.weight_dtype = any_float_dtype(random);
  x.out_dtype = any_float_dtype(random);
  x.device_type = GGFP8_DEVICE_CPU;
  const int64_t xs = any_stride(random, x.k, &x.x_row_stride);
  const int64_t ps = any_stride(random, x.top_k, &x.position_row_stride);
  const int64_t ws = any_stride(random, x.top_k, &x.weight_row_stride);
  const int64_t os = any_stride(random, x.k, &x.out_row_stride);
  const auto weight_dtype = static_cast<int32_t>(or_default(x.weight_dtype, GGFP8_DTYPE_FLOAT32));
  const auto out_dtype = static_cast<int32_t>(or_default(x.out_dtype, x.x_dtype));
  const int64_t last_token = x.num_tokens - 1;
  StepArray& in =
      add_array(&made, random, ((x.x_rows - 1) * xs + x.k) * float_bytes(x.x_dtype), false);
  StepArray& position = add_array(&made, random, (last_token * ps + x.top_k) * 4, false);
  StepArray& weight =
      add_array(&made, random, (last_token * ws + x.top_k) * float_bytes(weight_dtype), false);
  StepArray& out = add_array(&made, random, (last_token * os + x.k) * float_bytes(out_dtype), true);
  x.x = in.memory->as<void>();
  x.position = position.memory->as<int32_t>();
  x.weight = weight.memory->as<void>();
  x.out = out.memory->as<void>();
  fill_combine(random, {xs, ps, ws, os}, weight_dtype, out_dtype, &made);
  return made;
}

}  // namespace fuzz
