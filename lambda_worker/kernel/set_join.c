/* Near sets: a prefix filter over an index of the smaller sets, then one merge for each pair that passes.

   The bounds `share` and `ratio`, the proofs of the prefix, size, positional and bitmap filters, and their
   sources stand in sql/candidates/sets/candidates.sql. Here as in PPJoin (Xiao, Wang, Lin, Yu, WWW 2008) sets come in the
   order of (size, id), the row; each looks up those before it, and is then put into the index. The index holds
   a shorter prefix than the one that is looked up, since a set in it is the smaller one of a pair.

   A pair that fails the positional filter at its first common token is not near. It may pass at a later one,
   where some of its common tokens are not counted: then its distance comes out too large, and it is dropped. */
#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "bits.h"

enum { JACCARD = 0, DICE = 1, OVERLAP = 2, SET_COSINE = 3 };
enum { FEW_TOKENS = 24, ROWS_AHEAD = 8 };

typedef struct {
    uint64_t mark;
    int32_t row;
    int32_t place;  /* of the token among those that are held */
    int32_t size;
    int32_t held;
} SetEntry;

typedef struct {
    int32_t head;  /* first entry of a token that is large enough; moves up */
    int32_t end;
} TokenList;

typedef struct {
    int64_t sets;
    int64_t metric;
    double threshold;
    double share;             /* common tokens per unit of f(size, size), at least */
    double ratio;             /* common tokens per token of the larger set, at least */
    int64_t is_all;           /* whether every pair is near */
    int32_t *tokens;          /* ranks of tokens by set: those that others hold too, ascending */
    const int64_t *starts;    /* (sets,) */
    const int32_t *sizes;     /* (sets,) ascending; tokens that no other set holds count */
    int32_t *held;            /* (sets,) tokens of the set in `tokens` */
    uint64_t *marks;          /* (sets,) a bit for each of them */
    int64_t ranks;
    TokenList *lists;         /* (ranks,) */
    SetEntry *entries;
    int32_t *seen;            /* (sets,) the round in which a row was measured */
    int64_t next;             /* row that looks up next */
    int64_t round;
    int64_t tested;           /* entries looked at so far */
} SetJoin;

static int compare_ranks(const void *a, const void *b)
{
    int32_t x = *(const int32_t *)a, y = *(const int32_t *)b;
    return (x > y) - (x < y);
}

static void sort_ranks(int32_t *ranks, int64_t count)
{
    if (count > FEW_TOKENS) {
        qsort(ranks, (size_t)count, sizeof *ranks, compare_ranks);
        return;
    }
    for (int64_t i = 1; i < count; i++) {
        int32_t rank = ranks[i];
        int64_t at = i;
        for (; at > 0 && ranks[at - 1] > rank; at--)
            ranks[at] = ranks[at - 1];
        ranks[at] = rank;
    }
}

/* Turn the numbers in `tokens` into ranks, ascending within each set; rank_of[number] < 0: no other set has it. */
void rank_tokens(SetJoin *s, const int32_t *rank_of)
{
    for (int64_t row = 0; row < s->sets; row++) {
        int32_t *ranks = s->tokens + s->starts[row];
        int64_t held = 0;
        uint64_t mark = 0;
        for (int64_t i = 0; i < s->sizes[row]; i++) {
            int32_t rank = rank_of[ranks[i]];
            if (rank < 0)
                continue;
            ranks[held++] = rank;
            mark |= UINT64_C(1) << (rank & 63);
        }
        sort_ranks(ranks, held);
        s->held[row] = (int32_t)held;
        s->marks[row] = mark;
    }
}

/* Tokens that sets of a <= b tokens have in common when they are near, at least. */
static inline int64_t least_common(const SetJoin *s, int64_t a, int64_t b)
{
    double common;
    if (s->metric == OVERLAP)
        common = s->share * (double)a;
    else if (s->metric == SET_COSINE)
        common = s->share * sqrt((double)a * (double)b);
    else
        common = s->share * (double)(a + b);
    int64_t least = (int64_t)ceil(common);
    return least > 1 ? least : 1;
}

