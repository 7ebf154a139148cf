/* What a name and its operands mean: those that compute from the table of ptx_ops.def, with as many operands of such
 * widths as it says; loads and stores by the parts of their names; control. */
#include <stdio.h>
#include <string.h>

#include "ptx.h"

static char complaint[160];

static const struct {
    const char *name, *signature; /* the name with _ for . */
} ops[PTX_N_OPS] = {
#define OP(name, signature, ...) [PTX_##name] = {#name, signature},
#include "ptx_ops.def"
#undef OP
};

static const char *unknown(const char *name, const char *why) {
    snprintf(complaint, sizeof complaint, "%s: %s", name, why);
    return complaint;
}

/* ---- the table --------------------------------------------------------------------------------------------------- */

static uint32_t hash(const char *name) {
    uint32_t h = 2166136261u;
    for (; *name; name++) h = (h ^ (unsigned char)(*name == '.' ? '_' : *name)) * 16777619u;
    return h;
}

static int same_name(const char *dotted, const char *name) {
    while (*dotted && (*dotted == '.' ? '_' : *dotted) == *name) dotted++, name++;
    return !*dotted && !*name;
}

/* PTX_N_OPS: none. */
static uint16_t find_op(const char *name) {
    enum { ROOM = 1024 };
    static uint16_t table[ROOM];
    static int filled; /* under the lock of loading */
    for (uint16_t op = 0; op < PTX_N_OPS && !filled; op++) {
        if (!ops[op].name) continue;
        uint32_t at = hash(ops[op].name) % ROOM;
        while (table[at]) at = (at + 1) % ROOM;
        table[at] = op;
    }
    filled = 1;
    for (uint32_t at = hash(name) % ROOM; table[at]; at = (at + 1) % ROOM)
        if (same_name(name, ops[table[at]].name)) return table[at];
    return PTX_N_OPS;
}

static int fits(char letter, const ptx_operand *x) {
    if (x->n != 1 || x->is_address || x->label) return 0;
    if (x->width == PTX_CONSTANT) return 1;
    return x->width == (letter == 'p' ? 0 : letter - '0');
}

/* Conversions take the low part of a wider register. */
static int converts(const char *name, char letter, const ptx_operand *x) {
    return !strncmp(name, "cvt.", 4) && x->width != PTX_CONSTANT && x->n == 1 && !x->is_address && !x->label &&
           x->width >= letter - '0';
}

static const char *computing(const char *name, const ptx_operand *x, unsigned n, ptx_insn *i) {
    i->op = find_op(name);
    if (i->op == PTX_N_OPS) return unknown(name, "unknown instruction");
    const char *letter = ops[i->op].signature;
    uint32_t *const to[] = {&i->d[0], &i->a, &i->b, &i->c, &i->d[1]};
    for (unsigned k = 0; k < n; k++) {
        if (!*letter || (!fits(*letter, &x[k]) && !(k && converts(name, *letter, &x[k]))) ||
            (!k && !x[k].is_register) || x[k].second)
            return unknown(name, "an operand that it does not have, or of another type");
        *to[k] = x[k].slot[0];
        letter += letter[1] == ':' ? 2 : 1;
    }
    return *letter ? unknown(name, "too few operands") : NULL;
}

/* ---- memory ------------------------------------------------------------------------------------------------------ */

static int next(const char **name, const char *part) {
    size_t n = strlen(part);
    if (strncmp(*name, part, n) || ((*name)[n] && (*name)[n] != '.')) return 0;
    *name += n;
    return 1;
}

/* ld[.space][.nc][.v2|.v4].type */
static const char *memory(const char *name, const ptx_operand *x, unsigned n, ptx_insn *i) {
    static const struct {
        const char *name;
        uint8_t size, is_signed;
    } types[] = {{".u8", 1, 0},  {".s8", 1, 1},  {".b8", 1, 0},  {".u16", 2, 0}, {".s16", 2, 1},
                 {".b16", 2, 0}, {".u32", 4, 0}, {".s32", 4, 1}, {".b32", 4, 0}, {".f32", 4, 0},
                 {".u64", 8, 0}, {".s64", 8, 1}, {".b64", 8, 0}, {".f64", 8, 0}};
    static const char *const spaces[] = {"", ".global", ".shared", ".local", ".param"};
    const char *at = name + 2;
    int load = name[0] == 'l', vector = 1;
    i->op = load ? PTX_ld : PTX_st;
    for (uint8_t s = PTX_GLOBAL; s <= PTX_PARAM && !i->space; s++)
        if (next(&at, spaces[s])) i->space = s;
    if (load && i->space == PTX_GLOBAL) i->nc = (uint8_t)next(&at, ".nc");
    if (next(&at, ".v2")) vector = 2;
    if (next(&at, ".v4")) vector = 4;
    for (size_t t = 0; t < sizeof types / sizeof *types && !i->size; t++) {
        if (!next(&at, types[t].name)) continue;
        i->size = types[t].size;
        i->is_signed = types[t].is_signed;
    }
    if (!i->size || *at || (!load && i->space == PTX_PARAM)) return unknown(name, "unknown instruction");
    const ptx_operand *value = &x[load ? 0 : 1], *address = &x[load ? 1 : 0];
    if (n != 2 || value->n != vector || value->is_address || value->label || value->second || !address->is_address ||
        address->label || (load && !value->is_register) || !value->width || value->width < i->size ||
        (address->width != 8 && address->width != PTX_CONSTANT))
        return unknown(name, "an operand that it does not have, or of another type");
    i->n = (uint8_t)vector;
    i->width = value->width;
    memcpy(i->d, value->slot, sizeof i->d);
    i->a = address->slot[0];
    i->offset = address->offset;
    return NULL;
}

