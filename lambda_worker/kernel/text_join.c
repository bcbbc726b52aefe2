/* Near texts: one of two is cut into `edits` + 1 segments, and the other holds one of them almost in its place.

   Pass-Join of Li, Deng, Wang, Feng (PVLDB 5(3), 2011). The proof that no pair is lost is in
   sql/candidates/texts/candidates.sql, with one intact segment: it holds wherever the cuts are. They are put here
   where the characters of texts of one length differ, so that a beginning that all share is in no key alone.

   Rows are those of the texts in the order of (length, id). The shorter one of a pair is the one that is cut;
   of two texts of one length it is the one of the lower row. */
#include <stdint.h>
#include <string.h>

#include "bits.h"

typedef struct {
    int64_t texts;
    int64_t edits;            /* largest distance of near texts */
    const int32_t *codes;     /* code points, end to end */
    const int64_t *starts;    /* (texts,) first code point of a row */
    const int64_t *lengths;   /* (texts,) ascending */
    uint64_t *marks;          /* (texts,) a bit for each code point, flipped each time it occurs */
    int32_t *heads;           /* (edits + 1, 2 * widest + 1) first entry of each slot */
    int32_t *entries;         /* (edits + 1, widest) rows, by slot */
    uint64_t *keys;           /* (edits + 1, widest) of the entries */
    int64_t widest;           /* most texts of one length */
    int64_t slots;            /* of the present length: a power of two below twice its texts */
    int64_t *cuts;            /* (edits + 2,) of the texts of the present length */
    int32_t *seen;            /* (texts,) the round in which a row was measured */
    int32_t *cells;           /* (longest + 2,) of a row of distances */
    int64_t first;            /* first row of the present length; `texts` at the end */
    int64_t next;             /* next row that asks */
    int64_t round;
    int64_t tested;           /* pairs that share a key, so far */
} TextJoin;

enum { ALPHABET = 256, FEW_TEXTS = 64, MANY_TEXTS = 512 };

static int64_t end_of_length(const TextJoin *t, int64_t row)
{
    int64_t length = t->lengths[row];
    while (row < t->texts && t->lengths[row] == length)
        row++;
    return row;
}

static inline uint64_t key_of(const int32_t *codes, int64_t length)
{
    uint64_t key = (uint64_t)length;
    for (int64_t i = 0; i < length; i++) {
        key = (key ^ (uint64_t)(uint32_t)codes[i]) * UINT64_C(0x9E3779B97F4A7C15);
        key ^= key >> 29;
    }
    return key;
}

void mark_texts(TextJoin *t)
{
    for (int64_t row = 0; row < t->texts; row++) {
        uint64_t mark = 0;
        for (int64_t i = 0; i < t->lengths[row]; i++)
            mark ^= UINT64_C(1) << (((uint32_t)t->codes[t->starts[row] + i] * UINT32_C(2654435769)) >> 26);
        t->marks[row] = mark;
    }
}

/* Information in a character, in 16ths of a bit: the rarer two of them are equal, the more. */
static int64_t weigh(const int64_t *counts, int64_t total)
{
    double equal = 0.0, all = (double)total * (double)total;
    for (int64_t c = 0; c < ALPHABET; c++)
        equal += (double)counts[c] * (double)counts[c];
    int64_t whole = 0;
    while (2 * equal <= all && whole < 62) {
        equal *= 2;
        whole += 1;
    }
    return 16 * whole + (int64_t)(16.0 * (all / equal - 1.0));
}

/* Cut the texts from..to-1, which are of one length, into segments with about equal information. */
static void cut_texts(TextJoin *t, int64_t from, int64_t to)
{
    int64_t length = t->lengths[from], segments = t->edits + 1, before = 0, all = 0, cut = 1;
    if (to - from < FEW_TEXTS) {
        for (cut = 0; cut <= segments; cut++)
            t->cuts[cut] = length * cut / segments;
        return;
    }
    int64_t step = (to - from) / MANY_TEXTS + 1;  /* a sample of some hundred texts is enough */
    for (int turn = 0; turn < 2; turn++)
        for (int64_t i = 0; i < length; i++) {
            int64_t counts[ALPHABET] = {0}, total = 0;
            for (int64_t row = from; row < to; row += step, total++)
                counts[(uint32_t)t->codes[t->starts[row] + i] % ALPHABET]++;
            int64_t weight = weigh(counts, total) + 1;
            if (turn == 0) {
                all += weight;
                continue;
            }
            /* The cut stands before the character in whose middle its share lies, or before a later one. */
            for (; cut < segments && segments * (2 * before + weight) > 2 * all * cut; cut++)
                t->cuts[cut] = i;
            before += weight;
        }
    for (; cut < segments; cut++)
        t->cuts[cut] = length;
    t->cuts[0] = 0;
    t->cuts[segments] = length;
}

