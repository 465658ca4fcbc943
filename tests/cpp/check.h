// Checks for plain test executables: a failed check prints its place and the test goes on;
// `return check::report();` at the end of main says how it went.
//
// CHECK(condition) returns the condition, so that a loop can stop at its first failure.
#pragma once

#include <iostream>

namespace check {

inline int num_checks = 0;
inline int num_failures = 0;

inline bool record(bool ok, const char* file, int line, const char* what) {
  ++num_checks;
  if (ok) return true;
  if (++num_failures <= 20) std::cerr << file << ":" << line << ": failed: " << what << "\n";
  return false;
}

template <class X, class Y>
bool record_equal(const X& x, const Y& y, const char* file, int line, const char* what) {
  const bool ok = record(x == y, file, line, what);
  if (!ok && num_failures <= 20) std::cerr << "  left: " << +x << ", right: " << +y << "\n";
  return ok;
}

inline int report() {
  std::cerr << num_checks - num_failures << " of " << num_checks << " checks passed\n";
  return num_failures == 0 && num_checks > 0 ? 0 : 1;
}

}  // namespace check

#define CHECK(condition) \
  ::check::record(static_cast<bool>(condition), __FILE__, __LINE__, #condition)
#define CHECK_EQ(x, y) ::check::record_equal((x), (y), __FILE__, __LINE__, #x " == " #y)