static inline int64_t prefix_of(const SetJoin *s, int64_t row, int64_t common)
{
    int64_t prefix = s->held[row] + 1 - common;
    return prefix > 0 ? prefix : 0;
}

static int64_t indexed_prefix(const SetJoin *s, int64_t row)
{
    return prefix_of(s, row, least_common(s, s->sizes[row], s->sizes[row]));
}

static int64_t asked_prefix(const SetJoin *s, int64_t row)
{
    int64_t least = (int64_t)ceil(s->ratio * (double)s->sizes[row]);
    return prefix_of(s, row, least > 1 ? least : 1);
}

/* Lay out the index; its lists are 0 before. Returns its entries; *tests: about the ones looked at. */
int64_t lay_out_index(SetJoin *s, int64_t *tests)
{
    int64_t entries = 0;
    double about = 0.0;
    *tests = 0;
    if (s->is_all) {
        about = 0.5 * (double)s->sets * (double)s->sets;
    } else {
        for (int64_t row = 0; row < s->sets; row++) {
            const int32_t *ranks = s->tokens + s->starts[row];
            int64_t indexed = indexed_prefix(s, row), asked = asked_prefix(s, row);
            for (int64_t i = 0; i < indexed; i++)
                s->lists[ranks[i]].end++;
            for (int64_t i = 0; i < asked; i++)
                s->lists[ranks[i]].head++;
        }
        for (int64_t rank = 0; rank < s->ranks; rank++) {
            int64_t count = s->lists[rank].end;
            about += 0.5 * (double)count * (double)s->lists[rank].head;
            s->lists[rank].head = s->lists[rank].end = (int32_t)entries;
            entries += count;
        }
    }
    *tests = about < 1e18 ? (int64_t)about : INT64_C(1000000000000000000);
    return entries;
}

/* Equal numbers in two ascending rows; fewer than `least` may come out as any number below it. */
static int64_t count_equal(const int32_t *x, int64_t a, const int32_t *y, int64_t b, int64_t least)
{
    int64_t equal = 0, i = 0, j = 0;
    while (i < a && j < b) {
        int32_t p = x[i], q = y[j];
        equal += p == q;
        i += p <= q;
        j += q <= p;
        int64_t left = a - i < b - j ? a - i : b - j;
        if (equal + left < least)
            return equal;
    }
    return equal;
}

/* As in sql/candidates/sets/candidates.sql, for sets of a <= b tokens. */
static double distance_of(int64_t metric, int64_t a, int64_t b, int64_t common)
{
    if (metric == JACCARD)
        return (double)(a + b - 2 * common) / (double)(a + b - common);
    if (metric == DICE)
        return (double)(a + b - 2 * common) / (double)(a + b);
    if (metric == OVERLAP)
        return (double)(a - common) / (double)a;
    return 1.0 - (double)common / sqrt((double)a * (double)b);
}

/* Pairs of a row and all rows before it; -1: there is no room for them. */
static int64_t ask_all(SetJoin *s, int64_t row, int64_t capacity, int64_t *first, int64_t *second, double *distance)
{
    int64_t listed = 0;
    for (int64_t other = 0; other < row; other++) {
        int64_t common = count_equal(s->tokens + s->starts[other], s->held[other], s->tokens + s->starts[row],
                                     s->held[row], 0);
        double found = distance_of(s->metric, s->sizes[other], s->sizes[row], common);
        if (found > s->threshold)
            continue;
        if (listed == capacity)
            return -1;
        first[listed] = other;
        second[listed] = row;
        distance[listed++] = found;
    }
    s->tested += row;
    return listed;
}