/* Sort the texts from..to-1 by their keys in a segment. */
static void fill_slots(TextJoin *t, int64_t segment, int64_t from, int64_t to)
{
    int32_t *heads = t->heads + segment * (2 * t->widest + 1);
    int32_t *entries = t->entries + segment * t->widest;
    uint64_t *keys = t->keys + segment * t->widest;
    int64_t start = t->cuts[segment], width = t->cuts[segment + 1] - start;
    memset(heads, 0, (size_t)(t->slots + 1) * sizeof *heads);
    for (int64_t row = from; row < to; row++)
        heads[key_of(t->codes + t->starts[row] + start, width) & (uint64_t)(t->slots - 1)]++;
    for (int64_t slot = 1; slot <= t->slots; slot++)
        heads[slot] += heads[slot - 1];
    for (int64_t row = to - 1; row >= from; row--) {
        uint64_t key = key_of(t->codes + t->starts[row] + start, width);
        int32_t at = --heads[key & (uint64_t)(t->slots - 1)];
        entries[at] = (int32_t)row;
        keys[at] = key;
    }
}

static int64_t least_of(int64_t a, int64_t b) { return a < b ? a : b; }
static int64_t most_of(int64_t a, int64_t b) { return a > b ? a : b; }

/* The distance of two texts of a <= b code points, or more than `edits`: the band of Ukkonen (1985). */
static int64_t measure_texts(TextJoin *t, const int32_t *x, int64_t a, const int32_t *y, int64_t b)
{
    int64_t edits = t->edits;
    while (a > 0 && x[a - 1] == y[b - 1])
        a--, b--;
    while (a > 0 && *x == *y)
        x++, y++, a--, b--;
    if (a == 0)
        return b;
    if (edits == 1)
        return b == 1 ? 1 : 2;
    int32_t *cells = t->cells, far = (int32_t)edits + 1;
    for (int64_t j = 0; j <= a; j++)
        cells[j] = (int32_t)least_of(j, far);
    for (int64_t i = 1; i <= b; i++) {
        int64_t low = most_of(1, i - edits), high = least_of(a, i + edits);
        if (low > a)
            return far;
        int32_t diagonal = cells[low - 1], lowest = far;
        cells[low - 1] = low == 1 ? (int32_t)least_of(i, far) : far;
        if (low == 1)
            lowest = cells[0];
        for (int64_t j = low; j <= high; j++) {
            int32_t above = j < i + edits ? cells[j] : far;
            int32_t best = diagonal + (x[j - 1] != y[i - 1]);
            if (above + 1 < best)
                best = above + 1;
            if (cells[j - 1] + 1 < best)
                best = cells[j - 1] + 1;
            if (best > far)
                best = far;
            diagonal = cells[j];
            cells[j] = best;
            if (best < lowest)
                lowest = best;
        }
        if (lowest > edits)
            return far;
    }
    return cells[a];
}

/* The places of a segment in a text that is `added` longer. */
static void places_of(const TextJoin *t, int64_t segment, int64_t added, int64_t *low, int64_t *high)
{
    int64_t after = t->edits - segment;
    *low = most_of(0, t->cuts[segment] + most_of(-segment, added - after));
    *high = least_of(t->cuts[t->edits + 1] + added - (t->cuts[segment + 1] - t->cuts[segment]),
                     t->cuts[segment] + least_of(segment, added + after));
}

