#include <dlfcn.h>

#include "dlpack/python_abi.h"

namespace ggfp8::python {
namespace {

template <class Pointer>
bool find(const char* name, Pointer* pointer) {
  *pointer = reinterpret_cast<Pointer>(dlsym(RTLD_DEFAULT, name));
  return *pointer != nullptr;
}

bool find_all(Symbols* symbols) {
  return find("_Py_NoneStruct", &symbols->_Py_NoneStruct) &&
         find("PyLong_Type", &symbols->PyLong_Type) &&
         find("PyCFunction_NewEx", &symbols->PyCFunction_NewEx) &&
         find("PyObject_Call", &symbols->PyObject_Call) &&
         find("PyObject_CallFunctionObjArgs", &symbols->PyObject_CallFunctionObjArgs) &&
         find("PyObject_GetAttr", &symbols->PyObject_GetAttr) &&
         find("PyObject_Type", &symbols->PyObject_Type) &&
         find("PyObject_IsTrue", &symbols->PyObject_IsTrue) &&
         find("PyTuple_Pack", &symbols->PyTuple_Pack) &&
         find("PyTuple_Size", &symbols->PyTuple_Size) &&
         find("PyTuple_GetItem", &symbols->PyTuple_GetItem) &&
         find("PyList_Size", &symbols->PyList_Size) &&
         find("PyList_GetItem", &symbols->PyList_GetItem) &&
         find("PyLong_FromLongLong", &symbols->PyLong_FromLongLong) &&
         find("PyLong_AsUnsignedLongLong", &symbols->PyLong_AsUnsignedLongLong) &&
         find("PyBytes_AsStringAndSize", &symbols->PyBytes_AsStringAndSize) &&
         find("PyErr_Clear", &symbols->PyErr_Clear) && find("Py_IncRef", &symbols->Py_IncRef) &&
         find("Py_DecRef", &symbols->Py_DecRef) &&
         find("PyEval_SaveThread", &symbols->PyEval_SaveThread) &&
         find("PyEval_RestoreThread", &symbols->PyEval_RestoreThread);
}

}  // namespace

const Symbols* find_symbols() noexcept {
  static Symbols symbols = {};
  static const bool found = find_all(&symbols);
  return found ? &symbols : nullptr;
}

}  // namespace ggfp8::python
