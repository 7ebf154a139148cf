/* The ELF reader: what it reads from good objects, what it refuses, and that no flipped byte or cut end leads it
 * astray. */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "base/elf.h"
#include "support/support_elf.h"

static const unsigned char code[] = {0x8b, 0x05, 0, 0, 0, 0, 0xc3};
static const unsigned char constants[] = {42, 0, 0, 0};

/* Sections: 1 .text, 2 .rodata, 3 and 4 their relocations, 5 .symtab, 6 .strtab. */
static void make(support_elf *out) {
    const support_elf_section sections[] = {
        {".text", SHT_PROGBITS, SHF_ALLOC | SHF_EXECINSTR, 16, code, sizeof code},
        {".rodata", SHT_PROGBITS, SHF_ALLOC, 64, constants, sizeof constants},
    };
    const support_elf_symbol symbols[] = {
        {".LC0", STB_LOCAL, STT_NOTYPE, 1, 0, 0},
        {"f", STB_GLOBAL, STT_FUNC, 0, 0, sizeof code},
    };
    const support_elf_reloc relocs[] = {{0, 2, R_X86_64_PC32, 0, -4}};
    support_elf_make(out, sections, 2, symbols, 2, relocs, 1);
}

START_TEST(reads_what_is_there) {
    support_elf object;
    base_elf elf;
    char text[BASE_ELF_TEXT_MAX];
    make(&object);
    ck_assert_msg(base_elf_open(&elf, object.at, object.n, text), "%s", text);
    ck_assert_uint_eq(elf.machine, EM_X86_64);
    ck_assert_uint_eq(elf.n_section, 7);
    ck_assert_uint_eq(elf.n_symbol, 3);
    base_elf_section s = base_elf_section_at(&elf, 1);
    ck_assert_str_eq(s.name, ".text");
    ck_assert_uint_eq(s.flags, SHF_ALLOC | SHF_EXECINSTR);
    ck_assert_uint_eq(s.align, 16);
    ck_assert_mem_eq(s.bytes, code, sizeof code);
    base_elf_section rela = base_elf_section_at(&elf, 3);
    ck_assert_uint_eq(rela.target, 1);
    ck_assert_uint_eq(rela.n_reloc, 1);
    base_elf_reloc r = base_elf_reloc_at(&elf, &rela, 0);
    ck_assert_uint_eq(r.offset, 2);
    ck_assert_uint_eq(r.type, R_X86_64_PC32);
    ck_assert_int_eq(r.addend, -4);
    ck_assert_str_eq(base_elf_symbol_at(&elf, r.symbol).name, ".LC0");
    base_elf_symbol y = base_elf_symbol_at(&elf, 2);
    ck_assert_str_eq(y.name, "f");
    ck_assert_int_eq(y.bind, STB_GLOBAL);
    ck_assert_int_eq(y.type, STT_FUNC);
    ck_assert_uint_eq(y.section, 1);
    ck_assert_uint_eq(y.size, sizeof code);
    ck_assert_uint_eq(base_elf_section_at(&elf, 4).n_reloc, 0);
}
END_TEST

/* Nothing in the header of a section without a type counts. */
START_TEST(sections_without_a_type_are_empty) {
    support_elf object;
    base_elf elf;
    char text[BASE_ELF_TEXT_MAX];
    for (int index = 0; index <= 2; index += 2) {
        make(&object);
        Elf64_Shdr h = support_elf_header(&object, index);
        h.sh_type = SHT_NULL;
        h.sh_addralign = 24;
        h.sh_size = UINT64_MAX;
        support_elf_set_header(&object, index, h);
        ck_assert_msg(base_elf_open(&elf, object.at, object.n, text), "%s", text);
        base_elf_section s = base_elf_section_at(&elf, (uint32_t)index);
        ck_assert_uint_eq(s.align, 1);
        ck_assert_uint_eq(s.size, 0);
        ck_assert_ptr_null(s.bytes);
    }
}
END_TEST

static void refused(const support_elf *object, const char *word) {
    base_elf elf;
    char text[BASE_ELF_TEXT_MAX];
    ck_assert(!base_elf_open(&elf, object->at, object->n, text));
    ck_assert_msg(strstr(text, word) != NULL, "'%s' does not say '%s'", text, word);
}

static void set_u16(support_elf *object, size_t offset, uint16_t value) { memcpy(object->at + offset, &value, 2); }

START_TEST(refuses_bad_headers) {
    support_elf good, bad;
    make(&good);
    bad = good, bad.at[1] = 'X', refused(&bad, "not an ELF");
    bad = good, bad.at[EI_CLASS] = ELFCLASS32, refused(&bad, "ELF64");
    bad = good, bad.at[EI_DATA] = ELFDATA2MSB, refused(&bad, "ELF64");
    bad = good, set_u16(&bad, offsetof(Elf64_Ehdr, e_type), ET_DYN), refused(&bad, "relocatable");
    bad = good, set_u16(&bad, offsetof(Elf64_Ehdr, e_shentsize), 63), refused(&bad, "section headers");
    bad = good, set_u16(&bad, offsetof(Elf64_Ehdr, e_shnum), 0), refused(&bad, "0 sections");
    bad = good, set_u16(&bad, offsetof(Elf64_Ehdr, e_shnum), 8), refused(&bad, "outside");
    bad = good, set_u16(&bad, offsetof(Elf64_Ehdr, e_shstrndx), 7), refused(&bad, "names");
    bad = good, set_u16(&bad, offsetof(Elf64_Ehdr, e_shstrndx), 1), refused(&bad, "names");
    bad = good, bad.n = 20, refused(&bad, "header");
}
END_TEST

