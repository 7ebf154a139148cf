/* The IDX reader of samples/mnist: good files plain and compressed; every cut of them; each mistake that a header, the
 * data or gzip can have, with the sentence it gets; damaged bytes anywhere. */
#define _POSIX_C_SOURCE 200809L
#include <check.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <zlib.h>

#include "../samples/mnist/idx.h"

enum { ROOM = 1 << 18 };

static uint8_t plain[ROOM], packed[ROOM], spoilt[ROOM];

/* Header and counted bytes of an array with the given sizes; returns the file's size. */
static size_t make(uint8_t *to, int rank, const uint32_t *size) {
    size_t at = 4, total = 1;
    memcpy(to, "\0\0\x08", 3);
    to[3] = (uint8_t)rank;
    for (int i = 0; i < rank; i++) {
        for (int shift = 24; shift >= 0; shift -= 8) to[at++] = (uint8_t)(size[i] >> shift);
        total *= size[i];
    }
    for (size_t i = 0; i < total; i++) to[at++] = (uint8_t)(i * 7 + i / 256);
    return at;
}

static size_t pack(uint8_t *to, const uint8_t *from, size_t n) {
    z_stream z = {.next_in = (uint8_t *)(uintptr_t)from, .avail_in = (uInt)n, .next_out = to, .avail_out = ROOM};
    ck_assert_int_eq(deflateInit2(&z, 6, Z_DEFLATED, MAX_WBITS + 16, 8, Z_DEFAULT_STRATEGY), Z_OK);
    ck_assert_int_eq(deflate(&z, Z_FINISH), Z_STREAM_END);
    size_t size = z.total_out;
    deflateEnd(&z);
    return size;
}

static bool read_bytes(const uint8_t *bytes, size_t n, int rank, idx_array *out, char *why) {
    FILE *file = tmpfile();
    ck_assert(file && fwrite(bytes, 1, n, file) == n);
    rewind(file);
    bool done = idx_read(file, "file", rank, out, why);
    fclose(file);
    ck_assert(done ? !why[0] : !strncmp(why, "file ", 5) && !out->data);
    return done;
}

static void refuses(const uint8_t *bytes, size_t n, int rank, const char *sentence) {
    idx_array a;
    char why[IDX_WHY];
    ck_assert_msg(!read_bytes(bytes, n, rank, &a, why), "taken, not refused with: %s", sentence);
    ck_assert_str_eq(why, sentence);
}

static void takes(const uint8_t *bytes, size_t n, int rank, const uint32_t *size) {
    idx_array a;
    char why[IDX_WHY];
    ck_assert_msg(read_bytes(bytes, n, rank, &a, why), "%s", why);
    ck_assert_int_eq(a.rank, rank);
    size_t total = 1;
    for (int i = 0; i < rank; i++) {
        ck_assert_int_eq(a.size[i], size[i]);
        total *= size[i];
    }
    for (size_t i = 0; i < total; i++) ck_assert_uint_eq(a.data[i], (uint8_t)(i * 7 + i / 256));
    idx_free(&a);
    ck_assert_ptr_null(a.data);
}

START_TEST(reads_plain_and_compressed) {
    static const struct {
        int rank;
        uint32_t size[4];
    } shapes[] = {{1, {5}}, {1, {0}}, {3, {3, 28, 28}}, {3, {200, 28, 28}}, {4, {2, 3, 4, 5}}, {2, {0, 7}}};
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++) {
        size_t n = make(plain, shapes[i].rank, shapes[i].size), m = pack(packed, plain, n);
        takes(plain, n, shapes[i].rank, shapes[i].size);
        takes(packed, m, shapes[i].rank, shapes[i].size);
        /* gzip allows a file in several streams. */
        m = pack(packed, plain, n / 2);
        m += pack(packed + m, plain + n / 2, n - n / 2);
        takes(packed, m, shapes[i].rank, shapes[i].size);
    }
}
END_TEST

START_TEST(refuses_every_cut) {
    size_t n = make(plain, 3, (uint32_t[]){4, 3, 2}), m = pack(packed, plain, n);
    idx_array a;
    char why[IDX_WHY];
    for (size_t i = 0; i < n; i++) ck_assert_msg(!read_bytes(plain, i, 3, &a, why), "%zu bytes are enough", i);
    for (size_t i = 0; i < m; i++) ck_assert_msg(!read_bytes(packed, i, 3, &a, why), "%zu bytes are enough", i);
}
END_TEST

