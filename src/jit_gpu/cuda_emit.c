/* Kernel -> one CUDA kernel: its parameters, the blocks of each part, chunks and tiles. */
#include "jit_gpu/cuda_emit.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* Threads for which a processor, with its 65536 registers, is to have room. Many hide best what memory takes, but leave
 * each of them 64 registers; fewer are asked for where a thread has too many words alive, or where registers keep loads
 * on their way in loops of many iterations together: with so few, the compiler does not save any. What spills in spite
 * of that is compiled again for fewer (nvrtc.c). Without a number the compiler would spill a few bytes wherever that
 * makes room for another block. */
enum {
    MANY_THREADS = 1024,
    MANY_WORDS = 50, /* alive; the rest of 64 registers is for indices, addresses and arithmetic */
    SOME_THREADS = 512,
    SOME_WORDS = 128, /* loads are kept up to here: what is made and used in order takes less than all at once */
    ONE_BLOCK = 256   /* of more threads: one is all that is asked for */
};

/* ---- text -------------------------------------------------------------------------------------------------------- */

static const char *format_text(ce *e, int depth, const char *end, const char *format, va_list args) {
    va_list again;
    va_copy(again, args);
    int n = vsnprintf(NULL, 0, format, again), indent = 4 * depth;
    va_end(again);
    char *text = ARENA_ARRAY(e->arena, char, (size_t)indent + (size_t)n + strlen(end) + 1);
    memset(text, ' ', (size_t)indent);
    vsnprintf(text + indent, (size_t)n + 1, format, args);
    memcpy(text + indent + n, end, strlen(end) + 1);
    return text;
}

void ce_line(ce *e, const char *format, ...) {
    va_list args;
    va_start(args, format);
    *base_vec_push(&e->line, e->arena) = format_text(e, *format ? e->depth : 0, "\n", format, args);
    va_end(args);
}

void ce_open(ce *e) {
    ce_line(e, "{");
    e->depth++;
}

void ce_close(ce *e) {
    e->depth--;
    ce_line(e, "}");
}

const char *ce_text(ce *e, const char *format, ...) {
    va_list args;
    va_start(args, format);
    const char *text = format_text(e, 0, "", format, args);
    va_end(args);
    return text;
}

const char *ce_size(ce *e, kn_size size) {
    if (size.dim == KN_NONE) return ce_text(e, "%lld", (long long)size.k);
    return size.k == 1 ? ce_text(e, "D%u", size.dim) : ce_text(e, "(%lld * D%u)", (long long)size.k, size.dim);
}

/* ---- threads ----------------------------------------------------------------------------------------------------- */

ce_shape ce_shape_of(const kn_kernel *k) {
    ce_shape shape = {CE_BLOCK};
    uint32_t most = 0;
    for (uint32_t p = 0; p < k->n_part; p++)
        if (k->part[p].team > most) most = k->part[p].team;
    if (most > CE_WARP) shape.block = most;
    return shape;
}

uint32_t ce_team(const kn_kernel *k, uint32_t part) {
    return k->part[part].team > CE_WARP ? ce_shape_of(k).block : (uint32_t)CE_WARP;
}

/* ---- tiles ------------------------------------------------------------------------------------------------------- */

static kn_size extent_of(const ce *e, uint32_t point) { return e->k->axis[e->part->point[point]].extent; }

/* Of what has no tile at all, one: it is divided by, if never executed. */
static const char *tiles_along(ce *e, uint32_t i) {
    kn_size extent = extent_of(e, i);
    if (extent.dim == KN_NONE && !extent.k) return "1";
    const char *n = ce_size(e, extent);
    if (i + 1u < e->part->n_point || e->part->tile == 1) return n;
    return ce_text(e, "((%s + %u) / %u)", n, e->part->tile - 1u, e->part->tile);
}

/* Indices of the first tile: digits of its number, the last axis fastest. Where there is no tile, an extent may be 0.
 */
static void first_indices(ce *e) {
    const kn_part *part = e->part;
    if (part->n_point == 1) {
        ce_line(e, part->tile > 1 ? "i64 n%u = first * %u;" : "i64 n%u = first;", part->point[0], part->tile);
        return;
    }
    for (uint32_t i = 0; i < part->n_point; i++) ce_line(e, "i64 n%u = 0;", part->point[i]);
    ce_line(e, "if (first < end) {");
    e->depth++;
    ce_line(e, "i64 rest = first;");
    for (uint32_t i = part->n_point; i-- > 0;) {
        const char *n = tiles_along(e, i);
        ce_line(e, "n%u = rest%s%s%s;", part->point[i], i ? " % " : "", i ? n : "",
                i + 1u == part->n_point && part->tile > 1 ? ce_text(e, " * %u", part->tile) : "");
        if (i) ce_line(e, "rest /= %s;", n);
    }
    ce_close(e);
}

