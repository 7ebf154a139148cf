/* The text of a module: directives, variables, labels, and instructions as a name and operands, which ptx_decode.c
 * understands. Operands become slots: a constant or the address of a variable gets one that holds it, so that running
 * need not tell them from registers. While a kernel is read, registers are numbered from REGISTER up; when it is whole
 * they move down behind the constants. */
#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ptx.h"

enum { REGISTER = 1 << 24, MAX_FAMILIES = 64 };

typedef struct {
    char name[16];
    uint32_t first, n; /* n 0: one register of that name alone */
    uint8_t width;
} family;

typedef struct {
    const char *name;
    size_t n;
    uint32_t at;
} label;

typedef struct {
    ptx_module *m;
    const char *at;
    uint32_t line;
    int failed;
    char *complaint;
    size_t room;

    ptx_kernel *k; /* the one that is read */
    family families[MAX_FAMILIES];
    unsigned n_family;
    uint32_t n_register;
    size_t code_room, constant_room;
    label *labels; /* by hash, open addressing */
    size_t n_label, label_room;
    struct {
        size_t insn;
        label to;
    } * jumps;
    size_t n_jump, jump_room;
} parser;

static char complaint[400];

static int bad(parser *p, const char *format, ...) {
    va_list args;
    if (p->failed) return 0;
    p->failed = 1;
    int n = snprintf(complaint, sizeof complaint, "PTX, line %u: ", p->line);
    va_start(args, format);
    vsnprintf(complaint + n, sizeof complaint - (size_t)n, format, args);
    va_end(args);
    p->at = ""; /* nothing more is read */
    return 0;
}

static void *grow(void *at, size_t n, size_t *room, size_t size) {
    if (n < *room) return at;
    *room = *room ? *room * 2 : 64;
    void *more = realloc(at, *room * size);
    if (!more) abort(); /* a test's machine has memory */
    return more;
}

/* ---- words ------------------------------------------------------------------------------------------------------- */

static void skip(parser *p) {
    for (;;) {
        if (*p->at == '\n') p->line++;
        if (isspace((unsigned char)*p->at))
            p->at++;
        else if (p->at[0] == '/' && p->at[1] == '/')
            while (*p->at && *p->at != '\n') p->at++;
        else
            return;
    }
}

static int is_in_word(char c) { return isalnum((unsigned char)c) || c == '_' || c == '$' || c == '.' || c == '%'; }

static size_t word(parser *p, const char **at) {
    size_t n = 0;
    skip(p);
    *at = p->at;
    while (is_in_word(p->at[n])) n++;
    p->at += n;
    return n;
}

static int accept(parser *p, char c) {
    skip(p);
    if (*p->at != c) return 0;
    p->at++;
    return 1;
}

static void expect(parser *p, char c) {
    if (!accept(p, c)) bad(p, "'%c' is expected before '%.20s'", c, p->at);
}

static int is(const char *at, size_t n, const char *text) { return n == strlen(text) && !memcmp(at, text, n); }

static uint64_t number(parser *p) {
    char *end;
    skip(p);
    int negative = *p->at == '-';
    uint64_t value = strtoull(p->at + negative, &end, 0);
    if (end == p->at + negative) bad(p, "a number is expected before '%.20s'", p->at);
    if (*end == 'U') end++;
    p->at = p->failed ? p->at : end;
    return negative ? 0 - value : value;
}

/* ---- variables --------------------------------------------------------------------------------------------------- */

static const ptx_variable *find_variable(const ptx_variables *all, const char *at, size_t n) {
    for (size_t i = 0; i < all->n; i++)
        if (is(at, n, all->of[i].name)) return &all->of[i];
    return NULL;
}

static unsigned type_bytes(const char *at, size_t n) {
    static const struct {
        const char *name;
        unsigned bytes;
    } types[] = {{".b8", 1},  {".u8", 1},  {".s8", 1},  {".b16", 2}, {".u16", 2}, {".s16", 2}, {".f16", 2}, {".b32", 4},
                 {".u32", 4}, {".s32", 4}, {".f32", 4}, {".b64", 8}, {".u64", 8}, {".s64", 8}, {".f64", 8}};
    for (size_t i = 0; i < sizeof types / sizeof *types; i++)
        if (is(at, n, types[i].name)) return types[i].bytes;
    return 0;
}

