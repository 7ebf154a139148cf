/* In: a dense row-major tensor. Out: a file in NumPy's format 1.0: the magic bytes, a length, a Python dict as text
 * that is padded so that the data starts at a multiple of 64, the data. */
#include "npy.h"

#include <errno.h>
#include <inttypes.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

static const char *descr(sn_dtype dtype) {
    switch (dtype) {
        case SN_F64: return "f8";
        case SN_F32: return "f4";
        case SN_I64: return "i8";
        case SN_I32: return "i4";
        case SN_U8: return "u1";
        case SN_BOOL: return "b1";
        default: return NULL;
    }
}

enum { PREAMBLE = 10, HEADER = 256 };

/* Writes the whole header, which takes fewer than HEADER bytes for any rank; returns its size. */
static size_t write_header(char *header, const sn_tensor *array) {
    const uint16_t one = 1;
    const char order = *(const char *)&one ? '<' : '>';
    memcpy(header, "\x93NUMPY\x01\x00", 8);
    size_t size = PREAMBLE;
    size += (size_t)snprintf(header + size, HEADER - size, "{'descr': '%c%s', 'fortran_order': False, 'shape': (",
                             order, descr(array->dtype));
    for (int32_t i = 0; i < array->rank; i++)
        size += (size_t)snprintf(header + size, HEADER - size, "%" PRId64 ", ", array->size[i]);
    size += (size_t)snprintf(header + size, HEADER - size, "), }");
    while ((size + 1) % 64) header[size++] = ' ';
    header[size++] = '\n';
    header[8] = (char)((size - PREAMBLE) & 0xff);
    header[9] = (char)((size - PREAMBLE) >> 8);
    return size;
}

bool folder_make(const char *folder) {
    if (!mkdir(folder, 0777) || errno == EEXIST) return true;
    fprintf(stderr, "cannot make the folder %s: %s\n", folder, strerror(errno));
    return false;
}

bool npy_save(const char *folder, const char *name, const sn_tensor *array) {
    char path[4096], header[HEADER];
    int length = snprintf(path, sizeof path, "%s/%s", folder, name);
    if (length < 0 || (size_t)length >= sizeof path) {
        fprintf(stderr, "the path %.40s.../%s is longer than %zu bytes\n", folder, name, sizeof path - 1);
        return false;
    }
    if (!descr(array->dtype)) {
        fprintf(stderr, "%s: NumPy has no element type for %s\n", path, sn_dtype_name(array->dtype));
        return false;
    }
    size_t header_size = write_header(header, array), bytes = sn_tensor_bytes(array);
    FILE *file = fopen(path, "wb");
    bool good =
        file && fwrite(header, 1, header_size, file) == header_size && fwrite(array->data, 1, bytes, file) == bytes;
    int why = errno;
    if (file && fclose(file) && good) {
        why = errno;
        good = false;
    }
    if (!good) fprintf(stderr, "cannot write %s: %s\n", path, strerror(why));
    return good;
}