static void next_indices(ce *e) {
    const kn_part *part = e->part;
    uint32_t last = part->n_point - 1u;
    ce_line(e, "n%u += %u;", part->point[last], part->tile);
    for (uint32_t i = last; i > 0; i--)
        ce_line(e, "if (n%u >= %s) n%u = 0, n%u++;", part->point[i], ce_size(e, extent_of(e, i)), part->point[i],
                part->point[i - 1]);
}

/* The points of the tile: how many there are, and their indices in both forms, as far as phases use them. */
static void tile_points(ce *e) {
    uint32_t tile = e->part->tile;
    if (tile == 1) return;
    int copies = 0, lanes = 0;
    for (uint32_t p = e->part->first_phase; p < e->part->end_phase; p++) {
        if (e->k->phase[p].at_entry) continue;
        ce_begin_phase(e, &e->k->phase[p]);
        if (e->mode == CE_POINT_LANES)
            lanes = 1;
        else
            copies = 1;
    }
    kn_id n = e->last_point;
    uint32_t own = tile > e->team ? tile / e->team : 1;
    ce_line(e, "const int present = (int)sn_least(%u, %s - n%u);", tile, ce_size(e, e->k->axis[n].extent), n);
    if (copies) {
        ce_line(e, "i64 n%uc[%u];", n, tile);
        ce_line(e, "FOR(r, %u) n%uc[r] = n%u + sn_least(r, present - 1);", tile, n, n);
    }
    if (!lanes) return;
    const char *lane = own > 1 ? ce_text(e, "t * %u", own) : "t";
    if (own > 1)
        ce_line(e, "const i64 n%ul = sn_opaque(n%u + %s);", n, n, lane);
    else
        ce_line(e, e->even ? "const i64 n%ul = n%u + t;" : "const i64 n%ul = n%u + sn_least(t, present - 1);", n, n);
    if (e->even)
        ce_line(e, "const bool in_n%u = %s < present;", n, lane);
    else if (own > 1)
        ce_line(e, "const int own_n%u = present - %s;", n, lane);
}

/* kn_chunk_tile. A division of 64 bits would be a call to a routine of a hundred instructions; a product with
 * floor(2^64 / chunks) + 1 has the same upper half as long as chunk * over * chunks does not reach 2^64. */
static const char *first_tile(ce *e, const char *chunk) {
    uint32_t p = e->part_id;
    if (e->part->max_chunks > CE_MAX_INVERSE)
        return ce_text(e, "%s * g.each[%u] + %s * g.over[%u] / g.chunks[%u]", chunk, p, chunk, p, p);
    return ce_text(e, "%s * g.each[%u] + (i64)__umul64hi(%s * g.over[%u], g.inverse[%u])", chunk, p, chunk, p, p);
}

/* Registers of the rows that are held, for this tile. */
static void held_rows(ce *e, uint32_t p) {
    uint8_t *seen = ARENA_ARRAY(e->arena, uint8_t, e->k->n_mem);
    for (; p < e->part->end_phase; p++) {
        ce_begin_phase(e, &e->k->phase[p]);
        for (kn_id i = e->phase->first; i < e->phase->end; i++) {
            if (e->k->inst[i].kind != KI_STORE) continue;
            const kn_access *access = &e->k->access[e->k->inst[i].acc];
            if (e->k->mem[access->mem].space == KN_ROW && ce_is_held(e, access->mem) && !seen[access->mem]++)
                ce_declare_held(e, access, NULL);
        }
    }
}

