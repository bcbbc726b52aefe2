/* Cores and witnesses in a k-d tree: the certificate of certificate.c for more dimensions than a grid has.

   No computed distance between the points of two boxes is above `span_boxes`, by the argument in kd_tree.h. So a
   node all of whose points are near counts as a whole, and two of them need one near pair to be joined.
   Counting ends at `enough` entities, and two nodes that are joined already are not compared.
   Source: Gan and Tao, "DBSCAN revisited", SIGMOD 2015; the pairs of nodes as in Gray and Moore, NIPS 2000. */
#include "kd_tree.h"

enum { MIXED = -1, EMPTY = -2 };  /* nodes of cores of several sets, and nodes without cores */

typedef struct {
    Tree *tree;
    double limit;            /* the largest near reduced distance */
    const uint8_t *core;     /* (points,) */
    int64_t listed;
    int64_t *first, *second; /* the pairs listed, as rows */
} Joins;

/* The largest reduced distance between the points of two boxes. */
static inline double span_boxes(const Tree *t, const double *low, const double *high, const double *box)
{
    double reduced = 0;
    for (int64_t k = 0; k < t->dimensions; k++)
        reduced = fold(t->metric, reduced, larger(high[k] - box[k], box[t->dimensions + k] - low[k]));
    return reduced;
}

static inline double *box_of(const Tree *t, int64_t node)
{
    return t->boxes + node * 2 * t->dimensions;
}

static inline void take_row(const Tree *t, int64_t i, double *x)
{
    for (int64_t k = 0; k < t->dimensions; k++)
        x[k] = t->values[k * t->points + i];
}

/* Add the entities of a leaf that are near each of `count` points, except where there are enough. */
static void weigh_leaf(Tree *t, double limit, int64_t first, int64_t count, const Step *step, int64_t *near)
{
    double reduced[LEAF], x[MOST_COORDINATES];
    for (int64_t i = 0; i < count; i++) {
        if (near[i] >= t->enough)
            continue;
        take_row(t, first + i, x);
        if (bound_boxes(t, x, x, box_of(t, step->node)) > limit)
            continue;
        measure_leaf(t, first + i, step->start, step->end, reduced);
        t->tested += step->end - step->start;
        for (int64_t j = 0; j < step->end - step->start; j++)
            near[i] += reduced[j] <= limit ? t->weights[step->start + j] : 0;
    }
}

/* Mark the points of a leaf that are core; all of them go through the tree together. */
static void mark_leaf(Tree *t, double limit, const int64_t *sums, Step leaf, uint8_t *core)
{
    int64_t near[LEAF] = {0}, count = leaf.end - leaf.start, fewest = 0;
    Step stack[MOST_DEPTH + 2] = {{0, 0, 0, t->points, 0}};
    const double *low = box_of(t, leaf.node), *high = low + t->dimensions;
    for (int64_t top = 1; top && fewest < t->enough;) {
        Step step = stack[--top];
        if (step.bound > limit)
            continue;
        if (span_boxes(t, low, high, box_of(t, step.node)) <= limit) {
            for (int64_t i = 0; i < count; i++)
                near[i] += sums[step.end] - sums[step.start];
        } else if (step.level < t->depth) {
            split_step(t, &step, low, high, stack + top);
            top += 2;
            continue;
        } else {
            weigh_leaf(t, limit, leaf.start, count, &step, near);
        }
        fewest = near[0];
        for (int64_t i = 1; i < count; i++)
            fewest = near[i] < fewest ? near[i] : fewest;
    }
    for (int64_t i = 0; i < count; i++)
        core[leaf.start + i] = near[i] >= t->enough;
}

/* Mark the points of the leaves first..end-1 that have `enough` entities near them, their own included.

   sums: (points + 1,) entities of the rows before each. */
void mark_cores(Tree *t, double limit, const int64_t *sums, int64_t first, int64_t end, uint8_t *core)
{
    for (int64_t leaf = first; leaf < end; leaf++)
        mark_leaf(t, limit, sums, step_to(t, ((int64_t)1 << t->depth) - 1 + leaf), core);
}

