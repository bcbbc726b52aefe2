/* All of the kernel in one unit: one shared library without start-up code. See lambda_worker/kernel/library.py. */
#include "pairs.c"
#include "near_pairs.c"
#include "certificate.c"
#include "sort_keys.c"
#include "text_join.c"
#include "tokens.c"
#include "set_join.c"

int64_t kernel_version(void) { return 4; }
