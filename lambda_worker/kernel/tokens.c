/* Tokens of sets: equal bytes get equal numbers, in the order in which they first come. */
#include <stdint.h>
#include <string.h>

typedef struct {
    uint64_t word;   /* a token of at most 8 bytes, or the hash of a longer one */
    int32_t length;
    int32_t number;  /* from 1; 0: empty */
} TokenSlot;

enum { WORD = 8, AHEAD = 16 };

typedef struct {
    int64_t tokens;
    const uint8_t *bytes;    /* of all tokens, end to end */
    const int64_t *starts;   /* (tokens + 1,) */
    int32_t *numbers;        /* (tokens,) from 0 */
    int32_t *firsts;         /* (tokens,) by number: the first token that is equal */
    TokenSlot *slots;
    int64_t slot_count;      /* a power of two */
    int64_t next;            /* token to be numbered next */
    int64_t distinct;        /* numbers given so far */
} TokenNumbers;

static inline uint64_t mix(uint64_t x)
{
    x *= UINT64_C(0xD6E8FEB86659FD93);
    x ^= x >> 32;
    x *= UINT64_C(0xD6E8FEB86659FD93);
    return x ^ x >> 32;
}

static uint64_t word_of(const uint8_t *bytes, int64_t count)
{
    uint64_t word = 0;
    if (count == WORD)
        memcpy(&word, bytes, WORD);
    else
        for (int64_t i = 0; i < count; i++)
            word |= (uint64_t)bytes[i] << (8 * i);
    return word;
}

/* The word of a slot that would hold a token. */
static uint64_t word_of_token(const TokenNumbers *t, int64_t token)
{
    const uint8_t *bytes = t->bytes + t->starts[token];
    int64_t count = t->starts[token + 1] - t->starts[token];
    if (count <= WORD)
        return word_of(bytes, count);
    uint64_t hash = (uint64_t)count;
    for (; count > WORD; bytes += WORD, count -= WORD)
        hash = mix(hash ^ word_of(bytes, WORD));
    return mix(hash ^ word_of(bytes, count));
}

static inline uint64_t slot_of(const TokenNumbers *t, uint64_t word, int64_t length)
{
    return mix(word + (uint64_t)length) & ((uint64_t)t->slot_count - 1);
}

/* Number tokens until all are, or the slots are three quarters full: then `move_slots` and go on. */
void number_tokens(TokenNumbers *t)
{
    uint64_t words[AHEAD], mask = (uint64_t)t->slot_count - 1;
    for (int64_t ahead = t->next; t->next < t->tokens && 4 * t->distinct < 3 * t->slot_count; t->next++) {
        for (; ahead < t->tokens && ahead < t->next + AHEAD; ahead++) {  /* slots are far apart in memory */
            uint64_t word = words[ahead % AHEAD] = word_of_token(t, ahead);
            __builtin_prefetch(t->slots + slot_of(t, word, t->starts[ahead + 1] - t->starts[ahead]));
        }
        int64_t length = t->starts[t->next + 1] - t->starts[t->next];
        uint64_t word = words[t->next % AHEAD], at = slot_of(t, word, length);
        for (; t->slots[at].number; at = (at + 1) & mask) {
            if (t->slots[at].word != word || t->slots[at].length != length)
                continue;
            if (length <= WORD || memcmp(t->bytes + t->starts[t->firsts[t->slots[at].number - 1]],
                                         t->bytes + t->starts[t->next], (size_t)length) == 0)
                break;
        }
        if (!t->slots[at].number) {
            t->slots[at] = (TokenSlot){word, (int32_t)length, (int32_t)(t->distinct + 1)};
            t->firsts[t->distinct++] = (int32_t)t->next;
        }
        t->numbers[t->next] = t->slots[at].number - 1;
    }
}

/* Move the known tokens to a larger table of empty slots. */
void move_slots(TokenNumbers *t, TokenSlot *slots, int64_t slot_count)
{
    TokenSlot *known = t->slots;
    int64_t known_count = t->slot_count;
    t->slots = slots;
    t->slot_count = slot_count;
    uint64_t mask = (uint64_t)slot_count - 1;
    for (int64_t i = 0; i < known_count; i++) {
        if (!known[i].number)
            continue;
        uint64_t at = slot_of(t, known[i].word, known[i].length);
        while (slots[at].number)
            at = (at + 1) & mask;
        slots[at] = known[i];
    }
}