/* Pairs of a row and those of the present length that share a key with it; -1: there is no room for them. */
static int64_t ask(TextJoin *t, int64_t row, int64_t capacity, int64_t *first, int64_t *second, double *distance)
{
    int64_t length = t->lengths[row], shorter = t->cuts[t->edits + 1], added = length - shorter;
    int64_t listed = 0, tested = 0, most_bits = 2 * t->edits - added;
    const int32_t *text = t->codes + t->starts[row];
    uint64_t mark = t->marks[row];
    int32_t round = (int32_t)++t->round;
    for (int64_t segment = 0; segment <= t->edits; segment++) {
        const int32_t *heads = t->heads + segment * (2 * t->widest + 1);
        const int32_t *entries = t->entries + segment * t->widest;
        const uint64_t *keys = t->keys + segment * t->widest;
        int64_t low, high, width = t->cuts[segment + 1] - t->cuts[segment];
        places_of(t, segment, added, &low, &high);
        for (int64_t place = low; place <= high; place++) {
            uint64_t key = key_of(text + place, width);
            uint64_t slot = key & (uint64_t)(t->slots - 1);
            for (int32_t at = heads[slot]; at < heads[slot + 1]; at++) {
                int64_t other = entries[at];
                if (other >= row)
                    break;  /* of one slot rows ascend */
                tested += keys[at] == key;
                if (keys[at] != key || count_bits(mark ^ t->marks[other]) > most_bits || t->seen[other] == round)
                    continue;
                t->seen[other] = round;
                int64_t edits = measure_texts(t, t->codes + t->starts[other], shorter, text, length);
                if (edits > t->edits)
                    continue;
                if (listed == capacity)
                    return -1;
                first[listed] = other;
                second[listed] = row;
                distance[listed++] = (double)edits;
            }
        }
    }
    t->tested += tested;
    return listed;
}

/* Take up the texts of the length that begins at row `first`. */
static void begin_length(TextJoin *t)
{
    int64_t end = end_of_length(t, t->first);
    t->slots = 1;
    while (t->slots < end - t->first)
        t->slots *= 2;
    cut_texts(t, t->first, end);
    for (int64_t segment = 0; segment <= t->edits; segment++)
        fill_slots(t, segment, t->first, end);
    t->next = t->first;
}

/* List near pairs as rows, each once. Returns how many; -1 when there is no room for those of one row.

   Ends early after `work` tests, so that the caller can look at the clock; t->first is `texts` when all is
   done. Before the first call, first and next are 0, round 0, and `seen` is 0. */
int64_t join_texts(TextJoin *t, int64_t work, int64_t capacity, int64_t *first, int64_t *second, double *distance)
{
    int64_t listed = 0, until = t->tested + work;
    while (t->first < t->texts) {
        if (t->next == t->first)
            begin_length(t);
        int64_t longest = t->lengths[t->first] + t->edits;
        for (; t->next < t->texts && t->lengths[t->next] <= longest; t->next++) {
            if (t->tested > until)
                return listed;
            if (t->round == INT32_MAX) {
                memset(t->seen, 0, (size_t)t->texts * sizeof *t->seen);
                t->round = 0;
            }
            int64_t found = ask(t, t->next, capacity - listed, first + listed, second + listed, distance + listed);
            if (found < 0)
                return listed ? listed : -1;
            listed += found;
        }
        t->first = end_of_length(t, t->first);
        t->next = t->first;
    }
    return listed;
}

/* Pairs that share a key, counted for every step-th row that asks: what join_texts would test is some `step`
   times as much. Stops beyond `most`. */
int64_t count_texts(TextJoin *t, int64_t step, int64_t most)
{
    int64_t tested = 0;
    for (t->first = 0; t->first < t->texts && tested <= most; t->first = end_of_length(t, t->first)) {
        begin_length(t);
        int64_t shorter = t->lengths[t->first];
        for (int64_t row = t->first; row < t->texts && t->lengths[row] <= shorter + t->edits; row += step)
            for (int64_t segment = 0; segment <= t->edits; segment++) {
                const int32_t *heads = t->heads + segment * (2 * t->widest + 1);
                int64_t low, high, width = t->cuts[segment + 1] - t->cuts[segment];
                places_of(t, segment, t->lengths[row] - shorter, &low, &high);
                for (int64_t place = low; place <= high; place++) {
                    uint64_t slot = key_of(t->codes + t->starts[row] + place, width) & (uint64_t)(t->slots - 1);
                    tested += heads[slot + 1] - heads[slot];
                }
            }
    }
    t->first = t->next = 0;
    return tested;
}
