/* Compiling hand-made kernels and comparing what they compute with the interpreter: the harness of the emitter's tests.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* MAP_ANONYMOUS */
#endif
#include "support/support_emit.h"

#include <check.h>
#include <dlfcn.h>
#include <elf.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "backend/interp.h"
#include "base/elf.h"
#include "cache/disk_entry.h"
#include "jit_cpu/loader.h"

enum { PAGE = 4096 };

void support_kernel_init(support_kernel *s) {
    memset(s, 0, sizeof *s);
    base_alloc_init(&s->alloc, NULL);
    base_arena_init(&s->arena, &s->alloc, &s->trap);
    kn_build_init(&s->b, &s->arena);
}

void support_kernel_free(support_kernel *s) { base_arena_free(&s->arena); }

/* ---- the plug-in ------------------------------------------------------------------------------------------------- */

sinter_llvm_compile_fn *support_plugin(void) {
    const char *path = getenv("SINTER_LLVM");
    void *so = dlopen(path ? path : SINTER_LLVM_SO, RTLD_NOW | RTLD_LOCAL);
    ck_assert_msg(so != NULL, "%s", dlerror());
    void *symbol = dlsym(so, SINTER_LLVM_ENTRY);
    ck_assert_ptr_nonnull(symbol);
    sinter_llvm_compile_fn *fn;
    memcpy(&fn, &symbol, sizeof fn);
    return fn;
}

base_strbuf support_kernel_bytes(support_kernel *s) {
    base_strbuf bytes;
    base_strbuf_init(&bytes, &s->alloc);
    kn_encode(kn_build_finish(&s->b), &bytes);
    ck_assert(!bytes.failed);
    return bytes;
}

/* One global symbol, none undefined. */
static void check_object(const char *bytes, size_t n, const char *symbol, const char *what) {
    const Elf64_Ehdr *header = (const Elf64_Ehdr *)(const void *)bytes;
    ck_assert(n > sizeof *header && !memcmp(header->e_ident, ELFMAG, SELFMAG) && header->e_type == ET_REL);
    const Elf64_Shdr *section = (const Elf64_Shdr *)(const void *)(bytes + header->e_shoff);
    int globals = 0;
    for (int s = 0; s < header->e_shnum; s++) {
        if (section[s].sh_type == SHT_RELA)
            for (size_t r = 0; r < section[s].sh_size / sizeof(Elf64_Rela); r++) {
                const Elf64_Rela *rela = (const Elf64_Rela *)(const void *)(bytes + section[s].sh_offset) + r;
                ck_assert_msg(ELF64_R_TYPE(rela->r_info) == R_X86_64_PC32, "%s: relocation kind %d", what,
                              (int)ELF64_R_TYPE(rela->r_info));
            }
        if (section[s].sh_type != SHT_SYMTAB) continue;
        const Elf64_Sym *at = (const Elf64_Sym *)(const void *)(bytes + section[s].sh_offset);
        const char *names = bytes + section[section[s].sh_link].sh_offset;
        for (size_t i = 1; i < section[s].sh_size / sizeof *at; i++) {
            ck_assert_msg(at[i].st_shndx != SHN_UNDEF, "%s: undefined symbol %s", what, names + at[i].st_name);
            if (ELF64_ST_BIND(at[i].st_info) != STB_GLOBAL) continue;
            globals++;
            ck_assert_str_eq(names + at[i].st_name, symbol);
        }
    }
    ck_assert_int_eq(globals, 1);
}

static int machine_has(const char *level) {
    if (!strcmp(level, "v3")) return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
    return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
           __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl") &&
           __builtin_cpu_supports("avx512cd");
}

/* ---- memories: each ends at a page that cannot be touched -------------------------------------------------------- */

typedef struct {
    unsigned char *map, *at;
    size_t mapped, n;
} memory;

