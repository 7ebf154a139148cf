/* Parameters and arrays as files: those that the Python packages wrote (tests/data/make_nn.py) are read to the bit,
 * what is written is read back, and every cut and damaged byte gives a sentence or, where it is of the data, other
 * data; never half a list. */
#define _GNU_SOURCE
#include <dirent.h>
#include <sys/stat.h>
#include <unistd.h>

#include "support/support_nn.h"

static char folder[64];

static void make_folder(void) {
    snprintf(folder, sizeof folder, "/tmp/test_nn_files.XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(folder));
}

/* Removes what is in it; returns how many files that were. */
static int clear_folder(void) {
    DIR *dir = opendir(folder);
    int n = 0;
    for (struct dirent *e; (e = readdir(dir)) != NULL;)
        if (*e->d_name != '.') {
            unlinkat(dirfd(dir), e->d_name, 0);
            n++;
        }
    closedir(dir);
    return n;
}

static void remove_folder(void) {
    clear_folder();
    rmdir(folder);
}

typedef struct {
    char text[512];
} path_text;

static path_text in_folder(const char *name) {
    path_text p;
    snprintf(p.text, sizeof p.text, "%s/%s", folder, name);
    return p;
}

static size_t read_bytes(const char *path, unsigned char *to, size_t size) {
    FILE *f = fopen(path, "rb");
    ck_assert_ptr_nonnull(f);
    size_t n = fread(to, 1, size, f);
    fclose(f);
    return n;
}

static void write_bytes(const char *path, const void *from, size_t n) {
    remove(path); /* some file systems wait for the disk where a file is cut and written again */
    FILE *f = fopen(path, "wb");
    ck_assert_ptr_nonnull(f);
    ck_assert_uint_eq(fwrite(from, 1, n, f), n);
    fclose(f);
}

/* ---- every element type ------------------------------------------------------------------------------------------ */

/* What types.safetensors has, by hand. */
static const struct {
    const char *name;
    sn_dtype dtype;
    int32_t rank;
    int64_t size[3];
    union {
        double f64[6];
        float f32[2];
        int64_t i64[2];
        int32_t i32[2];
        uint8_t u8[6];
    } value;
} kinds[] = {
    {"f64", SN_F64, 2, {2, 3, 0}, {.f64 = {1.5, -0.0, (double)INFINITY, 3.141592653589793, 5e-324, -2}}},
    {"f32", SN_F32, 1, {2, 0, 0}, {.f32 = {0.1f, -3.4e38f}}},
    {"i64", SN_I64, 1, {2, 0, 0}, {.i64 = {INT64_MIN, INT64_MAX}}},
    {"i32", SN_I32, 2, {2, 1, 0}, {.i32 = {-7, INT32_MAX}}},
    {"u8", SN_U8, 3, {1, 2, 3}, {.u8 = {250, 251, 252, 253, 254, 255}}},
    {"bool", SN_BOOL, 1, {3, 0, 0}, {.u8 = {1, 0, 1}}},
    {"scalar", SN_F32, 0, {0, 0, 0}, {.f32 = {2.5f}}},
    {"empty", SN_F32, 2, {0, 3, 0}, {.f32 = {0}}},
    {"a \"name\"\\\xc3\xa9\xf0\x9d\x84\x9e", SN_F64, 1, {1, 0, 0}, {.f64 = {42}}},
};
enum { N_KINDS = sizeof kinds / sizeof *kinds, N_PLAIN = N_KINDS - 1 };

static sn_params *list_of_kinds(sn_context *ctx, size_t n) {
    sn_params *params;
    good(sn_params_new(ctx, &params), sn_context_error(ctx));
    for (size_t i = 0; i < n; i++)
        good(sn_params_add(params, kinds[i].name, kinds[i].dtype, kinds[i].rank, kinds[i].size, sn_init_zeros(), NULL),
             sn_context_error(ctx));
    return params;
}

static void set_kinds(const sn_params *params) {
    for (size_t i = 0; i < sn_params_count(params); i++) {
        sn_tensor type = sn_var_type(sn_params_get(params, i));
        good(sn_var_set(sn_params_get(params, i), &kinds[i].value, sn_tensor_bytes(&type)), "set");
    }
}

/* 1: all are as above, 0: all are zeros, -1: neither. */
static int state_of(const sn_params *params) {
    int set = 1, zero = 1;
    for (size_t i = 0; i < sn_params_count(params); i++) {
        unsigned char have[64];
        sn_tensor type = sn_var_type(sn_params_get(params, i));
        size_t bytes = sn_tensor_bytes(&type);
        good(sn_var_get(sn_params_get(params, i), have, bytes), "get");
        set = set && !memcmp(have, &kinds[i].value, bytes);
        for (size_t b = 0; b < bytes; b++) zero = zero && !have[b];
    }
    return set ? 1 : zero ? 0 : -1;
}

START_TEST(written_by_python) {
    sn_context *ctx = context_on("interp", 1);
    sn_params *params = list_of_kinds(ctx, N_KINDS);
    good(sn_params_load(params, DATA_DIR "types.safetensors", SN_LOAD_ALL), sn_context_error(ctx));
    ck_assert_int_eq(state_of(params), 1);
    sn_params_free(params);
    params = list_of_kinds(ctx, N_PLAIN);
    good(sn_params_load_npy(params, DATA_DIR), sn_context_error(ctx));
    ck_assert_int_eq(state_of(params), 1);
    sn_params_free(params);
    for (size_t i = 0; i < N_PLAIN; i++) {
        char path[512];
        snprintf(path, sizeof path, DATA_DIR "%s.npy", kinds[i].name);
        sn_tensor t;
        good(sn_npy_read(ctx, path, &t), sn_context_error(ctx));
        ck_assert_int_eq(t.dtype, kinds[i].dtype);
        ck_assert_int_eq(t.rank, kinds[i].rank);
        ck_assert_mem_eq(t.size, kinds[i].size, (size_t)t.rank * sizeof *t.size);
        ck_assert_mem_eq(t.data, &kinds[i].value, sn_tensor_bytes(&t));
        sn_npy_free(ctx, &t);
        ck_assert_ptr_null(t.data);
    }
    sn_npy_free(ctx, NULL);
    close_context(ctx);
}
END_TEST

START_TEST(there_and_back) {
    make_folder();
    sn_context *ctx = context_on("interp", 1);
    path_text path = in_folder("all.safetensors");
    sn_params *from = list_of_kinds(ctx, N_KINDS), *to = list_of_kinds(ctx, N_KINDS);
    set_kinds(from);
    good(sn_params_save(from, path.text), sn_context_error(ctx));
    good(sn_params_save(from, path.text), sn_context_error(ctx)); /* over the old one */
    good(sn_params_load(to, path.text, SN_LOAD_ALL), sn_context_error(ctx));
    ck_assert_int_eq(state_of(to), 1);
    ck_assert_int_eq(clear_folder(), 1); /* nothing beside it */
    sn_params_free(from);
    sn_params_free(to);

    from = list_of_kinds(ctx, N_PLAIN);
    to = list_of_kinds(ctx, N_PLAIN);
    set_kinds(from);
    good(sn_params_save_npy(from, folder), sn_context_error(ctx));
    good(sn_params_load_npy(to, folder), sn_context_error(ctx));
    ck_assert_int_eq(state_of(to), 1);
    /* What NumPy wrote and what is written here is the same to the byte: one canonical header. */
    for (size_t i = 0; i < N_PLAIN; i++) {
        char name[32], theirs[512];
        unsigned char a[512], b[512];
        snprintf(name, sizeof name, "%s.npy", kinds[i].name);
        snprintf(theirs, sizeof theirs, DATA_DIR "%s", name);
        size_t n = read_bytes(in_folder(name).text, a, sizeof a);
        ck_assert_uint_eq(read_bytes(theirs, b, sizeof b), n);
        ck_assert_mem_eq(a, b, n);
    }
    ck_assert_int_eq(clear_folder(), N_PLAIN);
    sn_params_free(from);
    sn_params_free(to);

    /* A list without parameters is a file, too. */
    good(sn_params_new(ctx, &from), "");
    good(sn_params_save(from, path.text), sn_context_error(ctx));
    good(sn_params_load(from, path.text, SN_LOAD_ALL), sn_context_error(ctx));
    good(sn_params_load_npy(from, folder), sn_context_error(ctx));
    sn_params_free(from);
    close_context(ctx);
    remove_folder();
}
END_TEST

/* ---- lists that differ from their files -------------------------------------------------------------------------- */

static sn_params *pair(sn_context *ctx, const char *a, const char *b) {
    sn_params *params;
    good(sn_params_new(ctx, &params), "");
    good(sn_params_add(params, a, SN_F32, 1, (int64_t[]){2}, sn_init_zeros(), NULL), "");
    good(sn_params_add(params, b, SN_F64, 1, (int64_t[]){2}, sn_init_zeros(), NULL), "");
    return params;
}

static void expect_error(sn_context *ctx, sn_status have, sn_status want, const char *path, const char *sentence) {
    char whole[1024];
    snprintf(whole, sizeof whole, "%s: %s", path, sentence);
    ck_assert_str_eq(sn_context_error(ctx), whole);
    ck_assert_int_eq(have, want);
}

START_TEST(other_names) {
    make_folder();
    sn_context *ctx = context_on("interp", 1);
    path_text path = in_folder("p.safetensors");
    sn_params *saved = pair(ctx, "W", "b"), *other = pair(ctx, "W", "c");
    float w[2] = {1, 2}, w_now[2];
    double b[2] = {3, 4}, c[2] = {5, 6}, c_now[2];
    good(sn_var_set(sn_params_get(saved, 0), w, sizeof w), "");
    good(sn_var_set(sn_params_get(saved, 1), b, sizeof b), "");
    good(sn_var_set(sn_params_get(other, 1), c, sizeof c), "");
    good(sn_params_save(saved, path.text), sn_context_error(ctx));
    const char *p = path.text;
    expect_error(ctx, sn_params_load(other, p, SN_LOAD_ALL), SN_ERR_MISSING, p,
                 "it lacks \"c\": 1 of the 2 parameters; SN_LOAD_KEEP_MISSING leaves those as they are");
    expect_error(ctx, sn_params_load(other, p, SN_LOAD_SKIP_UNKNOWN), SN_ERR_MISSING, p,
                 "it lacks \"c\": 1 of the 2 parameters; SN_LOAD_KEEP_MISSING leaves those as they are");
    expect_error(ctx, sn_params_load(other, p, SN_LOAD_KEEP_MISSING), SN_ERR_MISSING, p,
                 "it has \"b\", which no parameter is called; SN_LOAD_SKIP_UNKNOWN leaves 1 of its entries out");
    good(sn_var_get(sn_params_get(other, 0), w_now, sizeof w_now), "");
    ck_assert_float_eq(w_now[0], 0); /* nothing was changed so far */
    good(sn_params_load(other, p, SN_LOAD_SKIP_UNKNOWN | SN_LOAD_KEEP_MISSING), sn_context_error(ctx));
    good(sn_var_get(sn_params_get(other, 0), w_now, sizeof w_now), "");
    good(sn_var_get(sn_params_get(other, 1), c_now, sizeof c_now), "");
    ck_assert_mem_eq(w, w_now, sizeof w);
    ck_assert_mem_eq(c, c_now, sizeof c);
    ck_assert_int_eq(sn_params_load(other, p, 4), SN_ERR_ARGUMENT);
    ck_assert_str_eq(sn_context_error(ctx), "load: flags 0x4 are not known");
    sn_params_free(other);

    other = pair(ctx, "b", "W"); /* their types changed places */
    expect_error(ctx, sn_params_load(other, p, SN_LOAD_ALL), SN_ERR_DTYPE, p,
                 "\"b\" is F64[2] there, and f32[2] here: convert it");
    sn_params_free(other);
    good(sn_params_new(ctx, &other), "");
    good(sn_params_add(other, "W", SN_F32, 2, (int64_t[]){2, 1}, sn_init_zeros(), NULL), "");
    expect_error(ctx, sn_params_load(other, p, SN_LOAD_SKIP_UNKNOWN), SN_ERR_SHAPE, p,
                 "\"W\" is F32[2] there, and f32[2,1] here");
    good(sn_params_save_npy(saved, folder), sn_context_error(ctx));
    path_text npy = in_folder("W.npy");
    expect_error(ctx, sn_params_load_npy(other, folder), SN_ERR_SHAPE, npy.text,
                 "it is f32[2], and f32[2,1] is wanted");
    sn_params_free(other);
    other = pair(ctx, "b", "W");
    npy = in_folder("b.npy");
    expect_error(ctx, sn_params_load_npy(other, folder), SN_ERR_DTYPE, npy.text,
                 "it is f64[2], and f32[2] is wanted: convert it");
    sn_params_free(other);
    other = pair(ctx, "W", "d/e");
    ck_assert_int_eq(sn_params_load_npy(other, folder), SN_ERR_ARGUMENT);
    ck_assert_str_eq(sn_context_error(ctx), "parameter \"d/e\": no file can be called that");
    ck_assert_int_eq(sn_params_save_npy(other, folder), SN_ERR_ARGUMENT);
    good(sn_var_get(sn_params_get(other, 0), w_now, sizeof w_now), "");
    ck_assert_float_eq(w_now[0], 0);
    sn_params_free(other);

    /* Element types and numbers of axes that only files have. */
    good(sn_params_new(ctx, &other), "");
    good(sn_params_add(other, "w", SN_F32, 1, (int64_t[]){2}, sn_init_zeros(), NULL), "");
    good(sn_params_load(other, DATA_DIR "others.safetensors", SN_LOAD_SKIP_UNKNOWN), sn_context_error(ctx));
    good(sn_params_add(other, "half", SN_F32, 1, (int64_t[]){1}, sn_init_zeros(), NULL), "");
    expect_error(ctx, sn_params_load(other, DATA_DIR "others.safetensors", SN_LOAD_SKIP_UNKNOWN), SN_ERR_DTYPE,
                 DATA_DIR "others.safetensors", "\"half\" is F16[1] there, and f32[1] here: convert it");
    sn_params_free(other);
    good(sn_params_new(ctx, &other), "");
    good(sn_params_add(other, "seven", SN_F64, 6, (int64_t[]){1, 1, 1, 1, 1, 1}, sn_init_zeros(), NULL), "");
    expect_error(ctx, sn_params_load(other, DATA_DIR "others.safetensors", SN_LOAD_SKIP_UNKNOWN), SN_ERR_SHAPE,
                 DATA_DIR "others.safetensors", "\"seven\" is F64[1,1,1,1,1,1,..] there, and f64[1,1,1,1,1,1] here");
    sn_params_free(other);
    sn_params_free(saved);
    close_context(ctx);
    remove_folder();
}
END_TEST

/* ---- malformed headers ------------------------------------------------------------------------------------------- */

/* Data of 8 bytes follows; the list is "w" f32[2]. */
static const struct {
    const char *header, *sentence; /* behind "malformed header at byte N: "; NULL: it is fine */
} headers[] = {
    {"{\"w\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]}}", NULL},
    {"{ \"w\" : {\t\"data_offsets\":[ 0 , 8 ],\"shape\" : [2] ,\r\n\"dtype\":\"F32\" } }   ", NULL},
    {"{\"\\u0077\":{\"dtype\":\"\\u0046\\u0033\\u0032\",\"shape\":[2],\"data_offsets\":[0,8]},\"__metadata__\":{}}",
     NULL},
    {"{\"__metadata__\":{\"a\":\"b\",\"\":\"\\\"\\n\\ud834\\udd1e\"},\"w\":{\"dtype\":\"F32\",\"shape\":[2],\"data_"
     "offsets\":[0,8]}}",
     NULL},
    {"", "expected '{'"},
    {" {}", "expected '{'"},
    {"[]", "expected '{'"},
    {"{}", "its entries have 0 bytes of data, and 8 follow"},
    {"{\"w\"}", "expected ':'"},
    {"{\"w\":7}", "expected '{'"},
    {"{\"w\":{}}", "expected '\"'"},
    {"{\"w\":{\"dtype\":\"F32\",\"shape\":[2]}}", "\"w\" lacks its dtype, shape or data_offsets"},
    {"{\"w\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8],\"more\":1}}", "key \"more\" is not known"},
    {"{\"w\":{\"dtype\":\"F32\",\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]}}",
     "key \"dtype\" is there twice"},
    {"{\"w\":{\"dtype\":\"F33\",\"shape\":[2],\"data_offsets\":[0,8]}}", "dtype \"F33\" is not known"},
    {"{\"w\":{\"dtype\":\"F32\",\"shape\":[02],\"data_offsets\":[0,8]}}", "expected a plain integer"},
    {"{\"w\":{\"dtype\":\"F32\",\"shape\":[-2],\"data_offsets\":[0,8]}}", "expected a plain integer"},
    {"{\"w\":{\"dtype\":\"F32\",\"shape\":[2.0],\"data_offsets\":[0,8]}}", "expected ']'"},
    {"{\"w\":{\"dtype\":\"F32\",\"shape\":[2e0],\"data_offsets\":[0,8]}}", "expected ']'"},
    {"{\"w\":{\"dtype\":\"F32\",\"shape\":[2,],\"data_offsets\":[0,8]}}", "expected a plain integer"},
    {"{\"w\":{\"dtype\":\"F32\",\"shape\":2,\"data_offsets\":[0,8]}}", "expected '['"},
    {"{\"w\":{\"dtype\":\"F32\",\"shape\":[9223372036854775808],\"data_offsets\":[0,8]}}",
     "a number does not fit 63 bits"},
    {"{\"w\":{\"dtype\":\"F32\",\"shape\":[4294967296,4294967296,2],\"data_offsets\":[0,8]}}",
     "the number of elements does not fit 64 bits"},
    {"{\"w\":{\"dtype\":\"F32\",\"shape\":[4611686018427387904],\"data_offsets\":[0,8]}}",
     "\"w\" has 8 bytes of data, and its shape asks for another number"},
    {"{\"w\":{\"dtype\":\"F32\",\"shape\":[3],\"data_offsets\":[0,8]}}",
     "\"w\" has 8 bytes of data, and its shape asks for another number"},
    {"{\"w\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[8,0]}}", "data_offsets run backwards"},
    {"{\"w\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8,9]}}", "expected ']'"},
    {"{\"w\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[4,12]}}",
     "the data of \"w\" begins at 4, and that before it ends at 0"},
    {"{\"w\":{\"dtype\":\"F32\",\"shape\":[4],\"data_offsets\":[0,16]}}",
     "its entries have 16 bytes of data, and 8 follow"},
    {"{\"w\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]},\"v\":{\"dtype\":\"F32\",\"shape\":[2],\"data_"
     "offsets\":[0,8]}}",
     "the data of \"v\" begins at 0, and that before it ends at 8"},
    {"{\"w\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]},\"w\":{\"dtype\":\"F32\",\"shape\":[1],\"data_"
     "offsets\":[4,8]}}",
     "\"w\" is there twice"},
    {"{\"__metadata__\":{\"a\":1}}", "expected '\"'"},
    {"{\"__metadata__\":{},\"__metadata__\":{}}", "key \"__metadata__\" is there twice"},
    {"{\"\\u0000\":{}}", "this is no character of a string"},
    {"{\"\\ud834\":{}}", "this is no character of a string"},
    {"{\"\\ud834\\u0041\":{}}", "this is no character of a string"},
    {"{\"\\u00g0\":{}}", "this is no character of a string"},
    {"{\"\\x\":{}}", "this is no character of a string"},
    {"{\"\xff\":{}}", "this is no character of a string"},
    {"{\"\xc0\xaf\":{}}", "this is no character of a string"},
    {"{\"a\nb\":{}}", "this is no character of a string"},
    {"{\"open", "expected '\"'"},
    {"{\"w\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]}}{}", "there is more after the end"},
    {"{\"w\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]}}\n", "there is more after the end"},
    {"{\"w\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]},}", "expected '\"'"},
};

static size_t put_file(const char *path, uint64_t claimed, const char *header, size_t n, size_t data) {
    unsigned char bytes[1024] = {0};
    for (int i = 0; i < 8; i++) bytes[i] = (unsigned char)(claimed >> 8 * i);
    memcpy(bytes + 8, header, n);
    for (size_t i = 0; i < data; i++) bytes[8 + n + i] = (unsigned char)(0x40 + i);
    write_bytes(path, bytes, 8 + n + data);
    return 8 + n + data;
}

static sn_params *one_pair(sn_context *ctx) {
    sn_params *params;
    good(sn_params_new(ctx, &params), "");
    good(sn_params_add(params, "w", SN_F32, 1, (int64_t[]){2}, sn_init_zeros(), NULL), "");
    return params;
}

START_TEST(malformed_headers) {
    make_folder();
    sn_context *ctx = context_on("interp", 1);
    path_text path = in_folder("h.safetensors");
    sn_params *params = one_pair(ctx);
    for (size_t i = 0; i < sizeof headers / sizeof *headers; i++) {
        size_t n = strlen(headers[i].header);
        put_file(path.text, n, headers[i].header, n, 8);
        sn_status status = sn_params_load(params, path.text, SN_LOAD_ALL);
        if (!headers[i].sentence) {
            good(status, sn_context_error(ctx));
            unsigned char have[8];
            good(sn_var_get(sn_params_get(params, 0), have, 8), "");
            ck_assert_mem_eq(have, "@ABCDEFG", 8);
            continue;
        }
        const char *said = strstr(sn_context_error(ctx), "malformed header at byte ");
        ck_assert_msg(status == SN_ERR_PARSE && said, "%s: %s: %s", headers[i].header, sn_status_name(status),
                      sn_context_error(ctx));
        ck_assert_str_eq(strstr(said, ": ") + 2, headers[i].sentence);
    }
    const uint64_t absurd[] = {9, 100000001, UINT64_MAX, (uint64_t)1 << 63};
    for (size_t i = 0; i < 4; i++) {
        put_file(path.text, absurd[i], "", 0, 8);
        ck_assert_int_eq(sn_params_load(params, path.text, SN_LOAD_ALL), SN_ERR_PARSE);
        ck_assert_ptr_nonnull(strstr(sn_context_error(ctx), "it is no safetensors file, or cut: a header of "));
    }
    write_bytes(path.text, "abc", 3);
    expect_error(ctx, sn_params_load(params, path.text, SN_LOAD_ALL), SN_ERR_PARSE, path.text,
                 "it is no safetensors file: it has 3 bytes");
    /* A bool that is none. */
    sn_params *bools;
    good(sn_params_new(ctx, &bools), "");
    good(sn_params_add(bools, "b", SN_BOOL, 1, (int64_t[]){8}, sn_init_zeros(), NULL), "");
    const char *header = "{\"b\":{\"dtype\":\"BOOL\",\"shape\":[8],\"data_offsets\":[0,8]}}";
    put_file(path.text, strlen(header), header, strlen(header), 8);
    expect_error(ctx, sn_params_load(bools, path.text, SN_LOAD_ALL), SN_ERR_PARSE, path.text,
                 "\"b\" has byte 64 where a bool is 0 or 1");
    sn_params_free(bools);
    sn_params_free(params);
    close_context(ctx);
    remove_folder();
}
END_TEST

/* Each cut of a file, and each byte of its header made something else: an error with a sentence, and a list that is as
 * it was; or, where the header still means the same, the values. */
START_TEST(damaged_files) {
    make_folder();
    sn_context *ctx = context_on("interp", 1);
    path_text path = in_folder("d.safetensors");
    sn_params *params = list_of_kinds(ctx, N_KINDS);
    unsigned char file[1024], damaged[1024];
    size_t n = read_bytes(DATA_DIR "types.safetensors", file, sizeof file),
           header = 8 + (file[0] | (size_t)file[1] << 8);
    ck_assert_uint_lt(header, n);
    int refused = 0;
    for (size_t cut = 0; cut < n; cut++) {
        write_bytes(path.text, file, cut);
        ck_assert_int_eq(sn_params_load(params, path.text, SN_LOAD_ALL), SN_ERR_PARSE);
    }
    for (size_t at = 0; at < header; at++)
        for (int bit = 0; bit < 8; bit++) {
            memcpy(damaged, file, n);
            damaged[at] ^= (unsigned char)(1 << bit);
            write_bytes(path.text, damaged, n);
            sn_context_fail(ctx, SN_OK, "nothing");
            sn_status status = sn_params_load(params, path.text, SN_LOAD_ALL);
            ck_assert_msg(!status || strcmp(sn_context_error(ctx), "nothing"), "no sentence at byte %zu", at);
            if (status) ck_assert_int_eq(state_of(params), 0);
            refused += status != SN_OK;
            set_kinds(params);
            for (size_t i = 0; !status && i < N_KINDS; i++) ck_assert_int_ne(state_of(params), 0);
            sn_params_free(params);
            params = list_of_kinds(ctx, N_KINDS);
        }
    ck_assert_int_gt(refused, (int)header * 8 / 2);
    sn_params_free(params);
    close_context(ctx);
    remove_folder();
}
END_TEST

START_TEST(damaged_arrays) {
    make_folder();
    sn_context *ctx = context_on("interp", 1);
    path_text path = in_folder("d.npy");
    unsigned char file[512], damaged[512];
    size_t n = read_bytes(DATA_DIR "i32.npy", file, sizeof file);
    sn_tensor t;
    for (size_t cut = 0; cut < n; cut++) {
        write_bytes(path.text, file, cut);
        ck_assert_int_eq(sn_npy_read(ctx, path.text, &t), SN_ERR_PARSE);
        ck_assert_ptr_null(t.data);
    }
    for (size_t at = 0; at < n - 8; at++)
        for (int bit = 0; bit < 8; bit++) {
            memcpy(damaged, file, n);
            damaged[at] ^= (unsigned char)(1 << bit);
            write_bytes(path.text, damaged, n);
            sn_status status = sn_npy_read(ctx, path.text, &t);
            ck_assert_int_eq(!status, t.data != NULL);
            if (!status) ck_assert_uint_eq(sn_tensor_bytes(&t), 8);
            sn_npy_free(ctx, &t);
        }
    const char *p = DATA_DIR "fortran.npy";
    expect_error(ctx, sn_npy_read(ctx, p, &t), SN_ERR_UNSUPPORTED, p,
                 "it is in Fortran order: save numpy.ascontiguousarray(a) instead");
    p = DATA_DIR "big_endian.npy";
    expect_error(ctx, sn_npy_read(ctx, p, &t), SN_ERR_DTYPE, p,
                 "its elements >f8 are big-endian: save a.astype(a.dtype.newbyteorder('<'))");
    sn_tensor half = sn_tensor_of(SN_BF16, file, 0, NULL);
    expect_error(ctx, sn_npy_write(ctx, path.text, &half), SN_ERR_DTYPE, path.text,
                 "bf16 has no type in .npy files: cast it to f32 first");
    half = sn_tensor_of(SN_F32, NULL, 1, (int64_t[]){3});
    expect_error(ctx, sn_npy_write(ctx, path.text, &half), SN_ERR_ARGUMENT, path.text,
                 "the tensor has no data, or no sizes that could be");
    ck_assert_int_eq(sn_npy_read(ctx, NULL, &t), SN_ERR_ARGUMENT);
    ck_assert_int_eq(sn_npy_read(NULL, "x", &t), SN_ERR_ARGUMENT);
    ck_assert_int_eq(sn_npy_write(ctx, "x", NULL), SN_ERR_ARGUMENT);
    close_context(ctx);
    remove_folder();
}
END_TEST

/* ---- what the operating system refuses --------------------------------------------------------------------------- */

START_TEST(refused_by_the_system) {
    make_folder();
    sn_context *ctx = context_on("interp", 1);
    sn_params *params = one_pair(ctx);
    good(sn_var_set(sn_params_get(params, 0), (float[]){1, 2}, 8), "");
    path_text missing = in_folder("none"), deep = in_folder("none/p");
    expect_error(ctx, sn_params_load(params, missing.text, 0), SN_ERR_IO, missing.text,
                 "cannot be opened: No such file or directory");
    expect_error(ctx, sn_params_load(params, folder, 0), SN_ERR_IO, folder, "it is no regular file");
    expect_error(ctx, sn_params_save(params, deep.text), SN_ERR_IO, deep.text,
                 "cannot be written: No such file or directory");
    expect_error(ctx, sn_params_save(params, folder), SN_ERR_IO, folder, "cannot be written: Is a directory");
    ck_assert_int_eq(sn_params_save(params, NULL), SN_ERR_ARGUMENT);
    ck_assert_int_eq(sn_params_load(params, NULL, 0), SN_ERR_ARGUMENT);
    ck_assert_int_eq(sn_params_save_npy(params, missing.text), SN_ERR_IO);
    ck_assert_int_eq(sn_params_save_npy(params, NULL), SN_ERR_ARGUMENT);
    ck_assert_int_eq(sn_params_load_npy(params, NULL), SN_ERR_ARGUMENT);

    /* A device is written to as it is, and stays one; a full one is an error. */
    struct stat st;
    good(sn_params_save(params, "/dev/null"), sn_context_error(ctx));
    ck_assert(!stat("/dev/null", &st) && S_ISCHR(st.st_mode));
    if (!stat("/dev/full", &st))
        expect_error(ctx, sn_params_save(params, "/dev/full"), SN_ERR_IO, "/dev/full",
                     "cannot be written: No space left on device");

    /* A file that cannot be completed leaves the old one, and nothing beside it. */
    path_text path = in_folder("p.safetensors");
    good(sn_params_save(params, path.text), sn_context_error(ctx));
    unsigned char before[256], after[256];
    size_t n = read_bytes(path.text, before, sizeof before);
    if (geteuid() != 0 && !chmod(folder, 0500)) {
        ck_assert_int_eq(sn_params_save(params, path.text), SN_ERR_IO);
        chmod(folder, 0700);
    }
    memory.fail_at = 1;
    ck_assert_int_eq(sn_params_save(params, path.text), SN_ERR_NOMEM);
    memory.fail_at = 0;
    ck_assert_uint_eq(read_bytes(path.text, after, sizeof after), n);
    ck_assert_mem_eq(before, after, n);
    ck_assert_int_eq(clear_folder(), 1);
    sn_params_free(params);
    close_context(ctx);
    remove_folder();
}
END_TEST

int main(void) {
    Suite *suite = suite_create("nn_files");
    TCase *tests = tcase_create("files");
    suite_add_tcase(suite, tests);
    tcase_add_test(tests, written_by_python);
    tcase_add_test(tests, there_and_back);
    tcase_add_test(tests, other_names);
    tcase_add_test(tests, malformed_headers);
    tcase_add_test(tests, damaged_files);
    tcase_add_test(tests, damaged_arrays);
    tcase_add_test(tests, refused_by_the_system);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
