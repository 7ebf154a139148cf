/* Registers that may be read before they are written: forwards through the code, which registers are written on every
 * way to a place. Where all are, running need not look; the others are doubtful, and so is what is computed from them.
 * Instructions that touch those are checked as they run.
 *
 * And where the two ways from a jump meet again: what lies between depends on it. */
#include <stdlib.h>
#include <string.h>

#include "ptx.h"

typedef struct {
    ptx_kernel *k;
    size_t words; /* of a set */
    uint64_t *in; /* of each block: written on every way to it */
    uint64_t *now;
    size_t *block; /* first instruction of each; one more at the end */
    uint32_t *of;  /* of each instruction: its block */
    size_t n_block;
    int touches, spread;
} flow;

static int has(const uint64_t *set, uint32_t slot) { return (int)(set[slot / 64] >> slot % 64 & 1); }

static void add(uint32_t slot, void *arg) {
    flow *f = arg;
    f->now[slot / 64] |= (uint64_t)1 << slot % 64;
}

static void look(uint32_t slot, void *arg) {
    flow *f = arg;
    if (slot < f->k->n_constant || has(f->now, slot)) return;
    f->k->n_doubtful += f->k->known[slot] != 0;
    f->k->known[slot] = 0;
}

static void infect(uint32_t slot, void *arg) {
    flow *f = arg;
    f->spread |= f->k->known[slot];
    f->k->n_doubtful += f->k->known[slot] != 0;
    f->k->known[slot] = 0;
}

static void touch(uint32_t slot, void *arg) {
    flow *f = arg;
    if (!f->k->known[slot]) f->touches = 1;
}

static int ends_block(const ptx_insn *i) { return i->op == PTX_bra || i->op == PTX_ret; }

static void find_blocks(flow *f) {
    const ptx_kernel *k = f->k;
    uint8_t *first = calloc(k->n_code + 1, 1);
    f->block = calloc(k->n_code + 1, sizeof *f->block);
    f->of = calloc(k->n_code, sizeof *f->of);
    if (!first || !f->block || !f->of) abort();
    first[0] = 1;
    for (size_t i = 0; i < k->n_code; i++) {
        if (k->code[i].op == PTX_bra) first[k->code[i].offset] = 1;
        if (ends_block(&k->code[i])) first[i + 1] = 1;
    }
    for (size_t i = 0; i < k->n_code; i++) {
        if (first[i]) f->block[f->n_block++] = i;
        f->of[i] = (uint32_t)f->n_block - 1;
    }
    f->block[f->n_block] = k->n_code;
    free(first);
}

/* What is written when the block's end is reached; a guarded instruction may write nothing. */
static void through(flow *f, size_t b, int looking) {
    memcpy(f->now, f->in + b * f->words, f->words * sizeof *f->now);
    for (size_t i = f->block[b]; i < f->block[b + 1]; i++) {
        if (looking) ptx_reads(&f->k->code[i], look, f);
        if (!f->k->code[i].guard) ptx_writes(&f->k->code[i], add, f);
    }
}

static int meet(flow *f, size_t b) {
    uint64_t changed = 0, *in = f->in + b * f->words;
    for (size_t w = 0; w < f->words; w++) {
        changed |= in[w] & ~f->now[w];
        in[w] &= f->now[w];
    }
    return changed != 0;
}

void ptx_find_doubtful(ptx_kernel *k) {
    flow f = {.k = k, .words = (k->n_slot + 63) / 64};
    find_blocks(&f);
    f.in = malloc(f.n_block * f.words * sizeof *f.in);
    f.now = malloc(f.words * sizeof *f.now);
    k->known = malloc(k->n_slot);
    if (!f.in || !f.now || !k->known) abort();
    memset(k->known, 0xff, k->n_slot);
    memset(f.in, 0xff, f.n_block * f.words * sizeof *f.in);
    memset(f.in, 0, f.words * sizeof *f.in);
    for (int changed = 1; changed;) {
        changed = 0;
        for (size_t b = 0; b < f.n_block; b++) {
            const ptx_insn *last = &k->code[f.block[b + 1] - 1];
            through(&f, b, 0);
            if (last->op == PTX_bra) changed |= meet(&f, f.of[last->offset]);
            if ((!ends_block(last) || last->guard) && b + 1 < f.n_block) changed |= meet(&f, b + 1);
        }
    }
    for (size_t b = 0; b < f.n_block; b++) through(&f, b, 1);
    f.spread = k->n_doubtful;
    while (f.spread) {
        f.spread = 0;
        for (size_t i = 0; i < k->n_code; i++) {
            f.touches = 0;
            ptx_reads(&k->code[i], touch, &f);
            if (f.touches) ptx_writes(&k->code[i], infect, &f);
        }
    }
    for (size_t i = 0; i < k->n_code && k->n_doubtful; i++) {
        f.touches = 0;
        ptx_reads(&k->code[i], touch, &f);
        ptx_writes(&k->code[i], touch, &f);
        k->code[i].checked = (uint8_t)f.touches;
    }
    free(f.block);
    free(f.of);
    free(f.in);
    free(f.now);
}

