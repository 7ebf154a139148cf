/* Relocations of processors that this machine need not have: what LLVM's objects for AArch64 become at several
 * addresses, read back by a decoder of the instructions that knows nothing of relocations; the reach of every kind
 * against words of LLVM's assembler; what is refused; damage. */
#define _GNU_SOURCE
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "jit_cpu/loader.h"
#include "jit_cpu/reloc.h"
#include "support/aarch64_objects.h"
#include "support/support_elf.h"

typedef struct {
    const unsigned char *at;
    size_t n;
    const char *name;
} object;

static const object objects[] = {{aarch64_small, sizeof aarch64_small, "small"},
                                 {aarch64_tiny, sizeof aarch64_tiny, "tiny"},
                                 {aarch64_rest, sizeof aarch64_rest, "rest"}};
enum { N_OBJECT = 3 };

static const uint64_t bases[] = {0, 0x10000, 0x7ffff7c03000, 0xfffffffffffff000}; /* the last one wraps around */
enum { N_BASE = 4 };

/* ---- what an instruction refers to ------------------------------------------------------------------------------- */

static int64_t sign_extend(uint32_t x, int bits) {
    int64_t sign = (int64_t)1 << (bits - 1);
    return ((int64_t)x ^ sign) - sign;
}

typedef struct {
    uint64_t address; /* of a low one: its 12 lower bits */
    uint32_t mask;    /* of the bits that say so */
    int page, low;    /* page: address is a page's */
} reference;

static reference decode(uint32_t word, uint64_t place) {
    uint32_t top = word >> 24;
    if ((top & 0x1f) == 0x10) { /* adr, adrp */
        int64_t x = sign_extend((word >> 5 & 0x7ffff) * 4 + (word >> 29 & 3), 21);
        if (!(word >> 31)) return (reference){place + (uint64_t)x, 0x60ffffe0, 0, 0};
        return (reference){(place & ~(uint64_t)4095) + (uint64_t)(x * 4096), 0x60ffffe0, 1, 0};
    }
    if ((top & 0x7c) == 0x14) /* b, bl */
        return (reference){place + (uint64_t)(sign_extend(word & 0x3ffffff, 26) * 4), 0x03ffffff, 0, 0};
    if (top == 0x54 || (top & 0x7e) == 0x34 || (top & 0x3b) == 0x18) /* b.cond; cbz, cbnz; ldr of an address */
        return (reference){place + (uint64_t)(sign_extend(word >> 5 & 0x7ffff, 19) * 4), 0x00ffffe0, 0, 0};
    if ((top & 0x7e) == 0x36) /* tbz, tbnz */
        return (reference){place + (uint64_t)(sign_extend(word >> 5 & 0x3fff, 14) * 4), 0x0007ffe0, 0, 0};
    uint32_t twelve = word >> 10 & 0xfff, size = word >> 30;
    if ((top & 0x1f) == 0x11) return (reference){twelve, 0x003ffc00, 0, 1}; /* add */
    ck_assert_msg((top & 0x3b) == 0x39, "%08x is not known", word);         /* loads and stores */
    if ((word >> 26 & 1) && !size && (word >> 23 & 1)) size = 4;
    return (reference){twelve << size, 0x003ffc00, 0, 1};
}

static void check_instruction(uint32_t before, uint32_t after, uint64_t place, uint64_t value) {
    reference r = decode(after, place);
    uint64_t expected = r.low ? value & 4095 : r.page ? value & ~(uint64_t)4095 : value;
    ck_assert_msg(r.address == expected, "%08x at %llx is for %llx, not %llx", after, (unsigned long long)place,
                  (unsigned long long)r.address, (unsigned long long)expected);
    ck_assert_uint_eq(before & ~r.mask, after & ~r.mask);
}

/* ---- LLVM's objects ---------------------------------------------------------------------------------------------- */

static uint64_t word_at(const void *bytes, size_t n) {
    uint64_t word = 0;
    memcpy(&word, bytes, n);
    return word;
}

