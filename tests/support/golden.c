/* See golden.h. Differences are shown line by line, by the longest common subsequence of lines. */
#include "support/golden.h"

#include <check.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sinter/sinter.h"
#include "base/strbuf.h"

enum { MAX_LINES = 2000, CONTEXT = 2 };

typedef struct {
    uint32_t n;
    struct {
        const char *at;
        size_t n;
    } line[MAX_LINES];
} lines;

static void split(lines *out, const char *text) {
    out->n = 0;
    while (*text && out->n < MAX_LINES) {
        const char *end = strchr(text, '\n');
        size_t n = end ? (size_t)(end - text) : strlen(text);
        out->line[out->n].at = text;
        out->line[out->n++].n = n;
        text += n + (end != NULL);
    }
}

static int same(const lines *a, uint32_t i, const lines *b, uint32_t k) {
    return a->line[i].n == b->line[k].n && !memcmp(a->line[i].at, b->line[k].at, a->line[i].n);
}

/* Prints lines with their marks; of common ones, only those near a difference. */
static void put_diff(const lines *want, const lines *have, base_strbuf *out) {
    size_t width = (size_t)have->n + 1;
    uint16_t *common = calloc(((size_t)want->n + 1) * width, sizeof *common); /* from line i and k on */
    ck_assert_ptr_nonnull(common);
    for (uint32_t i = want->n; i-- > 0;)
        for (uint32_t k = have->n; k-- > 0;) {
            uint16_t down = common[(i + 1) * width + k], right = common[i * width + k + 1];
            uint16_t longest = down > right ? down : right;
            if (same(want, i, have, k)) longest = (uint16_t)(common[(i + 1) * width + k + 1] + 1);
            common[i * width + k] = longest;
        }
    struct {
        char mark;
        const char *at;
        size_t n;
    } *row = calloc((size_t)want->n + have->n + 1, sizeof *row);
    ck_assert_ptr_nonnull(row);
    uint32_t n = 0;
    for (uint32_t i = 0, k = 0; i < want->n || k < have->n; n++) {
        int equal = i < want->n && k < have->n && same(want, i, have, k);
        int removed =
            !equal && i < want->n && (k == have->n || common[(i + 1) * width + k] >= common[i * width + k + 1]);
        const lines *from = equal || removed ? want : have;
        uint32_t at = equal || removed ? i : k;
        row[n].mark = equal ? ' ' : removed ? '-' : '+';
        row[n].at = from->line[at].at;
        row[n].n = from->line[at].n;
        i += (uint32_t)(equal || removed);
        k += (uint32_t)(equal || !removed);
    }
    for (uint32_t i = 0, shown = 0; i < n; i++) {
        int near = 0;
        for (uint32_t k = i < CONTEXT ? 0 : i - CONTEXT; k <= i + CONTEXT && k < n; k++) near |= row[k].mark != ' ';
        if (!near) continue;
        if (shown != i) base_strbuf_puts(out, "  ..\n");
        base_strbuf_printf(out, "%c %.*s\n", row[i].mark, (int)row[i].n, row[i].at);
        shown = i + 1;
    }
    free(row);
    free(common);
}

static char *read_all(const char *path) {
    FILE *file = fopen(path, "rb");
    if (!file) return NULL;
    size_t n = 0, cap = 1 << 20;
    char *text = malloc(cap);
    ck_assert_ptr_nonnull(text);
    n = fread(text, 1, cap - 1, file);
    ck_assert_msg(!ferror(file) && feof(file), "%s cannot be read to its end", path);
    fclose(file);
    text[n] = 0;
    return text;
}

static void write_all(const char *path, const char *text) {
    FILE *file = fopen(path, "wb");
    ck_assert_msg(file != NULL, "%s cannot be written", path);
    int ok = fputs(text, file) >= 0;
    ok &= !fclose(file);
    ck_assert_msg(ok, "%s cannot be written", path);
}

void golden_check(const char *name, const char *text) {
    char path[1024];
    snprintf(path, sizeof path, "%s/tests/golden/%s", SN_SOURCE_DIR, name);
    const char *update = getenv("SN_UPDATE_GOLDEN");
    char *want = read_all(path);
    if (update && !strcmp(update, "1") && (!want || strcmp(want, text))) {
        write_all(path, text);
        free(want);
        want = read_all(path);
    }
    ck_assert_msg(want != NULL, "there is no %s; SN_UPDATE_GOLDEN=1 writes it; the text is:\n%s", path, text);
    if (!strcmp(want, text)) {
        free(want);
        return;
    }
    static lines old, now;
    base_alloc alloc;
    base_strbuf diff;
    base_alloc_init(&alloc, NULL);
    base_strbuf_init(&diff, &alloc);
    split(&old, want);
    split(&now, text);
    put_diff(&old, &now, &diff);
    fprintf(stderr, "%s (-) differs from what is (+):\n%s", path, diff.at ? diff.at : "");
    base_strbuf_free(&diff);
    free(want);
    ck_abort_msg("%s differs; see above; SN_UPDATE_GOLDEN=1 takes the new text", name);
}
