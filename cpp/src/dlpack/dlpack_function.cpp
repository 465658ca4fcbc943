// The function that Python calls with tensors. It asks their framework what DLPack does not show,
// reads them through the framework's DLPack table, makes one call of the C API without the
// interpreter's lock, and answers with the output.
//
// A builtin function of CPython rather than one for ctypes, which takes longer to convert the
// arguments than this function to do all its work.
#include <cstdint>
#include <cstring>
#include <initializer_list>

#include "dlpack/dlpack_call.h"
#include "dlpack/python_abi.h"
#include "groupgemm_fp8/groupgemm_fp8.h"

namespace ggfp8::dlpack {
namespace {

using python::Object;
using python::Symbols;

// What the function was made with, by place.
enum Constant {
  kPacked,
  kRemembered,
  kArrayType,
  kParameterType,
  kRequiresGrad,
  kIsGradEnabled,
  kIsNegated,
  kCountWrite,
  kEmpty,
  kKeywords,
  kNumConstants
};

// The function's arguments by place, behind the inputs.
enum Argument { kOut = kNumInputs, kStream, kWorkspace, kOptions, kNumArguments };

constexpr int kNumChecked = kOut + 1;

// What is looked at besides the memory, by place of the argument.
struct Checks {
  bool may_be_parameter;
  bool asks_grad;
  bool asks_negated;
};

constexpr Checks kChecks[kNumChecked] = {
    {false, true, false},   // a
    {true, true, false},    // b
    {false, true, true},    // a_scale
    {true, true, true},     // b_scale
    {false, false, false},  // m_indptr
    {true, true, true},     // out
};

// One call of the function. Objects are borrowed, and exceptions are left set for the caller.
struct Invocation {
  const Symbols& python;
  Object* constants;
  Object* const* arguments;