static void emit_tiles(ce *e) {
    const kn_part *part = e->part;
    uint32_t p = part->first_phase;
    int meet = 0, wraps = 0;
    while (p < part->end_phase && e->k->phase[p].at_entry) p++;
    if (p == part->end_phase) return;
    for (uint32_t q = p; q < part->end_phase; q++) {
        meet |= ce_must_meet(e, part->first_phase, p, q, 0);
        wraps |= part->n_point && ce_must_meet(e, p, part->end_phase, q, 1);
    }
    ce_chunk_level(e);
    if (meet) ce_line(e, "SYNC%u;", e->part_id);
    ce_line(e, "const i64 first = sn_opaque(%s), end = %s;", first_tile(e, "chunk"), first_tile(e, "(chunk + 1)"));
    if (part->n_point) first_indices(e);
    ce_line(e, "for (i64 tile = first; tile < end; tile++) {");
    e->depth++;
    tile_points(e);
    held_rows(e, p);
    for (uint32_t q = p; q < part->end_phase && e->even; q++) {
        if (!ce_loads_at_tile(e, q)) continue;
        ce_begin_phase(e, &e->k->phase[q]);
        ce_load_ahead(e);
    }
    for (uint32_t q = p; q < part->end_phase; q++) {
        if (ce_must_meet(e, p, q, q, 0)) ce_line(e, "SYNC%u;", e->part_id);
        ce_phase(e, &e->k->phase[q]);
    }
    if (wraps) ce_line(e, "SYNC%u;", e->part_id);
    if (part->n_point) next_indices(e);
    ce_close(e);
}

/* ---- chunks and parts -------------------------------------------------------------------------------------------- */

/* For each fold over points of the part: begin or end; returns whether there was one in memory. */
static int for_point_folds(ce *e, void (*f)(ce *, kn_id)) {
    int in_memory = 0;
    for (uint32_t p = e->part->first_phase; p < e->part->end_phase; p++) {
        const kn_phase *phase = &e->k->phase[p];
        ce_begin_phase(e, phase);
        for (kn_id i = phase->first; i < phase->end; i++)
            if (kn_is_point_fold(&e->k->inst[i])) {
                in_memory |= !ce_in_registers(e, &e->k->inst[i]) && !ce_is_held(e, e->k->access[e->k->inst[i].acc].mem);
                f(e, i);
            }
    }
    return in_memory;
}

/* Is the memory touched by the part? */
static int is_of_part(const ce *e, kn_id mem) {
    kn_id first = e->k->phase[e->part->first_phase].first, end = e->k->phase[e->part->end_phase - 1].end;
    for (kn_id i = first; i < end; i++)
        for (uint32_t which = 0; which < KN_ACCESSES; which++) {
            kn_id access = kn_access_at(&e->k->inst[i], which);
            if (access != KN_NONE && e->k->access[access].mem == mem) return 1;
        }
    return 0;
}

static void scratch_memories(ce *e) {
    for (kn_id m = 0; m < e->k->n_mem; m++) {
        const kn_mem *mem = &e->k->mem[m];
        if ((mem->space != KN_ROW && mem->space != KN_PART) || !is_of_part(e, m)) continue;
        const char *type = ce_memory_type((sn_dtype)mem->store);
        if (ce_is_held(e, m) || (mem->space == KN_PART && !ce_accumulates(e->k, m))) {
            if (mem->space == KN_PART)
                ce_line(e, "%s *const m%u = m%ug + chunk * %s;", type, m, m, ce_size(e, mem->count));
        } else if (mem->space == KN_ROW)
            ce_line(e, "%s *const m%u = (%s *)(scratch + g.at[%u]);", type, m, type, m);
        else
            ce_line(e, "%s *const m%u = g.at[%u] < 0 ? m%ug + chunk * %s : (%s *)(scratch + g.at[%u]);", type, m, m, m,
                    ce_size(e, mem->count), type, m);
    }
}

/* Partials that were gathered in scratch go to where later kernels read them. */
static void copy_partials(ce *e) {
    int met = 0;
    for (kn_id m = 0; m < e->k->n_mem; m++) {
        if (e->k->mem[m].space != KN_PART || !is_of_part(e, m) || ce_is_held(e, m) || !ce_accumulates(e->k, m))
            continue;
        if (!met++) ce_line(e, "SYNC%u;", e->part_id);
        const char *n = ce_size(e, e->k->mem[m].count);
        ce_line(e, "if (g.at[%u] >= 0) for (i64 i = t; i < %s; i += %u) m%ug[chunk * %s + i] = m%u[i];", m, n, e->team,
                m, n, m);
    }
}

static void emit_chunk(ce *e) {
    scratch_memories(e);
    if (for_point_folds(e, ce_point_fold_begin)) ce_line(e, "SYNC%u;", e->part_id);
    for (uint32_t p = e->part->first_phase; p < e->part->end_phase; p++) {
        if (!e->k->phase[p].at_entry) break;
        if (ce_must_meet(e, e->part->first_phase, p, p, 0)) ce_line(e, "SYNC%u;", e->part_id);
        ce_phase(e, &e->k->phase[p]);
    }
    emit_tiles(e);
    for_point_folds(e, ce_point_fold_end);
    copy_partials(e);
}