/* One relocation's bytes; returns how many. */
static size_t check_place(uint32_t type, const uint8_t *before, const uint8_t *after, uint64_t place, uint64_t value) {
    switch (type) {
        case R_AARCH64_ABS64: ck_assert_uint_eq(word_at(after, 8), value); return 8;
        case R_AARCH64_PREL64: ck_assert_uint_eq(place + word_at(after, 8), value); return 8;
        case R_AARCH64_PREL32:
            ck_assert_uint_eq(place + (uint64_t)sign_extend((uint32_t)word_at(after, 4), 32), value);
            return 4;
        default: check_instruction((uint32_t)word_at(before, 4), (uint32_t)word_at(after, 4), place, value); return 4;
    }
}

/* Counts the kinds seen. Bytes that no relocation is for must be the object's. */
static void check_linked(const object *o, uint64_t base, unsigned seen[512]) {
    cpu_code linked;
    uint64_t where[BASE_ELF_MAX_SECTIONS];
    base_trap err = {0};
    base_elf elf;
    char text[BASE_ELF_TEXT_MAX];
    ck_assert_msg(!cpu_link_for(EM_AARCH64, base, o->at, o->n, "k", &linked, where, &err), "%s: %s", o->name, err.text);
    ck_assert(base_elf_open(&elf, o->at, o->n, text));
    const uint8_t *image = linked.base;
    uint8_t *expected = calloc(1, linked.size); /* gaps are zero, an undefined instruction */
    for (uint32_t i = 1; i < elf.n_section; i++) {
        base_elf_section s = base_elf_section_at(&elf, i);
        if (!(s.flags & SHF_ALLOC) || !s.size) continue;
        ck_assert_uint_eq(where[i] % s.align, 0);
        ck_assert_uint_le(where[i] - base + s.size, linked.size);
        memcpy(expected + (where[i] - base), s.bytes, s.size);
    }
    for (uint32_t i = 1; i < elf.n_section; i++) {
        base_elf_section rela = base_elf_section_at(&elf, i), target;
        if (rela.type != SHT_RELA) continue;
        target = base_elf_section_at(&elf, rela.target);
        for (uint32_t k = 0; k < rela.n_reloc; k++) {
            base_elf_reloc r = base_elf_reloc_at(&elf, &rela, k);
            base_elf_symbol y = base_elf_symbol_at(&elf, r.symbol);
            uint64_t offset = where[rela.target] - base + r.offset;
            size_t n = check_place(r.type, target.bytes + r.offset, image + offset, base + offset,
                                   where[y.section] + y.value + (uint64_t)r.addend);
            memcpy(expected + offset, image + offset, n);
            ck_assert_uint_lt(r.type, 512);
            seen[r.type]++;
        }
    }
    ck_assert_mem_eq(image, expected, linked.size);
    ck_assert((const uint8_t *)linked.entry >= image && (const uint8_t *)linked.entry < image + linked.size);
    ck_assert_uint_ge(linked.entry_size, 36);
    free(expected);
    cpu_unlink(&linked);
}

START_TEST(links_objects_of_llvm) {
    static const uint32_t kinds[] = {
        R_AARCH64_ABS64,
        R_AARCH64_PREL64,
        R_AARCH64_PREL32,
        R_AARCH64_LD_PREL_LO19,
        R_AARCH64_ADR_PREL_LO21,
        R_AARCH64_ADR_PREL_PG_HI21,
        R_AARCH64_ADD_ABS_LO12_NC,
        R_AARCH64_LDST8_ABS_LO12_NC,
        R_AARCH64_LDST16_ABS_LO12_NC,
        R_AARCH64_LDST32_ABS_LO12_NC,
        R_AARCH64_LDST64_ABS_LO12_NC,
        R_AARCH64_LDST128_ABS_LO12_NC,
        R_AARCH64_TSTBR14,
        R_AARCH64_CONDBR19,
        R_AARCH64_JUMP26,
        R_AARCH64_CALL26,
    };
    unsigned seen[512] = {0};
    for (int i = 0; i < N_OBJECT; i++)
        for (int b = 0; b < N_BASE; b++) check_linked(&objects[i], bases[b], seen);
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        ck_assert_msg(seen[kinds[i]] > 0, "no object has a relocation %u", kinds[i]);
}
END_TEST

