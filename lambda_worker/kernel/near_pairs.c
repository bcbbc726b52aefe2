/* Near pairs of points in the cells of a grid. */
#include "grid.h"

/* List near pairs as rows of the grid, each once, beginning with those of row *cursor.

   The first run is that of the own cell, the others lie above it. Stops before the point whose pairs might not
   fit. Returns the pairs listed; *cursor is the first row that was not done. -1: there is no room for the pairs
   of one point. */
int64_t list_pairs(Grid *g, int64_t *cursor, int64_t capacity, int64_t *first, int64_t *second, double *reduced)
{
    double buffer[CHUNK];
    int64_t listed = 0, i = *cursor;
    while (i < g->points) {
        int64_t end = end_of_cell(g, i);
        move_runs(g, g->keys[i]);
        for (; i < end; i++) {
            int64_t before = listed, measured = 0;
            for (int64_t r = 0; r < g->run_count; r++) {
                int64_t from = r ? g->starts[r] : i + 1;
                for (; from < g->ends[r]; from += CHUNK) {
                    int64_t to = from + CHUNK < g->ends[r] ? from + CHUNK : g->ends[r];
                    if (listed + (to - from) > capacity) {
                        *cursor = i;
                        return before ? before : -1;
                    }
                    reduce_run(g, i, from, to, buffer);
                    measured += to - from;
                    for (int64_t j = from; j < to; j++) {
                        int near = (buffer[j - from] <= g->limit) & (g->home[i] | g->home[j]);
                        first[listed] = i;
                        second[listed] = j;
                        reduced[listed] = buffer[j - from];
                        listed += near;
                    }
                }
            }
            g->tested += measured;
        }
    }
    *cursor = i;
    return listed;
}

/* How many pairs `list_pairs` would test. Needs a grid of its own. */
int64_t count_tests(Grid *g)
{
    int64_t tests = 0;
    for (int64_t start = 0; start < g->points;) {
        int64_t end = end_of_cell(g, start), size = end - start;
        move_runs(g, g->keys[start]);
        tests += size * (size - 1) / 2 + size * (g->ends[0] - end);
        for (int64_t r = 1; r < g->run_count; r++)
            tests += size * (g->ends[r] - g->starts[r]);
        start = end;
    }
    return tests;
}