  Object* constant(Constant place) const { return python.PyTuple_GetItem(constants, place); }
  bool has(Argument place) const { return arguments[place] != python._Py_NoneStruct; }
};

// Whether an object is of the type itself.
bool has_type(const Symbols& python, Object* object, Object* type) {
  Object* own = python.PyObject_Type(object);
  python.Py_DecRef(own);  // the object keeps it
  return own == type;
}

// Takes a reference to what Python answered; -1 for an exception.
int truth(const Symbols& python, Object* answer) {
  if (answer == nullptr) return -1;
  const int is_true = python.PyObject_IsTrue(answer);
  python.Py_DecRef(answer);
  return is_true;
}

// Whether the caller's options, if there are any, are the very objects that are remembered.
bool has_remembered_options(const Invocation& in) {
  if (!in.has(kOptions)) return true;
  Object* remembered = in.constant(kRemembered);
  Object* options = in.arguments[kOptions];
  const ptrdiff_t num_options = in.python.PyTuple_Size(options);
  if (num_options < 0 || in.python.PyList_Size(remembered) != num_options) return false;
  for (ptrdiff_t i = 0; i < num_options; ++i) {
    if (in.python.PyList_GetItem(remembered, i) != in.python.PyTuple_GetItem(options, i)) {
      return false;
    }
  }
  return true;
}

bool has_known_stream(const Invocation& in) {
  return !in.has(kStream) || has_type(in.python, in.arguments[kStream], in.python.PyLong_Type);
}

// Whether the product has no gradient to take part in. Arrays are asked first: few want one.
bool is_free_of_grad(const Invocation& in, Object* array) {
  const Symbols& python = in.python;
  const int wants_grad = truth(python, python.PyObject_GetAttr(array, in.constant(kRequiresGrad)));
  if (wants_grad <= 0) return wants_grad == 0;
  Object* is_enabled = python.PyObject_CallFunctionObjArgs(in.constant(kIsGradEnabled), nullptr);
  return truth(python, is_enabled) == 0;
}

// True also where it cannot be told.
bool is_negated(const Invocation& in, Object* array) {
  const Symbols& python = in.python;
  return truth(python,
               python.PyObject_CallFunctionObjArgs(in.constant(kIsNegated), array, nullptr)) != 0;
}

// Whether an array means its memory and nothing else.
bool is_plain(const Invocation& in, Object* array, const Checks& checks) {
  const bool type_fits =
      has_type(in.python, array, in.constant(kArrayType)) ||
      (checks.may_be_parameter && has_type(in.python, array, in.constant(kParameterType)));
  return type_fits && (!checks.asks_grad || is_free_of_grad(in, array)) &&
         (!checks.asks_negated || !is_negated(in, array));
}

bool are_plain(const Invocation& in) {
  const int num_given = in.has(kOut) ? kNumChecked : kNumInputs;
  for (int i = 0; i < num_given; ++i) {
    if (!is_plain(in, in.arguments[i], kChecks[i])) return false;
  }
  return true;
}

bool read_options(const Invocation& in, ggfp8_dlpack_options* options) {
  char* data = nullptr;
  ptrdiff_t size = 0;
  if (in.python.PyBytes_AsStringAndSize(in.constant(kPacked), &data, &size) != 0 ||
      size != static_cast<ptrdiff_t>(sizeof *options)) {
    return false;
  }
  std::memcpy(options, data, sizeof *options);
  return options->struct_size == sizeof *options;
}

// A new tensor for the output: empty(cum_m, n, **keywords[place of the device]).
Object* new_out(const Invocation& in, const ggfp8_group_gemm_args& args) {
  const Symbols& python = in.python;
  const ptrdiff_t place = args.device_type == GGFP8_DEVICE_CPU ? 0 : 1 + args.device_id;
  Object* of_device = python.PyList_GetItem(in.constant(kKeywords), place);
  if (of_device == nullptr || of_device == python._Py_NoneStruct) return nullptr;
  python.Py_IncRef(of_device);  // the list may change meanwhile
  Object* cum_m = python.PyLong_FromLongLong(args.cum_m);
  Object* n = python.PyLong_FromLongLong(args.n);
  Object* sizes = cum_m && n ? python.PyTuple_Pack(2, cum_m, n) : nullptr;
  Object* out = sizes ? python.PyObject_Call(in.constant(kEmpty), sizes, of_device) : nullptr;
  for (Object* object : {sizes, n, cum_m, of_device}) python.Py_DecRef(object);
  return out;
}

// Makes *out, a new reference, which stays null for a refusal before.
bool read_or_make_out(const Invocation& in, const Table& table, int32_t dtype, Call* call,
                      Object** out) {
  const Symbols& python = in.python;
  if (in.has(kOut)) {
    *out = in.arguments[kOut];
    python.Py_IncRef(*out);
  } else {
    // The memory would be for the current stream.
    if (in.has(kStream) && call->args.device_type != GGFP8_DEVICE_CPU) return false;
    *out = new_out(in, call->args);
    if (*out == nullptr || !has_type(python, *out, in.constant(kArrayType))) return false;
  }
  return read_out(table, *out, dtype, call);
}

bool read_stream(const Invocation& in, const Table& table, Call* call) {
  if (!in.has(kStream)) return read_current_stream(table, call);
  const uintptr_t handle = in.python.PyLong_AsUnsignedLongLong(in.arguments[kStream]);
  call->stream = reinterpret_cast<void*>(handle);
  return handle != UINTPTR_MAX;  // which also stands for an exception
}

// Reads everything and makes *out as above.
bool read_call(const Invocation& in, Call* call, Object** out) {
  ggfp8_dlpack_options options;
  if (!read_options(in, &options)) return false;
  const Table* table = find_table(options.exchange_api);
  if (table == nullptr) return false;
  void* inputs[kNumInputs];
  std::memcpy(inputs, in.arguments, sizeof inputs);
  if (!read_inputs(*table, inputs, options, call) ||
      !read_or_make_out(in, *table, options.out_dtype, call, out)) {
    return false;
  }
  Object* workspace = in.arguments[kWorkspace];
  if (in.has(kWorkspace) && (!has_type(in.python, workspace, in.constant(kArrayType)) ||
                             !read_workspace(*table, workspace, call))) {
    return false;
  }
  return read_stream(in, *table, call);
}

// 0, a status, or the negative size of the workspace that is missing or too small.
long long run(const Call& call) {
  const int32_t status =
      ggfp8_group_gemm_nt_groupwise(&call.args, call.workspace, call.workspace_bytes, call.stream);
  if (status != GGFP8_ERROR_INVALID_WORKSPACE) return status;
  size_t bytes = 0;
  if (ggfp8_group_gemm_workspace_size(&call.args, &bytes) != GGFP8_SUCCESS) return status;
  return -static_cast<long long>(bytes);
}

// Tells the framework that a given output has new contents; false with an exception.
bool count_write(const Invocation& in, Object* out) {
  const Symbols& python = in.python;
  Object* outs = python.PyTuple_Pack(1, out);
  if (outs == nullptr) return false;
  Object* answer = python.PyObject_CallFunctionObjArgs(in.constant(kCountWrite), outs, nullptr);
  for (Object* object : {outs, answer}) python.Py_DecRef(object);
  return answer != nullptr;
}

Object* group_gemm(Object* constants, Object* const* arguments, ptrdiff_t num_arguments) noexcept {
  const Symbols& python = *python::find_symbols();
  const Invocation in = {python, constants, arguments};
  Call call;
  Object* out = nullptr;
  long long status = GGFP8_ERROR_INVALID_ARGUMENT;
  if (num_arguments != kNumArguments) return python.PyLong_FromLongLong(status);
  if (!has_remembered_options(in) || !has_known_stream(in)) {
    python.PyErr_Clear();
    return python.PyLong_FromLongLong(0);
  }
  if (are_plain(in) && read_call(in, &call, &out)) {
    // A launch may wait for the device, and on the CPU the product is computed here.
    python::ThreadState* state = python.PyEval_SaveThread();
    status = run(call);
    python.PyEval_RestoreThread(state);
  } else {
    python.PyErr_Clear();
  }
  if (status == GGFP8_SUCCESS && (!in.has(kOut) || count_write(in, out))) return out;
  python.Py_DecRef(out);
  return status == GGFP8_SUCCESS ? nullptr : python.PyLong_FromLongLong(status);
}

}  // namespace
}  // namespace ggfp8::dlpack

extern "C" void* ggfp8_dlpack_function(void* constants) {
  using namespace ggfp8;
  static python::MethodDef method = {"group_gemm", dlpack::group_gemm, python::kFastCall, nullptr};
  const python::Symbols* python = python::find_symbols();
  if (python == nullptr || constants == nullptr) return nullptr;
  auto* tuple = static_cast<python::Object*>(constants);
  if (python->PyTuple_Size(tuple) != dlpack::kNumConstants) {
    python->PyErr_Clear();
    return nullptr;
  }
  return python->PyCFunction_NewEx(&method, tuple, nullptr);
}
