/* Building a k-d tree, and core distances by it. */
#include "kd_tree.h"

static void swap_rows(double *values, int32_t *order, int64_t points, int64_t dimensions, int64_t i, int64_t j)
{
    int32_t row = order[i];
    order[i] = order[j], order[j] = row;
    for (int64_t k = 0; k < dimensions; k++) {
        double *axis = values + k * points, value = axis[i];
        axis[i] = axis[j], axis[j] = value;
    }
}

/* Move the smaller values of an axis before `middle`, by Hoare's selection. */
static void halve_rows(double *values, int32_t *order, int64_t points, int64_t dimensions, int64_t axis, Step range)
{
    const double *keys = values + axis * points;
    int64_t low = range.start, high = range.end - 1, middle = range.start + (range.end - range.start) / 2;
    while (low < high) {
        double a = keys[low], b = keys[low + (high - low) / 2], c = keys[high];
        double pivot = a < b ? (b < c ? b : larger(a, c)) : (a < c ? a : larger(b, c));
        int64_t i = low, j = high;
        while (i <= j) {
            while (keys[i] < pivot)
                i++;
            while (keys[j] > pivot)
                j--;
            if (i <= j)
                swap_rows(values, order, points, dimensions, i++, j--);
        }
        if (middle <= j)
            high = j;
        else if (middle >= i)
            low = i;
        else
            return;
    }
}

/* Sort points into the leaves of a tree.

   values: (dimensions, points) sorted in place; order: (points,) their former rows, on entry 0, 1, ...;
   boxes: (nodes, 2, dimensions). */
void build_tree(int64_t points, int64_t dimensions, int64_t depth, double *values, int32_t *order, double *boxes)
{
    Step stack[MOST_DEPTH + 1] = {{0, 0, 0, points, 0}};
    for (int64_t top = 1; top;) {
        Step step = stack[--top];
        double *low = boxes + step.node * 2 * dimensions, *high = low + dimensions, widest = -1;
        int64_t axis = 0;
        for (int64_t k = 0; k < dimensions; k++) {
            const double *x = values + k * points;
            double least = x[step.start], most = least;
            for (int64_t i = step.start + 1; i < step.end; i++) {
                least = x[i] < least ? x[i] : least;
                most = x[i] > most ? x[i] : most;
            }
            low[k] = least, high[k] = most;
            double width = 0.5 * most - 0.5 * least;
            if (width > widest)
                widest = width, axis = k;
        }
        if (step.level == depth)
            continue;
        halve_rows(values, order, points, dimensions, axis, step);
        int64_t middle = step.start + (step.end - step.start) / 2;
        stack[top++] = (Step){2 * step.node + 2, step.level + 1, middle, step.end, 0};
        stack[top++] = (Step){2 * step.node + 1, step.level + 1, step.start, middle, 0};
    }
}

/* The nearest neighbours of one point: a heap with the farthest first. */
typedef struct {
    int64_t count, total;  /* rows, and entities with the point's own */
    double reach;          /* reduced: farther neighbours do not matter */
    double *distance;
    int64_t *weight;
} Neighbours;

static void drop_farthest(Neighbours *n)
{
    int64_t last = --n->count, at = 0;
    n->total -= n->weight[0];
    for (int64_t child = 1; child < last; at = child, child = 2 * at + 1) {
        child += child + 1 < last && n->distance[child + 1] > n->distance[child];
        if (n->distance[child] <= n->distance[last])
            break;
        n->distance[at] = n->distance[child];
        n->weight[at] = n->weight[child];
    }
    n->distance[at] = n->distance[last];
    n->weight[at] = n->weight[last];
}

static void add_neighbour(Neighbours *n, double distance, int64_t weight, int64_t enough)
{
    int64_t at = n->count++;
    for (; at > 0 && n->distance[(at - 1) / 2] < distance; at = (at - 1) / 2) {
        n->distance[at] = n->distance[(at - 1) / 2];
        n->weight[at] = n->weight[(at - 1) / 2];
    }
    n->distance[at] = distance;
    n->weight[at] = weight;
    n->total += weight;
    while (n->count > 1 && n->total - n->weight[0] >= enough)
        drop_farthest(n);
    if (n->total >= enough)
        n->reach = n->distance[0];
}

/* Add the points of the leaf `step` to the neighbours of the points from `first` on. */
static void meet_leaf(Tree *t, Neighbours *near, int64_t first, int64_t count, const Step *step)
{
    double reduced[LEAF], x[MOST_COORDINATES];
    const double *box = t->boxes + step->node * 2 * t->dimensions;
    for (int64_t i = 0; i < count; i++) {
        for (int64_t k = 0; k < t->dimensions; k++)
            x[k] = t->values[k * t->points + first + i];
        if (bound_boxes(t, x, x, box) >= near[i].reach)
            continue;
        measure_leaf(t, first + i, step->start, step->end, reduced);
        t->tested += step->end - step->start;
        for (int64_t j = 0; j < step->end - step->start; j++)
            if (reduced[j] < near[i].reach && step->start + j != first + i)
                add_neighbour(near + i, reduced[j], t->weights[step->start + j], t->enough);
    }
}

/* Core distances of the points of a leaf; all of them go through the tree together. */
static void core_of_leaf(Tree *t, Step leaf, double *distances, int64_t *weights, int64_t room)
{
    Neighbours near[LEAF];
    Step stack[MOST_DEPTH + 2] = {{0, 0, 0, t->points, 0}};
    const double *low = t->boxes + leaf.node * 2 * t->dimensions, *high = low + t->dimensions;
    int64_t count = leaf.end - leaf.start, top = 1;
    double widest = -1;
    for (int64_t i = 0; i < count; i++) {
        int64_t own = t->weights[leaf.start + i];
        near[i] = (Neighbours){0, own, own >= t->enough ? -1 : INFINITY, distances + i * room, weights + i * room};
        widest = larger(widest, near[i].reach);
    }
    while (top) {
        Step step = stack[--top];
        if (step.bound >= widest)
            continue;
        if (step.level < t->depth) {
            split_step(t, &step, low, high, stack + top);
            top += 2;
            continue;
        }
        meet_leaf(t, near, leaf.start, count, &step);
        widest = -1;
        for (int64_t i = 0; i < count; i++)
            widest = larger(widest, near[i].reach);
    }
    for (int64_t i = 0; i < count; i++)
        t->core[leaf.start + i] = near[i].reach < 0 ? 0 : restore(t, near[i].reach);
}

/* Core distances of the points in the leaves first..end-1; the buffers have room for LEAF times `room` rows. */
void find_core_distances(Tree *t, int64_t first, int64_t end, double *distances, int64_t *weights, int64_t room)
{
    for (int64_t leaf = first; leaf < end; leaf++)
        core_of_leaf(t, step_to(t, ((int64_t)1 << t->depth) - 1 + leaf), distances, weights, room);
}
