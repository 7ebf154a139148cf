/* The order of groups. In: that one group must run before another, told while groups grow. Out: whether one is before
 * another, now or through others, in constant time.
 *
 * Each group has the set of all that are before it, so the sets together are as large as the square of the number of
 * groups. But sets of neighbours are nearly equal: they are made of blocks, and a set takes over the blocks of others
 * until one of the two changes. Invariant: sets are transitive. So a set that has a group already has all before it,
 * and what comes after a set that did not change needs no visit. */
#include <string.h>

#include "ir/fuse.h"

enum { WORDS = 32, BITS = 64 * WORDS };

struct fu_set_block {
    int shared; /* several sets have it: it stays as it is */
    uint64_t word[WORDS];
};

static fu_set_block **block_at(fu_state *s, fu_set *set, uint32_t i) {
    if (i >= set->n) {
        uint32_t n = i + 1 + i / 2;
        fu_set_block **grown = ARENA_ARRAY(s->arena, fu_set_block *, n);
        if (set->n) memcpy(grown, set->block, set->n * sizeof *grown);
        set->block = grown;
        set->n = n;
    }
    return &set->block[i];
}

/* One that only this set has, to be changed. */
static fu_set_block *own(fu_state *s, fu_set_block **at) {
    if (*at && !(*at)->shared) return *at;
    fu_set_block *copy = ARENA_NEW(s->arena, fu_set_block);
    if (*at) *copy = **at;
    copy->shared = 0;
    return *at = copy;
}

static int contains(const fu_set_block *all, const fu_set_block *part) {
    uint64_t missing = 0;
    for (uint32_t w = 0; w < WORDS; w++) missing |= part->word[w] & ~all->word[w];
    return !missing;
}

static void take_over(fu_state *s, fu_set *to, const fu_set *from) {
    for (uint32_t i = 0; i < from->n; i++) {
        fu_set_block *block = from->block[i];
        if (!block) continue;
        fu_set_block **at = block_at(s, to, i);
        s->work++;
        if (*at == block || (*at && contains(*at, block))) continue;
        if (!*at || contains(block, *at)) {
            block->shared = 1;
            *at = block;
            continue;
        }
        fu_set_block *mine = own(s, at);
        for (uint32_t w = 0; w < WORDS; w++) mine->word[w] |= block->word[w];
    }
}

static void add(fu_state *s, fu_set *set, uint32_t i) {
    fu_set_block *block = own(s, block_at(s, set, i / BITS));
    block->word[i % BITS / 64] |= (uint64_t)1 << (i % 64);
}

int fu_before(const fu_state *s, int32_t earlier, int32_t later) {
    const fu_set *set = &s->group.at[later].before;
    uint32_t i = (uint32_t)earlier;
    const fu_set_block *block = i / BITS < set->n ? set->block[i / BITS] : NULL;
    return block && (block->word[i % BITS / 64] >> (i % 64) & 1);
}

/* Fills the sets of `later` and of all after it. */
static void spread(fu_state *s, int32_t earlier, int32_t later) {
    s->stack.n = 0;
    *base_vec_push(&s->stack, s->arena) = later;
    while (s->stack.n) {
        int32_t x = s->stack.at[--s->stack.n];
        fu_group *g = &s->group.at[x];
        s->work++;
        if (fu_before(s, earlier, x)) continue;
        take_over(s, &g->before, &s->group.at[earlier].before);
        add(s, &g->before, (uint32_t)earlier);
        for (uint32_t i = 0; i < g->next.n; i++) *base_vec_push(&s->stack, s->arena) = g->next.at[i];
    }
}

static void join(fu_state *s, int32_t earlier, int32_t later) {
    spread(s, earlier, later);
    *base_vec_push(&s->group.at[earlier].next, s->arena) = later;
    *base_vec_push(&s->group.at[later].previous, s->arena) = earlier;
}

void fu_add_before(fu_state *s, int32_t earlier, int32_t later) {
    if (earlier >= 0 && earlier != later && !fu_before(s, earlier, later)) join(s, earlier, later);
}

int fu_has_between(const fu_state *s, int32_t earlier, int32_t later) {
    const fu_group *a = &s->group.at[earlier], *b = &s->group.at[later];
    if (a->next.n < b->previous.n) {
        for (uint32_t i = 0; i < a->next.n; i++)
            if (!s->group.at[a->next.at[i]].merged && fu_before(s, a->next.at[i], later)) return 1;
        return 0;
    }
    for (uint32_t i = 0; i < b->previous.n; i++)
        if (!s->group.at[b->previous.at[i]].merged && fu_before(s, earlier, b->previous.at[i])) return 1;
    return 0;
}

void fu_merge_order(fu_state *s, int32_t from, int32_t to) {
    fu_group *old = &s->group.at[from];
    old->merged = 1;
    for (uint32_t i = 0; i < old->next.n; i++)
        if (old->next.at[i] != to && !s->group.at[old->next.at[i]].merged) join(s, to, old->next.at[i]);
    for (uint32_t i = 0; i < old->previous.n; i++)
        if (old->previous.at[i] != to && !s->group.at[old->previous.at[i]].merged) join(s, old->previous.at[i], to);
}
