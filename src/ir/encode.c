/* A kernel to bytes and back: "SNKN", a version, the counts, then the arrays item by item; all little-endian, no
 * padding, and of lists only what is in use. kn_verify holds unused fields to one value, so equal kernels have equal
 * bytes and bytes that decode encode to themselves. The same walk (`item_*`) writes and reads, so the two cannot
 * differ. */
#include <string.h>

#include "ir/kernel.h"

enum { VERSION = 3 };

/* One direction of the walk: writes into out, or reads from at. Reading past the end gives zeros and sets `bad`. */
typedef struct {
    base_strbuf *out; /* NULL: reading */
    const unsigned char *at, *end;
    int bad;
    size_t n; /* bytes in `wait`: written, not yet in out */
    unsigned char wait[1024];
} coder;

static void flush(coder *c) {
    base_strbuf_add(c->out, c->wait, c->n);
    c->n = 0;
}

/* Looking a kernel up begins with writing it, so this is to be quick: one store, whatever the size. */
static inline void code(coder *c, void *value, size_t bytes) {
    uint64_t bits = 0;
    if (c->out) {
        switch (bytes) {
            case 1: bits = *(uint8_t *)value; break;
            case 2: bits = *(uint16_t *)value; break;
            case 4: bits = *(uint32_t *)value; break;
            default: memcpy(&bits, value, 8); break;
        }
        if (c->n + 8 > sizeof c->wait) flush(c);
        unsigned char *to = c->wait + c->n;
        to[0] = (unsigned char)bits, to[1] = (unsigned char)(bits >> 8);
        to[2] = (unsigned char)(bits >> 16), to[3] = (unsigned char)(bits >> 24);
        to[4] = (unsigned char)(bits >> 32), to[5] = (unsigned char)(bits >> 40);
        to[6] = (unsigned char)(bits >> 48), to[7] = (unsigned char)(bits >> 56);
        c->n += bytes;
        return;
    }
    if ((size_t)(c->end - c->at) < bytes) {
        c->bad = 1;
        c->at = c->end;
    } else {
        for (size_t i = 0; i < bytes; i++) bits |= (uint64_t)c->at[i] << 8 * i;
        c->at += bytes;
    }
    switch (bytes) {
        case 1: *(uint8_t *)value = (uint8_t)bits; break;
        case 2: *(uint16_t *)value = (uint16_t)bits; break;
        case 4: *(uint32_t *)value = (uint32_t)bits; break;
        default: memcpy(value, &bits, 8); break;
    }
}

#define CODE(c, field) code((c), &(field), sizeof(field))

static void item_size(coder *c, kn_size *size) {
    CODE(c, size->k);
    CODE(c, size->dim);
}

/* A list's length and its ids. A length that does not fit is left for kn_verify to refuse. */
static uint32_t item_list(coder *c, uint8_t *n, kn_id *list) {
    CODE(c, *n);
    uint32_t kept = *n < KN_MAX_NEST ? *n : KN_MAX_NEST;
    for (uint32_t i = 0; i < kept; i++) CODE(c, list[i]);
    return kept;
}

static void item_axis(coder *c, kn_axis *a) {
    CODE(c, a->role);
    item_size(c, &a->extent);
}

static void item_mem(coder *c, kn_mem *m) {
    CODE(c, m->space);
    CODE(c, m->store);
    CODE(c, m->align_log2);
    item_size(c, &m->count);
}

static void item_access(coder *c, kn_access *a) {
    CODE(c, a->mem);
    CODE(c, a->ix);
    CODE(c, a->guard);
    uint32_t n = item_list(c, &a->n, a->axis);
    for (uint32_t i = 0; i < n; i++) item_size(c, &a->step[i]);
    item_size(c, &a->base);
    item_size(c, &a->ix_step);
}

static void item_inst(coder *c, kn_inst *i) {
    CODE(c, i->kind);
    CODE(c, i->prim);
    CODE(c, i->type);
    for (int n = 0; n < 3; n++) CODE(c, i->a[n]);
    CODE(c, i->acc);
    CODE(c, i->over);
    CODE(c, i->fold);
    CODE(c, i->bits);
}

static void item_phase(coder *c, kn_phase *p) {
    CODE(c, p->first);
    CODE(c, p->end);
    CODE(c, p->at_entry);
    item_list(c, &p->n_loop, p->loop);
    CODE(c, p->lanes);
    CODE(c, p->width);
    CODE(c, p->ilp);
}