/* `.align 16 .b8 name[64]` behind the name of the space. */
static void variable(parser *p, ptx_variables *all, uint64_t first, uint64_t gap, int external) {
    const char *at;
    size_t n = word(p, &at);
    uint64_t align = 0;
    if (is(at, n, ".align")) {
        align = number(p);
        n = word(p, &at);
    }
    unsigned size = type_bytes(at, n);
    if (!size || align > 1024) {
        bad(p, "unknown variable '%.*s'", (int)n, at);
        return;
    }
    if (align < size) align = size;
    ptx_variable v = {.bytes = size};
    n = word(p, &at);
    if (is(at, n, ".ptr")) { /* of what it points to, which is no promise to rely on */
        n = word(p, &at);
        if (is(at, n, ".global")) n = word(p, &at);
        if (is(at, n, ".align")) (void)number(p), n = word(p, &at);
    }
    if (!n || n >= sizeof v.name) bad(p, "a name is expected before '%.20s'", p->at);
    if (p->failed) return;
    memcpy(v.name, at, n);
    if (accept(p, '[')) {
        v.dynamic = accept(p, ']');
        if (!v.dynamic) {
            v.bytes = size * number(p);
            expect(p, ']');
        }
    }
    if (v.dynamic != external) bad(p, "%s: an array without a size is .extern, and no other", v.name);
    if (p->failed || find_variable(all, at, n)) return;
    for (size_t i = 0; i < all->n; i++)
        if (!all->of[i].dynamic) first = all->of[i].at + all->of[i].bytes + gap;
    v.at = external ? PTX_DYNAMIC_FIRST : (first + align - 1) / align * align;
    all->of = realloc(all->of, (all->n + 1) * sizeof *all->of);
    if (!all->of) abort();
    all->of[all->n++] = v;
}

/* ---- slots ------------------------------------------------------------------------------------------------------- */

static uint32_t constant(parser *p, uint64_t value) {
    ptx_kernel *k = p->k;
    if (!value) return PTX_ZERO;
    for (uint32_t i = PTX_N_FIXED; i < k->n_constant; i++)
        if (k->constant[i] == value) return i;
    k->constant = grow(k->constant, k->n_constant, &p->constant_room, sizeof *k->constant);
    k->constant[k->n_constant] = value;
    return k->n_constant++;
}

static void registers(parser *p) {
    const char *at;
    size_t n = word(p, &at);
    unsigned width = type_bytes(at, n);
    if (!width && !is(at, n, ".pred")) {
        bad(p, "unknown type '%.*s' of registers", (int)n, at);
        return;
    }
    do {
        family *f = &p->families[p->n_family];
        n = word(p, &at);
        if (!n || n >= sizeof f->name || p->n_family == MAX_FAMILIES) {
            bad(p, "too many registers, or a name of %zu letters", n);
            return;
        }
        *f = (family){.first = REGISTER + p->n_register, .width = (uint8_t)width};
        memcpy(f->name, at, n);
        if (accept(p, '<')) {
            f->n = (uint32_t)number(p);
            expect(p, '>');
        }
        p->n_register += f->n ? f->n : 1;
        p->n_family++;
    } while (accept(p, ','));
    expect(p, ';');
}

/* A register or what of the hardware reads like one; 0: neither. */
static uint32_t named_slot(parser *p, const char *at, size_t n, uint8_t *width) {
    static const struct {
        const char *name;
        uint32_t slot;
    } special[] = {{"%tid.x", PTX_TID}, {"%ntid.x", PTX_NTID}, {"%ctaid.x", PTX_CTAID}, {"%nctaid.x", PTX_NCTAID}};
    for (unsigned i = 0; i < p->n_family; i++) {
        const family *f = &p->families[i];
        size_t prefix = strlen(f->name);
        if (n < prefix || memcmp(at, f->name, prefix)) continue;
        *width = f->width;
        if (!f->n && n == prefix) return f->first;
        if (!f->n || n == prefix || !isdigit((unsigned char)at[prefix])) continue;
        unsigned long index = strtoul(at + prefix, NULL, 10);
        if (index < f->n) return f->first + (uint32_t)index;
    }
    *width = PTX_CONSTANT;
    for (size_t i = 0; i < sizeof special / sizeof *special; i++)
        if (is(at, n, special[i].name)) return special[i].slot;
    return 0;
}

/* 0f3F800000, 0d..., a decimal or hexadecimal number. */
static uint32_t literal(parser *p) {
    const char *at = p->at;
    if (at[0] == '0' && (at[1] == 'f' || at[1] == 'd')) {
        char digits[20] = "", *end;
        size_t n = at[1] == 'f' ? 8 : 16;
        memcpy(digits, at + 2, strnlen(at + 2, n));
        uint64_t value = strtoull(digits, &end, 16);
        if (end != digits + n) bad(p, "a float is expected before '%.20s'", at);
        if (!p->failed) p->at += n + 2;
        return constant(p, value);
    }
    return constant(p, number(p));
}

