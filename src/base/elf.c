/* In: bytes that claim to be a relocatable ELF64 object. Out: a view of its sections, symbols and relocations.
 *
 * Everything is checked once, in base_elf_open; the readers behind it then index without failing. Structures are copied
 * out of the file byte by byte, because nothing in it needs to be aligned. */
#include "base/elf.h"

#include <elf.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

__attribute__((format(printf, 2, 3))) static int refuse(char text[BASE_ELF_TEXT_MAX], const char *format, ...) {
    va_list args;
    va_start(args, format);
    vsnprintf(text, BASE_ELF_TEXT_MAX, format, args);
    va_end(args);
    return 0;
}

static int inside(const base_elf *elf, uint64_t offset, uint64_t size) {
    return offset <= elf->n && size <= elf->n - offset;
}

static Elf64_Shdr header_at(const base_elf *elf, uint32_t index) {
    Elf64_Shdr s;
    memcpy(&s, elf->at + elf->sections + (uint64_t)index * sizeof s, sizeof s);
    return s;
}

static Elf64_Sym raw_symbol_at(const base_elf *elf, uint32_t index) {
    Elf64_Sym s;
    memcpy(&s, elf->at + elf->symbols + (uint64_t)index * sizeof s, sizeof s);
    return s;
}

/* A section without a type has no content, whatever its header says. */
static uint64_t size_of(const Elf64_Shdr *s) { return s->sh_type == SHT_NULL ? 0 : s->sh_size; }

/* A table that ends with a NUL makes every place in it a terminated name. */
static int is_string_table(const base_elf *elf, const Elf64_Shdr *s) {
    return s->sh_type == SHT_STRTAB && s->sh_size && inside(elf, s->sh_offset, s->sh_size) &&
           !elf->at[s->sh_offset + s->sh_size - 1];
}

static int check_header(base_elf *elf, char *text) {
    Elf64_Ehdr e;
    if (elf->n < sizeof e) return refuse(text, "object has %zu bytes, an ELF header takes %zu", elf->n, sizeof e);
    memcpy(&e, elf->at, sizeof e);
    if (memcmp(e.e_ident, ELFMAG, SELFMAG)) return refuse(text, "object is not an ELF file");
    if (e.e_ident[EI_CLASS] != ELFCLASS64 || e.e_ident[EI_DATA] != ELFDATA2LSB || e.e_ident[EI_VERSION] != EV_CURRENT)
        return refuse(text, "object is not little-endian ELF64");
    if (e.e_type != ET_REL) return refuse(text, "object has ELF type %d, expected a relocatable one", e.e_type);
    if (e.e_shentsize != sizeof(Elf64_Shdr)) return refuse(text, "section headers have %d bytes each", e.e_shentsize);
    if (e.e_shnum < 2 || e.e_shnum > BASE_ELF_MAX_SECTIONS)
        return refuse(text, "object has %d sections, expected 2 to %d", e.e_shnum, BASE_ELF_MAX_SECTIONS);
    if (!inside(elf, e.e_shoff, (uint64_t)e.e_shnum * sizeof(Elf64_Shdr)))
        return refuse(text, "section headers lie outside of the object");
    elf->machine = e.e_machine;
    elf->n_section = e.e_shnum;
    elf->sections = e.e_shoff;
    if (!e.e_shstrndx || e.e_shstrndx >= e.e_shnum) return refuse(text, "section names are in no section");
    Elf64_Shdr names = header_at(elf, e.e_shstrndx);
    if (!is_string_table(elf, &names)) return refuse(text, "section names are malformed");
    elf->section_names = names.sh_offset;
    for (uint32_t i = 0; i < elf->n_section; i++)
        if (header_at(elf, i).sh_name >= names.sh_size) return refuse(text, "section %u has no valid name", i);
    if (header_at(elf, 0).sh_type != SHT_NULL) return refuse(text, "section 0 is not the null section");
    return 1;
}

static int check_section(base_elf *elf, uint32_t i, char *text) {
    Elf64_Shdr s = header_at(elf, i);
    if (s.sh_type == SHT_NULL) return 1;
    if (s.sh_type != SHT_NOBITS && !inside(elf, s.sh_offset, s.sh_size))
        return refuse(text, "section %u lies outside of the object", i);
    if (s.sh_addralign & (s.sh_addralign - 1)) return refuse(text, "section %u has an alignment of no power of two", i);
    if (s.sh_type == SHT_REL) return refuse(text, "section %u has relocations without addends", i);
    if (s.sh_type == SHT_SYMTAB_SHNDX) return refuse(text, "section %u: extended section numbers are not supported", i);
    if (s.sh_type != SHT_SYMTAB) return 1;
    if (elf->symtab) return refuse(text, "object has two symbol tables");
    if (s.sh_entsize != sizeof(Elf64_Sym) || s.sh_size % sizeof(Elf64_Sym) || !s.sh_size ||
        s.sh_size / sizeof(Elf64_Sym) > UINT32_MAX)
        return refuse(text, "symbol table is malformed");
    elf->symtab = i;
    elf->symbols = s.sh_offset;
    elf->n_symbol = (uint32_t)(s.sh_size / sizeof(Elf64_Sym));
    return 1;
}

