/* The loader: linked code runs, its pages are never writable and executable, relocations land where they should, and
 * damaged objects are loaded or refused but never crash. */
#define _GNU_SOURCE
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "jit_cpu/debug.h"
#include "jit_cpu/loader.h"
#include "support/support_elf.h"

/* Hand-assembled. .text: f returns load(table) through a local call:
 *      0  e8 rel32         call g            (PLT32 g - 4)
 *      5  48 8b 00         mov rax, [rax]
 *      8  8b 00            mov eax, [rax]
 *     10  c3               ret
 *     16  48 8d 05 rel32   g: lea rax, [rip + pointer]   (PC32 pointer - 4)
 *     23  c3               ret
 * .rodata.cst64 (aligned 64): 0x1234; .rodata: the absolute address of it (64), and its distance from there (PC64). */
static const unsigned char code[32] = {0xe8, 0,    0,    0,    0,    0x48, 0x8b, 0x00, 0x8b, 0x00, 0xc3, 0xcc,
                                       0xcc, 0xcc, 0xcc, 0xcc, 0x48, 0x8d, 0x05, 0,    0,    0,    0,    0xc3};
static const unsigned char value[64] = {0x34, 0x12};
static const unsigned char pointers[16];

static const support_elf_section sections[] = {
    {".text", SHT_PROGBITS, SHF_ALLOC | SHF_EXECINSTR, 16, code, sizeof code},
    {".rodata", SHT_PROGBITS, SHF_ALLOC, 8, pointers, sizeof pointers},
    {".rodata.cst64", SHT_PROGBITS, SHF_ALLOC | SHF_MERGE, 64, value, sizeof value},
    {".comment", SHT_PROGBITS, 0, 1, "made by hand", 12},
};
static const support_elf_symbol symbols[] = {
    {"pointer", STB_LOCAL, STT_OBJECT, 1, 0, 8},
    {"value", STB_LOCAL, STT_OBJECT, 2, 0, 4},
    {"g", STB_LOCAL, STT_FUNC, 0, 16, 8},
    {"f", STB_GLOBAL, STT_FUNC, 0, 0, 11},
};
static const support_elf_reloc relocs[] = {
    {0, 1, R_X86_64_PLT32, 2, -4}, {0, 19, R_X86_64_PC32, 0, -4}, {1, 0, R_X86_64_64, 1, 0},
    {1, 8, R_X86_64_PC64, 1, 0},   {3, 0, R_X86_64_32, 1, 0}, /* of a section that is not loaded: no concern of ours */
};
enum { N_SECTION = 4, N_SYMBOL = 4, N_RELOC = 5 };

static void make(support_elf *out) { support_elf_make(out, sections, N_SECTION, symbols, N_SYMBOL, relocs, N_RELOC); }

/* "r-xp" and such of the mapping that holds an address. */
static void permissions(const void *address, char out[5]) {
    FILE *maps = fopen("/proc/self/maps", "r");
    char line[512];
    strcpy(out, "none");
    ck_assert_ptr_nonnull(maps);
    while (fgets(line, sizeof line, maps)) {
        unsigned long long first, end;
        char mode[5];
        if (sscanf(line, "%llx-%llx %4s", &first, &end, mode) == 3 && (uintptr_t)address >= first &&
            (uintptr_t)address < end)
            strcpy(out, mode);
    }
    fclose(maps);
}

START_TEST(links_and_runs) {
    support_elf object;
    cpu_code linked;
    uint64_t where[BASE_ELF_MAX_SECTIONS];
    base_trap err = {0};
    char mode[5];
    make(&object);
    ck_assert_msg(!cpu_link(object.at, object.n, "f", &linked, where, &err), "%s", err.text);
    int (*f)(void);
    memcpy(&f, &linked.entry, sizeof f);
    ck_assert_int_eq(f(), 0x1234);
    ck_assert_uint_eq(linked.entry_size, 11);
    ck_assert_uint_eq((uintptr_t)linked.entry, where[1]);
    ck_assert_uint_eq(where[3] % 64, 0);
    ck_assert_uint_eq(where[4], 0);
    uint64_t words[2];
    memcpy(words, (const void *)(uintptr_t)where[2], sizeof words);
    ck_assert_uint_eq(words[0], where[3]);
    ck_assert_uint_eq(words[1], where[3] - (where[2] + 8));
    permissions(linked.entry, mode);
    ck_assert_str_eq(mode, "r-xp");
    permissions((const void *)(uintptr_t)where[2], mode);
    ck_assert_str_eq(mode, "r--p");
    cpu_unlink(&linked);
    ck_assert_ptr_null(linked.base);
    cpu_unlink(&linked);
}
END_TEST

static void refused_as(const support_elf *object, const char *symbol, const char *word) {
    cpu_code linked;
    base_trap err = {0};
    ck_assert_int_eq(cpu_link(object->at, object->n, symbol, &linked, NULL, &err), SN_ERR_PARSE);
    ck_assert_ptr_null(linked.base);
    ck_assert_msg(strstr(err.text, word) != NULL, "'%s' does not say '%s'", err.text, word);
}

