/* Any bytes as a file of parameters: read as safetensors and as .npy, or refused with a sentence; and the header of the
 * first alone, without a length in front, so that most inputs get past it. tests/data has first inputs. */
#define _GNU_SOURCE
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "nn/safetensors.h"

static void must(int holds) {
    if (!holds) abort();
}

static void quiet(void *user, sn_log_level level, const char *message) {
    (void)user;
    (void)level;
    (void)message;
}

/* What the parser promises of a header that it takes. */
static void header(sn_context *ctx, const uint8_t *bytes, size_t n) {
    if (n < 2) return;
    uint64_t data = bytes[0] | (uint64_t)bytes[1] << 8;
    char *text = malloc(n), why[NN_TEXT_MAX];
    must(text != NULL);
    memcpy(text, bytes + 2, n - 2);
    nn_st_header h;
    sn_status status = nn_st_parse(ctx, text, n - 2, data, &h, why);
    must(!status == !why[0]);
    uint64_t total = 0;
    for (size_t i = 0; !status && i < h.n; i++) {
        const nn_st_entry *e = &h.entry[i];
        must(e->end <= data && e->begin <= e->end && strlen(e->name) < n && strlen(e->dtype) < 16);
        must(nn_st_find(&h, e->name) == e);
        total += e->end - e->begin;
    }
    must(status || total == data);
    nn_st_free(&h);
    free(text);
}

static void file(sn_context *ctx, const uint8_t *bytes, size_t n) {
    int fd = memfd_create("fuzz", 0);
    must(fd >= 0 && write(fd, bytes, n) == (ssize_t)n);
    char path[32];
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    sn_tensor t;
    sn_status status = sn_npy_read(ctx, path, &t);
    must(!status == (t.data != NULL));
    if (!status) must(sn_tensor_bytes(&t) <= n);
    sn_npy_free(ctx, &t);

    static const char *const names[] = {"w", "f32", "bool"};
    sn_params *params;
    must(!sn_params_new(ctx, &params));
    for (int i = 0; i < 3; i++)
        must(!sn_params_add(params, names[i], i == 2 ? SN_BOOL : SN_F32, 1, (int64_t[]){i == 2 ? 3 : 2},
                            sn_init_zeros(), NULL));
    status = sn_params_load(params, path, SN_LOAD_SKIP_UNKNOWN | SN_LOAD_KEEP_MISSING);
    must(!status || *sn_context_error(ctx));
    sn_params_free(params);
    close(fd);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n);
int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n) {
    sn_context *ctx;
    sn_context_options options = {.log = quiet, .threads = 1, .backend = "interp", .cache_mode = SN_CACHE_OFF};
    must(!sn_context_new(&options, &ctx));
    header(ctx, bytes, n);
    file(ctx, bytes, n);
    sn_context_free(ctx);
    return 0;
}
