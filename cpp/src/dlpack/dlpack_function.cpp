// The function that Python calls with tensors. It reads them through the DLPack table of their
// framework, makes one call of the C API without the interpreter's lock, and answers with the
// output.
//
// A builtin function of CPython rather than one for ctypes, which takes longer to convert the
// arguments than this function to do all its work.
#include <cstring>
#include <initializer_list>

#include "dlpack/dlpack_call.h"
#include "dlpack/python_abi.h"
#include "groupgemm_fp8/groupgemm_fp8.h"

namespace ggfp8::dlpack {
namespace {

using python::Object;
using python::Symbols;

// The function's arguments by place.
enum Argument {
  kOptions,
  kStream,
  kFirstInput,
  kOut = kFirstInput + kNumInputs,
  kEmpty,
  kKeywords,
  kWorkspace,
  kNumArguments
};

// Copies the content of a bytes object that has the size of *value, or is empty.
template <class Value>
bool read_bytes(const Symbols& python, Object* object, Value* value, bool* empty) {
  char* data = nullptr;
  ptrdiff_t size = 0;
  if (python.PyBytes_AsStringAndSize(object, &data, &size) != 0) return false;
  *empty = size == 0;
  if (*empty) return true;
  if (size != static_cast<ptrdiff_t>(sizeof *value)) return false;
  std::memcpy(value, data, sizeof *value);
  return true;
}

// A new tensor for the output: empty(cum_m, n, **keywords[place of the device]).
Object* new_out(const Symbols& python, const ggfp8_group_gemm_args& args, Object* empty,
                Object* keywords) {
  const ptrdiff_t place = args.device_type == GGFP8_DEVICE_CPU ? 0 : 1 + args.device_id;
  Object* of_device = python.PyList_GetItem(keywords, place);
  if (of_device == nullptr || of_device == python._Py_NoneStruct) return nullptr;
  Object* cum_m = python.PyLong_FromLongLong(args.cum_m);
  Object* n = python.PyLong_FromLongLong(args.n);
  Object* sizes = cum_m && n ? python.PyTuple_Pack(2, cum_m, n) : nullptr;
  Object* out = sizes ? python.PyObject_Call(empty, sizes, of_device) : nullptr;
  for (Object* object : {sizes, n, cum_m}) python.Py_DecRef(object);
  return out;
}

// Reads everything and makes *out, a new reference, which stays null for a refusal before.
bool read_call(const Symbols& python, Object* const* arguments, Call* call, Object** out) {
  ggfp8_dlpack_options options;
  bool no_options = false, no_stream = false;
  if (!read_bytes(python, arguments[kOptions], &options, &no_options) || no_options ||
      options.struct_size != sizeof options ||
      !read_bytes(python, arguments[kStream], &call->stream, &no_stream)) {
    return false;
  }
  const Table* table = find_table(options.exchange_api);
  if (table == nullptr) return false;
  void* inputs[kNumInputs];
  std::memcpy(inputs, arguments + kFirstInput, sizeof inputs);
  if (!read_inputs(*table, inputs, options, call)) return false;

  *out = arguments[kOut];
  if (*out == python._Py_NoneStruct) {
    *out = new_out(python, call->args, arguments[kEmpty], arguments[kKeywords]);
    if (*out == nullptr) return false;
  } else {
    python.Py_IncRef(*out);
  }
  if (!read_out(*table, *out, options.out_dtype, call)) return false;

  Object* workspace = arguments[kWorkspace];
  if (workspace != python._Py_NoneStruct && !read_workspace(*table, workspace, call)) return false;
  return !no_stream || read_current_stream(*table, call);
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

Object* group_gemm(Object*, Object* const* arguments, ptrdiff_t num_arguments) noexcept {
  const Symbols& python = *python::find_symbols();
  Call call;
  Object* out = nullptr;
  long long answer = GGFP8_ERROR_INVALID_ARGUMENT;
  if (num_arguments == kNumArguments && read_call(python, arguments, &call, &out)) {
    // A launch may wait for the device, and on the CPU the product is computed here.
    python::ThreadState* state = python.PyEval_SaveThread();
    answer = run(call);
    python.PyEval_RestoreThread(state);
  } else {
    python.PyErr_Clear();
  }
  if (answer == GGFP8_SUCCESS) return out;
  python.Py_DecRef(out);
  return python.PyLong_FromLongLong(answer);
}

}  // namespace
}  // namespace ggfp8::dlpack

extern "C" void* ggfp8_dlpack_function(void) {
  using namespace ggfp8;
  static python::MethodDef method = {"group_gemm", dlpack::group_gemm, python::kFastCall, nullptr};
  const python::Symbols* python = python::find_symbols();
  return python ? python->PyCFunction_NewEx(&method, nullptr, nullptr) : nullptr;
}
