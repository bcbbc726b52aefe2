/* Points sorted into the cells of a grid, and their reduced distances.

   Points lie sorted by the key of their cell. The last axis is the fastest, so that the cells next to each other
   along it are one run of keys: a neighbourhood is a few runs. As cells are visited in ascending order, the
   ends of each run only move up. The caller pads the grid so that no run leaves its row.

   Distances are computed in doubles, dimension by dimension, without fused operations, as SQL does. */
#ifndef GRID_H
#define GRID_H
#include <math.h>
#include <stdint.h>
#include <string.h>

#include "sets.h"

enum { EUCLIDEAN = 0, MANHATTAN = 1, CHEBYSHEV = 2 };
enum { CHUNK = 256 };

typedef struct {
    int64_t points;      /* rows of the arrays below */
    int64_t dimensions;  /* of the vectors */
    int64_t metric;
    double limit;        /* largest near reduced distance: of squares, of sums, of maxima */
    const double *values;    /* (dimensions, points) */
    const int64_t *keys;     /* (points,) ascending */
    const uint8_t *home;     /* (points,) pairs of two points that are not at home do not count */
    const int64_t *runs;     /* (run_count,) middles of the runs of neighbours, as offsets to the own key */
    int64_t run_count;
    int64_t reach;           /* cells to either side in a run */
    int64_t *starts;         /* (run_count,) first point of a run; moves up */
    int64_t *ends;           /* (run_count,) */
    int64_t tested;          /* distances computed so far */
} Grid;

/* A reduced distance with the difference d >= 0 of one more dimension. */
static inline double fold(int64_t metric, double reduced, double d)
{
    if (metric == CHEBYSHEV)
        return d > reduced ? d : reduced;
    return reduced + (metric == EUCLIDEAN ? d * d : d);
}

/* One dimension of `reduce_run`; `metric` is a constant, so that the loops have no branches. */
static inline void fold_run(int64_t metric, const double *axis, double x, int64_t count, double *reduced, int is_first)
{
    if (is_first)
        for (int64_t j = 0; j < count; j++)
            reduced[j] = fold(metric, 0, fabs(x - axis[j]));
    else
        for (int64_t j = 0; j < count; j++)
            reduced[j] = fold(metric, reduced[j], fabs(x - axis[j]));
}

/* Reduced distances from point i to the points from..to-1, to - from <= CHUNK. */
static void reduce_run(const Grid *g, int64_t i, int64_t from, int64_t to, double *reduced)
{
    for (int64_t k = 0; k < g->dimensions; k++) {
        const double *axis = g->values + k * g->points;
        if (g->metric == EUCLIDEAN)
            fold_run(EUCLIDEAN, axis + from, axis[i], to - from, reduced, k == 0);
        else if (g->metric == MANHATTAN)
            fold_run(MANHATTAN, axis + from, axis[i], to - from, reduced, k == 0);
        else
            fold_run(CHEBYSHEV, axis + from, axis[i], to - from, reduced, k == 0);
    }
}

static inline int64_t end_of_cell(const Grid *g, int64_t start)
{
    int64_t end = start + 1;
    while (end < g->points && g->keys[end] == g->keys[start])
        end++;
    return end;
}

/* Move the runs of a neighbourhood to the cell that begins at `start`. */
static void move_runs(Grid *g, int64_t key)
{
    for (int64_t r = 0; r < g->run_count; r++) {
        int64_t low = key + g->runs[r] - g->reach, high = key + g->runs[r] + g->reach;
        int64_t at = g->starts[r];
        while (at < g->points && g->keys[at] < low)
            at++;
        g->starts[r] = at;
        int64_t end = g->ends[r] > at ? g->ends[r] : at;
        while (end < g->points && g->keys[end] <= high)
            end++;
        g->ends[r] = end;
    }
}

#endif