/* Is the word in one of the lines? */
static int mentions(const char *const *line, uint32_t n, const char *word) {
    for (uint32_t i = 0; i < n; i++)
        if (strstr(line[i], word)) return 1;
    return 0;
}

/* The chunk, for even launches and for others. */
static void emit_texts(ce *e) {
    ce_even even;
    const kn_kernel *k = e->k;
    ce_find_even(k, e->part_id, &even, e->held);
    if (even.worth) {
        e->even = &even;
        uint32_t words = ce_words(e, even.held_words);
        ce_keep_loads(e, words < SOME_WORDS ? SOME_WORDS - words : 0, e->kept);
        if (words > e->words) e->words = words;
        ce_line(e, "if (g.even[%u]) {", e->part_id);
        e->depth++;
        emit_chunk(e);
        e->depth--;
        ce_line(e, "} else {");
        e->depth++;
        e->even = NULL;
        memset(e->form, 0, k->n_inst);
    }
    uint32_t words = ce_words(e, 0);
    if (words > e->words) e->words = words;
    emit_chunk(e);
    if (even.worth) ce_close(e);
}

static void emit_part(ce *e, uint32_t block) {
    const kn_kernel *k = e->k;
    uint32_t p = e->part_id, teams = block / e->team;
    uint32_t start = e->line.n; /* the body is written first: it tells what it needs */
    kn_place_part(k, e->part, e->place);
    ce_find_sole(e);
    e->depth = 2;
    emit_texts(e);
    uint32_t n = e->line.n - start;
    const char **body = ARENA_ARRAY(e->arena, const char *, n);
    memcpy(body, e->line.at + start, n * sizeof *body);
    e->line.n = start;
    e->depth = 1;
    if (p + 1u < k->n_part)
        ce_line(e, "if (blockIdx.x < g.first[%u]) {", p + 1);
    else
        ce_line(e, "{");
    e->depth++;
    ce_line(e, "const int t = threadIdx.x%s;", teams > 1 ? ce_text(e, " %% %u", e->team) : "");
    ce_line(e, "const i64 team = (i64)blockIdx.x%s;",
            teams > 1 ? ce_text(e, " * %u + threadIdx.x / %u", teams, e->team) : "");
    ce_line(e, "const i64 chunk = team - (i64)g.first[%u]%s;", p, teams > 1 ? ce_text(e, " * %u", teams) : "");
    ce_line(e, "if (chunk >= g.chunks[%u]) return;", p);
    if (mentions(body, n, "(scratch + "))
        ce_line(e, "u8 *const scratch = g.in_shared ? sn_shared%s : (u8 *)g.scratch + team * g.scratch_bytes;",
                teams > 1 ? ce_text(e, " + threadIdx.x / %u * g.scratch_bytes", e->team) : "");
    if (mentions(body, n, ", meet, turn)")) {
        ce_line(e, "u8 *const meet = %s;", e->exchanges ? "sn_meet" : "0");
        ce_line(e, "int turn = 0;");
    }
    for (uint32_t i = 0; i < n; i++) *base_vec_push(&e->line, e->arena) = body[i];
    if (p + 1u < k->n_part) ce_line(e, "return;");
    ce_close(e);
}

/* Names are the user's and may hold anything; a comment ends where it should. */
static const char *comment(ce *e, const char *text) {
    if (!e->people || !text || !*text) return "";
    char *name = base_arena_strdup(e->arena, text);
    for (char *c = name; *c; c++)
        if ((unsigned char)*c < ' ' || (c > name && c[-1] == '*' && *c == '/')) *c = '_';
    return ce_text(e, " /* %s */", name);
}

void ce_name_line(ce *e, uint32_t line, kn_id inst) {
    if (!e->people || !e->people->name || line >= e->line.n) return;
    size_t start = e->out->n; /* the end of the output is as good a place as any, and no allocation of our own */
    e->people->name(e->people->arg, inst, e->out);
    const char *text = e->out->n > start && !e->out->failed ? comment(e, e->out->at + start) : "";
    const char *old = e->line.at[line];
    e->out->n = start;
    if (*text) e->line.at[line] = ce_text(e, "%.*s%s\n", (int)strlen(old) - 1, old, text);
}

static int has_loop_together(const kn_kernel *k) {
    for (uint32_t p = 0; p < k->n_phase; p++) {
        const kn_phase *phase = &k->phase[p];
        if (phase->ilp > 1 && phase->lanes != phase->loop[phase->n_loop - 1]) return 1;
    }
    return 0;
}

