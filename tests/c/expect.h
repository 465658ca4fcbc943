/* The one check of the C tests: count failures and say where; main returns the count. */
#ifndef GROUPGEMM_FP8_TESTS_C_EXPECT_H_
#define GROUPGEMM_FP8_TESTS_C_EXPECT_H_

#include <groupgemm_fp8/groupgemm_fp8.h>
#include <stdio.h>

static int num_failures = 0;

#define EXPECT(condition)                                                             \
  do {                                                                                \
    if (!(condition)) {                                                               \
      ++num_failures;                                                                 \
      fprintf(stderr, "%s:%d: %s (last error: %s)\n", __FILE__, __LINE__, #condition, \
              ggfp8_last_error());                                                    \
    }                                                                                 \
  } while (0)

#define EXPECT_STATUS(wanted, call)                                                                \
  do {                                                                                             \
    const int32_t got_ = (call);                                                                   \
    if (got_ != (wanted)) {                                                                        \
      ++num_failures;                                                                              \
      fprintf(stderr, "%s:%d: %s: got %d (%s), wanted %d\n", __FILE__, __LINE__, #call, (int)got_, \
              ggfp8_last_error(), (int)(wanted));                                                  \
    }                                                                                              \
  } while (0)

#endif /* GROUPGEMM_FP8_TESTS_C_EXPECT_H_ */
