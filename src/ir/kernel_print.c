/* A kernel as text, one line an axis, memory and instruction:
 *
 *     part 0  points n0  tile 4  grain 16  chunks <= 32
 *       phase 0  loops j1  lanes j1 x 8  ilp 4
 *         %0 = load f32 x[n0*D1 + j1]                            ; n0 j1
 *         %1 = fold max f32 over j1: %0                          ; n0
 *
 * Axes are named by role and id: n point, j loop, k unroll. D is a dim, S a launch scalar; behind the semicolon stand
 * the axes a value varies over and, where it is known, the name that the user gave it. The text is a function of the
 * kernel and its names alone, and what stands on which line of the kernel alone. */
#include <string.h>

#include "ir/kernel.h"

enum { OVER_COLUMN = 72 };

static const char *const space_names[] = {"in", "out", "inout", "row", "part"};
static const char role_letters[] = {'n', 'j', 'k'};

static void print_axis(const kn_kernel *k, uint32_t axis, base_strbuf *out) {
    base_strbuf_printf(out, "%c%u", role_letters[k->axis[axis].role], axis);
}

static void print_axes(const kn_kernel *k, uint32_t n, const kn_id *axes, base_strbuf *out) {
    for (uint32_t i = 0; i < n; i++) {
        base_strbuf_puts(out, " ");
        print_axis(k, axes[i], out);
    }
}

static void print_set(const kn_kernel *k, uint32_t set, base_strbuf *out) {
    for (uint32_t a = 0; a < k->n_axis; a++) {
        if (!(set >> a & 1)) continue;
        base_strbuf_puts(out, " ");
        print_axis(k, a, out);
    }
}

static void print_size(kn_size size, base_strbuf *out) {
    if (size.dim == KN_NONE)
        base_strbuf_printf(out, "%lld", (long long)size.k);
    else if (size.k == 1)
        base_strbuf_printf(out, "D%u", size.dim);
    else
        base_strbuf_printf(out, "%lld*D%u", (long long)size.k, size.dim);
}

static void print_mem_name(const kn_kernel *k, uint32_t mem, base_strbuf *out) {
    if (k->mem_name && k->mem_name[mem])
        base_strbuf_puts(out, k->mem_name[mem]);
    else
        base_strbuf_printf(out, "m%u", mem);
}

/* "*step", or nothing for 1. */
static void print_factor(kn_size step, base_strbuf *out) {
    if (step.dim == KN_NONE && step.k == 1) return;
    base_strbuf_puts(out, "*");
    print_size(step, out);
}

static void print_access(const kn_kernel *k, kn_id acc, base_strbuf *out) {
    const kn_access *a = &k->access[acc];
    const char *plus = "";
    print_mem_name(k, a->mem, out);
    base_strbuf_puts(out, "[");
    for (uint32_t i = 0; i < a->n; i++) {
        base_strbuf_puts(out, plus);
        print_axis(k, a->axis[i], out);
        print_factor(a->step[i], out);
        plus = " + ";
    }
    if (a->ix != KN_NONE) {
        base_strbuf_printf(out, "%s%%%u", plus, a->ix);
        print_factor(a->ix_step, out);
        plus = " + ";
    }
    if (a->base.k || !*plus) {
        base_strbuf_puts(out, plus);
        print_size(a->base, out);
    }
    base_strbuf_puts(out, "]");
    if (a->guard != KN_NONE) base_strbuf_printf(out, " if %%%u", a->guard);
}

static void print_const(const kn_inst *i, base_strbuf *out) {
    double wide;
    float narrow;
    uint32_t low = (uint32_t)i->bits;
    switch (i->type) {
        case SN_F64:
            memcpy(&wide, &i->bits, 8);
            base_strbuf_printf(out, "%.17g", wide);
            if (wide != wide) base_strbuf_printf(out, " bits %#llx", (unsigned long long)i->bits);
            break;
        case SN_F32:
            memcpy(&narrow, &low, 4);
            base_strbuf_printf(out, "%.9g", (double)narrow);
            if (narrow != narrow) base_strbuf_printf(out, " bits %#x", low);
            break;
        case SN_I64: base_strbuf_printf(out, "%lld", (long long)(int64_t)i->bits); break;
        case SN_I32: base_strbuf_printf(out, "%d", (int)(int32_t)low); break;
        default: base_strbuf_printf(out, "%u", low); break;
    }
}

