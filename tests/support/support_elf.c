/* Layout: ELF header, contents of the sections given, their relocations, symbols, names, section headers. */
#include "support_elf.h"

#include <assert.h>
#include <string.h>

static size_t append(support_elf *out, const void *bytes, size_t n, size_t align) {
    size_t at = (out->n + align - 1) / align * align;
    assert(at + n <= sizeof out->at);
    if (n) memcpy(out->at + at, bytes, n);
    out->n = at + n;
    return at;
}

static uint32_t add_name(char *names, size_t *n, const char *name) {
    uint32_t at = (uint32_t)*n;
    memcpy(names + at, name, strlen(name) + 1);
    *n += strlen(name) + 1;
    return at;
}

void support_elf_make(support_elf *out, const support_elf_section *sections, int n_section,
                      const support_elf_symbol *symbols, int n_symbol, const support_elf_reloc *relocs, int n_reloc) {
    char names[2048] = "";
    size_t n_names = 1;
    int symtab = 1 + 2 * n_section, strtab = symtab + 1;
    Elf64_Shdr headers[32] = {{0}};
    assert(strtab < 32);
    memset(out, 0, sizeof *out);
    out->n = sizeof(Elf64_Ehdr);
    out->n_section = n_section;
    for (int i = 0; i < n_section; i++) {
        const support_elf_section *s = &sections[i];
        headers[1 + i] = (Elf64_Shdr){.sh_name = add_name(names, &n_names, s->name),
                                      .sh_type = s->type,
                                      .sh_flags = s->flags,
                                      .sh_size = s->n,
                                      .sh_addralign = s->align};
        if (s->bytes) headers[1 + i].sh_offset = append(out, s->bytes, s->n, 16);
    }
    for (int i = 0; i < n_section; i++) {
        Elf64_Shdr *h = &headers[1 + n_section + i];
        *h = (Elf64_Shdr){.sh_name = add_name(names, &n_names, ".rela"),
                          .sh_type = SHT_RELA,
                          .sh_link = (uint32_t)symtab,
                          .sh_info = (uint32_t)(1 + i),
                          .sh_addralign = 8,
                          .sh_entsize = sizeof(Elf64_Rela)};
        h->sh_offset = append(out, NULL, 0, 8);
        for (int k = 0; k < n_reloc; k++) {
            if (relocs[k].section != i) continue;
            Elf64_Rela r = {relocs[k].offset, ELF64_R_INFO((uint64_t)(relocs[k].symbol + 1), relocs[k].type),
                            relocs[k].addend};
            append(out, &r, sizeof r, 8);
        }
        h->sh_size = out->n - h->sh_offset;
    }
    headers[symtab] = (Elf64_Shdr){.sh_name = add_name(names, &n_names, ".symtab"),
                                   .sh_type = SHT_SYMTAB,
                                   .sh_link = (uint32_t)strtab,
                                   .sh_info = 1,
                                   .sh_addralign = 8,
                                   .sh_entsize = sizeof(Elf64_Sym)};
    Elf64_Sym null = {0};
    headers[symtab].sh_offset = append(out, &null, sizeof null, 8);
    for (int i = 0; i < n_symbol; i++) {
        Elf64_Sym y = {.st_name = add_name(names, &n_names, symbols[i].name),
                       .st_info = (unsigned char)ELF64_ST_INFO(symbols[i].bind, symbols[i].type),
                       .st_shndx = (uint16_t)(symbols[i].section + 1),
                       .st_value = symbols[i].value,
                       .st_size = symbols[i].size};
        append(out, &y, sizeof y, 8);
    }
    headers[symtab].sh_size = out->n - headers[symtab].sh_offset;
    headers[strtab] =
        (Elf64_Shdr){.sh_name = add_name(names, &n_names, ".strtab"), .sh_type = SHT_STRTAB, .sh_addralign = 1};
    headers[strtab].sh_offset = append(out, names, n_names, 1);
    headers[strtab].sh_size = n_names;
    out->headers = append(out, headers, (size_t)(strtab + 1) * sizeof *headers, 8);

    Elf64_Ehdr e = {.e_type = ET_REL,
                    .e_machine = EM_X86_64,
                    .e_version = EV_CURRENT,
                    .e_shoff = out->headers,
                    .e_ehsize = sizeof e,
                    .e_shentsize = sizeof(Elf64_Shdr),
                    .e_shnum = (uint16_t)(strtab + 1),
                    .e_shstrndx = (uint16_t)strtab};
    memcpy(e.e_ident, ELFMAG, SELFMAG);
    e.e_ident[EI_CLASS] = ELFCLASS64;
    e.e_ident[EI_DATA] = ELFDATA2LSB;
    e.e_ident[EI_VERSION] = EV_CURRENT;
    memcpy(out->at, &e, sizeof e);
}

Elf64_Shdr support_elf_header(const support_elf *elf, int index) {
    Elf64_Shdr h;
    memcpy(&h, elf->at + elf->headers + (size_t)index * sizeof h, sizeof h);
    return h;
}

void support_elf_set_header(support_elf *elf, int index, Elf64_Shdr header) {
    memcpy(elf->at + elf->headers + (size_t)index * sizeof header, &header, sizeof header);
}
