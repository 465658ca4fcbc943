#include "xla/xla_attributes.h"

#include <cstring>

#include "groupgemm_fp8/groupgemm_fp8.h"

namespace ggfp8::xla {

Status read_number(const Attributes& attributes, int64_t idx, const NumberAttribute* known,
                   size_t num_known) noexcept {
  const std::string_view name(attributes.names[idx]->data, attributes.names[idx]->size);
  for (size_t i = 0; i < num_known; ++i) {
    const NumberAttribute& attribute = known[i];
    if (attribute.name != name) continue;
    const auto* scalar = static_cast<const Scalar*>(attributes.values[idx]);
    if (attributes.types[idx] != AttributeType::kScalar || scalar->dtype != attribute.dtype) {
      return fail(GGFP8_ERROR_INVALID_ARGUMENT, "%.*s: got another type, wanted %s attribute",
                  static_cast<int>(name.size()), name.data(),
                  attribute.dtype == DataType::kInt32 ? "an int32" : "a float32");
    }
    static_assert(sizeof(int32_t) == sizeof(float));
    std::memcpy(attribute.target, scalar->value, sizeof(int32_t));
    return kSuccess;
  }
  return fail(GGFP8_ERROR_INVALID_ARGUMENT, "%.*s: got an attribute that is not known",
              static_cast<int>(name.size()), name.data());
}

}  // namespace ggfp8::xla