/* ---- each kind alone --------------------------------------------------------------------------------------------- */

enum { A = R_AARCH64_ADR_PREL_LO21, P = R_AARCH64_ADR_PREL_PG_HI21, ADD = R_AARCH64_ADD_ABS_LO12_NC };
enum { LD8 = R_AARCH64_LDST8_ABS_LO12_NC, LD16 = R_AARCH64_LDST16_ABS_LO12_NC, LD32 = R_AARCH64_LDST32_ABS_LO12_NC };
enum { LD64 = R_AARCH64_LDST64_ABS_LO12_NC, LD128 = R_AARCH64_LDST128_ABS_LO12_NC, LIT = R_AARCH64_LD_PREL_LO19 };
enum { BL = R_AARCH64_CALL26, B = R_AARCH64_JUMP26, COND = R_AARCH64_CONDBR19, TEST = R_AARCH64_TSTBR14 };
static const uint64_t here = 0x5555aaaa7004; /* of the instruction */

/* Instruction with and without its operand, as LLVM's assembler writes them. */
static const struct {
    uint32_t type;
    int64_t distance; /* of low parts: in the page */
    uint32_t before, after;
} good[] = {
    {B, -4, 0x14000000, 0x17ffffff},
    {B, 134217724, 0x14000000, 0x15ffffff},
    {B, -134217728, 0x14000000, 0x16000000},
    {BL, 4, 0x94000000, 0x94000001},
    {BL, -134217728, 0x94000000, 0x96000000},
    {BL, 134217724, 0x94000000, 0x95ffffff},
    {COND, -8, 0x54000001, 0x54ffffc1},
    {COND, 1048572, 0x54000001, 0x547fffe1},
    {COND, -1048576, 0xb4000003, 0xb4800003},
    {COND, 12, 0x35000009, 0x35000069},
    {TEST, -4, 0x36180001, 0x361fffe1},
    {TEST, 32764, 0xb7400007, 0xb743ffe7},
    {TEST, -32768, 0xb7400007, 0xb7440007},
    {LIT, -4, 0x1c000001, 0x1cffffe1},
    {LIT, 1048572, 0x58000002, 0x587fffe2},
    {LIT, -1048576, 0x9c000003, 0x9c800003},
    {LIT, 8, 0x98000004, 0x98000044},
    {A, -1, 0x10000001, 0x70ffffe1},
    {A, 1048575, 0x10000001, 0x707fffe1},
    {A, -1048576, 0x10000001, 0x10800001},
    {A, 6, 0x1000001e, 0x5000003e},
    {P, 4096, 0x90000002, 0xb0000002},
    {P, -5, 0x90000002, 0xf0ffffe2},
    {P, 4294963200 + 0xffb, 0x90000002, 0xf07fffe2},
    {P, -4294967296 - 4, 0x90000002, 0x90800002},
    {P, 12288, 0x90000002, 0xf0000002},
    {P, 0xffb, 0x90000002, 0x90000002},
    {P, 0xffc, 0x90000002, 0xb0000002},
    {ADD, 0xabc, 0x91000041, 0x912af041},
    {ADD, 0xfff, 0x11000041, 0x113ffc41},
    {LD8, 0xfff, 0x39400041, 0x397ffc41},
    {LD8, 0x123, 0x3d400041, 0x3d448c41},
    {LD8, 1, 0x39800041, 0x39800441},
    {LD8, 0, 0x3d000041, 0x3d000041},
    {LD16, 0xffe, 0x79400041, 0x795ffc41},
    {LD16, 0x124, 0x7d000041, 0x7d024841},
    {LD32, 0xffc, 0xb9400041, 0xb94ffc41},
    {LD32, 0x124, 0xbd400041, 0xbd412441},
    {LD32, 0x124, 0xb9800041, 0xb9812441},
    {LD64, 0xff8, 0xf9400041, 0xf947fc41},
    {LD64, 0x128, 0xfd000041, 0xfd009441},
    {LD128, 0xff0, 0x3dc00041, 0x3dc3fc41},
    {LD128, 0x120, 0x3d800041, 0x3d804841},
};