/* The set of all cores of a node: a row in it, MIXED or EMPTY. Children come first. */
static void describe_node(const Joins *joins, const Step *step)
{
    Tree *t = joins->tree;
    int32_t set = EMPTY;
    if (step->level < t->depth) {
        int32_t one = t->node_set[2 * step->node + 1], two = t->node_set[2 * step->node + 2];
        int is_one = one >= 0 && two >= 0 && find_root(t->set, one) == find_root(t->set, two);
        set = one == EMPTY ? two : two == EMPTY || is_one ? one : MIXED;
    } else {
        for (int64_t i = step->start; i < step->end && set != MIXED; i++)
            if (joins->core[i]) {
                int32_t root = find_root(t->set, (int32_t)i);
                set = set == EMPTY || set == root ? root : MIXED;
            }
    }
    t->node_set[step->node] = set;
}

/* Shrink the box of a node to its cores; the box of a node without cores is near no other. Children come first. */
static void shrink_box(const Joins *joins, const Step *step)
{
    Tree *t = joins->tree;
    for (int64_t k = 0; k < t->dimensions; k++) {
        double low = INFINITY, high = -INFINITY;
        if (step->level < t->depth) {
            const double *one = box_of(t, 2 * step->node + 1) + k, *two = one + 2 * t->dimensions;
            low = one[0] < two[0] ? one[0] : two[0];
            high = larger(one[t->dimensions], two[t->dimensions]);
        } else {
            const double *axis = t->values + k * t->points;
            for (int64_t i = step->start; i < step->end; i++)
                if (joins->core[i]) {
                    low = axis[i] < low ? axis[i] : low;
                    high = larger(high, axis[i]);
                }
        }
        box_of(t, step->node)[k] = low;
        box_of(t, step->node)[t->dimensions + k] = high;
    }
}

static inline void join_rows(Joins *joins, int64_t i, int64_t j)
{
    if (unite_two(joins->tree->set, (int32_t)i, (int32_t)j)) {
        joins->first[joins->listed] = i;
        joins->second[joins->listed++] = j;
    }
}

static int64_t first_core(const Joins *joins, const Step *step)
{
    int64_t i = step->start;
    while (!joins->core[i])
        i++;
    return i;
}

/* Join two nodes of which every core is near every core of the other. */
static void join_all(Joins *joins, const Step *one, const Step *two)
{
    int64_t i = first_core(joins, one), j = first_core(joins, two);
    for (int64_t row = one->start; row < one->end; row++)
        if (joins->core[row])
            join_rows(joins, row, j);
    for (int64_t row = two->start; row < two->end; row++)
        if (joins->core[row])
            join_rows(joins, i, row);
    joins->tree->node_set[one->node] = (int32_t)i;
    joins->tree->node_set[two->node] = (int32_t)j;
}

/* Whether all cores of two nodes, or of a row and a node, are in one set. */
static inline int is_joined(Tree *t, int32_t one, int32_t two)
{
    return one >= 0 && two >= 0 && find_root(t->set, one) == find_root(t->set, two);
}

static void join_leaves(Joins *joins, const Step *one, const Step *two)
{
    Tree *t = joins->tree;
    double reduced[LEAF], x[MOST_COORDINATES];
    for (int64_t i = one->start; i < one->end; i++) {
        if (!joins->core[i] || is_joined(t, (int32_t)i, t->node_set[two->node]))
            continue;
        take_row(t, i, x);
        if (bound_boxes(t, x, x, box_of(t, two->node)) > joins->limit)
            continue;
        measure_leaf(t, i, two->start, two->end, reduced);
        t->tested += two->end - two->start;
        for (int64_t j = two->start; j < two->end; j++)
            if (joins->core[j] && reduced[j - two->start] <= joins->limit)
                join_rows(joins, i, j);
    }
    describe_node(joins, one);
    describe_node(joins, two);
}

