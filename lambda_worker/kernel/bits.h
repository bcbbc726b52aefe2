/* Bits of a number that are set. */
#ifndef BITS_H
#define BITS_H
#include <stdint.h>

static inline int64_t count_bits(uint64_t x)
{
    x -= (x >> 1) & UINT64_C(0x5555555555555555);
    x = (x & UINT64_C(0x3333333333333333)) + ((x >> 2) & UINT64_C(0x3333333333333333));
    x = (x + (x >> 4)) & UINT64_C(0x0F0F0F0F0F0F0F0F);
    return (int64_t)((x * UINT64_C(0x0101010101010101)) >> 56);
}

#endif