static void item_part(coder *c, kn_part *p) {
    CODE(c, p->first_phase);
    CODE(c, p->end_phase);
    item_list(c, &p->n_point, p->point);
    CODE(c, p->tile);
    CODE(c, p->team);
    CODE(c, p->rounds);
    CODE(c, p->grain);
    CODE(c, p->max_chunks);
}

static void head(coder *c, kn_kernel *k) {
    uint16_t *const counts[] = {&k->n_axis,  &k->n_mem,  &k->n_access, &k->n_inst,
                                &k->n_phase, &k->n_part, &k->n_dim,    &k->n_scalar};
    for (size_t i = 0; i < sizeof counts / sizeof *counts; i++) CODE(c, *counts[i]);
}

static void body(coder *c, kn_kernel *k) {
    for (uint32_t i = 0; i < k->n_axis; i++) item_axis(c, &k->axis[i]);
    for (uint32_t i = 0; i < k->n_mem; i++) item_mem(c, &k->mem[i]);
    for (uint32_t i = 0; i < k->n_access; i++) item_access(c, &k->access[i]);
    for (uint32_t i = 0; i < k->n_inst; i++) item_inst(c, &k->inst[i]);
    for (uint32_t i = 0; i < k->n_phase; i++) item_phase(c, &k->phase[i]);
    for (uint32_t i = 0; i < k->n_part; i++) item_part(c, &k->part[i]);
}

static const char magic[4] = {'S', 'N', 'K', 'N'};

void kn_encode(const kn_kernel *k, base_strbuf *out) {
    coder c;
    c.out = out;
    c.n = 0;
    kn_kernel copy = *k; /* the walk takes its fields by address but, writing, leaves them alone */
    uint16_t version = VERSION;
    base_strbuf_add(out, magic, sizeof magic);
    CODE(&c, version);
    head(&c, &copy);
    body(&c, &copy);
    flush(&c);
}

kn_kernel *kn_decode(base_arena *arena, const void *bytes, size_t n) {
    coder c;
    c.out = NULL;
    c.at = bytes;
    c.end = c.at + n;
    c.bad = 0;
    if (n < sizeof magic || memcmp(bytes, magic, sizeof magic) != 0)
        base_fail(arena->trap, SN_ERR_PARSE, "these %zu bytes are not a kernel", n);
    c.at += sizeof magic;
    uint16_t version = 0;
    CODE(&c, version);
    if (c.bad || version != VERSION)
        base_fail(arena->trap, SN_ERR_PARSE, "a kernel of version %u; this library reads version %d", version, VERSION);
    kn_kernel *k = ARENA_NEW(arena, kn_kernel);
    head(&c, k);
    /* What the counts promise must fit in what is left, by the least size of each item, before memory is taken for it.
     */
    size_t least = (size_t)k->n_axis * 11 + (size_t)k->n_mem * 13 + (size_t)k->n_access * 27 + (size_t)k->n_inst * 27 +
                   (size_t)k->n_phase * 11 + (size_t)k->n_part * 17;
    if (c.bad || least > (size_t)(c.end - c.at))
        base_fail(arena->trap, SN_ERR_PARSE, "a kernel is cut off: %zu bytes", n);
    k->axis = ARENA_ARRAY(arena, kn_axis, k->n_axis);
    k->mem = ARENA_ARRAY(arena, kn_mem, k->n_mem);
    k->access = ARENA_ARRAY(arena, kn_access, k->n_access);
    k->inst = ARENA_ARRAY(arena, kn_inst, k->n_inst);
    k->phase = ARENA_ARRAY(arena, kn_phase, k->n_phase);
    k->part = ARENA_ARRAY(arena, kn_part, k->n_part);
    body(&c, k);
    if (c.bad) base_fail(arena->trap, SN_ERR_PARSE, "a kernel is cut off: %zu bytes", n);
    if (c.at != c.end)
        base_fail(arena->trap, SN_ERR_PARSE, "%zu bytes are left over behind a kernel", (size_t)(c.end - c.at));
    char text[256];
    if (kn_verify(k, text)) base_fail(arena->trap, SN_ERR_PARSE, "a malformed kernel: %s", text);
    return k;
}