static void refused(const support_elf *object, const char *word) { refused_as(object, "f", word); }

START_TEST(refuses_symbols_from_outside) {
    support_elf object;
    support_elf_symbol y[5];
    memcpy(y, symbols, sizeof symbols);
    y[4] = (support_elf_symbol){"expf", STB_GLOBAL, STT_NOTYPE, -1, 0, 0};
    support_elf_make(&object, sections, N_SECTION, y, 5, relocs, N_RELOC);
    refused(&object, "'expf' is undefined");
    make(&object);
    refused_as(&object, "h", "'h' is not in it");
    refused_as(&object, "g", "'g' is not in it"); /* local */
    refused_as(&object, "value", "'value' is not in it");
}
END_TEST

static void with_section(support_elf *object, int i, support_elf_section s) {
    support_elf_section all[N_SECTION];
    memcpy(all, sections, sizeof sections);
    all[i] = s;
    support_elf_make(object, all, N_SECTION, symbols, N_SYMBOL, relocs, N_RELOC);
}

START_TEST(refuses_what_kernels_do_not_have) {
    support_elf object;
    with_section(&object, 1, (support_elf_section){".data", SHT_PROGBITS, SHF_ALLOC | SHF_WRITE, 8, pointers, 16});
    refused(&object, ".data is writable");
    with_section(&object, 1, (support_elf_section){".tdata", SHT_PROGBITS, SHF_ALLOC | SHF_TLS, 8, pointers, 16});
    refused(&object, "thread-local");
    with_section(&object, 1, (support_elf_section){".bss", SHT_NOBITS, SHF_ALLOC, 8, NULL, 16});
    refused(&object, ".bss has type");
    with_section(&object, 1, (support_elf_section){".rodata", SHT_PROGBITS, SHF_ALLOC, 8192, pointers, 16});
    refused(&object, "alignment");
    with_section(&object, 0, (support_elf_section){".text", SHT_PROGBITS, SHF_ALLOC, 16, code, sizeof code});
    refused(&object, "no code");
    make(&object);
    object.at[18] = EM_AARCH64 & 0xff, object.at[19] = EM_AARCH64 >> 8;
    refused(&object, "another kind of processor");
}
END_TEST

static void with_reloc(support_elf *object, int i, support_elf_reloc r) {
    support_elf_reloc all[N_RELOC];
    memcpy(all, relocs, sizeof relocs);
    all[i] = r;
    support_elf_make(object, sections, N_SECTION, symbols, N_SYMBOL, all, N_RELOC);
}

START_TEST(refuses_bad_relocations) {
    support_elf object;
    with_reloc(&object, 0, (support_elf_reloc){0, 29, R_X86_64_PC32, 2, -4});
    refused(&object, "crosses");
    with_reloc(&object, 2, (support_elf_reloc){1, 9, R_X86_64_64, 1, 0});
    refused(&object, "crosses");
    with_reloc(&object, 0, (support_elf_reloc){0, 1, R_X86_64_PC32, 2, (int64_t)1 << 31});
    refused(&object, "does not reach");
    with_reloc(&object, 0, (support_elf_reloc){0, 1, R_X86_64_PC32, 2, -((int64_t)1 << 32)});
    refused(&object, "does not reach");
    with_reloc(&object, 0, (support_elf_reloc){0, 1, R_X86_64_32S, 2, 0});
    refused(&object, "type 11");
    with_reloc(&object, 0, (support_elf_reloc){0, 1, R_X86_64_GOTPCREL, 2, -4});
    refused(&object, "type 9");
    support_elf_symbol y[N_SYMBOL];
    memcpy(y, symbols, sizeof symbols);
    y[1].section = 3; /* .comment, which is not loaded */
    support_elf_make(&object, sections, N_SECTION, y, N_SYMBOL, relocs, N_RELOC);
    refused(&object, "'value'");
}
END_TEST

/* The code of a damaged object is never called; loading or refusing it is all there is to survive. */
START_TEST(survives_every_flip_and_cut) {
    support_elf object;
    cpu_code linked;
    base_trap err = {0};
    make(&object);
    for (size_t n = 0; n < object.n; n++) {
        unsigned char *cut = malloc(n ? n : 1); /* exact size: a sanitizer sees a read behind it */
        memcpy(cut, object.at, n);
        ck_assert_int_eq(cpu_link(cut, n, "f", &linked, NULL, &err), SN_ERR_PARSE);
        free(cut);
    }
    static const unsigned char flips[] = {0x01, 0x02, 0x10, 0x40, 0x80, 0x7f, 0xff};
    unsigned char *bytes = malloc(object.n);
    unsigned loaded = 0, refusals = 0;
    for (size_t i = 0; i < object.n; i++)
        for (size_t k = 0; k < sizeof flips; k++) {
            memcpy(bytes, object.at, object.n);
            bytes[i] ^= flips[k];
            uint64_t where[BASE_ELF_MAX_SECTIONS];
            sn_status status = cpu_link(bytes, object.n, "f", &linked, where, &err);
            ck_assert(status == SN_OK || status == SN_ERR_PARSE || status == SN_ERR_NOMEM);
            ck_assert_int_eq(status == SN_OK, linked.entry != NULL);
            status ? refusals++ : loaded++;
            cpu_unlink(&linked);
        }
    ck_assert_uint_gt(loaded, 100); /* flips in contents change nothing that can be seen here */
    ck_assert_uint_gt(refusals, 100);
    free(bytes);
}
END_TEST