static uint32_t term(parser *p, ptx_operand *x) {
    const char *at;
    skip(p);
    if (isdigit((unsigned char)*p->at) || *p->at == '-') {
        x->width = PTX_CONSTANT;
        return literal(p);
    }
    size_t n = word(p, &at);
    uint32_t slot = n && *at == '%' ? named_slot(p, at, n, &x->width) : 0;
    if (slot) {
        x->is_register = slot >= REGISTER;
        return slot;
    }
    x->width = PTX_CONSTANT;
    const ptx_variables *const spaces[] = {&p->k->param, &p->k->local, &p->m->shared};
    for (size_t i = 0; i < 3 && n; i++) {
        const ptx_variable *v = find_variable(spaces[i], at, n);
        if (v) return constant(p, v->at);
    }
    if (!n || *at == '%') bad(p, "unknown operand '%.*s' before '%.20s'", (int)n, at, p->at);
    x->label = at;
    x->label_n = n;
    return 0;
}

static void operand(parser *p, ptx_operand *x) {
    *x = (ptx_operand){.n = 1};
    if (accept(p, '{')) {
        x->n = 0;
        do {
            ptx_operand one = {.n = 1};
            if (x->n == 4) bad(p, "a vector of more than four");
            if (p->failed) return;
            x->slot[x->n] = term(p, &one);
            if (!x->n || x->width == PTX_CONSTANT) x->width = one.width;
            if (one.label || (one.width != PTX_CONSTANT && one.width != x->width))
                bad(p, "a vector of different types");
            x->is_register = one.is_register && (!x->n || x->is_register);
            x->n++;
        } while (accept(p, ','));
        expect(p, '}');
    } else if (accept(p, '[')) {
        x->is_address = 1;
        x->slot[0] = term(p, x);
        if (accept(p, '+')) x->offset = (int32_t)number(p);
        expect(p, ']');
    } else {
        x->slot[0] = term(p, x);
        if (accept(p, '|')) {
            ptx_operand second = {.n = 1};
            x->second = term(p, &second);
            if (second.width || !second.is_register) bad(p, "no predicate behind '|'");
        }
    }
}

/* ---- code -------------------------------------------------------------------------------------------------------- */

static size_t label_hash(const char *at, size_t n) {
    size_t h = 5381;
    while (n--) h = h * 33 + (unsigned char)*at++;
    return h;
}

static label *find_label(parser *p, const char *at, size_t n) {
    size_t i = label_hash(at, n) & (p->label_room - 1);
    while (p->labels[i].name && (p->labels[i].n != n || memcmp(p->labels[i].name, at, n)))
        i = (i + 1) & (p->label_room - 1);
    return &p->labels[i];
}

static void add_label(parser *p, const char *at, size_t n) {
    if (p->n_label * 2 >= p->label_room) {
        label *old = p->labels;
        size_t room = p->label_room;
        p->label_room = room ? room * 2 : 256;
        p->labels = calloc(p->label_room, sizeof *p->labels);
        if (!p->labels) abort();
        for (size_t i = 0; i < room; i++)
            if (old[i].name) *find_label(p, old[i].name, old[i].n) = old[i];
        free(old);
    }
    label *l = find_label(p, at, n);
    if (l->name) bad(p, "label '%.*s' is there twice", (int)n, at);
    *l = (label){at, n, (uint32_t)p->k->n_code};
    p->n_label++;
}

/* From its name on; the guard is in i. */
static void instruction(parser *p, ptx_insn i, const char *at, size_t n) {
    ptx_operand x[PTX_MAX_OPERANDS];
    char name[64] = "";
    unsigned n_operand = 0;
    i.line = p->line;
    if (n >= sizeof name) bad(p, "unknown instruction '%.*s'", (int)n, at);
    if (p->failed) return;
    memcpy(name, at, n);
    if (!accept(p, ';')) {
        do {
            if (n_operand == PTX_MAX_OPERANDS) bad(p, "%s has more operands than there are", name);
            if (p->failed) return;
            operand(p, &x[n_operand++]);
        } while (accept(p, ','));
        expect(p, ';');
    }
    const char *wrong = p->failed ? NULL : ptx_decode(name, x, n_operand, &i);
    if (wrong) bad(p, "%s", wrong);
    if (p->failed) return;
    if (i.op == PTX_bra) {
        p->jumps = grow(p->jumps, p->n_jump, &p->jump_room, sizeof *p->jumps);
        p->jumps[p->n_jump].insn = p->k->n_code;
        p->jumps[p->n_jump++].to = (label){x[0].label, x[0].label_n, p->line};
    }
    p->k->code = grow(p->k->code, p->k->n_code, &p->code_room, sizeof *p->k->code);
    p->k->code[p->k->n_code++] = i;
}