static int is_low(uint32_t type) {
    return type == ADD || type == LD8 || type == LD16 || type == LD32 || type == LD64 || type == LD128;
}

static const char *apply(uint32_t type, uint32_t *word, uint64_t place, int64_t distance) {
    uint64_t value = is_low(type) ? 0x123456789000 + (uint64_t)distance : place + (uint64_t)distance;
    return cpu_machine_aarch64.apply(type, (uint8_t *)word, place, value);
}

/* Whatever the field held before, it is replaced. */
START_TEST(fills_fields_as_the_assembler_does) {
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        uint32_t word = good[i].before;
        const char *refusal = apply(good[i].type, &word, here, good[i].distance);
        ck_assert_msg(!refusal && word == good[i].after, "row %zu: %08x, %s", i, word,
                      refusal ? refusal : "no refusal");
        word = good[i].before | decode(good[i].before, here).mask;
        ck_assert(!apply(good[i].type, &word, here, good[i].distance));
        ck_assert_uint_eq(word, good[i].after);
        ck_assert_int_eq(cpu_machine_aarch64.width(good[i].type), 4);
    }
}
END_TEST

static void refused(uint32_t type, uint32_t before, uint64_t place, int64_t distance, const char *say) {
    uint32_t word = before;
    const char *refusal = apply(type, &word, place, distance);
    ck_assert_msg(refusal && strstr(refusal, say), "type %u, %lld: %s", type, (long long)distance,
                  refusal ? refusal : "no refusal");
    ck_assert_uint_eq(word, before);
}

START_TEST(refuses_what_does_not_reach) {
    static const struct {
        uint32_t type, word;
        int64_t least, most, step; /* the last ones that fit */
    } reach[] = {
        {B, 0x14000000, -134217728, 134217724, 4}, {BL, 0x94000000, -134217728, 134217724, 4},
        {COND, 0x54000001, -1048576, 1048572, 4},  {COND, 0xb4000003, -1048576, 1048572, 4},
        {LIT, 0x58000002, -1048576, 1048572, 4},   {TEST, 0x36180001, -32768, 32764, 4},
        {A, 0x10000001, -1048576, 1048575, 1},     {P, 0x90000002, -4294967300, 4294967291, 1},
    };
    for (size_t i = 0; i < sizeof reach / sizeof *reach; i++) {
        uint32_t word = reach[i].word;
        ck_assert(!apply(reach[i].type, &word, here, reach[i].least) &&
                  !apply(reach[i].type, &word, here, reach[i].most));
        refused(reach[i].type, word, here, reach[i].least - reach[i].step, "reach");
        refused(reach[i].type, word, here, reach[i].most + reach[i].step, "reach");
        refused(reach[i].type, word, here, INT64_MIN + 4096, "reach");
        refused(reach[i].type, word, here, INT64_MAX - 4095, "reach");
    }
    uint8_t bytes[8] = {0};
    const char *(*data)(uint32_t, uint8_t *, uint64_t, uint64_t) = cpu_machine_aarch64.apply;
    ck_assert(!data(R_AARCH64_PREL32, bytes, here, here - 0x80000000u));
    ck_assert_uint_eq(word_at(bytes, 8), 0x80000000u);
    ck_assert(!data(R_AARCH64_PREL32, bytes, here, here + 0x7fffffff));
    ck_assert_uint_eq(word_at(bytes, 8), 0x7fffffff);
    ck_assert(data(R_AARCH64_PREL32, bytes, here, here + 0x80000000u) != NULL);
    ck_assert(data(R_AARCH64_PREL32, bytes, here, here - 0x80000001u) != NULL);
    ck_assert_uint_eq(word_at(bytes, 8), 0x7fffffff);
    ck_assert(!data(R_AARCH64_PREL64, bytes, here, here - 2));
    ck_assert_uint_eq(word_at(bytes, 8), UINT64_MAX - 1);
    ck_assert(!data(R_AARCH64_ABS64, bytes, here, here));
    ck_assert_uint_eq(word_at(bytes, 8), here);
}
END_TEST

