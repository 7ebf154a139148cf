/* Files that appear whole or not at all, and regular files read from their start on. What is written goes to a file
 * beside the one meant, is brought to the disk and then renamed, so that whoever looks at any time, and a machine that
 * stops at any time, finds the old file or the new one. */
#define _POSIX_C_SOURCE 200809L
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "nn/nn.h"

/* ---- writing ----------------------------------------------------------------------------------------------------- */

static void fail_writing(nn_writer *w, int error) {
    if (w->status) return;
    w->status = nn_fail(w->ctx, SN_ERR_IO, "%s: cannot be written: %s", w->path, strerror(error));
}

/* The file beside it: PATH.PID-N.part with the first number that nobody has taken. */
static int open_part(nn_writer *w) {
    enum { TRIES = 100, SUFFIX = 48 };
    w->part_bytes = strlen(w->path) + SUFFIX;
    w->part = nn_alloc(w->ctx, w->part_bytes);
    if (!w->part) {
        w->status = nn_fail(w->ctx, SN_ERR_NOMEM, "%s: out of memory", w->path);
        return -1;
    }
    int fd = -1;
    for (int i = 0; i < TRIES && fd < 0; i++) {
        snprintf(w->part, w->part_bytes, "%s.%ld-%d.part", w->path, (long)getpid(), i);
        fd = open(w->part, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
        if (fd < 0 && errno != EEXIST) break;
    }
    if (fd >= 0) return fd;
    int error = errno;
    nn_free(w->ctx, w->part, w->part_bytes);
    w->part = NULL; /* it is nobody's to remove */
    fail_writing(w, error);
    return -1;
}

void nn_writer_open(sn_context *ctx, const char *path, nn_writer *out) {
    *out = (nn_writer){.ctx = ctx, .path = path};
    struct stat st;
    int in_place = !stat(path, &st) && !S_ISREG(st.st_mode);
    int fd = in_place ? open(path, O_WRONLY | O_CLOEXEC) : open_part(out);
    if (fd < 0) {
        if (in_place) fail_writing(out, errno);
        return;
    }
    out->file = fdopen(fd, "wb");
    if (out->file) return;
    fail_writing(out, errno);
    close(fd);
}

void nn_writer_put(nn_writer *w, const void *bytes, size_t n) {
    if (w->status || !n) return;
    if (fwrite(bytes, 1, n, w->file) != n) fail_writing(w, errno);
}

sn_status nn_writer_close(nn_writer *w) {
    if (w->file) {
        if (fflush(w->file)) fail_writing(w, errno);
        if (w->part && !w->status && fsync(fileno(w->file))) fail_writing(w, errno);
        if (fclose(w->file)) fail_writing(w, errno);
    }
    if (w->part) {
        if (!w->status && rename(w->part, w->path)) fail_writing(w, errno);
        if (w->status) remove(w->part);
        nn_free(w->ctx, w->part, w->part_bytes);
    }
    w->file = NULL;
    w->part = NULL;
    return w->status;
}

/* ---- reading ----------------------------------------------------------------------------------------------------- */

sn_status nn_reader_open(sn_context *ctx, const char *path, nn_reader *out) {
    *out = (nn_reader){.ctx = ctx, .path = path};
    out->file = fopen(path, "rbe");
    if (!out->file) return nn_fail(ctx, SN_ERR_IO, "%s: cannot be opened: %s", path, strerror(errno));
    struct stat st;
    if (fstat(fileno(out->file), &st) || !S_ISREG(st.st_mode))
        return nn_fail(ctx, SN_ERR_IO, "%s: it is no regular file", path);
    out->left = (uint64_t)st.st_size;
    return SN_OK;
}

sn_status nn_reader_get(nn_reader *r, void *to, size_t n) {
    size_t got = n ? fread(to, 1, n, r->file) : 0;
    r->left -= got;
    if (got == n) return SN_OK;
    if (ferror(r->file)) return nn_fail(r->ctx, SN_ERR_IO, "%s: cannot be read: %s", r->path, strerror(errno));
    return nn_fail(r->ctx, SN_ERR_IO, "%s: it ended %zu bytes early: somebody cut it meanwhile", r->path, n - got);
}

sn_status nn_reader_seek(nn_reader *r, uint64_t at) {
    if (!fseeko(r->file, (off_t)at, SEEK_SET)) return SN_OK;
    return nn_fail(r->ctx, SN_ERR_IO, "%s: cannot be read: %s", r->path, strerror(errno));
}

void nn_reader_close(nn_reader *r) {
    if (r->file) fclose(r->file);
    r->file = NULL;
}
