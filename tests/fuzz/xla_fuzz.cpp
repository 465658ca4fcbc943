// Random and hostile call frames for the handlers of XLA on the CPU: a legal frame has the exact
// result; every hostile change is an error, and out is untouched.
//
//   xla_fuzz [SECONDS [SEED]]
#include <array>
#include <cstdio>
#include <cstring>
#include <string>

#include "array_form.h"
#include "campaign.h"
#include "groupgemm_fp8/xla.h"
#include "xla/xla_abi.h"
#include "xla/xla_dtype.h"

namespace {

using namespace ggfp8::xla;
using fuzz::ArrayForm;
using fuzz::Random;

std::string message;
ErrorCode code;

Error* create_error(CreateErrorArgs* args) {
  message = args->message;
  code = args->code;
  return reinterpret_cast<Error*>(&message);
}

DataType xla_dtype_of(const ArrayForm& form) {
  for (const DtypePair& pair : kDtypes) {
    if (pair.dlpack_code == form.code && pair.bits == form.bits) return pair.xla;
  }
  return DataType::kBool;
}

struct Frame {
  static constexpr int kMaxAxes = 8;

  std::array<Buffer, fuzz::kNumArrays> buffers = {};
  std::array<std::array<int64_t, kMaxAxes>, fuzz::kNumArrays> dims = {};
  std::array<void*, fuzz::kNumArrays> pointers = {};
  std::array<ValueType, fuzz::kNumArrays> types;
  std::vector<std::string> names;
  std::vector<int32_t> integers;
  std::vector<ByteSpan> spans;
  std::vector<ByteSpan*> span_pointers;
  std::vector<Scalar> scalars;
  std::vector<AttributeType> attribute_types;
  std::vector<void*> values;
  Api api = {};
  CallFrame frame = {};

  explicit Frame(const fuzz::ProductCase& product) {
    const std::vector<ArrayForm> forms = fuzz::forms_of(product);
    types.fill(ValueType::kBuffer);
    for (size_t i = 0; i < forms.size(); ++i) {
      dims[i].fill(1);
      std::copy(forms[i].shape.begin(), forms[i].shape.end(), dims[i].begin());
      buffers[i] = {sizeof(Buffer),
                    nullptr,
                    xla_dtype_of(forms[i]),
                    forms[i].data,
                    static_cast<int64_t>(forms[i].shape.size()),
                    dims[i].data()};
      pointers[i] = &buffers[i];
    }
    add_attributes(fuzz::options_of(product));
    api.struct_size = sizeof api;
    api.create_error = create_error;
    frame.struct_size = sizeof frame;
    frame.api = &api;
    frame.arguments = {sizeof(Values), nullptr, 5, types.data(), pointers.data()};
    frame.results = {sizeof(Values), nullptr, 1, types.data() + 5, pointers.data() + 5};
  }
  Frame(const Frame&) = delete;
  Frame& operator=(const Frame&) = delete;

  bool run(bool validates) {
    for (size_t i = 0; i < names.size(); ++i) spans[i] = {names[i].data(), names[i].size()};
    frame.attributes = {sizeof(Attributes),
                        nullptr,
                        static_cast<int64_t>(names.size()),
                        attribute_types.data(),
                        span_pointers.data(),
                        values.data()};
    return (validates ? ggfp8_xla_ffi_cpu_validate : ggfp8_xla_ffi_cpu)(&frame) == nullptr;
  }

 private:
  void add_attributes(const ggfp8_group_gemm_options& options) {
    names = {"b_scale_major",
             "expected_m",
             "group_alignment",
             "group_layout",
             "mma_sm",
             "scale_granularity_k",
             "scale_granularity_m",
             "scale_granularity_n",
             "scale_major",
             "backend"};
    integers = {options.b_scale_major,
                static_cast<int32_t>(options.expected_m),
                options.group_alignment,
                options.group_layout,
                options.mma_sm,
                options.scale_granularity_k,
                options.scale_granularity_m,
                options.scale_granularity_n,
                options.scale_major};
    spans.resize(names.size());
    scalars.reserve(integers.size());
    for (size_t i = 0; i < names.size(); ++i) {
      span_pointers.push_back(&spans[i]);
      const bool is_backend = i == integers.size();
      attribute_types.push_back(is_backend ? AttributeType::kString : AttributeType::kScalar);
      if (!is_backend) scalars.push_back({DataType::kInt32, &integers[i]});
      values.push_back(is_backend ? static_cast<void*>(&backend_) : &scalars[i]);
    }
  }