/* ---- where ways meet --------------------------------------------------------------------------------------------- */

static int successors(const flow *f, size_t b, size_t to[2]) {
    const ptx_insn *last = &f->k->code[f->block[b + 1] - 1];
    int n = 0;
    if (last->op == PTX_bra) to[n++] = f->of[last->offset];
    if ((!ends_block(last) || last->guard) && b + 1 < f->n_block) to[n++] = b + 1;
    return n;
}

static size_t count(const uint64_t *set, size_t words) {
    size_t n = 0;
    for (size_t w = 0; w < words; w++) n += (size_t)__builtin_popcountll(set[w]);
    return n;
}

/* behind[b]: the blocks that every way from b to the end goes through. */
static uint64_t *find_behind(const flow *f, size_t words) {
    uint64_t *behind = malloc(f->n_block * words * sizeof *behind), *now = malloc(words * sizeof *now);
    if (!behind || !now) abort();
    memset(behind, 0xff, f->n_block * words * sizeof *behind);
    for (int changed = 1; changed;) {
        changed = 0;
        for (size_t b = f->n_block; b-- > 0;) {
            size_t to[2];
            int n = successors(f, b, to);
            memset(now, n ? 0xff : 0, words * sizeof *now);
            for (int s = 0; s < n; s++)
                for (size_t w = 0; w < words; w++) now[w] &= behind[to[s] * words + w];
            now[b / 64] |= (uint64_t)1 << b % 64;
            changed |= memcmp(now, behind + b * words, words * sizeof *now) != 0;
            memcpy(behind + b * words, now, words * sizeof *now);
        }
    }
    free(now);
    return behind;
}

/* The nearest of them is the one with the most behind it. */
static void find_joins(ptx_kernel *k, const flow *f) {
    size_t words = (f->n_block + 63) / 64;
    uint64_t *behind = find_behind(f, words);
    k->join = malloc(k->n_code * sizeof *k->join);
    if (!k->join) abort();
    for (size_t b = 0; b < f->n_block; b++) {
        size_t most = 0, join = f->n_block;
        for (size_t p = 0; p < f->n_block; p++) {
            size_t n = p != b && has(behind + b * words, (uint32_t)p) ? count(behind + p * words, words) : 0;
            if (n > most) most = n, join = p;
        }
        for (size_t i = f->block[b]; i < f->block[b + 1]; i++) k->join[i] = (uint32_t)f->block[join];
    }
    free(behind);
}

static void forget(uint32_t slot, void *arg) {
    uint8_t *known = arg;
    known[slot] = 0;
}

uint32_t ptx_join(ptx_kernel *k, uint32_t pc) {
    if (!k->join) {
        flow f = {.k = k};
        find_blocks(&f);
        find_joins(k, &f);
        free(f.block);
        free(f.of);
    }
    return k->join[pc];
}

void ptx_forget_between(ptx_kernel *k, uint32_t pc, uint8_t *known) {
    uint32_t end = ptx_join(k, pc), n = 0;
    uint8_t *seen = calloc(k->n_code, 1);
    uint32_t *waiting = malloc((2 * k->n_code + 2) * sizeof *waiting);
    if (!seen || !waiting) abort();
    waiting[n++] = pc + 1;
    waiting[n++] = (uint32_t)k->code[pc].offset;
    while (n) {
        for (uint32_t i = waiting[--n]; i != end && i < k->n_code && !seen[i]; i++) {
            const ptx_insn *insn = &k->code[i];
            seen[i] = 1;
            ptx_writes(insn, forget, known);
            if (insn->op == PTX_bra) waiting[n++] = (uint32_t)insn->offset;
            if (ends_block(insn) && !insn->guard) break;
        }
    }
    free(waiting);
    free(seen);
}
