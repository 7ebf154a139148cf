/* reloc.h: what the loader needs to know of a kind of processor: which relocations there are and what they change. */
#ifndef JIT_CPU_RELOC_H
#define JIT_CPU_RELOC_H

#include <stdint.h>

typedef struct cpu_machine {
    uint16_t elf;         /* EM_* */
    uint8_t gap;          /* byte that fills code between functions: running into it traps */
    uint32_t unwind_type; /* SHT_* of unwind tables, which some processors have beside SHT_PROGBITS */
    /* Bytes that a relocation changes: 4 or 8; 0 for one that does nothing, -1 for a type that is not known. */
    int (*width)(uint32_t type);
    /* Changes the bytes, which run or are read at address `place`, for a relocation whose symbol + addend is value.
     * NULL, or a sentence why that cannot be; then nothing has changed. */
    const char *(*apply)(uint32_t type, uint8_t *bytes, uint64_t place, uint64_t value);
} cpu_machine;

extern const cpu_machine cpu_machine_x86_64, cpu_machine_aarch64;

/* Whether x, as a signed number, has at most that many bits (1 to 63). */
static inline int cpu_fits(uint64_t x, unsigned bits) { return x + ((uint64_t)1 << (bits - 1)) < (uint64_t)1 << bits; }

#endif
