/* Disjoint sets of ids, each known by its smallest. */
#ifndef SETS_H
#define SETS_H
#include <stdint.h>

/* Smallest id of the set of x. Parents are never larger than children, so that a root is the smallest id. */
static inline int32_t find_root(int32_t *parent, int32_t x)
{
    while (parent[x] != x) {
        parent[x] = parent[parent[x]];
        x = parent[x];
    }
    return x;
}

static inline int unite_two(int32_t *parent, int32_t a, int32_t b)
{
    int32_t low = find_root(parent, a), high = find_root(parent, b);
    if (low == high)
        return 0;
    if (low > high) {
        int32_t swap = low;
        low = high;
        high = swap;
    }
    parent[high] = low;
    return 1;
}

#endif