static void print_operands(const kn_inst *i, base_strbuf *out) {
    for (int n = 0; n < 3 && i->a[n] != KN_NONE; n++) base_strbuf_printf(out, "%s%%%u", n ? ", " : " ", i->a[n]);
}

typedef struct {
    const kn_kernel *k;
    kn_namer *name; /* may be NULL */
    void *arg;
    base_strbuf *out;
} printing;

static void cut(base_strbuf *out, size_t n) {
    if (!out->failed) out->at[out->n = n] = 0;
}

static void print_inst(const printing *p, uint32_t id) {
    const kn_kernel *k = p->k;
    base_strbuf *out = p->out;
    const kn_inst *i = &k->inst[id];
    const char *type = sn_dtype_name((sn_dtype)i->type);
    size_t line = out->n;
    base_strbuf_puts(out, "    ");
    if (i->kind == KI_STORE) {
        base_strbuf_puts(out, "store ");
        print_access(k, i->acc, out);
        base_strbuf_printf(out, " = %%%u", i->a[0]);
    } else if (i->kind == KI_FOLD && i->acc != KN_NONE) {
        base_strbuf_puts(out, "part ");
        if (kn_access_at(i, 1) != KN_NONE) {
            print_access(k, kn_access_at(i, 1), out);
            base_strbuf_puts(out, ", ");
        }
        print_access(k, i->acc, out);
        base_strbuf_printf(out, " = fold %s %s over", kn_prims[i->prim].name, type);
        print_set(k, i->fold, out);
        base_strbuf_puts(out, ":");
        print_operands(i, out);
    } else {
        base_strbuf_printf(out, "%%%u = ", id);
        switch (i->kind) {
            case KI_CONST:
                base_strbuf_printf(out, "const %s ", type);
                print_const(i, out);
                break;
            case KI_SCALAR: base_strbuf_printf(out, "scalar %s S%llu", type, (unsigned long long)i->bits); break;
            case KI_DIM: base_strbuf_printf(out, "dim D%llu", (unsigned long long)i->bits); break;
            case KI_INDEX:
                base_strbuf_puts(out, "index ");
                print_axis(k, (uint32_t)i->bits, out);
                break;
            case KI_LOAD:
                base_strbuf_printf(out, "load %s ", type);
                print_access(k, i->acc, out);
                break;
            case KI_FOLD:
                base_strbuf_printf(out, "fold %s %s over", kn_prims[i->prim].name, type);
                print_set(k, i->fold, out);
                base_strbuf_puts(out, ":");
                print_operands(i, out);
                break;
            default:
                base_strbuf_printf(out, "%s %s", kn_prims[i->prim].name, type);
                print_operands(i, out);
                break;
        }
    }
    size_t end = out->n, used = end - line;
    base_strbuf_printf(out, "%*s;", used < OVER_COLUMN ? (int)(OVER_COLUMN - used) : 1, "");
    print_set(k, i->over, out);
    base_strbuf_puts(out, "  ");
    size_t name_at = out->n;
    if (p->name) p->name(p->arg, id, out);
    if (out->n == name_at) cut(out, i->over ? name_at - 2 : end);
    base_strbuf_puts(out, "\n");
}

