/* Stable order of cell keys: least significant digit first, 11 bits a time, only as many as the keys have. */
#include <stdint.h>
#include <string.h>

enum { DIGIT_BITS = 11, DIGITS = 1 << DIGIT_BITS };

/* keys: (points,) from 0 to `largest`, sorted in place; order: (points,) their former rows; spare: room for both. */
void sort_keys(int64_t points, uint64_t largest, uint64_t *keys, int32_t *order, uint64_t *spare_keys,
               int32_t *spare_order)
{
    int64_t counts[DIGITS];
    uint64_t *from_keys = keys, *to_keys = spare_keys;
    int32_t *from = order, *to = spare_order;
    for (int64_t i = 0; i < points; i++)
        order[i] = (int32_t)i;
    for (int shift = 0; shift < 64 && (largest >> shift) > 0; shift += DIGIT_BITS) {
        memset(counts, 0, sizeof counts);
        for (int64_t i = 0; i < points; i++)
            counts[(from_keys[i] >> shift) & (DIGITS - 1)]++;
        int64_t before = 0;
        for (int d = 0; d < DIGITS; d++) {
            int64_t count = counts[d];
            counts[d] = before;
            before += count;
        }
        for (int64_t i = 0; i < points; i++) {
            int64_t at = counts[(from_keys[i] >> shift) & (DIGITS - 1)]++;
            to_keys[at] = from_keys[i];
            to[at] = from[i];
        }
        uint64_t *swap_keys = from_keys;
        int32_t *swap = from;
        from_keys = to_keys, to_keys = swap_keys;
        from = to, to = swap;
    }
    if (from_keys != keys) {
        memcpy(keys, from_keys, (size_t)points * sizeof *keys);
        memcpy(order, from, (size_t)points * sizeof *order);
    }
}
