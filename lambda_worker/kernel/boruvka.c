/* The minimum spanning tree by mutual reachability: in every round, the lightest edge out of each component.

   Edges are ordered by (mutual reachability, smaller id, larger id), so the tree is unique. A point keeps the
   nearest row of another component, which stays the nearest until both are in one component; and a bound, since
   the nearest row only gets farther. Most points of a component are thus never searched again.
   Sources: March, Ram, Gray, KDD 2010; McInnes, Healy, ICDMW 2017. */
#include "kd_tree.h"

/* Whether the edge (i, j) comes before the lightest one of component c so far. */
static inline int is_lighter(const Tree *t, int32_t c, double reach, int64_t i, int64_t j)
{
    if (reach != t->reach[c] || t->from[c] < 0)
        return reach < t->reach[c];
    int32_t one = t->ids[i], two = t->ids[j], low = one < two ? one : two, high = one < two ? two : one;
    int32_t first = t->ids[t->from[c]], second = t->ids[t->to[c]];
    int32_t best_low = first < second ? first : second, best_high = first < second ? second : first;
    return low != best_low ? low < best_low : high < best_high;
}

static inline void offer_edge(Tree *t, int32_t c, double reach, int64_t i, int64_t j)
{
    if (is_lighter(t, c, reach, i, j)) {
        t->reach[c] = reach;
        t->from[c] = (int32_t)i;
        t->to[c] = (int32_t)j;
    }
}

/* Describe the nodes from the points they hold, children first. */
static void describe_nodes(Tree *t)
{
    Step stack[2 * MOST_DEPTH + 2] = {{0, 0, 0, t->points, 0}};
    for (int64_t top = 1; top;) {
        Step step = stack[--top];
        if (step.level < t->depth) {
            int64_t left = 2 * step.node + 1, middle = step.start + (step.end - step.start) / 2;
            if (step.bound == 0) { /* seen for the first time */
                stack[top++] = (Step){step.node, step.level, step.start, step.end, 1};
                stack[top++] = (Step){left, step.level + 1, step.start, middle, 0};
                stack[top++] = (Step){left + 1, step.level + 1, middle, step.end, 0};
                continue;
            }
            t->node_set[step.node] = t->node_set[left] == t->node_set[left + 1] ? t->node_set[left] : -1;
            double one = t->node_core[left], two = t->node_core[left + 1];
            t->node_core[step.node] = one < two ? one : two;
            continue;
        }
        int32_t set = t->set[step.start];
        double core = t->core[step.start];
        for (int64_t i = step.start + 1; i < step.end; i++) {
            set = t->set[i] == set ? set : -1;
            core = t->core[i] < core ? t->core[i] : core;
        }
        t->node_set[step.node] = set;
        t->node_core[step.node] = core;
    }
}

/* Start a round: components by their smallest row, and what is still known of the nearest rows. */
void begin_round(Tree *t)
{
    for (int64_t i = 0; i < t->points; i++) {
        t->set[i] = t->set[t->set[i]]; /* parents are smaller, and done */
        t->reach[i] = INFINITY;
        t->from[i] = -1;
    }
    describe_nodes(t);
    for (int64_t i = 0; i < t->points; i++) {
        int32_t j = t->nearest[i];
        if (j >= 0 && t->set[j] != t->set[i])
            offer_edge(t, t->set[i], t->bound[i], i, j);
        else
            t->nearest[i] = -1;
    }
}

/* Look for an edge from row i that is lighter than those of its component so far. */
static void search_row(Tree *t, int64_t i)
{
    double x[MOST_COORDINATES], reduced[LEAF], own = t->core[i];
    int32_t c = t->set[i];
    Step stack[MOST_DEPTH + 2] = {{0, 0, 0, t->points, 0}};
    double limit = reduced_limit(t, t->reach[c]);
    for (int64_t k = 0; k < t->dimensions; k++)
        x[k] = t->values[k * t->points + i];
    for (int64_t top = 1; top;) {
        Step step = stack[--top];
        if (step.bound > limit || t->node_set[step.node] == c || t->node_core[step.node] > t->reach[c])
            continue;
        if (step.level < t->depth) {
            split_step(t, &step, x, x, stack + top);
            top += 2;
            continue;
        }
        measure_leaf(t, i, step.start, step.end, reduced);
        t->tested += step.end - step.start;
        for (int64_t j = step.start; j < step.end; j++) {
            int32_t other = t->set[j];
            if (reduced[j - step.start] > limit || other == c)
                continue;
            double reach = larger(larger(own, t->core[j]), restore(t, reduced[j - step.start]));
            offer_edge(t, other, reach, j, i);
            if (is_lighter(t, c, reach, i, j)) {
                offer_edge(t, c, reach, i, j);
                limit = reduced_limit(t, reach);
            }
        }
    }
}

/* Search for the lightest edges out of the components, from the rows first..end-1. */
void search_round(Tree *t, int64_t first, int64_t end)
{
    for (int64_t i = first; i < end; i++) {
        int32_t c = t->set[i];
        if (t->nearest[i] >= 0 || t->bound[i] > t->reach[c])
            continue;
        search_row(t, i);
        t->nearest[i] = t->from[c] == i ? t->to[c] : -1;
        t->bound[i] = larger(t->bound[i], t->reach[c]);
    }
}

/* Join components by their lightest edges; list these as rows, and return how many there are. */
int64_t end_round(Tree *t, int32_t *first, int32_t *second, double *reach)
{
    int64_t joined = 0;
    for (int64_t c = 0; c < t->points; c++)
        if (t->from[c] >= 0 && unite_two(t->set, t->from[c], t->to[c])) {
            first[joined] = t->from[c];
            second[joined] = t->to[c];
            reach[joined++] = t->reach[c];
        }
    return joined;
}
