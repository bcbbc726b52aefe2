/* A balanced k-d tree over points, and lower bounds of distances to its boxes.

   Node 0 is the root, and the children of node n are 2n + 1 and 2n + 2. Each node halves its points; all leaves
   are at the same depth. Points lie in the order of the leaves.

   A bound is computed with the operations of the distance, in the same order, on coordinates that are at most
   as far apart. Rounding is monotone, so no computed distance is below its bound. For places, boxes hold points
   on the unit sphere, whose chords bound the great circles; see `bound_chord`.

   Source of the tree: Friedman, Bentley, Finkel, ACM TOMS 1977. */
#ifndef KD_TREE_H
#define KD_TREE_H
#include "grid.h"

enum { COSINE = 3, HAVERSINE = 4 };  /* after the metrics of a grid */
enum { LEAF = 16, MOST_DEPTH = 32, MOST_COORDINATES = 16 };

typedef struct {
    int64_t points;      /* rows of the arrays below, in the order of the leaves */
    int64_t dimensions;  /* of the boxes */
    int64_t metric;
    int64_t depth;       /* of the leaves */
    int64_t enough;      /* entities that make a neighbourhood, the point's own included */
    const double *values;     /* (dimensions, points) */
    const double *angles;     /* (3, points) of places: latitude, longitude, cosine of the latitude */
    const int64_t *weights;   /* (points,) entities of each */
    const int32_t *ids;       /* (points,) */
    double *boxes;            /* (nodes, 2, dimensions) lowest and highest coordinates */
    double *core;             /* (points,) core distances, infinite without enough entities */
    int32_t *set;             /* (points,) the component of each point: the smallest row in it */
    int32_t *nearest;         /* (points,) the nearest row of another component when it was searched; or -1 */
    double *bound;            /* (points,) no row of another component is nearer by mutual reachability */
    double *reach;            /* (points,) of components: the mutual reachability of the lightest edge so far */
    int32_t *from;            /* (points,) of components: its end inside, or -1 */
    int32_t *to;              /* (points,) of components: its end outside */
    int32_t *node_set;        /* (nodes,) the component of all points of a node, or negative */
    double *node_core;        /* (nodes,) the smallest core distance in a node */
    int64_t tested;           /* distances computed so far */
} Tree;

/* A node on the way through the tree: rows start..end-1. */
typedef struct {
    int64_t node, level, start, end;
    double bound;  /* reduced */
} Step;

/* The sine of 0..pi/2, the same bits in numpy: lambda_worker/metrics/half_turns.py. */
static inline double sine(double x)
{
    double s = x * x;
    double p = 1.0 / 51090942171709440000.0;
    p = p * s - 1.0 / 121645100408832000.0;
    p = p * s + 1.0 / 355687428096000.0;
    p = p * s - 1.0 / 1307674368000.0;
    p = p * s + 1.0 / 6227020800.0;
    p = p * s - 1.0 / 39916800.0;
    p = p * s + 1.0 / 362880.0;
    p = p * s - 1.0 / 5040.0;
    p = p * s + 1.0 / 120.0;
    p = p * s - 1.0 / 6.0;
    return x + x * (p * s);
}

/* The absolute sine of -pi..pi. */
static inline double sine_of_half(double x)
{
    double a = fabs(x), half_pi = 1.5707963267948966, pi = 3.141592653589793, rest = 1.2246467991473532e-16;
    return sine(a > half_pi ? (pi - a) + rest : a);
}

static inline double reduce_places(const Tree *t, int64_t i, int64_t j)
{
    const double *latitude = t->angles, *longitude = latitude + t->points, *cosine = longitude + t->points;
    double s = sine_of_half(0.5 * (latitude[i] - latitude[j]));
    double total = s * s;
    s = sine_of_half(0.5 * (longitude[i] - longitude[j]));
    return total + cosine[i] * cosine[j] * s * s;
}

static inline double from_cosine(double product)
{
    double clipped = product < -1.0 ? -1.0 : product > 1.0 ? 1.0 : product;
    return 1.0 - clipped;
}