/* The line that stands before the kernel; written last, when its words are known. */
static const char *least_threads(ce *e) {
    int some = e->words > MANY_WORDS || has_loop_together(e->k);
    return ce_text(e, "#ifndef SN_THREADS\n#define SN_THREADS %d\n#endif\n", some ? SOME_THREADS : MANY_THREADS);
}

/* threads: the line in which the least number of threads goes. */
static void parameters(ce *e, const char *symbol, uint32_t block, uint32_t *threads) {
    const kn_kernel *k = e->k;
    ce_line(e, "struct sn_grid {");
    e->depth++;
    ce_line(e, "u64 scratch;");
    ce_line(e, "unsigned scratch_bytes, in_shared;");
    ce_line(e, "i64 chunks[%u], each[%u], over[%u];", k->n_part, k->n_part, k->n_part);
    ce_line(e, "u64 inverse[%u];", k->n_part);
    ce_line(e, "unsigned first[%u], even[%u];", k->n_part, k->n_part);
    ce_line(e, "int at[%u];", k->n_mem);
    e->depth--;
    ce_line(e, "};");
    ce_line(e, "%s", "");
    *threads = e->line.n;
    ce_line(e, "%s", "");
    ce_line(e, "extern \"C\" __global__ void __launch_bounds__(%u, %s) %s(", block,
            block > ONE_BLOCK ? "1" : ce_text(e, "SN_THREADS / %u", block), symbol);
    e->depth++;
    for (uint32_t m = 0; m < k->n_mem; m++) {
        const kn_mem *mem = &k->mem[m];
        const char *type = ce_memory_type((sn_dtype)mem->store);
        if (mem->space == KN_ROW) continue;
        ce_line(e, "%s%s *%sm%u%s,%s", mem->space == KN_IN ? "const " : "", type,
                mem->space == KN_IN ? "__restrict__ " : "", m, mem->space == KN_PART ? "g" : "",
                comment(e, k->mem_name ? k->mem_name[m] : NULL));
    }
    for (uint32_t d = 0; d < k->n_dim; d++) ce_line(e, "const i64 D%u,", d);
    for (uint32_t s = 0; s < k->n_scalar; s++) ce_line(e, "const u64 S%u,", s);
    ce_line(e, "const sn_grid g)");
    e->depth--;
}

void ce_kernel(base_arena *arena, const kn_kernel *k, const char *symbol, const ce_people *people, base_strbuf *out) {
    ce e = {.arena = arena, .k = k, .people = people, .out = out};
    uint32_t block = ce_shape_of(k).block, threads;
    e.place = ARENA_ARRAY(arena, kn_place, k->n_inst);
    e.form = ARENA_ARRAY(arena, uint8_t, k->n_inst);
    e.sole = ARENA_ARRAY(arena, uint8_t, k->n_inst);
    e.again = ARENA_ARRAY(arena, uint8_t, k->n_inst);
    e.kept = ARENA_ARRAY(arena, kn_id, k->n_inst);
    e.held = ARENA_ARRAY(arena, uint16_t, k->n_mem);
    ce_line(&e, "#define SN_MEET %d", CE_MAX_BATCH_BYTES);
    for (uint32_t p = 0; p < k->n_part; p++)
        ce_line(&e, "#define SYNC%u %s", p, ce_team(k, p) > CE_WARP ? "__syncthreads()" : "__syncwarp()");
    ce_prelude(&e);
    ce_halves(&e);
    ce_maths(&e);
    parameters(&e, symbol, block, &threads);
    ce_open(&e);
    ce_line(&e, "extern __shared__ __align__(16) u8 sn_shared[];");
    uint32_t meet = e.line.n;
    int meets = 0;
    ce_line(&e, "__shared__ __align__(16) u8 sn_meet[2 * SN_MEET];"); /* one for all parts: a block is of one part */
    for (uint32_t p = 0; p < k->n_part; p++) {
        e.part = &k->part[p];
        e.part_id = p;
        e.team = ce_team(k, p);
        e.last_point = e.part->n_point ? e.part->point[e.part->n_point - 1] : (kn_id)KN_NONE;
        e.exchanges = 0;
        emit_part(&e, block);
        meets |= e.exchanges;
    }
    if (!meets) e.line.at[meet] = "";
    e.line.at[threads] = least_threads(&e);
    ce_close(&e);
    for (uint32_t i = 0; i < e.line.n; i++) base_strbuf_puts(out, e.line.at[i]);
}