/* Pairs of a row and those before it that are near; -1: there is no room for them. */
static int64_t look_up(SetJoin *s, int64_t row, int64_t capacity, int64_t *first, int64_t *second, double *distance)
{
    const int32_t *ranks = s->tokens + s->starts[row];
    int64_t size = s->sizes[row], held = s->held[row], prefix = asked_prefix(s, row);
    int64_t smallest = (int64_t)ceil(s->ratio * (double)size), listed = 0, tested = 0;
    int64_t least_size = -1, least = 0;  /* tokens in common with a set of this size */
    uint64_t mark = s->marks[row];
    int32_t round = (int32_t)++s->round;
    for (int64_t place = 0; place < prefix; place++) {
        TokenList *list = s->lists + ranks[place];
        int32_t end = list->end, at = list->head;
        while (at < end && s->entries[at].size < smallest)
            at++;
        list->head = at;
        tested += end - at;
        for (; at < end; at++) {
            const SetEntry *entry = s->entries + at;
            if (entry->size != least_size) {
                least_size = entry->size;
                least = least_common(s, least_size, size);
            }
            int64_t behind = held - place < entry->held - entry->place ? held - place : entry->held - entry->place;
            if (behind < least || entry->held + held - count_bits(mark ^ entry->mark) < 2 * least ||
                s->seen[entry->row] == round)
                continue;
            s->seen[entry->row] = round;
            int64_t common = 1 + count_equal(s->tokens + s->starts[entry->row] + entry->place + 1,
                                             entry->held - entry->place - 1, ranks + place + 1,
                                             held - place - 1, least - 1);
            double found = distance_of(s->metric, least_size, size, common);
            if (found > s->threshold)
                continue;
            if (listed == capacity)
                return -1;
            first[listed] = entry->row;
            second[listed] = row;
            distance[listed++] = found;
        }
    }
    s->tested += tested;
    return listed;
}

static void put_into_index(SetJoin *s, int64_t row)
{
    const int32_t *ranks = s->tokens + s->starts[row];
    int64_t prefix = indexed_prefix(s, row);
    for (int64_t place = 0; place < prefix; place++)
        s->entries[s->lists[ranks[place]].end++] =
            (SetEntry){s->marks[row], (int32_t)row, (int32_t)place, s->sizes[row], s->held[row]};
}

/* Load what rows to come will look at: it lies far apart in memory. */
static void look_ahead(const SetJoin *s, int64_t row)
{
    if (row + 3 * ROWS_AHEAD < s->sets)
        __builtin_prefetch(s->tokens + s->starts[row + 3 * ROWS_AHEAD]);
    if (row + 2 * ROWS_AHEAD < s->sets) {
        const int32_t *ranks = s->tokens + s->starts[row + 2 * ROWS_AHEAD];
        int64_t prefix = asked_prefix(s, row + 2 * ROWS_AHEAD);
        for (int64_t place = 0; place < prefix && place < ROWS_AHEAD; place++)
            __builtin_prefetch(s->lists + ranks[place]);
    }
    if (row + ROWS_AHEAD < s->sets) {
        const int32_t *ranks = s->tokens + s->starts[row + ROWS_AHEAD];
        int64_t prefix = asked_prefix(s, row + ROWS_AHEAD);
        for (int64_t place = 0; place < prefix && place < ROWS_AHEAD; place++)
            __builtin_prefetch(s->entries + s->lists[ranks[place]].head);
    }
}

/* List near pairs as rows, each once. Returns how many; -1 when there is no room for those of one row.

   Ends early after `work` tests, so that the caller can look at the clock; s->next is `sets` when all is done. */
int64_t join_sets(SetJoin *s, int64_t work, int64_t capacity, int64_t *first, int64_t *second, double *distance)
{
    int64_t listed = 0, until = s->tested + work;
    for (; s->next < s->sets; s->next++) {
        if (s->tested > until)
            return listed;
        int64_t room = capacity - listed, row = s->next;
        if (!s->is_all)
            look_ahead(s, row);
        int64_t found = s->is_all ? ask_all(s, row, room, first + listed, second + listed, distance + listed)
                                  : look_up(s, row, room, first + listed, second + listed, distance + listed);
        if (found < 0)
            return listed ? listed : -1;
        listed += found;
        if (!s->is_all)
            put_into_index(s, row);
    }
    return listed;
}