enum { FIELD_NAME, FIELD_TYPE, FIELD_OFFSET, FIELD_SIZE, FIELD_LINK, FIELD_INFO, FIELD_ALIGN, FIELD_ENTSIZE };

static void bad_section(int index, int field, uint64_t value, const char *word) {
    support_elf object;
    make(&object);
    Elf64_Shdr h = support_elf_header(&object, index);
    switch (field) {
        case FIELD_NAME: h.sh_name = (uint32_t)value; break;
        case FIELD_TYPE: h.sh_type = (uint32_t)value; break;
        case FIELD_OFFSET: h.sh_offset = value; break;
        case FIELD_SIZE: h.sh_size = value; break;
        case FIELD_LINK: h.sh_link = (uint32_t)value; break;
        case FIELD_INFO: h.sh_info = (uint32_t)value; break;
        case FIELD_ALIGN: h.sh_addralign = value; break;
        default: h.sh_entsize = value;
    }
    support_elf_set_header(&object, index, h);
    refused(&object, word);
}

START_TEST(refuses_bad_sections) {
    bad_section(1, FIELD_NAME, 100000, "name");
    bad_section(0, FIELD_TYPE, SHT_PROGBITS, "null");
    bad_section(1, FIELD_OFFSET, UINT64_MAX - 2, "outside");
    bad_section(1, FIELD_SIZE, UINT64_MAX, "outside");
    bad_section(1, FIELD_ALIGN, 24, "power of two");
    bad_section(2, FIELD_TYPE, SHT_REL, "without addends");
    bad_section(2, FIELD_TYPE, SHT_SYMTAB, "symbol table");
    bad_section(2, FIELD_TYPE, SHT_SYMTAB_SHNDX, "extended");
    bad_section(3, FIELD_LINK, 1, "no symbol table");
    bad_section(3, FIELD_INFO, 0, "no section");
    bad_section(3, FIELD_INFO, 7, "no section");
    bad_section(3, FIELD_ENTSIZE, 16, "malformed");
    bad_section(3, FIELD_SIZE, 23, "malformed");
    bad_section(5, FIELD_LINK, 0, "symbol names");
    bad_section(5, FIELD_LINK, 1, "symbol names");
    bad_section(5, FIELD_SIZE, 0, "symbol table");
    bad_section(5, FIELD_SIZE, 71, "symbol table");
    bad_section(5, FIELD_SIZE, 24, "names no symbol");
    bad_section(6, FIELD_SIZE, 0, "names");
    bad_section(1, FIELD_SIZE, 2, "reaches outside");
}
END_TEST

/* Uses every reader on whatever was accepted; a sanitizer or valgrind sees a read outside of the exact-size block. */
static unsigned read_all(const unsigned char *bytes, size_t n) {
    base_elf elf;
    char text[BASE_ELF_TEXT_MAX];
    unsigned sum = 0;
    if (!base_elf_open(&elf, bytes, n, text)) return text[0] ? 0 : 1000000000;
    for (uint32_t i = 0; i < elf.n_section; i++) {
        base_elf_section s = base_elf_section_at(&elf, i);
        sum += (unsigned)strlen(s.name);
        for (uint64_t k = 0; s.bytes && k < s.size; k++) sum += s.bytes[k];
        for (uint32_t k = 0; k < s.n_reloc; k++) sum += base_elf_reloc_at(&elf, &s, k).type;
    }
    for (uint32_t i = 0; i < elf.n_symbol; i++) sum += (unsigned)strlen(base_elf_symbol_at(&elf, i).name);
    return sum % 1000000000;
}

START_TEST(survives_every_flip_and_cut) {
    support_elf object;
    make(&object);
    for (size_t n = 0; n <= object.n; n++) {
        unsigned char *cut = malloc(n ? n : 1);
        memcpy(cut, object.at, n);
        ck_assert_uint_ne(read_all(cut, n), 1000000000);
        free(cut);
    }
    unsigned char *flipped = malloc(object.n);
    for (size_t i = 0; i < object.n; i++)
        for (int value = 1; value < 256; value++) {
            memcpy(flipped, object.at, object.n);
            flipped[i] ^= (unsigned char)value;
            ck_assert_uint_ne(read_all(flipped, object.n), 1000000000);
        }
    free(flipped);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("elf");
    TCase *tc = tcase_create("elf");
    tcase_set_timeout(tc, 120);
    tcase_add_test(tc, reads_what_is_there);
    tcase_add_test(tc, sections_without_a_type_are_empty);
    tcase_add_test(tc, refuses_bad_headers);
    tcase_add_test(tc, refuses_bad_sections);
    tcase_add_test(tc, survives_every_flip_and_cut);
    suite_add_tcase(suite, tc);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
