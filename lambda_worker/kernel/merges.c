/* Single linkage from the edges of a minimum spanning forest: the order of equal edges, and the merges. */
#include <stdint.h>

#include "sets.h"

/* What waits to be taken: the larger clusters first, of equal ones the first row. */
typedef struct {
    int64_t size, row;
} Waiting;

static inline int comes_before(Waiting a, Waiting b)
{
    return a.size != b.size ? a.size > b.size : a.row < b.row;
}

static void push_waiting(Waiting *heap, int64_t at, Waiting one)
{
    for (; at > 0 && comes_before(one, heap[(at - 1) / 2]); at = (at - 1) / 2)
        heap[at] = heap[(at - 1) / 2];
    heap[at] = one;
}

/* Take the first of `count`, at least one. */
static Waiting pop_waiting(Waiting *heap, int64_t count)
{
    Waiting first = heap[0], last = heap[--count];
    int64_t at = 0;
    for (int64_t child = 1; child < count; at = child, child = 2 * at + 1) {
        child += child + 1 < count && comes_before(heap[child + 1], heap[child]);
        if (!comes_before(heap[child], last))
            break;
        heap[at] = heap[child];
    }
    heap[at] = last;
    return first;
}

enum { NO_EDGE = -1, TAKEN = -2 };

/* Ends of the edges in `rows` that leave the cluster `root` are added to the heap; returns its new length. */
static int64_t take_cluster(int32_t *head, const int32_t *next, const int32_t *ends, const int64_t *size, int32_t root,
                            Waiting *heap, int64_t waiting)
{
    for (int32_t half = head[root]; half >= 0; half = next[half])
        push_waiting(heap, waiting++, (Waiting){size[ends[half ^ 1]], half});
    head[root] = TAKEN;
    return waiting;
}

/* Order the edges of equal distance: from the largest cluster outwards, the larger neighbours first.

   a, b: (edges,) ascending by distance; size: (points,) entities, changed; parent: (points,) the rows themselves;
   head: (points,) all NO_EDGE; next, ends: (2 * most,) and heap: (8 * most,), `most` being the edges of one distance;
   order: (edges,) is filled. */
void order_merges(int64_t edges, const int32_t *a, const int32_t *b, const double *distance, int64_t *size,
                  int32_t *parent, int32_t *head, int32_t *next, int32_t *ends, int64_t *heap, int64_t most,
                  int64_t *order)
{
    Waiting *starts = (Waiting *)heap, *waits = starts + 2 * most;
    for (int64_t first = 0, end; first < edges; first = end) {
        int64_t at = first, clusters = 0;
        for (end = first + 1; end < edges && distance[end] == distance[first]; end++)
            ;
        if (end == first + 1)
            order[at] = first;
        for (int64_t e = first; e < end && end > first + 1; e++)
            for (int32_t half = 2 * (int32_t)(e - first), last = half + 1; half <= last; half++) {
                int32_t root = find_root(parent, half & 1 ? b[e] : a[e]);
                if (head[root] == NO_EDGE)
                    push_waiting(starts, clusters++, (Waiting){size[root], root});
                ends[half] = root;
                next[half] = head[root];
                head[root] = half;
            }
        for (; clusters; clusters--) {
            int32_t root = (int32_t)pop_waiting(starts, clusters).row;
            int64_t waiting = head[root] == TAKEN ? 0 : take_cluster(head, next, ends, size, root, waits, 0);
            while (waiting) {
                int32_t half = (int32_t)pop_waiting(waits, waiting--).row, other = ends[half ^ 1];
                if (head[other] == TAKEN)
                    continue;
                order[at++] = first + half / 2;
                waiting = take_cluster(head, next, ends, size, other, waits, waiting);
            }
        }
        for (int64_t half = 0; half < 2 * (end - first) && end > first + 1; half++)
            head[ends[half]] = NO_EDGE;
        for (int64_t e = first; e < end; e++) {
            int32_t one = find_root(parent, a[e]), two = find_root(parent, b[e]);
            unite_two(parent, one, two);
            size[one < two ? one : two] = size[one] + size[two];
        }
    }
}

/* The two clusters that each edge merges, and the size of what it makes; the merge in row r is cluster points + r.

   parent, cluster: (points,) the rows themselves; size: (points,) changed. */
void list_merges(int64_t points, int64_t edges, const int32_t *a, const int32_t *b, int32_t *parent, int32_t *cluster,
                 int64_t *size, int32_t *left, int32_t *right, int64_t *made)
{
    for (int64_t e = 0; e < edges; e++) {
        int32_t one = find_root(parent, a[e]), two = find_root(parent, b[e]);
        int32_t root = one < two ? one : two;
        left[e] = cluster[one] < cluster[two] ? cluster[one] : cluster[two];
        right[e] = cluster[one] < cluster[two] ? cluster[two] : cluster[one];
        unite_two(parent, one, two);
        made[e] = size[root] = size[one] + size[two];
        cluster[root] = (int32_t)(points + e);
    }
}
