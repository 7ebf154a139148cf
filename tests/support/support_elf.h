/* support_elf.h: writes small relocatable ELF64 objects, good ones and, on request, bad ones. */
#ifndef SUPPORT_ELF_H
#define SUPPORT_ELF_H

#include <elf.h>
#include <stddef.h>
#include <stdint.h>

enum { SUPPORT_ELF_MAX = 8192 };

typedef struct {
    const char *name;
    uint32_t type;  /* SHT_PROGBITS .. */
    uint64_t flags; /* SHF_ALLOC .. */
    uint64_t align;
    const void *bytes; /* NULL: SHT_NOBITS-like, nothing in the file */
    size_t n;
} support_elf_section;

typedef struct {
    const char *name;
    int bind, type;
    int section; /* index into the sections given, or -1: undefined */
    uint64_t value, size;
} support_elf_symbol;

typedef struct {
    int section; /* that it changes */
    uint64_t offset;
    uint32_t type;
    int symbol; /* index into the symbols given */
    int64_t addend;
} support_elf_reloc;

typedef struct {
    unsigned char at[SUPPORT_ELF_MAX];
    size_t n;
    size_t headers; /* offset of the section headers: 0 null, 1.. the sections given, then .rela of each, .symtab,
                       .strtab */
    int n_section;  /* of the sections given */
} support_elf;

void support_elf_make(support_elf *out, const support_elf_section *sections, int n_section,
                      const support_elf_symbol *symbols, int n_symbol, const support_elf_reloc *relocs, int n_reloc);

/* Header number index, to be read or broken. */
Elf64_Shdr support_elf_header(const support_elf *elf, int index);
void support_elf_set_header(support_elf *elf, int index, Elf64_Shdr header);

#endif