  ByteSpan backend_ = {"cpu", 3};
};

// Makes a frame that no handler takes; returns false where it left the frame legal.
bool change(Random& random, Frame& call) {
  const auto idx = static_cast<size_t>(random.uniform(0, fuzz::kNumArrays - 1));
  const auto last_integer = static_cast<int64_t>(call.integers.size()) - 1;
  const auto attribute = static_cast<size_t>(random.uniform(0, last_integer));
  Buffer& buffer = call.buffers[idx];
  switch (random.uniform(0, 8)) {
    case 0: return call.frame.arguments.size = random.one_of<int64_t>({0, 4, 6, -1}), true;
    case 1: return call.frame.results.size = random.one_of<int64_t>({0, 3, -1}), true;
    case 2: return call.types[idx] = static_cast<ValueType>(random.one_of({0, 2, 7, -1})), true;
    case 3: return buffer.dtype = static_cast<DataType>(random.one_of({0, 1, 21, 99})), true;
    case 4: return buffer.rank += random.one_in(2) ? 1 : -1, true;
    case 5: {
      if (buffer.rank < 1) return false;
      int64_t& size = call.dims[idx][static_cast<size_t>(random.uniform(0, buffer.rank - 1))];
      const int64_t before = size;
      size = random.hostile();
      return size != before;
    }
    case 6: return call.names[attribute] = random.one_of({"", "mma", "m_indptr"}), true;
    case 7: {
      // Any positive number may be legal for these two.
      const std::string& name = call.names[attribute];
      const bool is_number = name == "expected_m" || name == "group_alignment";
      return call.integers[attribute] = is_number ? -1 : random.one_of({-1, 7, 1 << 30}), true;
    }
    default: {
      if (random.one_in(2)) {
        return call.attribute_types[attribute] =
                   static_cast<AttributeType>(random.one_of({0, 1, 2, 4})),
               true;
      }
      call.scalars[attribute].dtype = DataType::kInt64;
      return true;
    }
  }
}

int64_t num_legal = 0, num_refused = 0;

bool fail(uint64_t seed, const char* what) {
  std::fprintf(stderr, "xla_fuzz: seed %llu: %s: %s\n", static_cast<unsigned long long>(seed), what,
               message.c_str());
  return false;
}

bool run_changed(fuzz::ProductCase& product, Random& random, uint64_t seed) {
  Frame call(product);
  if (!change(random, call)) return true;
  product.clear_out();
  ++num_refused;
  if (call.run(random.one_in(2))) return fail(seed, "a hostile frame was taken");
  if (code != ErrorCode::kInvalidArgument) return fail(seed, "another code is due");
  return product.out_is_untouched() || fail(seed, "out was touched");
}

bool run_case(uint64_t seed) {
  Random random(seed);
  fuzz::ProductCase product(random, fuzz::Form::kXla);
  product.clear_out();
  Frame legal(product);
  if (!legal.run(random.one_in(2))) return fail(seed, "a legal frame was refused");
  if (!product.out_is_right()) return fail(seed, "a wrong result");
  ++num_legal;
  for (int i = 0; i < 40; ++i) {
    if (!run_changed(product, random, seed)) return false;
  }
  return true;
}

}  // namespace

int main(int argc, char** argv) {
  if (!fuzz::run_for_a_while(argc, argv, run_case)) return 1;
  std::printf("xla_fuzz: %lld legal frames right, %lld changed frames refused\n",
              static_cast<long long>(num_legal), static_cast<long long>(num_refused));
  return 0;
}
