/* Cores and witnesses: DBSCAN's clusters from far fewer pairs than are near.

   Cells are so narrow that the points of one are near each other (the proof is in
   sql/candidates/dense_cells/candidates.sql). So a heavy cell is core at once, a star joins its cores, and two cells need one
   pair of near cores, or none where others have joined them before.
   Sources: Gunawan, "A faster algorithm for DBSCAN", 2013; Gan and Tao, "DBSCAN revisited", SIGMOD 2015. */
#include "grid.h"

enum { MOST_CELLS = 1024, MOST_AXES = 16 };

/* Entities of the points from..to-1 that are near point i. */
static int64_t weigh_near(Grid *g, int64_t i, int64_t from, int64_t to, const int64_t *weights)
{
    double buffer[CHUNK];
    int64_t near = 0;
    for (; from < to; from += CHUNK) {
        int64_t count = to - from < CHUNK ? to - from : CHUNK;
        reduce_run(g, i, from, from + count, buffer);
        for (int64_t j = 0; j < count; j++)
            near += buffer[j] <= g->limit ? weights[from + j] : 0;
        g->tested += count;
    }
    return near;
}

/* Mark the points with entities of at least weight `least` near them, their own included.

   The middle run is that of the own cell. Nearer runs are looked at first: most cores need no others. */
void find_cores(Grid *g, const int64_t *weights, int64_t least, uint8_t *core)
{
    int64_t middle = g->run_count / 2;
    for (int64_t start = 0; start < g->points;) {
        int64_t end = end_of_cell(g, start), own = 0;
        for (int64_t i = start; i < end; i++)
            own += weights[i];
        if (own >= least) {
            memset(core + start, 1, (size_t)(end - start));
            start = end;
            continue;
        }
        move_runs(g, g->keys[start]);
        for (int64_t i = start; i < end; i++) {
            int64_t degree = own + weigh_near(g, i, g->starts[middle], start, weights);
            degree += weigh_near(g, i, end, g->ends[middle], weights);
            for (int64_t step = 1; step < g->run_count && degree < least; step++) {
                int64_t r = middle + (step & 1 ? -(step + 1) / 2 : step / 2);
                degree += weigh_near(g, i, g->starts[r], g->ends[r], weights);
            }
            core[i] = degree >= least;
        }
        start = end;
    }
}

/* Whether point i may be near a point of a box: rounding is monotone, so no gap exceeds a difference. */
static int reaches_box(const Grid *g, int64_t i, const double *low, const double *high)
{
    double reduced = 0;
    for (int64_t k = 0; k < g->dimensions; k++) {
        double x = g->values[k * g->points + i];
        reduced = fold(g->metric, reduced, x < low[k] ? low[k] - x : x > high[k] ? x - high[k] : 0);
    }
    return reduced <= g->limit;
}

static void bound_cell(const Grid *g, int64_t start, int64_t end, double *low, double *high)
{
    for (int64_t k = 0; k < g->dimensions; k++) {
        const double *axis = g->values + k * g->points;
        low[k] = high[k] = axis[start];
        for (int64_t j = start + 1; j < end; j++) {
            low[k] = axis[j] < low[k] ? axis[j] : low[k];
            high[k] = axis[j] > high[k] ? axis[j] : high[k];
        }
    }
}

/* The first point of from..to-1 that is near point i of `g`, by the coordinates x; or -1. */
static int64_t first_near(Grid *g, const double *x, int64_t stride, int64_t from, int64_t to)
{
    for (int64_t j = from; j < to; j++) {
        double reduced = 0;
        g->tested++;
        for (int64_t k = 0; k < g->dimensions; k++)
            reduced = fold(g->metric, reduced, fabs(x[k * stride] - g->values[k * g->points + j]));
        if (reduced <= g->limit)
            return j;
    }
    return -1;
}

/* Pairs of near cores, row numbers of `g` (cores only), that join whatever all near pairs of cores join.

   parent: (points,) the rows themselves; afterwards the sets. The first run is that of the own cell, the others
   lie above it.
   Returns the pairs, at most points - 1. */
int64_t join_cells(Grid *g, int32_t *parent, int64_t *first, int64_t *second)
{
    double low[MOST_AXES], high[MOST_AXES];
    int64_t joined = 0;
    for (int64_t start = 0; start < g->points;) {
        int64_t end = end_of_cell(g, start);
        for (int64_t i = start + 1; i < end; i++) {
            unite_two(parent, (int32_t)start, (int32_t)i);
            first[joined] = start;
            second[joined++] = i;
        }
        start = end;
    }
    for (int64_t start = 0; start < g->points;) {
        int64_t end = end_of_cell(g, start);
        move_runs(g, g->keys[start]);
        for (int64_t r = 0; r < g->run_count; r++) {
            int64_t other = r ? g->starts[r] : end;
            while (other < g->ends[r]) {
                int64_t other_end = end_of_cell(g, other);
                if (find_root(parent, (int32_t)start) != find_root(parent, (int32_t)other)) {
                    bound_cell(g, other, other_end, low, high);
                    for (int64_t i = start; i < end; i++) {
                        if (!reaches_box(g, i, low, high))
                            continue;
                        int64_t j = first_near(g, g->values + i, g->points, other, other_end);
                        if (j < 0)
                            continue;
                        unite_two(parent, (int32_t)i, (int32_t)j);
                        first[joined] = i;
                        second[joined++] = j;
                        break;
                    }
                }
                other = other_end;
            }
        }
        start = end;
    }
    return joined;
}

/* For points that are not core, sorted by key, one near core of each set that has one.

   values: (dimensions, outer points). Lists (outer row, core row) from the outer point *cursor on until
   `capacity` might be exceeded; returns how many. */
int64_t attach_borders(Grid *g, int32_t *parent, const double *values, const int64_t *keys, int64_t outer_points,
                       int64_t *cursor, int64_t capacity, int64_t *outer, int64_t *inner)
{
    int32_t seen[MOST_CELLS];
    int64_t listed = 0, q = *cursor;
    for (; q < outer_points && listed + MOST_CELLS <= capacity; q++) {
        int64_t known = 0;
        move_runs(g, keys[q]);
        for (int64_t r = 0; r < g->run_count; r++) {
            int64_t other = g->starts[r];
            while (other < g->ends[r]) {
                int64_t other_end = end_of_cell(g, other), s = 0;
                int32_t root = find_root(parent, (int32_t)other);
                while (s < known && seen[s] != root)
                    s++;
                if (s == known) {
                    int64_t j = first_near(g, values + q, outer_points, other, other_end);
                    if (j >= 0) {
                        seen[known++] = root;
                        outer[listed] = q;
                        inner[listed++] = j;
                    }
                }
                other = other_end;
            }
        }
    }
    *cursor = q;
    return listed;
}
