/* In: a relocation of an AArch64 object and where its bytes are. Out: the bytes changed.
 *
 * The kinds are those of position-independent code in the small and tiny code models that needs nothing from outside.
 * Most of them fill a field of an instruction; one table tells which field, with what, and which instructions have it.
 * A relocation of any other instruction is refused, because filling its field would make a different one of it. */
#include "jit_cpu/reloc.h"

#include <elf.h>
#include <stddef.h>
#include <string.h>

enum source {
    DISTANCE, /* from the place to the target */
    PAGES,    /* from the 4 KiB page of the place to the target's */
    IN_PAGE   /* offset of the target in its page; the instruction before it supplies the page */
};

/* The field takes the source's bits from `shift` on; the lower ones must be 0. */
typedef struct {
    uint32_t type;
    uint32_t mask, form; /* of the instructions that have the field; one type may have several rows */
    uint8_t source, shift, bits, low;
} field;

enum { SPLIT = 0xff }; /* as `low`: the two lowest bits at 29, the others from 5 on */

static const field fields[] = {
    {R_AARCH64_ADR_PREL_PG_HI21, 0x9f000000, 0x90000000, PAGES, 12, 21, SPLIT},  /* adrp */
    {R_AARCH64_ADR_PREL_LO21, 0x9f000000, 0x10000000, DISTANCE, 0, 21, SPLIT},   /* adr */
    {R_AARCH64_ADD_ABS_LO12_NC, 0x7fc00000, 0x11000000, IN_PAGE, 0, 12, 10},     /* add r, r, #imm */
    {R_AARCH64_LDST8_ABS_LO12_NC, 0xff000000, 0x39000000, IN_PAGE, 0, 12, 10},   /* loads and stores of r .. */
    {R_AARCH64_LDST8_ABS_LO12_NC, 0xff800000, 0x3d000000, IN_PAGE, 0, 12, 10},   /* .. of b; with 0x800000 it is q */
    {R_AARCH64_LDST16_ABS_LO12_NC, 0xfb000000, 0x79000000, IN_PAGE, 1, 12, 10},  /* .. of r or h */
    {R_AARCH64_LDST32_ABS_LO12_NC, 0xfb000000, 0xb9000000, IN_PAGE, 2, 12, 10},  /* .. of r or s */
    {R_AARCH64_LDST64_ABS_LO12_NC, 0xfb000000, 0xf9000000, IN_PAGE, 3, 12, 10},  /* .. of r or d */
    {R_AARCH64_LDST128_ABS_LO12_NC, 0xff800000, 0x3d800000, IN_PAGE, 4, 12, 10}, /* .. of q */
    {R_AARCH64_LD_PREL_LO19, 0x3b000000, 0x18000000, DISTANCE, 2, 19, 5},        /* ldr r, address */
    {R_AARCH64_CALL26, 0xfc000000, 0x94000000, DISTANCE, 2, 26, 0},              /* bl */
    {R_AARCH64_JUMP26, 0xfc000000, 0x14000000, DISTANCE, 2, 26, 0},              /* b */
    {R_AARCH64_CONDBR19, 0xff000000, 0x54000000, DISTANCE, 2, 19, 5},            /* b.cond */
    {R_AARCH64_CONDBR19, 0x7e000000, 0x34000000, DISTANCE, 2, 19, 5},            /* cbz, cbnz */
    {R_AARCH64_TSTBR14, 0x7e000000, 0x36000000, DISTANCE, 2, 14, 5},             /* tbz, tbnz */
};
enum { N_FIELD = sizeof fields / sizeof *fields };

static int width(uint32_t type) {
    switch (type) {
        case R_AARCH64_NONE: return 0;
        case R_AARCH64_ABS64:
        case R_AARCH64_PREL64: return 8;
        case R_AARCH64_PREL32: return 4;
        default: break;
    }
    for (int i = 0; i < N_FIELD; i++)
        if (fields[i].type == type) return 4;
    return -1;
}

static const char *apply_data(uint32_t type, uint8_t *bytes, uint64_t place, uint64_t value) {
    if (type != R_AARCH64_ABS64) value -= place;
    /* The ABI also allows 2^31 to 2^32 here, but who reads the word as signed, as unwinders do, would go astray. */
    if (type == R_AARCH64_PREL32 && !cpu_fits(value, 32)) return "a 32-bit relocation does not reach";
    memcpy(bytes, &value, (size_t)width(type)); /* little-endian: the low bytes come first */
    return NULL;
}

static uint64_t source_of(const field *f, uint64_t place, uint64_t value) {
    const uint64_t in_page = 0xfff;
    switch (f->source) {
        case PAGES: return (value & ~in_page) - (place & ~in_page);
        case IN_PAGE: return value & in_page;
        default: return value - place;
    }
}

static uint32_t fill(const field *f, uint32_t word, uint32_t number) {
    uint32_t ones = ((uint32_t)1 << f->bits) - 1;
    number &= ones;
    if (f->low != SPLIT) return (word & ~(ones << f->low)) | number << f->low;
    return (word & ~((uint32_t)3 << 29 | ones >> 2 << 5)) | (number & 3) << 29 | number >> 2 << 5;
}

static const char *apply(uint32_t type, uint8_t *bytes, uint64_t place, uint64_t value) {
    if (type == R_AARCH64_ABS64 || type == R_AARCH64_PREL64 || type == R_AARCH64_PREL32)
        return apply_data(type, bytes, place, value);
    uint32_t word;
    memcpy(&word, bytes, sizeof word);
    const field *f = NULL;
    for (int i = 0; i < N_FIELD && !f; i++)
        if (fields[i].type == type && (word & fields[i].mask) == fields[i].form) f = &fields[i];
    if (!f) return "a relocation is for another instruction than it is used on";
    if (place & 3) return "a relocated instruction is not aligned";
    uint64_t x = source_of(f, place, value);
    if (f->source != IN_PAGE && !cpu_fits(x, (unsigned)f->bits + f->shift))
        return "a branch or an address does not reach";
    if (x & (((uint64_t)1 << f->shift) - 1)) return "the target of a relocation is not aligned for its instruction";
    word = fill(f, word, (uint32_t)(x >> f->shift));
    memcpy(bytes, &word, sizeof word);
    return NULL;
}

const cpu_machine cpu_machine_aarch64 = {
    .elf = EM_AARCH64, .gap = 0 /* udf */, .unwind_type = SHT_PROGBITS, .width = width, .apply = apply};
