/*
 * The library is loaded, called and closed many times: it stays loaded, and memory does not grow.
 *
 *   unload_test PATH_OF_LIBRARY
 */
#define _GNU_SOURCE /* RTLD_NOLOAD */
#include <dlfcn.h>
#include <groupgemm_fp8/groupgemm_fp8.h>
#include <malloc.h>
#include <stdio.h>

#include "expect.h"

/* Stands in for the library's, which this program does not link. */
const char* ggfp8_last_error(void) {
  return "";
}

typedef int32_t (*query_function)(int32_t, int32_t, ggfp8_device_info*);

static void load_call_close(const char* path) {
  void* library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
  ggfp8_device_info info = {0};
  query_function query = NULL;
  EXPECT(library != NULL);
  if (library == NULL) return;
  *(void**)&query = dlsym(library, "ggfp8_device_query");
  info.struct_size = sizeof info;
  EXPECT(query != NULL && query(GGFP8_DEVICE_CPU, 0, &info) == GGFP8_SUCCESS);
  EXPECT(dlclose(library) == 0);
}

static size_t bytes_in_use(void) {
#if defined(__GLIBC__) && __GLIBC_PREREQ(2, 33)
  return mallinfo2().uordblks;
#else
  return 0;
#endif
}

int main(int argc, char** argv) {
  void* library = NULL;
  size_t before;
  int i;
  if (argc != 2) {
    fprintf(stderr, "usage: unload_test PATH_OF_LIBRARY\n");
    return 1;
  }
  load_call_close(argv[1]);
  library = dlopen(argv[1], RTLD_NOW | RTLD_NOLOAD);
  EXPECT(library != NULL);
  if (library != NULL) dlclose(library);
  before = bytes_in_use();
  for (i = 0; i < 50; ++i) load_call_close(argv[1]);
  EXPECT(bytes_in_use() <= before + 10000);
  return num_failures;
}