/* Reduced distances from row i to the rows from..to-1. */
static inline void measure_leaf(const Tree *t, int64_t i, int64_t from, int64_t to, double *reduced)
{
    int64_t count = to - from;
    if (t->metric == HAVERSINE) {
        for (int64_t j = 0; j < count; j++)
            reduced[j] = reduce_places(t, i, from + j);
        return;
    }
    for (int64_t k = 0; k < t->dimensions; k++) {
        const double *axis = t->values + k * t->points;
        double x = axis[i];
        if (t->metric == EUCLIDEAN)
            fold_run(EUCLIDEAN, axis + from, x, count, reduced, k == 0);
        else if (t->metric == MANHATTAN)
            fold_run(MANHATTAN, axis + from, x, count, reduced, k == 0);
        else if (t->metric == CHEBYSHEV)
            fold_run(CHEBYSHEV, axis + from, x, count, reduced, k == 0);
        else
            for (int64_t j = 0; j < count; j++)
                reduced[j] = k ? reduced[j] + x * axis[from + j] : x * axis[from + j];
    }
    if (t->metric == COSINE)
        for (int64_t j = 0; j < count; j++)
            reduced[j] = from_cosine(reduced[j]);
}

/* A reduced distance of places from the square of a chord. Coordinates on the unit sphere are off by less than
   2^-51, chords by less than 2^-48; the computed sines by less than 2^-45 of their value. */
static inline double bound_chord(double squared)
{
    double chord = sqrt(squared) * (1 - 0x1p-40) - 0x1p-47;
    return chord > 0 ? 0.25 * chord * chord * (1 - 0x1p-40) : 0;
}

static inline double larger(double a, double b)
{
    return a > b ? a : b;
}

/* The least reduced distance between the points of two boxes; a point is a box without extent. */
static inline double bound_boxes(const Tree *t, const double *low, const double *high, const double *box)
{
    const double *box_low = box, *box_high = box + t->dimensions;
    double reduced = 0;
    if (t->metric == COSINE) {
        for (int64_t k = 0; k < t->dimensions; k++) {
            double a = larger(low[k] * box_low[k], low[k] * box_high[k]);
            double b = larger(high[k] * box_low[k], high[k] * box_high[k]);
            reduced = k ? reduced + larger(a, b) : larger(a, b);
        }
        return from_cosine(reduced);
    }
    int64_t metric = t->metric == HAVERSINE ? EUCLIDEAN : t->metric;
    for (int64_t k = 0; k < t->dimensions; k++) {
        double below = box_low[k] - high[k], above = low[k] - box_high[k];
        double gap = larger(below, above);
        reduced = fold(metric, reduced, gap > 0 ? gap : 0);
    }
    return t->metric == HAVERSINE ? bound_chord(reduced) : reduced;
}

/* A distance from a reduced one. Places stay reduced: numpy computes their arc sines. */
static inline double restore(const Tree *t, double reduced)
{
    return t->metric == EUCLIDEAN ? sqrt(reduced) : reduced;
}

/* No reduced distance above this has a distance of at most `distance`. */
static inline double reduced_limit(const Tree *t, double distance)
{
    return t->metric == EUCLIDEAN ? distance * distance * (1 + 0x1p-50) + 0x1p-1060 : distance;
}

/* The step at a node; nodes are numbered as described above. */
static inline Step step_to(const Tree *t, int64_t node)
{
    Step step = {0, 0, 0, t->points, 0};
    int64_t depth = 0;
    while ((node + 1) >> (depth + 1))
        depth++;
    while (step.level < depth) {
        int64_t middle = step.start + (step.end - step.start) / 2;
        int64_t is_upper = (node + 1) >> (depth - 1 - step.level) & 1;
        step.node = 2 * step.node + 1 + is_upper;
        step.level++;
        step.start = is_upper ? middle : step.start;
        step.end = is_upper ? step.end : middle;
    }
    return step;
}

/* The halves of a step, the one with the larger bound first; box low..high as in `bound_boxes`. */
static inline void split_step(const Tree *t, const Step *step, const double *low, const double *high, Step *halves)
{
    int64_t middle = step->start + (step->end - step->start) / 2, left = 2 * step->node + 1, box = 2 * t->dimensions;
    double one = bound_boxes(t, low, high, t->boxes + left * box);
    double two = bound_boxes(t, low, high, t->boxes + (left + 1) * box);
    Step lower = {left, step->level + 1, step->start, middle, one};
    Step upper = {left + 1, step->level + 1, middle, step->end, two};
    halves[0] = one > two ? lower : upper;
    halves[1] = one > two ? upper : lower;
}

#endif
