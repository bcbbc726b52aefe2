/* K-means: the nearest centre of each point, and sums of points by centre in fixed point. */
#include <stdint.h>

enum { LANES = 2, VECTORS = 4, TOGETHER = LANES * VECTORS, NEAREST_DIMENSIONS = 8 };

typedef double Lanes __attribute__((vector_size(LANES * sizeof(double))));
typedef int64_t Masks __attribute__((vector_size(LANES * sizeof(int64_t))));

/* labels[p], distances[p]: the nearest centre of a point and the squared distance, added in the order of the
   dimensions, of which there are at most NEAREST_DIMENSIONS; ties go to the lowest centre.

   values: (dimensions, points); places: (centres, dimensions). */
void find_nearest(int64_t dimensions, int64_t points, const double *values, int64_t centres,
                  const double *places, int64_t *labels, double *distances)
{
    union { Lanes lanes[VECTORS]; double numbers[TOGETHER]; } block[NEAREST_DIMENSIONS], best;
    union { Masks lanes[VECTORS]; int64_t numbers[TOGETHER]; } nearest;
    for (int64_t from = 0; from < points; from += TOGETHER) {
        int64_t count = points - from < TOGETHER ? points - from : TOGETHER;
        for (int64_t k = 0; k < dimensions; k++)
            for (int64_t p = 0; p < TOGETHER; p++)  /* the last point again where there are no more */
                block[k].numbers[p] = values[k * points + from + (p < count ? p : count - 1)];
        for (int64_t c = 0; c < centres; c++) {
            Lanes sums[VECTORS] = {{0}};
            for (int64_t k = 0; k < dimensions; k++) {
                double place = places[c * dimensions + k];
                for (int v = 0; v < VECTORS; v++) {
                    Lanes away = block[k].lanes[v] - place;
                    sums[v] += away * away;
                }
            }
            for (int v = 0; v < VECTORS; v++) {
                Masks less = c ? sums[v] < best.lanes[v] : ~(Masks){0};
                best.lanes[v] = (Lanes)(((Masks)sums[v] & less) | ((Masks)best.lanes[v] & ~less));
                nearest.lanes[v] = (c & less) | (nearest.lanes[v] & ~less);
            }
        }
        for (int64_t p = 0; p < count; p++) {
            labels[from + p] = nearest.numbers[p];
            distances[from + p] = best.numbers[p];
        }
    }
}

/* Adds weighted numbers below 1 to the totals of their centres, in parts of 2^-24, 2^-48 and 2^-72.

   totals: three rows of centres, `width` numbers apart. */
void add_fixed(int64_t points, const double *numbers, const int64_t *weights, const int64_t *labels, int64_t *totals,
               int64_t width)
{
    const double rounding = 6755399441055744.0;  /* 1.5 * 2^52, next to which there are no fractions */
    for (int64_t p = 0; p < points; p++) {
        double rest = numbers[p];
        int64_t *total = totals + labels[p];
        for (int part = 0; part < 3; part++, total += width) {
            rest *= 16777216.0;
            double whole = (rest + rounding) - rounding;
            rest -= whole;
            *total += (int64_t)whole * weights[p];
        }
    }
}
