/* Streams of candidate pairs: union-find, degrees, attachments.

   Ids are checked by `check_pairs` before they come here, so that no access lies outside its array.
   Every function gives the result of its numpy fallback in lambda_worker, to the last bit: tests/worker/kernel/test_kernel.py. */
#include "sets.h"

/* The first row that is no pair 0 <= a < b < points, or -1. */
int64_t check_pairs(const int64_t *a, const int64_t *b, int64_t rows, int64_t points)
{
    int bad = 0;
    for (int64_t i = 0; i < rows; i++)
        bad |= (a[i] < 0) | (a[i] >= b[i]) | (b[i] >= points);
    if (!bad)
        return -1;
    for (int64_t i = 0; i < rows; i++)
        if (a[i] < 0 || a[i] >= b[i] || b[i] >= points)
            return i;
    return -1;
}

void unite_pairs(int32_t *parent, const int64_t *a, const int64_t *b, int64_t rows)
{
    for (int64_t i = 0; i < rows; i++)
        unite_two(parent, (int32_t)a[i], (int32_t)b[i]);
}

void find_roots(int32_t *parent, const int64_t *ids, int64_t rows, int64_t *roots)
{
    for (int64_t i = 0; i < rows; i++)
        roots[i] = find_root(parent, (int32_t)ids[i]);
}

void add_degrees(int64_t *degrees, const int64_t *a, const int64_t *b, int64_t rows)
{
    for (int64_t i = 0; i < rows; i++) {
        degrees[a[i]] += 1;
        degrees[b[i]] += 1;
    }
}

void add_weights(int64_t *degrees, const int64_t *weights, const int64_t *a, const int64_t *b, int64_t rows)
{
    for (int64_t i = 0; i < rows; i++) {
        degrees[a[i]] += weights[b[i]];
        degrees[b[i]] += weights[a[i]];
    }
}

/* Unite pairs of two cores; list those of a core and another point. Returns how many were listed. */
int64_t unite_cores(int32_t *parent, const uint8_t *core, const int64_t *a, const int64_t *b, int64_t rows,
                    int64_t *outer, int64_t *inner)
{
    int64_t listed = 0;
    for (int64_t i = 0; i < rows; i++) {
        int core_a = core[a[i]], core_b = core[b[i]];
        if (core_a & core_b) {
            unite_two(parent, (int32_t)a[i], (int32_t)b[i]);
        } else if (core_a | core_b) {
            outer[listed] = core_a ? b[i] : a[i];
            inner[listed] = core_a ? a[i] : b[i];
            listed++;
        }
    }
    return listed;
}

/* Give every point that is not core the lowest cluster of its near cores. */
void lower_borders(int32_t *cluster, const uint8_t *core, const int64_t *a, const int64_t *b, int64_t rows)
{
    for (int64_t i = 0; i < rows; i++) {
        int core_a = core[a[i]], core_b = core[b[i]];
        if (core_a == core_b)
            continue;
        int64_t inner = core_a ? a[i] : b[i], outer = core_a ? b[i] : a[i];
        if (cluster[inner] < cluster[outer])
            cluster[outer] = cluster[inner];
    }
}

/* Kruskal: which pairs, taken in this order, join two sets. */
void join_in_order(int32_t *parent, const int32_t *a, const int32_t *b, const int64_t *order, int64_t rows,
                   uint8_t *joins)
{
    for (int64_t i = 0; i < rows; i++)
        joins[i] = (uint8_t)unite_two(parent, a[order[i]], b[order[i]]);
}