/* mov.b32 and mov.b64 between a register and its halves. */
static const char *halves(const char *name, const ptx_operand *x, unsigned n, ptx_insn *i) {
    int pack = n == 2 && x[1].n == 2, width = name[5] == '6' ? 8 : 4;
    const ptx_operand *whole = &x[!pack ? 1 : 0], *parts = &x[pack ? 1 : 0];
    if (n != 2 || parts->n != 2 || whole->n != 1 || whole->width != width || parts->width != width / 2 ||
        !x[0].is_register || whole->is_address)
        return unknown(name, "an operand that it does not have, or of another type");
    i->op = pack ? PTX_pack : PTX_unpack;
    i->n = pack ? 1 : 2;
    i->size = (uint8_t)(width / 2);
    memcpy(i->d, x[0].slot, sizeof i->d);
    i->a = x[1].slot[0];
    i->b = x[1].slot[1];
    return NULL;
}

/* ---- control ----------------------------------------------------------------------------------------------------- */

/* d|p, value, lane, clamp, mask */
static const char *shuffle(const char *name, const ptx_operand *x, unsigned n, ptx_insn *i) {
    static const char *const kinds[] = {"shfl.sync.idx.b32", "shfl.sync.bfly.b32", "shfl.sync.up.b32",
                                        "shfl.sync.down.b32"};
    uint8_t kind = 0;
    while (kind < 4 && strcmp(name, kinds[kind])) kind++;
    if (kind == 4) return unknown(name, "unknown instruction");
    for (unsigned k = 0; k < n; k++)
        if (!fits('4', &x[k]) || (k && x[k].second)) n = 0;
    if (n != 5 || !x[0].is_register) return unknown(name, "an operand that it does not have, or of another type");
    i->op = PTX_shfl;
    i->space = kind;
    i->d[0] = x[0].slot[0];
    i->d[1] = x[0].second;
    i->a = x[1].slot[0];
    i->b = x[2].slot[0];
    i->c = x[3].slot[0];
    i->d[2] = x[4].slot[0];
    return NULL;
}

static const char *control(const char *name, const ptx_operand *x, unsigned n, ptx_insn *i) {
    int jump = !strcmp(name, "bra") || !strcmp(name, "bra.uni");
    i->n = 0;
    if (jump && (n != 1 || !x[0].label)) return unknown(name, "no label");
    if (jump)
        i->op = PTX_bra;
    else if (!strcmp(name, "ret") && !n)
        i->op = PTX_ret;
    else if (!strcmp(name, "bar.sync") && n == 1 && !x[0].is_register && x[0].slot[0] == PTX_ZERO)
        i->op = PTX_bar_sync;
    else if (!strcmp(name, "bar.warp.sync") && n == 1 && fits('4', &x[0])) {
        i->op = PTX_bar_warp_sync;
        i->d[2] = x[0].slot[0];
    } else
        return unknown(name, "unknown instruction");
    return NULL;
}

const char *ptx_decode(const char *name, ptx_operand *x, unsigned n, ptx_insn *i) {
    if (!strncmp(name, "ld.", 3) || !strncmp(name, "st.", 3)) return memory(name, x, n, i);
    if (!strncmp(name, "shfl.", 5)) return shuffle(name, x, n, i);
    if ((!strcmp(name, "mov.b64") || !strcmp(name, "mov.b32")) && n == 2 && (x[0].n > 1 || x[1].n > 1))
        return halves(name, x, n, i);
    if (!strncmp(name, "bra", 3) || !strcmp(name, "ret") || !strncmp(name, "bar.", 4)) return control(name, x, n, i);
    return computing(name, x, n, i);
}

/* ---- who reads and writes what ----------------------------------------------------------------------------------- */

void ptx_reads(const ptx_insn *i, void (*f)(uint32_t slot, void *arg), void *arg) {
    if (i->guard) f(i->guard, arg);
    if (i->op == PTX_st)
        for (unsigned k = 0; k < i->n; k++) f(i->d[k], arg);
    else if (i->op == PTX_shfl || i->op == PTX_bar_warp_sync)
        f(i->d[2], arg);
    else if (i->op == PTX_bfi_b64)
        f(i->d[1], arg);
    f(i->a, arg);
    f(i->b, arg);
    f(i->c, arg);
}

void ptx_writes(const ptx_insn *i, void (*f)(uint32_t slot, void *arg), void *arg) {
    if (i->op == PTX_st || !i->n) return;
    if (i->op == PTX_shfl && i->d[1]) f(i->d[1], arg);
    unsigned n = i->op == PTX_ld || i->op == PTX_unpack ? i->n : 1;
    for (unsigned k = 0; k < n; k++) f(i->d[k], arg);
}