static void space_variable(parser *p, const char *at, size_t n) {
    if (is(at, n, ".shared"))
        variable(p, &p->m->shared, PTX_SHARED_FIRST, PTX_GAP, 0);
    else
        variable(p, &p->k->local, 0, PTX_GAP, 0);
    expect(p, ';');
}

static void statement(parser *p) {
    const char *at;
    ptx_insn i = {.n = 1};
    if (accept(p, '@')) {
        ptx_operand guard = {.n = 1};
        i.negated = (uint8_t)accept(p, '!');
        i.guard = term(p, &guard);
        if (guard.width || !guard.is_register) bad(p, "a guard that is no predicate");
    }
    size_t n = word(p, &at);
    if (!n)
        bad(p, "an instruction is expected before '%.20s'", p->at);
    else if (!i.guard && accept(p, ':'))
        add_label(p, at, n);
    else if (is(at, n, ".reg"))
        registers(p);
    else if (is(at, n, ".pragma")) { /* "nounroll" */
        while (*p->at && *p->at != ';') p->at++;
        expect(p, ';');
    } else if (is(at, n, ".shared") || is(at, n, ".local"))
        space_variable(p, at, n);
    else
        instruction(p, i, at, n);
}

/* ---- kernels ----------------------------------------------------------------------------------------------------- */

static void resolve_jumps(parser *p) {
    for (size_t i = 0; i < p->n_jump && !p->failed; i++) {
        const label *from = &p->jumps[i].to, *to = p->n_label ? find_label(p, from->name, from->n) : NULL;
        p->line = from->at;
        if (!to || !to->name || to->at >= p->k->n_code)
            bad(p, "no label '%.*s', or nothing behind it", (int)from->n, from->name);
        else
            p->k->code[p->jumps[i].insn].offset = (int32_t)to->at;
    }
}

static void lower(uint32_t *slot, const ptx_kernel *k) {
    if (*slot >= REGISTER) *slot = *slot - REGISTER + k->n_constant;
}

static void place_registers(parser *p) {
    ptx_kernel *k = p->k;
    k->n_slot = k->n_constant + p->n_register;
    k->width = calloc(k->n_slot, 1);
    if (!k->width) abort();
    for (unsigned f = 0; f < p->n_family; f++)
        memset(k->width + k->n_constant + (p->families[f].first - REGISTER), p->families[f].width,
               p->families[f].n ? p->families[f].n : 1);
    for (size_t c = 0; c < k->n_code; c++) {
        ptx_insn *i = &k->code[c];
        for (int d = 0; d < 4; d++) lower(&i->d[d], k);
        lower(&i->a, k);
        lower(&i->b, k);
        lower(&i->c, k);
        lower(&i->guard, k);
    }
}

static void parameters(parser *p) {
    const char *at;
    expect(p, '(');
    if (accept(p, ')')) return;
    do {
        size_t n = word(p, &at);
        if (!is(at, n, ".param")) bad(p, "a parameter is expected before '%.20s'", at);
        if (!p->failed) variable(p, &p->k->param, PTX_PARAM_FIRST, 0, 0);
    } while (accept(p, ','));
    expect(p, ')');
}