START_TEST(refuses_bad_alignment) {
    for (int off = 1; off < 4; off++) {
        refused(B, 0x14000000, here, 8 + off, "not aligned");
        refused(BL, 0x94000000, here, -8 + off, "not aligned");
        refused(COND, 0x54000001, here, off, "not aligned");
        refused(TEST, 0x36180001, here, off, "not aligned");
        refused(LIT, 0x58000002, here, off, "not aligned");
        refused(LD32, 0xb9400041, here, 0x120 + off, "not aligned");
        for (size_t i = 0; i < sizeof good / sizeof *good; i++)
            refused(good[i].type, good[i].before, here + (uint64_t)off, good[i].distance, "instruction is not aligned");
    }
    refused(LD16, 0x79400041, here, 0x121, "not aligned");
    refused(LD64, 0xf9400041, here, 0x124, "not aligned");
    refused(LD128, 0x3dc00041, here, 0x128, "not aligned");
}
END_TEST

/* A relocation of one kind on instructions of all the others. */
START_TEST(refuses_other_instructions) {
    unsigned pairs = 0;
    for (size_t i = 0; i < sizeof good / sizeof *good; i++)
        for (size_t k = 0; k < sizeof good / sizeof *good; k++) {
            if (good[i].type == good[k].type) continue;
            refused(good[i].type, good[k].before, here, good[i].distance, "another instruction");
            pairs++;
        }
    ck_assert_uint_gt(pairs, 1000);
    static const struct {
        uint32_t type, word;
    } near[] = {
        {ADD, 0x91400041},   /* operand shifted by 12 */
        {ADD, 0xb1000041},   /* adds */
        {ADD, 0xd1000041},   /* sub */
        {LD64, 0xf8400041},  /* ldur */
        {LD128, 0xbd800041}, /* none */
        {LIT, 0x38400041},   /* ldurb */
        {B, 0xd65f03c0},     /* ret */
        {COND, 0xd4000001},  /* svc */
        {COND, 0x74000003},  /* none */
        {TEST, 0x76000001},  /* none */
    };
    for (size_t i = 0; i < sizeof near / sizeof *near; i++)
        refused(near[i].type, near[i].word, here, 16, "another instruction");
}
END_TEST

START_TEST(knows_no_other_kinds) {
    unsigned known = 0;
    for (uint32_t type = 0; type < 2048; type++) known += cpu_machine_aarch64.width(type) > 0;
    ck_assert_uint_eq(known, 16);
    ck_assert_int_eq(cpu_machine_aarch64.width(R_AARCH64_NONE), 0);
    ck_assert_int_eq(cpu_machine_aarch64.width(R_AARCH64_ADR_GOT_PAGE), -1);
    ck_assert_int_eq(cpu_machine_aarch64.width(UINT32_MAX), -1);
    ck_assert_int_eq(cpu_machine_x86_64.width(R_X86_64_GOTPCREL), -1);
    for (unsigned bits = 1; bits < 64; bits++) {
        uint64_t half = (uint64_t)1 << (bits - 1);
        ck_assert(cpu_fits(half - 1, bits) && !cpu_fits(half, bits));
        ck_assert(cpu_fits(0 - half, bits) && !cpu_fits(0 - half - 1, bits));
    }
}
END_TEST