static void print_phase(const printing *all, uint32_t phase) {
    const kn_kernel *k = all->k;
    base_strbuf *out = all->out;
    const kn_phase *p = &k->phase[phase];
    base_strbuf_printf(out, "  phase %u", phase);
    if (p->at_entry) base_strbuf_puts(out, "  at entry");
    if (p->n_loop) {
        base_strbuf_puts(out, "  loops");
        print_axes(k, p->n_loop, p->loop, out);
    }
    if (p->lanes != KN_NONE) {
        base_strbuf_puts(out, "  lanes ");
        print_axis(k, p->lanes, out);
        base_strbuf_printf(out, " x %u", p->width);
    }
    if (p->ilp > 1) base_strbuf_printf(out, "  ilp %u", p->ilp);
    base_strbuf_puts(out, "\n");
    for (uint32_t i = p->first; i < p->end; i++) print_inst(all, i);
}

static void print_part(const printing *all, uint32_t part) {
    const kn_kernel *k = all->k;
    base_strbuf *out = all->out;
    const kn_part *p = &k->part[part];
    base_strbuf_printf(out, "part %u", part);
    if (p->n_point) {
        base_strbuf_puts(out, "  points");
        print_axes(k, p->n_point, p->point, out);
        base_strbuf_printf(out, "  tile %u  grain %u  chunks <= %u", p->tile, p->grain, p->max_chunks);
    }
    if (p->team > 1) base_strbuf_printf(out, "  team %u", p->team);
    if (p->rounds) base_strbuf_printf(out, "  rounds <= %u", p->rounds);
    base_strbuf_puts(out, "\n");
    for (uint32_t i = p->first_phase; i < p->end_phase; i++) print_phase(all, i);
}

void kn_print_named(const kn_kernel *k, kn_namer *name, void *arg, base_strbuf *out) {
    const printing all = {k, name, arg, out};
    base_strbuf_printf(out, "kernel  dims %u  scalars %u\n", k->n_dim, k->n_scalar);
    static const char *const roles[] = {"point", "loop", "unroll"};
    for (uint32_t a = 0; a < k->n_axis; a++) {
        base_strbuf_puts(out, "axis ");
        print_axis(k, a, out);
        base_strbuf_printf(out, " %s ", roles[k->axis[a].role]);
        print_size(k->axis[a].extent, out);
        base_strbuf_puts(out, "\n");
    }
    for (uint32_t m = 0; m < k->n_mem; m++) {
        base_strbuf_printf(out, "%s ", space_names[k->mem[m].space]);
        print_mem_name(k, m, out);
        base_strbuf_printf(out, " %s[", sn_dtype_name((sn_dtype)k->mem[m].store));
        print_size(k->mem[m].count, out);
        base_strbuf_puts(out, "]");
        uint32_t natural = 0;
        for (size_t size = sn_dtype_size((sn_dtype)k->mem[m].store); size > 1; size /= 2) natural++;
        if (k->mem[m].align_log2 != natural) base_strbuf_printf(out, " align %u", 1u << k->mem[m].align_log2);
        base_strbuf_puts(out, "\n");
    }
    for (uint32_t p = 0; p < k->n_part; p++) print_part(&all, p);
}

void kn_print(const kn_kernel *k, base_strbuf *out) { kn_print_named(k, NULL, NULL, out); }

/* One line for the head, each axis, memory, part, phase and instruction, in the order of kn_print. */
kn_lines kn_lines_of(base_arena *arena, const kn_kernel *k) {
    kn_lines lines = {.part = base_arena_array(arena, k->n_part, sizeof(uint32_t)),
                      .phase = base_arena_array(arena, k->n_phase, sizeof(uint32_t)),
                      .inst = base_arena_array(arena, k->n_inst, sizeof(uint32_t))};
    uint32_t line = 1u + k->n_axis + k->n_mem;
    for (uint32_t p = 0; p < k->n_part; p++) {
        lines.part[p] = ++line;
        for (uint32_t i = k->part[p].first_phase; i < k->part[p].end_phase; i++) {
            lines.phase[i] = ++line;
            for (uint32_t n = k->phase[i].first; n < k->phase[i].end; n++) lines.inst[n] = ++line;
        }
    }
    return lines;
}
