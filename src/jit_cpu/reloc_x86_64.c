/* In: a relocation of an x86-64 object and where its bytes are. Out: the bytes changed. All kinds are whole words:
 * absolute addresses, and distances from the place to a symbol. */
#include "jit_cpu/reloc.h"

#include <elf.h>
#include <stddef.h>
#include <string.h>

static int width(uint32_t type) {
    switch (type) {
        case R_X86_64_NONE: return 0;
        case R_X86_64_64:
        case R_X86_64_PC64: return 8;
        case R_X86_64_PC32:
        case R_X86_64_PLT32: return 4; /* the function is in the image, so no stub is needed: as PC32 */
        default: return -1;
    }
}

static const char *apply(uint32_t type, uint8_t *bytes, uint64_t place, uint64_t value) {
    size_t n = (size_t)width(type);
    if (type != R_X86_64_64) value -= place;
    if (n == 4 && !cpu_fits(value, 32)) return "a 32-bit relocation does not reach";
    memcpy(bytes, &value, n); /* little-endian: the low bytes come first */
    return NULL;
}

const cpu_machine cpu_machine_x86_64 = {
    .elf = EM_X86_64, .gap = 0xcc /* int3 */, .unwind_type = SHT_X86_64_UNWIND, .width = width, .apply = apply};
