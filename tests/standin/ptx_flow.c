/* Registers that may be read before they are written: forwards through the code, which registers are written on every
 * way to a place. Where all are, running need not look; the others are doubtful, and so is what is computed from them.
 * Instructions that touch those are checked as they run. */
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