/* ---- through the loader ------------------------------------------------------------------------------------------ */

static const unsigned char code[16] = {0, 0, 0, 0x94 /* bl */, 0xc0, 0x03, 0x5f, 0xd6 /* ret */};
static const support_elf_section sections[] = {
    {".text", SHT_PROGBITS, SHF_ALLOC | SHF_EXECINSTR, 4, code, sizeof code},
};
static const support_elf_symbol symbols[] = {{"k", STB_GLOBAL, STT_FUNC, 0, 0, 8}};

static void make(support_elf *out, uint16_t machine, support_elf_reloc r) {
    support_elf_make(out, sections, 1, symbols, 1, &r, 1);
    out->at[18] = (unsigned char)(machine & 0xff), out->at[19] = (unsigned char)(machine >> 8);
}

static void link_says(const support_elf *elf, uint16_t machine, const char *say) {
    cpu_code linked;
    base_trap err = {0};
    ck_assert_int_eq(cpu_link_for(machine, 0x4000, elf->at, elf->n, "k", &linked, NULL, &err), SN_ERR_PARSE);
    ck_assert_ptr_null(linked.base);
    ck_assert_msg(strstr(err.text, say) != NULL, "'%s' does not say '%s'", err.text, say);
}

START_TEST(tells_why_an_object_is_refused) {
    support_elf elf;
    make(&elf, EM_AARCH64, (support_elf_reloc){0, 0, BL, 0, 1 << 27});
    link_says(&elf, EM_AARCH64, "does not reach");
    make(&elf, EM_AARCH64, (support_elf_reloc){0, 0, BL, 0, 2});
    link_says(&elf, EM_AARCH64, "not aligned");
    make(&elf, EM_AARCH64, (support_elf_reloc){0, 4, BL, 0, 0});
    link_says(&elf, EM_AARCH64, "another instruction");
    make(&elf, EM_AARCH64, (support_elf_reloc){0, 13, BL, 0, 0});
    link_says(&elf, EM_AARCH64, "crosses");
    make(&elf, EM_AARCH64, (support_elf_reloc){0, 9, R_AARCH64_ABS64, 0, 0});
    link_says(&elf, EM_AARCH64, "crosses");
    make(&elf, EM_AARCH64, (support_elf_reloc){0, 0, R_AARCH64_ADR_GOT_PAGE, 0, 0});
    link_says(&elf, EM_AARCH64, "relocation type 311 is not known");
    make(&elf, EM_AARCH64, (support_elf_reloc){0, 0, R_AARCH64_ABS32, 0, 0});
    link_says(&elf, EM_AARCH64, "relocation type 258 is not known");
}
END_TEST

START_TEST(expects_one_machine) {
    support_elf elf;
    cpu_code linked;
    base_trap err = {0};
    make(&elf, EM_AARCH64, (support_elf_reloc){0, 0, R_AARCH64_NONE, 0, 0});
    link_says(&elf, EM_X86_64, "another kind of processor");
    make(&elf, EM_X86_64, (support_elf_reloc){0, 0, R_X86_64_NONE, 0, 0});
    link_says(&elf, EM_AARCH64, "another kind of processor");
    make(&elf, EM_RISCV, (support_elf_reloc){0, 0, 0, 0, 0});
    link_says(&elf, EM_RISCV, "another kind of processor");
    make(&elf, EM_NONE, (support_elf_reloc){0, 0, 0, 0, 0});
    link_says(&elf, EM_NONE, "another kind of processor");
#if !defined(__aarch64__)
    for (int i = 0; i < N_OBJECT; i++) {
        ck_assert_int_eq(cpu_link(objects[i].at, objects[i].n, "k", &linked, NULL, &err), SN_ERR_PARSE);
        ck_assert_ptr_nonnull(strstr(err.text, "another kind of processor"));
        ck_assert_ptr_null(linked.base);
    }
#endif
    uint64_t where[BASE_ELF_MAX_SECTIONS];
    make(&elf, EM_X86_64, (support_elf_reloc){0, 8, R_X86_64_64, 0, 5});
    ck_assert(!cpu_link_for(EM_X86_64, 0x4000, elf.at, elf.n, "k", &linked, where, &err));
    ck_assert_uint_eq(where[1], 0x4000);
    ck_assert_uint_eq(word_at((const uint8_t *)linked.base + 8, 8), 0x4005);
    ck_assert_uint_eq(((const uint8_t *)linked.base)[sizeof code], 0xcc);
    cpu_unlink(&linked);
}
END_TEST