/* ---- debuggers and profilers ------------------------------------------------------------------------------------- */

struct jit_code_entry {
    struct jit_code_entry *next, *prev;
    const char *symfile_addr;
    uint64_t symfile_size;
};
extern struct {
    uint32_t version, action_flag;
    struct jit_code_entry *relevant_entry, *first_entry;
} __jit_debug_descriptor;

START_TEST(registers_with_gdb) {
    support_elf object;
    cpu_code linked;
    uint64_t where[BASE_ELF_MAX_SECTIONS];
    base_trap err = {0};
    base_alloc alloc;
    base_alloc_init(&alloc, NULL);
    make(&object);
    ck_assert(!cpu_link(object.at, object.n, "f", &linked, where, &err));
    cpu_debug *d[3];
    for (int i = 0; i < 3; i++) ck_assert_ptr_nonnull(d[i] = cpu_debug_add(&alloc, object.at, object.n, where, "f"));
    const struct jit_code_entry *first = __jit_debug_descriptor.first_entry;
    ck_assert_uint_eq(first->symfile_size, object.n);
    for (int i = 1; i <= N_SECTION; i++) {
        Elf64_Shdr h;
        memcpy(&h, first->symfile_addr + object.headers + (size_t)i * sizeof h, sizeof h);
        ck_assert_uint_eq(h.sh_addr, where[i]);
    }
    cpu_debug_remove(&alloc, d[1]);
    ck_assert_ptr_eq(__jit_debug_descriptor.first_entry, first);
    ck_assert_ptr_eq(first->next->prev, first);
    ck_assert_ptr_null(first->next->next);
    cpu_debug_remove(&alloc, d[2]);
    cpu_debug_remove(&alloc, d[0]);
    cpu_debug_remove(&alloc, NULL);
    ck_assert_ptr_null(__jit_debug_descriptor.first_entry);
    cpu_unlink(&linked);
    ck_assert_uint_eq(alloc.live_bytes, 0);
}
END_TEST

/* Every function of the object has its line: a kernel's parts are functions, too. */
START_TEST(writes_lines_for_perf) {
    support_elf object;
    cpu_code linked;
    uint64_t where[BASE_ELF_MAX_SECTIONS];
    base_trap err = {0};
    base_alloc alloc;
    char path[64], line[256], expected[256];
    base_alloc_init(&alloc, NULL);
    make(&object);
    ck_assert(!cpu_link(object.at, object.n, "f", &linked, where, &err));
    snprintf(path, sizeof path, "/tmp/perf-%ld.map", (long)getpid());
    unlink(path);
    cpu_debug_remove(&alloc, cpu_debug_add(&alloc, object.at, object.n, where, "moons.1"));
    ck_assert_int_ne(access(path, F_OK), 0);
    setenv("SINTER_PERF", "1", 1);
    cpu_debug_remove(&alloc, cpu_debug_add(&alloc, object.at, object.n, where, "moons.1"));
    unsetenv("SINTER_PERF");
    FILE *map = fopen(path, "r");
    ck_assert_ptr_nonnull(map);
    snprintf(expected, sizeof expected, "%llx b sinter moons.1\n", (unsigned long long)(uintptr_t)linked.entry);
    int found = 0, lines = 0;
    for (; fgets(line, sizeof line, map); lines++) found += !strcmp(line, expected);
    fclose(map);
    unlink(path);
    ck_assert_int_eq(found, 1);
    ck_assert_int_eq(lines, 2);
    cpu_unlink(&linked);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("loader");
    TCase *tc = tcase_create("loader");
    tcase_set_timeout(tc, 120);
#if defined(__x86_64__)
    tcase_add_test(tc, links_and_runs);
    tcase_add_test(tc, refuses_symbols_from_outside);
    tcase_add_test(tc, refuses_what_kernels_do_not_have);
    tcase_add_test(tc, refuses_bad_relocations);
    tcase_add_test(tc, survives_every_flip_and_cut);
    tcase_add_test(tc, registers_with_gdb);
    tcase_add_test(tc, writes_lines_for_perf);
#endif
    suite_add_tcase(suite, tc);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
