// The part of CPython's stable ABI that a function for Python needs, declared so that the library
// builds without Python, and found by name in the process so that it loads without Python.
#pragma once

#include <cstddef>

namespace ggfp8::python {

struct Object;
struct ThreadState;

// PyCFunction_FastCall: borrowed arguments; returns a new reference.
using Function = Object* (*)(Object* self, Object* const* arguments, ptrdiff_t num_arguments);

constexpr int kFastCall = 0x80;  // METH_FASTCALL

// PyMethodDef
struct MethodDef {
  const char* name;
  Function function;
  int flags;
  const char* documentation;
};

// Symbols of the interpreter, by their own names.
struct Symbols {
  Object* _Py_NoneStruct;
  Object* PyLong_Type;
  Object* (*PyCFunction_NewEx)(MethodDef* method, Object* self, Object* module);
  Object* (*PyObject_Call)(Object* callable, Object* arguments, Object* keywords);
  Object* (*PyObject_CallFunctionObjArgs)(Object* callable, ...);  // up to a null
  Object* (*PyObject_GetAttr)(Object* object, Object* name);
  Object* (*PyObject_Type)(Object* object);
  int (*PyObject_IsTrue)(Object* object);
  Object* (*PyTuple_Pack)(ptrdiff_t size, ...);
  ptrdiff_t (*PyTuple_Size)(Object* tuple);
  Object* (*PyTuple_GetItem)(Object* tuple, ptrdiff_t idx);  // borrowed
  ptrdiff_t (*PyList_Size)(Object* list);
  Object* (*PyList_GetItem)(Object* list, ptrdiff_t idx);  // borrowed
  Object* (*PyLong_FromLongLong)(long long value);
  unsigned long long (*PyLong_AsUnsignedLongLong)(Object* number);
  int (*PyBytes_AsStringAndSize)(Object* object, char** data, ptrdiff_t* size);
  void (*PyErr_Clear)();
  void (*Py_IncRef)(Object* object);
  void (*Py_DecRef)(Object* object);  // takes null, too
  ThreadState* (*PyEval_SaveThread)();
  void (*PyEval_RestoreThread)(ThreadState* state);
};

// The interpreter of this process, or null if it runs none.
const Symbols* find_symbols() noexcept;

}  // namespace ggfp8::python