/* The mapping that holds what is for another processor is never executable. */
START_TEST(makes_nothing_executable) {
    cpu_code linked;
    base_trap err = {0};
    char line[512], mode[5];
    unsigned long long first, end;
    int found = 0;
    ck_assert(!cpu_link_for(EM_AARCH64, 0x4000, aarch64_small, sizeof aarch64_small, "k", &linked, NULL, &err));
    FILE *maps = fopen("/proc/self/maps", "r");
    ck_assert_ptr_nonnull(maps);
    while (fgets(line, sizeof line, maps)) {
        if (sscanf(line, "%llx-%llx %4s", &first, &end, mode) != 3) continue;
        if ((uintptr_t)linked.entry < first || (uintptr_t)linked.entry >= end) continue;
        found++;
        ck_assert_int_eq(mode[2], '-');
    }
    fclose(maps);
    ck_assert_int_eq(found, 1);
    cpu_unlink(&linked);
}
END_TEST

START_TEST(survives_every_flip_and_cut) {
    static const unsigned char flips[] = {0x01, 0x02, 0x10, 0x40, 0x80, 0x7f, 0xff};
    const object *o = &objects[_i];
    cpu_code linked;
    base_trap err = {0};
    unsigned loaded = 0, refusals = 0;
    for (size_t n = 0; n < o->n; n++) {
        unsigned char *cut = malloc(n ? n : 1); /* exact size: a sanitizer sees a read behind it */
        memcpy(cut, o->at, n);
        ck_assert_int_eq(cpu_link_for(EM_AARCH64, 0x4000, cut, n, "k", &linked, NULL, &err), SN_ERR_PARSE);
        free(cut);
    }
    unsigned char *bytes = malloc(o->n);
    for (size_t i = 0; i < o->n; i++)
        for (size_t k = 0; k < sizeof flips; k++) {
            uint64_t where[BASE_ELF_MAX_SECTIONS];
            memcpy(bytes, o->at, o->n);
            bytes[i] ^= flips[k];
            sn_status status = cpu_link_for(EM_AARCH64, bases[2], bytes, o->n, "k", &linked, where, &err);
            ck_assert(status == SN_OK || status == SN_ERR_PARSE || status == SN_ERR_NOMEM);
            ck_assert_int_eq(status == SN_OK, linked.entry != NULL);
            status ? refusals++ : loaded++;
            cpu_unlink(&linked);
        }
    ck_assert_uint_gt(loaded, 1000); /* flips in contents change nothing that can be seen here */
    ck_assert_uint_gt(refusals, 1000);
    free(bytes);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("reloc");
    TCase *tc = tcase_create("reloc");
    tcase_set_timeout(tc, 120);
    tcase_add_test(tc, links_objects_of_llvm);
    tcase_add_test(tc, fills_fields_as_the_assembler_does);
    tcase_add_test(tc, refuses_what_does_not_reach);
    tcase_add_test(tc, refuses_bad_alignment);
    tcase_add_test(tc, refuses_other_instructions);
    tcase_add_test(tc, knows_no_other_kinds);
    tcase_add_test(tc, tells_why_an_object_is_refused);
    tcase_add_test(tc, expects_one_machine);
    tcase_add_test(tc, makes_nothing_executable);
    tcase_add_loop_test(tc, survives_every_flip_and_cut, 0, N_OBJECT);
    suite_add_tcase(suite, tc);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
