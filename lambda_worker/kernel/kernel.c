/* All of the kernel in one unit: one shared library without start-up code. See lambda_worker/kernel/library.py. */
#include "pairs.c"
#include "near_pairs.c"
#include "listed.c"
#include "certificate.c"
#include "sort_keys.c"
#include "text_join.c"
#include "tokens.c"
#include "set_join.c"
#include "kd_tree.c"
#include "boruvka.c"
#include "merges.c"
#include "density_tree.c"
#include "centres.c"

int64_t kernel_version(void) { return 9; }
