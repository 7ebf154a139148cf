/* Any bytes into kn_decode. What it takes keeps every rule, encodes to the same bytes, can be printed and expanded. */
#include <stdlib.h>
#include <string.h>

#include "ir/kernel.h"

typedef struct {
    base_arena arena;
    const uint8_t *bytes;
    size_t n;
    kn_kernel *kernel, *expanded;
} input;

static void decode(void *arg) {
    input *in = arg;
    in->kernel = kn_decode(&in->arena, in->bytes, in->n);
}

static void expand(void *arg) {
    input *in = arg;
    in->expanded = kn_expand(&in->arena, in->kernel, 0);
}

static void must(int holds) {
    if (!holds) abort();
}

static void look_at(input *in, base_alloc *alloc, base_trap *trap) {
    char text[256];
    base_strbuf out;
    base_strbuf_init(&out, alloc);
    must(!kn_verify(in->kernel, text));
    kn_encode(in->kernel, &out);
    must(out.n == in->n && !memcmp(out.at, in->bytes, in->n));
    base_strbuf_free(&out);
    kn_print(in->kernel, &out);
    must(out.n > 0);
    base_strbuf_free(&out);
    sn_status status = base_protect(trap, expand, in);
    must(!status || status == SN_ERR_UNSUPPORTED); /* an expansion may not fit */
    must(status || !kn_verify(in->expanded, text));
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n);
int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n) {
    base_alloc alloc;
    base_trap trap = {.armed = 0};
    input in = {.bytes = bytes, .n = n};
    base_alloc_init(&alloc, NULL);
    base_arena_init(&in.arena, &alloc, &trap);
    sn_status status = base_protect(&trap, decode, &in);
    must(!status || (status == SN_ERR_PARSE && trap.text[0]));
    if (!status) look_at(&in, &alloc, &trap);
    base_arena_free(&in.arena);
    must(atomic_load(&alloc.live_bytes) == 0);
    return 0;
}