START_TEST(says_what_is_wrong) {
    size_t n = make(plain, 3, (uint32_t[]){4, 3, 2}), m = pack(packed, plain, n);
    refuses(plain, 0, 3, "file is empty");
    refuses(plain, 3, 3, "file ends after 3 bytes, inside the 4 that an IDX file begins with");
    refuses(plain, 11, 3, "file ends inside its header, after 11 of 16 bytes");
    refuses(plain, 30, 3, "file ends after 14 of its 24 bytes of data");
    refuses(plain, n + 1, 3, "file goes on after its 24 bytes of data");
    refuses(plain, n, 1, "file has 3 dimensions, not 1");
    refuses(plain, n, 5, "file is asked for 5 dimensions");
    refuses((const uint8_t *)"\x89PNG\r\n", 6, 1,
            "file is no IDX file: it begins with 89 50 4e 47, not with 00 00 08 01");
    refuses((const uint8_t *)"\0\0\x0d\x01\0\0\0\0", 8, 1,
            "file holds elements of type 0d, 32-bit floats; wanted are unsigned bytes, type 08");
    refuses((const uint8_t *)"\0\0\x08\x01\xff\xff\xff\xff", 8, 1,
            "file claims to hold 4294967295 bytes; more than 1073741824 are taken for damage");
    refuses((const uint8_t *)"\0\0\x08\x03\0\0\0\0\xff\xff\xff\xff\xff\xff\xff\xff", 16, 3,
            "file claims to hold 0 x 4294967295 x 4294967295 bytes; more than 1073741824 are taken for damage");
    /* The largest that is believed; what is allocated follows what comes. */
    refuses((const uint8_t *)"\0\0\x08\x01\x40\0\0\0abc", 11, 1, "file ends after 3 of its 1073741824 bytes of data");
    refuses(packed, m - 1, 3, "file is cut off: its gzip stream does not end");
    memcpy(spoilt, packed, m);
    spoilt[m - 6] ^= 1;
    refuses(spoilt, m, 3, "file is damaged: gzip finds incorrect data check");
    memcpy(spoilt, packed, m);
    memcpy(spoilt + m, "and more", 8);
    refuses(spoilt, m + 8, 3, "file is damaged: gzip finds incorrect header check");
    m = pack(packed, plain, n + 3);
    refuses(packed, m, 3, "file goes on after its 24 bytes of data");
    refuses((const uint8_t *)"\x1f\x8b", 2, 3, "file is cut off: its gzip stream does not end");
}
END_TEST

/* Whatever a flipped bit makes of a file: a sentence, or an array of the sizes it says. gzip finds it in the data. */
START_TEST(survives_every_flipped_bit) {
    size_t n = make(plain, 3, (uint32_t[]){2, 3, 2}), m = pack(packed, plain, n);
    idx_array a;
    char why[IDX_WHY];
    for (size_t bit = 0; bit < 8 * (n > m ? n : m); bit++)
        for (int which = 0; which < 2; which++) {
            size_t size = which ? m : n;
            if (bit / 8 >= size) continue;
            memcpy(spoilt, which ? packed : plain, size);
            spoilt[bit / 8] ^= (uint8_t)(1 << bit % 8);
            if (read_bytes(spoilt, size, 3, &a, why)) {
                ck_assert_int_eq(a.size[0] * a.size[1] * a.size[2], 12);
                if (which) ck_assert_mem_eq(a.data, plain + 16, 12);
                idx_free(&a);
            }
        }
}
END_TEST

START_TEST(says_what_the_system_says) {
    idx_array a;
    char why[IDX_WHY];
    ck_assert(!idx_load("/nonexistent/file", 1, &a, why));
    ck_assert_str_eq(why, "/nonexistent/file cannot be opened: No such file or directory");
    ck_assert(!idx_load("/", 1, &a, why));
    ck_assert_str_eq(why, "/ cannot be read: Is a directory");
    char name[3 * IDX_WHY];
    memset(name, 'n', sizeof name);
    name[sizeof name - 1] = 0;
    ck_assert(!idx_load(name, 1, &a, why) && strlen(why) < IDX_WHY && strstr(why, "cannot be opened"));
}
END_TEST

int main(void) {
    TCase *t = tcase_create("idx");
    tcase_add_test(t, reads_plain_and_compressed);
    tcase_add_test(t, refuses_every_cut);
    tcase_add_test(t, says_what_is_wrong);
    tcase_add_test(t, survives_every_flipped_bit);
    tcase_add_test(t, says_what_the_system_says);
    Suite *s = suite_create("idx");
    suite_add_tcase(s, t);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed != 0;
}