static memory new_memory(size_t n) {
    memory m = {.n = n};
    m.mapped = ((n + PAGE - 1) / PAGE + 2) * PAGE;
    m.map = mmap(NULL, m.mapped, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    ck_assert(m.map != MAP_FAILED);
    m.at = m.map + m.mapped - PAGE - n;
    ck_assert_int_eq(mprotect(m.map, PAGE, PROT_NONE), 0);
    ck_assert_int_eq(mprotect(m.map + m.mapped - PAGE, PAGE, PROT_NONE), 0);
    memset(m.map + PAGE, 0xa5, m.mapped - 2 * PAGE);
    return m;
}

static uint64_t next_random(uint64_t *state) {
    *state = *state * 6364136223846793005u + 1442695040888963407u;
    return *state >> 33;
}

static double special(uint64_t i) {
    static const double value[] = {0.0,    -0.0,  1.0,         -1.0,        INFINITY, -INFINITY, NAN,    1e-40,
                                   -1e-40, 0.5,   1.5,         2.5,         -0.5,     -1.5,      255.0,  255.5,
                                   256.0,  -0.99, 2147483648., 2147483520., 3e9,      -3e9,      9.3e18, -9.3e18,
                                   1e30,   -1e30, 88.5,        -104,        3.25,     1e-300};
    return value[i % (sizeof value / sizeof value[0])];
}

static void fill(void *at, sn_dtype type, size_t i, uint64_t *state, const support_case *c) {
    uint64_t r = next_random(state);
    double plain = (double)(r % 4001) / 1000 - 2;
    double f = c->fill == SUPPORT_SPECIAL && r % 3 ? special(r / 7) : plain;
    uint64_t bits = kn_bits_of(type, f);
    if (type == SN_I64)
        bits = (uint64_t)(c->index_below ? (int64_t)(r % (uint64_t)c->index_below) : (int64_t)(r % 13) - 3);
    if (type == SN_I32 || type == SN_U8) bits = r % 13;
    if (type == SN_BOOL) bits = r & 1;
    if (c->fill == SUPPORT_SPECIAL && type != SN_BOOL && !c->index_below && type != SN_F32 && type != SN_F64 && r % 2)
        bits = (r & 2 ? UINT64_MAX : (uint64_t)1 << (8 * sn_dtype_size(type) - 1)) ^ (r % 8 / 4);
    memcpy((unsigned char *)at + i * sn_dtype_size(type), &bits, sn_dtype_size(type));
}

/* ---- running and comparing --------------------------------------------------------------------------------------- */

typedef struct {
    const kn_kernel *k;
    const support_case *c;
    memory *mem;
    void **at;
    memory scratch;
    kn_launch launch;
} run;

static run new_run(support_kernel *s, const kn_kernel *k, const support_case *c) {
    run r = {.k = k, .c = c};
    uint64_t state = 7;
    r.mem = ARENA_ARRAY(&s->arena, memory, k->n_mem);
    r.at = ARENA_ARRAY(&s->arena, void *, k->n_mem);
    int64_t chunks = 1; /* of the part with the most: good for all */
    for (uint32_t p = 0; p < k->n_part; p++)
        if (kn_chunks(k, p, c->dim) > chunks) chunks = kn_chunks(k, p, c->dim);
    for (uint32_t m = 0; m < k->n_mem; m++) {
        const kn_mem *mem = &k->mem[m];
        if (mem->space == KN_ROW) continue;
        size_t n = (size_t)kn_size_value(mem->count, c->dim) * (size_t)(mem->space == KN_PART ? chunks : 1);
        r.mem[m] = new_memory(n * sn_dtype_size((sn_dtype)mem->store));
        r.at[m] = r.mem[m].at;
        if (mem->space == KN_IN || mem->space == KN_INOUT)
            for (size_t i = 0; i < n; i++) fill(r.at[m], (sn_dtype)mem->store, i, &state, c);
    }
    size_t bytes = (size_t)kn_scratch_bytes(k, c->dim);
    r.scratch = new_memory((bytes + 63) & ~(size_t)63);
    r.launch = (kn_launch){r.at, c->dim, c->scalar};
    return r;
}

static void free_run(run *r) {
    for (uint32_t m = 0; m < r->k->n_mem; m++)
        if (r->mem[m].map) munmap(r->mem[m].map, r->mem[m].mapped);
    munmap(r->scratch.map, r->scratch.mapped);
}

static int same(sn_dtype type, const unsigned char *a, const unsigned char *b) {
    if (!memcmp(a, b, sn_dtype_size(type))) return 1;
    float fa, fb;
    double da, db;
    if (type == SN_F32) return memcpy(&fa, a, 4), memcpy(&fb, b, 4), fa != fa && fb != fb;
    if (type == SN_F64) return memcpy(&da, a, 8), memcpy(&db, b, 8), da != da && db != db;
    return 0;
}

static void compare(const run *want, const run *got, const char *what, const char *level) {
    const int64_t *dim = want->c->dim;
    for (uint32_t m = 0; m < want->k->n_mem; m++) {
        if (!want->mem[m].map) continue;
        sn_dtype type = (sn_dtype)want->k->mem[m].store;
        size_t size = sn_dtype_size(type), n = want->mem[m].n / size;
        for (size_t i = 0; i < n; i++) {
            const unsigned char *a = want->mem[m].at + i * size, *b = got->mem[m].at + i * size;
            if (same(type, a, b)) continue;
            uint64_t x = 0, y = 0;
            float fx, fy;
            memcpy(&x, a, size), memcpy(&y, b, size), memcpy(&fx, a, 4 < size ? 4 : size),
                memcpy(&fy, b, 4 < size ? 4 : size);
            ck_abort_msg("%s, %s, dims %lld %lld: memory %u (%s) element %zu of %zu: interpreter %#llx (%g), compiled "
                         "%#llx (%g)",
                         what, level, (long long)dim[0], (long long)dim[1], m, sn_dtype_name(type), i, n,
                         (unsigned long long)x, (double)fx, (unsigned long long)y, (double)fy);
        }
        size_t before = (size_t)(got->mem[m].at - got->mem[m].map) - PAGE;
        for (size_t i = 0; i < before; i++)
            ck_assert_msg(got->mem[m].map[PAGE + i] == 0xa5, "%s, %s: memory %u was written before its start", what,
                          level, m);
    }
}

static void run_compiled(run *r, kn_code code) {
    for (uint32_t p = 0; p < r->k->n_part; p++) { /* in two calls, the later chunks first */
        int64_t chunks = kn_chunks(r->k, p, r->c->dim), middle = chunks / 2;
        code(&r->launch, p, middle, chunks, r->scratch.at);
        code(&r->launch, p, 0, middle, r->scratch.at);
    }
}

static sinter_llvm_result compile(sinter_llvm_compile_fn *fn, const base_strbuf *bytes, const char *level,
                                  uint32_t want, uint32_t lines, const sn_allocator *allocator, const char *what) {
    sinter_llvm_request request = {.struct_size = sizeof request,
                                   .abi = SINTER_LLVM_ABI,
                                   .want = want,
                                   .lines = lines,
                                   .keep = want == SINTER_LLVM_OBJECT,
                                   .kernel = bytes->at,
                                   .kernel_size = bytes->n,
                                   .symbol = "kernel",
                                   .level = level,
                                   .allocator = *allocator};
    sinter_llvm_result result;
    sn_status status = fn(&request, &result);
    ck_assert_msg(status == SN_OK, "%s, %s: %s", what, level, result.text);
    return result;
}

typedef struct {
    support_kernel *s;
    const kn_kernel *kernel; /* NULL: what s builds */
    const support_case *cases;
    size_t n_cases;
    const char *what;
    base_strbuf bytes;
    run *want; /* of each case */
} check_job;

/* For people: SUPPORT_EMIT_PRINT=kernel, or the number of a sinter_llvm_want. */
static void print(check_job *j, const kn_kernel *k, sinter_llvm_compile_fn *fn, const char *level) {
    const char *want = getenv("SUPPORT_EMIT_PRINT");
    const sn_allocator *allocator = &j->s->alloc.hook;
    if (want && !strcmp(want, "kernel")) {
        base_strbuf out;
        base_strbuf_init(&out, &j->s->alloc);
        kn_print(k, &out);
        fprintf(stderr, "%s\n", out.at);
        base_strbuf_free(&out);
    } else if (want) {
        sinter_llvm_result result = compile(fn, &j->bytes, level, (uint32_t)atoi(want), 0, allocator, j->what);
        fprintf(stderr, "%s\n", result.bytes);
        allocator->realloc(allocator->user, result.bytes, result.n, 0);
    }
}

static void interpret(check_job *j, const kn_kernel *k) {
    const kn_kernel *expanded = kn_expand(&j->s->arena, k, 0);
    interp_errors errors = {0};
    j->want = ARENA_ARRAY(&j->s->arena, run, j->n_cases);
    for (size_t i = 0; i < j->n_cases; i++) {
        run *r = &j->want[i];
        *r = new_run(j->s, k, &j->cases[i]);
        for (uint32_t p = 0; p < k->n_part; p++)
            interp_run(expanded, &r->launch, p, 0, kn_chunks(k, p, r->c->dim), r->scratch.at, &errors);
        ck_assert_msg(errors.n == 0, "%s: interpreter: %s", j->what, errors.first);
    }
}

/* ---- one object, linked in several ways -------------------------------------------------------------------------- */

enum { COLD_ORC, COLD_OWN, WARM_OWN, WARM_ORC, LINKINGS };
static const char *const linking_names[LINKINGS] = {"compiled and linked by ORC", "compiled, own loader",
                                                    "cached, own loader", "cached, linked by ORC"};
typedef struct {
    kn_code code[LINKINGS];
    cpu_code own[LINKINGS];
    sinter_llvm_result orc; /* of WARM_ORC */
    base_strbuf entry;      /* that the cache would keep */
} linkings;

static kn_code link_own(cpu_code *out, const void *object, size_t n, const char *what) {
    base_trap err;
    kn_code code;
    ck_assert_msg(!cpu_link(object, n, "kernel", out, NULL, &err), "%s: %s", what, err.text);
    memcpy(&code, &out->entry, sizeof code);
    return code;
}

/* Warm: what was compiled, through an entry of the cache. */
static void link_all(check_job *j, sinter_llvm_compile_fn *fn, const char *level, const sinter_llvm_result *compiled,
                     linkings *l) {
    base_strbuf key, meta;
    cache_entry entry;
    *l = (linkings){0};
    memcpy(&l->code[COLD_ORC], &compiled->address, sizeof l->code[COLD_ORC]);
    l->code[COLD_OWN] = link_own(&l->own[COLD_OWN], compiled->bytes, compiled->n, j->what);
    base_strbuf_init(&key, &j->s->alloc);
    base_strbuf_init(&meta, &j->s->alloc);
    base_strbuf_init(&l->entry, &j->s->alloc);
    base_strbuf_add(&key, j->bytes.at, j->bytes.n);
    base_strbuf_add(&key, level, strlen(level) + 1);
    const cache_key k = {key.at, key.n, j->bytes.n, base_hash_bytes(key.at, key.n), 0};
    cache_entry_write(&l->entry, &k, compiled->bytes, compiled->n, &meta);
    base_strbuf_free(&key);
    const char *wrong = cache_entry_open(&entry, l->entry.at, l->entry.n);
    ck_assert_msg(!wrong, "%s: %s", j->what, wrong);
    l->code[WARM_OWN] = link_own(&l->own[WARM_OWN], entry.payload, entry.payload_bytes, j->what);
    sinter_llvm_request request = {.struct_size = sizeof request,
                                   .abi = SINTER_LLVM_ABI,
                                   .want = SINTER_LLVM_LINK,
                                   .symbol = "kernel",
                                   .level = level,
                                   .object = entry.payload,
                                   .object_size = entry.payload_bytes,
                                   .allocator = j->s->alloc.hook};
    ck_assert_msg(!fn(&request, &l->orc), "%s: %s", j->what, l->orc.text);
    memcpy(&l->code[WARM_ORC], &l->orc.address, sizeof l->code[WARM_ORC]);
}

static void unlink_all(linkings *l) {
    for (int i = 0; i < LINKINGS; i++) cpu_unlink(&l->own[i]);
    l->orc.release(l->orc.handle);
    base_strbuf_free(&l->entry);
}

/* Every bit, that of NaNs and of scratch included: it is the same code. */
static void compare_linkings(const run *a, const run *b, const char *what, int linking) {
    for (uint32_t m = 0; m < a->k->n_mem; m++)
        ck_assert_msg(!a->mem[m].map || !memcmp(a->mem[m].at, b->mem[m].at, a->mem[m].n),
                      "%s: memory %u differs: %s and %s", what, m, linking_names[0], linking_names[linking]);
}

/* Line numbers change no instruction. */
static void check_lines(check_job *j, sinter_llvm_compile_fn *fn, const char *level, const sinter_llvm_result *plain) {
    const sn_allocator *allocator = &j->s->alloc.hook;
    sinter_llvm_result lines = compile(fn, &j->bytes, level, SINTER_LLVM_OBJECT, 1, allocator, j->what);
    base_elf a, b;
    char text[BASE_ELF_TEXT_MAX];
    ck_assert_msg(base_elf_open(&a, plain->bytes, plain->n, text), "%s: %s", j->what, text);
    ck_assert_msg(base_elf_open(&b, lines.bytes, lines.n, text), "%s: %s", j->what, text);
    ck_assert_msg(base_elf_same_code(&a, &b), "%s, %s: line numbers change the code", j->what, level);
    ck_assert_uint_gt(lines.n, plain->n);
    lines.release(lines.handle);
    allocator->realloc(allocator->user, lines.bytes, lines.n, 0);
}

static void check_level(check_job *j, const kn_kernel *k, sinter_llvm_compile_fn *fn, const char *level) {
    const sn_allocator *allocator = &j->s->alloc.hook;
    print(j, k, fn, level);
    sinter_llvm_result result = compile(fn, &j->bytes, level, SINTER_LLVM_OBJECT, 0, allocator, j->what);
    linkings l;
    check_object(result.bytes, result.n, "kernel", j->what);
    link_all(j, fn, level, &result, &l);
    for (size_t i = 0; i < j->n_cases && machine_has(level); i++) {
        run got[LINKINGS];
        for (int how = 0; how < LINKINGS; how++) {
            got[how] = new_run(j->s, k, &j->cases[i]);
            run_compiled(&got[how], l.code[how]);
            compare_linkings(&got[0], &got[how], j->what, how);
        }
        compare(&j->want[i], &got[0], j->what, level);
        for (int how = 0; how < LINKINGS; how++) free_run(&got[how]);
    }
    static unsigned count; /* compiling once more takes its time: every eighth kernel in the normal run */
    if (!strcmp(level, "v4") && (getenv("SN_SLOW") || count++ % 8 == 0)) check_lines(j, fn, level, &result);
    unlink_all(&l);
    result.release(result.handle);
    allocator->realloc(allocator->user, result.bytes, result.n, 0);
}

static void check_body(void *arg) {
    check_job *j = arg;
    const kn_kernel *k = j->kernel ? j->kernel : kn_build_finish(&j->s->b);
    char text[256];
    const char *wrong = kn_verify(k, text);
    ck_assert_msg(!wrong, "%s: %s", j->what, wrong);
    base_strbuf_init(&j->bytes, &j->s->alloc);
    kn_encode(k, &j->bytes);
    interpret(j, k);
    sinter_llvm_compile_fn *fn = support_plugin();
    check_level(j, k, fn, "v3");
    check_level(j, k, fn, "v4");
    for (size_t i = 0; i < j->n_cases; i++) free_run(&j->want[i]);
}

void support_emit_check_kernel(support_kernel *s, const kn_kernel *k, const support_case *cases, size_t n_cases,
                               const char *what) {
    check_job j = {.s = s, .kernel = k, .cases = cases, .n_cases = n_cases, .what = what};
    sn_status status = base_protect(&s->trap, check_body, &j);
    ck_assert_msg(status == SN_OK, "%s: %s", what, s->trap.text);
    base_strbuf_free(&j.bytes);
}

void support_emit_check(support_kernel *s, const support_case *cases, size_t n_cases, const char *what) {
    support_emit_check_kernel(s, NULL, cases, n_cases, what);
}