/* Join the near cores of two nodes. */
static void join_two(Joins *joins, const Step *one, const Step *two)
{
    Tree *t = joins->tree;
    const double *low = box_of(t, one->node), *high = low + t->dimensions;
    int32_t *sets = t->node_set;
    if (is_joined(t, sets[one->node], sets[two->node]) ||
        bound_boxes(t, low, high, box_of(t, two->node)) > joins->limit)
        return;
    if (span_boxes(t, low, high, box_of(t, two->node)) <= joins->limit) {
        join_all(joins, one, two);
        return;
    }
    if (one->level == t->depth && two->level == t->depth) {
        join_leaves(joins, one, two);
        return;
    }
    const Step *whole = one->level < two->level ? two : one, *split = whole == one ? two : one;
    Step halves[2];
    split_step(t, split, box_of(t, whole->node), box_of(t, whole->node) + t->dimensions, halves);
    for (int64_t h = 1; h >= 0; h--) {
        if (sets[split->node] >= 0 && sets[halves[h].node] != EMPTY)
            sets[halves[h].node] = sets[split->node];
        join_two(joins, whole, halves + h);
    }
    describe_node(joins, split);
}

/* Join the near cores inside the nodes first..end-1, after those of all nodes from `end` on.

   At first, each row is a set. Lists rows of near cores that connect the same cores as all near pairs do. The
   arrays already hold `listed` pairs; returns how many they hold afterwards, always fewer than points. */
int64_t join_nodes(Tree *t, double limit, const uint8_t *core, int64_t first, int64_t end, int64_t listed,
                   int64_t *one, int64_t *two)
{
    Joins joins = {t, limit, core, listed, one, two};
    double reduced[LEAF];
    for (int64_t node = end - 1; node >= first; node--) {
        Step step = step_to(t, node);
        shrink_box(&joins, &step);
        if (step.level < t->depth) {
            Step halves[2];
            split_step(t, &step, box_of(t, node), box_of(t, node) + t->dimensions, halves);
            join_two(&joins, halves, halves + 1);
        } else {
            for (int64_t i = step.start; i < step.end; i++) {
                if (!core[i])
                    continue;
                measure_leaf(t, i, step.start, step.end, reduced);
                t->tested += step.end - i - 1;
                for (int64_t j = i + 1; j < step.end; j++)
                    if (core[j] && reduced[j - step.start] <= limit)
                        join_rows(&joins, i, j);
            }
        }
        describe_node(&joins, &step);
    }
    for (int64_t node = first ? -1 : ((int64_t)2 << t->depth) - 2; node >= 0; node--) {
        Step step = step_to(t, node);
        describe_node(&joins, &step);
    }
    return joins.listed;
}

static int is_seen(const int32_t *seen, int64_t known, int32_t root)
{
    int64_t s = 0;
    while (s < known && seen[s] != root)
        s++;
    return s < known;
}

/* List a near core of each set that has one, for row i; `seen` has room for all of them. */
static void attach_row(Joins *joins, int64_t i, int32_t *seen)
{
    Tree *t = joins->tree;
    double reduced[LEAF], x[MOST_COORDINATES];
    Step stack[MOST_DEPTH + 2] = {{0, 0, 0, t->points, 0}};
    int64_t known = 0;
    take_row(t, i, x);
    for (int64_t top = 1; top;) {
        Step step = stack[--top];
        int32_t set = t->node_set[step.node];
        if (step.bound > joins->limit || (set >= 0 && is_seen(seen, known, find_root(t->set, set))))
            continue;
        if (step.level < t->depth) {
            split_step(t, &step, x, x, stack + top);
            top += 2;
            continue;
        }
        measure_leaf(t, i, step.start, step.end, reduced);
        t->tested += step.end - step.start;
        for (int64_t j = step.start; j < step.end; j++) {
            if (!joins->core[j] || reduced[j - step.start] > joins->limit)
                continue;
            int32_t root = find_root(t->set, (int32_t)j);
            if (is_seen(seen, known, root))
                continue;
            seen[known++] = root;
            joins->first[joins->listed] = i;
            joins->second[joins->listed++] = j;
        }
    }
}

/* For the rows *cursor..end-1 that are not core, one near core of each set that has one.

   Stops when there is no room for the `most` of one row; returns how many pairs of rows it listed. */
int64_t attach_rows(Tree *t, double limit, const uint8_t *core, int64_t *cursor, int64_t end, int64_t most,
                    int32_t *seen, int64_t capacity, int64_t *outer, int64_t *inner)
{
    Joins joins = {t, limit, core, 0, outer, inner};
    int64_t i = *cursor;
    for (; i < end && joins.listed + most <= capacity; i++)
        if (!core[i])
            attach_row(&joins, i, seen);
    *cursor = i;
    return joins.listed;
}