static int check_symbols(base_elf *elf, char *text) {
    uint32_t link = header_at(elf, elf->symtab).sh_link;
    if (!link || link >= elf->n_section) return refuse(text, "symbol names are in no section");
    Elf64_Shdr names = header_at(elf, link);
    if (!is_string_table(elf, &names)) return refuse(text, "symbol names are malformed");
    elf->symbol_names = names.sh_offset;
    for (uint32_t i = 0; i < elf->n_symbol; i++) {
        Elf64_Sym y = raw_symbol_at(elf, i);
        if (y.st_name >= names.sh_size) return refuse(text, "symbol %u has no valid name", i);
        if (y.st_shndx == SHN_UNDEF || y.st_shndx == SHN_ABS || y.st_shndx == SHN_COMMON) continue;
        if (y.st_shndx >= elf->n_section) return refuse(text, "symbol %u is in no section", i);
        Elf64_Shdr home = header_at(elf, y.st_shndx);
        uint64_t size = size_of(&home);
        if (y.st_value > size || y.st_size > size - y.st_value)
            return refuse(text, "symbol %u reaches outside of its section", i);
    }
    return 1;
}

static int check_relocs(const base_elf *elf, uint32_t i, char *text) {
    Elf64_Shdr s = header_at(elf, i);
    if (s.sh_type != SHT_RELA) return 1;
    if (s.sh_entsize != sizeof(Elf64_Rela) || s.sh_size % sizeof(Elf64_Rela) ||
        s.sh_size / sizeof(Elf64_Rela) > UINT32_MAX)
        return refuse(text, "relocations in section %u are malformed", i);
    if (!elf->symtab || s.sh_link != elf->symtab)
        return refuse(text, "relocations in section %u name no symbol table", i);
    if (!s.sh_info || s.sh_info >= elf->n_section)
        return refuse(text, "relocations in section %u are for no section", i);
    Elf64_Shdr target = header_at(elf, s.sh_info);
    base_elf_section view = {.bytes = elf->at + s.sh_offset};
    for (uint32_t k = 0; k < s.sh_size / sizeof(Elf64_Rela); k++) {
        base_elf_reloc r = base_elf_reloc_at(elf, &view, k);
        if (r.symbol >= elf->n_symbol) return refuse(text, "relocation %u in section %u names no symbol", k, i);
        if (r.offset >= size_of(&target))
            return refuse(text, "relocation %u in section %u lies outside of its target", k, i);
    }
    return 1;
}

int base_elf_open(base_elf *elf, const void *bytes, size_t n, char text[BASE_ELF_TEXT_MAX]) {
    *elf = (base_elf){.at = bytes, .n = n};
    text[0] = 0;
    if (!check_header(elf, text)) return 0;
    for (uint32_t i = 1; i < elf->n_section; i++)
        if (!check_section(elf, i, text)) return 0;
    if (elf->symtab && !check_symbols(elf, text)) return 0;
    for (uint32_t i = 1; i < elf->n_section; i++)
        if (!check_relocs(elf, i, text)) return 0;
    return 1;
}

base_elf_section base_elf_section_at(const base_elf *elf, uint32_t index) {
    Elf64_Shdr s = header_at(elf, index);
    int stored = s.sh_type != SHT_NOBITS && s.sh_type != SHT_NULL && s.sh_size;
    int rela = s.sh_type == SHT_RELA;
    return (base_elf_section){
        .name = (const char *)elf->at + elf->section_names + s.sh_name,
        .type = s.sh_type,
        .flags = s.sh_flags,
        .size = size_of(&s),
        .align = s.sh_addralign && s.sh_type != SHT_NULL ? s.sh_addralign : 1,
        .bytes = stored ? elf->at + s.sh_offset : NULL,
        .n_reloc = rela ? (uint32_t)(s.sh_size / sizeof(Elf64_Rela)) : 0,
        .target = rela ? s.sh_info : 0,
        .header = elf->sections + (uint64_t)index * sizeof s,
    };
}

base_elf_symbol base_elf_symbol_at(const base_elf *elf, uint32_t index) {
    Elf64_Sym y = raw_symbol_at(elf, index);
    return (base_elf_symbol){
        .name = (const char *)elf->at + elf->symbol_names + y.st_name,
        .bind = ELF64_ST_BIND(y.st_info),
        .type = ELF64_ST_TYPE(y.st_info),
        .section = y.st_shndx,
        .value = y.st_value,
        .size = y.st_size,
    };
}

base_elf_reloc base_elf_reloc_at(const base_elf *elf, const base_elf_section *rela, uint32_t index) {
    (void)elf;
    Elf64_Rela r;
    memcpy(&r, rela->bytes + (uint64_t)index * sizeof r, sizeof r);
    return (base_elf_reloc){r.r_offset, (uint32_t)ELF64_R_TYPE(r.r_info), (uint32_t)ELF64_R_SYM(r.r_info), r.r_addend};
}

/* The first section from *i on that is loaded; 0 where there is none left. */
static int next_loaded(const base_elf *elf, uint32_t *i, base_elf_section *out) {
    for (; *i < elf->n_section; ++*i) {
        *out = base_elf_section_at(elf, *i);
        if (!(out->flags & SHF_ALLOC) || !out->size) continue;
        ++*i;
        return 1;
    }
    return 0;
}

int base_elf_same_code(const base_elf *a, const base_elf *b) {
    uint32_t i = 1, k = 1;
    base_elf_section x, y;
    for (;;) {
        int more = next_loaded(a, &i, &x), other = next_loaded(b, &k, &y);
        if (!more || !other) return more == other;
        if (strcmp(x.name, y.name) || x.type != y.type || x.flags != y.flags || x.size != y.size) return 0;
        if (!x.bytes != !y.bytes || (x.bytes && memcmp(x.bytes, y.bytes, x.size))) return 0;
    }
}