static void entry(parser *p) {
    const char *at;
    unsigned blocks = 1; /* that a processor should have room for */
    size_t n = word(p, &at);
    p->m->kernel = realloc(p->m->kernel, (p->m->n_kernel + 1) * sizeof *p->m->kernel);
    if (!p->m->kernel) abort();
    p->k = &p->m->kernel[p->m->n_kernel++];
    *p->k = (ptx_kernel){.max_threads = 0};
    if (!n || n >= sizeof p->k->name) bad(p, "a kernel's name is expected before '%.20s'", p->at);
    if (p->failed) return;
    memcpy(p->k->name, at, n);
    p->n_family = 0;
    p->n_register = 0;
    p->code_room = p->constant_room = p->n_label = p->n_jump = 0;
    if (p->labels) memset(p->labels, 0, p->label_room * sizeof *p->labels);
    for (p->k->n_constant = 0; p->k->n_constant < PTX_N_FIXED; p->k->n_constant++) {
        p->k->constant = grow(p->k->constant, p->k->n_constant, &p->constant_room, sizeof *p->k->constant);
        p->k->constant[p->k->n_constant] = 0;
    }
    parameters(p);
    while (!p->failed && !accept(p, '{')) {
        n = word(p, &at);
        if (is(at, n, ".minnctapersm")) {
            blocks = (unsigned)number(p);
            continue;
        }
        if (!is(at, n, ".maxntid")) bad(p, "unknown directive '%.*s'", (int)n, at);
        for (unsigned i = 0; i < 3 && !p->failed; i++) {
            unsigned dim = (unsigned)number(p);
            p->k->max_threads = i ? p->k->max_threads * dim : dim;
            if (!accept(p, ',')) break;
        }
    }
    if ((uint64_t)blocks * p->k->max_threads > PTX_PROCESSOR_THREADS)
        bad(p, "%u blocks of %u threads are more than a processor has", blocks, p->k->max_threads);
    while (!p->failed && !accept(p, '}')) statement(p);
    if (!p->failed && (!p->k->n_code || p->k->code[p->k->n_code - 1].op != PTX_ret))
        if (!p->k->n_code || p->k->code[p->k->n_code - 1].op != PTX_bra || p->k->code[p->k->n_code - 1].guard)
            bad(p, "kernel %s can run past its end", p->k->name);
    resolve_jumps(p);
    if (!p->failed) place_registers(p);
    if (!p->failed) ptx_find_doubtful(p->k);
}

static void directive(parser *p) {
    const char *at;
    size_t n = word(p, &at);
    if (is(at, n, ".version") || is(at, n, ".target") || is(at, n, ".address_size"))
        (void)word(p, &at);
    else if (is(at, n, ".shared")) {
        variable(p, &p->m->shared, PTX_SHARED_FIRST, PTX_GAP, 0);
        expect(p, ';');
    } else if (is(at, n, ".extern")) {
        n = word(p, &at);
        if (!is(at, n, ".shared")) bad(p, "unknown directive .extern %.*s", (int)n, at);
        if (!p->failed) variable(p, &p->m->shared, PTX_SHARED_FIRST, PTX_GAP, 1);
        expect(p, ';');
    } else if (is(at, n, ".visible")) {
        n = word(p, &at);
        if (!is(at, n, ".entry")) bad(p, "unknown directive .visible %.*s", (int)n, at);
        if (!p->failed) entry(p);
    } else
        bad(p, "unknown directive '%.*s' before '%.20s'", (int)n, at, p->at);
}

static void split_lines(ptx_module *m) {
    size_t room = 0;
    m->n_line = 1;
    for (const char *at = m->text; at; at = strchr(at, '\n') ? strchr(at, '\n') + 1 : NULL) {
        m->line = grow(m->line, m->n_line, &room, sizeof *m->line);
        m->line[m->n_line++] = at;
    }
}

const char *ptx_load(const char *text, ptx_module **out) {
    parser p = {.line = 1};
    *out = NULL;
    p.m = calloc(1, sizeof *p.m);
    if (!p.m || !(p.m->text = malloc(strlen(text) + 1))) abort();
    memcpy(p.m->text, text, strlen(text) + 1);
    p.at = p.m->text;
    split_lines(p.m);
    for (skip(&p); *p.at; skip(&p)) directive(&p);
    for (size_t i = 0; i < p.m->shared.n; i++)
        p.m->shared_bytes += p.m->shared.of[i].dynamic ? 0 : p.m->shared.of[i].bytes;
    free(p.labels);
    free(p.jumps);
    if (p.failed) {
        ptx_unload(p.m);
        return complaint;
    }
    *out = p.m;
    return NULL;
}

void ptx_unload(ptx_module *m) {
    if (!m) return;
    for (size_t i = 0; i < m->n_kernel; i++) {
        ptx_kernel *k = &m->kernel[i];
        free(k->code);
        free(k->constant);
        free(k->width);
        free(k->known);
        free(k->join);
        free(k->param.of);
        free(k->local.of);
    }
    free(m->kernel);
    free(m->shared.of);
    free(m->line);
    free(m->text);
    free(m);
}

ptx_kernel *ptx_find(const ptx_module *m, const char *name) {
    for (size_t i = 0; i < m->n_kernel; i++)
        if (!strcmp(m->kernel[i].name, name)) return &m->kernel[i];
    return NULL;
}
