/* elf.h: a careful reader of relocatable ELF64 objects (little-endian). The bytes are untrusted: base_elf_open checks
 * every offset, size, index and name of the tables, so that the functions below it cannot fail nor read outside. */
#ifndef BASE_ELF_H
#define BASE_ELF_H

#include <stddef.h>
#include <stdint.h>

enum { BASE_ELF_MAX_SECTIONS = 256, BASE_ELF_TEXT_MAX = 256 };

typedef struct base_elf {
    const uint8_t *at; /* borrowed */
    size_t n;
    uint16_t machine; /* EM_X86_64 .. */
    uint32_t n_section;
    uint32_t n_symbol;                /* number 0, the null symbol, included; 0: no symbol table */
    uint64_t sections, section_names; /* offsets in the file */
    uint32_t symtab;                  /* section number, 0: none */
    uint64_t symbols, symbol_names;
} base_elf;

typedef struct base_elf_section {
    const char *name;
    uint32_t type;        /* SHT_* */
    uint64_t flags;       /* SHF_* */
    uint64_t size, align; /* align: a power of two, at least 1 */
    const uint8_t *bytes; /* size bytes of the file; NULL where it has none (SHT_NOBITS, size 0) */
    uint32_t n_reloc;     /* SHT_RELA: relocations, of section `target` */
    uint32_t target;
    uint64_t header; /* offset of the section's header in the file */
} base_elf_section;

typedef struct base_elf_symbol {
    const char *name;
    uint8_t bind, type;   /* STB_*, STT_* */
    uint16_t section;     /* a section's number, or SHN_UNDEF, SHN_ABS, SHN_COMMON */
    uint64_t value, size; /* in a section: value + size <= the section's size */
} base_elf_symbol;

typedef struct base_elf_reloc {
    uint64_t offset;       /* less than the target section's size */
    uint32_t type, symbol; /* symbol < n_symbol */
    int64_t addend;
} base_elf_reloc;

/* 1 if bytes are a well-formed relocatable object, else 0 and a sentence in text. bytes are used in place. */
int base_elf_open(base_elf *elf, const void *bytes, size_t n, char text[BASE_ELF_TEXT_MAX]);
base_elf_section base_elf_section_at(const base_elf *elf, uint32_t index);
base_elf_symbol base_elf_symbol_at(const base_elf *elf, uint32_t index);
base_elf_reloc base_elf_reloc_at(const base_elf *elf, const base_elf_section *rela, uint32_t index);
/* 1 if what both bring into memory, code and constants, is the same; what only tools read may differ. */
int base_elf_same_code(const base_elf *a, const base_elf *b);

#endif
