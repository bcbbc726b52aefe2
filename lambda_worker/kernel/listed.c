/* Reduced distances of listed pairs of two sets of points, and distances of points to all points. */
#include "kd_tree.h"

enum { ABREAST = 8 };  /* pairs at a time: an addition waits for the one before, so one sum alone would be slow */

/* Reduced distances of some pairs; `metric` is a constant, so that the loop has no branches. */
static inline void fold_abreast(int64_t metric, int64_t dimensions, const double **x, int64_t x_axis, const double **y,
                                int64_t y_axis, double *sums)
{
    for (int64_t k = 0; k < dimensions; k++)
        for (int64_t p = 0; p < ABREAST; p++) {
            double a = x[p][k * x_axis], b = y[p][k * y_axis];
            sums[p] = metric == COSINE ? sums[p] + a * b : fold(metric, sums[p], fabs(a - b));
        }
}

/* reduced[p]: of the points rows[p] of `left` and columns[p] of `right`; for COSINE the sum of products.

   steps: (4,) numbers from one coordinate and from one point of `left` to the next, then those of `right`. */
void measure_pairs(int64_t metric, int64_t dimensions, const double *left, const int64_t *rows, const double *right,
                   const int64_t *columns, const int64_t *steps, int64_t pairs, double *reduced)
{
    const double *x[ABREAST], *y[ABREAST];
    int64_t x_axis = steps[0], y_axis = steps[2];
    for (int64_t from = 0; from < pairs; from += ABREAST) {
        int64_t count = pairs - from < ABREAST ? pairs - from : ABREAST;
        double sums[ABREAST] = {0};
        for (int64_t p = 0; p < ABREAST; p++) {  /* the last pair again if there are fewer */
            int64_t pair = from + (p < count ? p : count - 1);
            x[p] = left + rows[pair] * steps[1];
            y[p] = right + columns[pair] * steps[3];
        }
        if (metric == EUCLIDEAN)
            fold_abreast(EUCLIDEAN, dimensions, x, x_axis, y, y_axis, sums);
        else if (metric == MANHATTAN)
            fold_abreast(MANHATTAN, dimensions, x, x_axis, y, y_axis, sums);
        else if (metric == CHEBYSHEV)
            fold_abreast(CHEBYSHEV, dimensions, x, x_axis, y, y_axis, sums);
        else
            fold_abreast(COSINE, dimensions, x, x_axis, y, y_axis, sums);
        memcpy(reduced + from, sums, (size_t)count * sizeof *sums);
    }
}

enum { STRIP = 256 };  /* columns at a time, which stay in the nearest cache through all dimensions */

/* distances[r * points + j]: of the points from + r and j, for r < rows; `values` has shape (dimensions, points). */
void measure_rows(int64_t metric, int64_t dimensions, int64_t points, const double *values, int64_t from, int64_t rows,
                  double *distances)
{
    Tree t = {.points = points, .dimensions = dimensions, .metric = metric, .values = values};
    for (int64_t start = 0; start < points; start += STRIP) {
        int64_t end = points - start < STRIP ? points : start + STRIP;
        for (int64_t r = 0; r < rows; r++) {
            double *found = distances + r * points + start;
            measure_leaf(&t, from + r, start, end, found);
            if (metric == EUCLIDEAN)
                for (int64_t j = 0; j < end - start; j++)
                    found[j] = sqrt(found[j]);
        }
    }
}
