/* nn.h: what the files of this folder share. They see the public headers and each other alone, as a program does that
 * is built on the library. */
#ifndef NN_NN_H
#define NN_NN_H

#include <stdint.h>
#include <stdio.h>

#include "sinter/nn.h"

/* The longest sentence, with its 0. */
enum { NN_TEXT_MAX = 512 };

typedef struct {
    sn_var *var;
    sn_init init;
} nn_param;

struct sn_params {
    sn_context *ctx;
    nn_param *item;
    size_t n, capacity;
};

/* params.c: failures, with the sentence in the context or the graph. nn_graph_fail returns poison. */
__attribute__((format(printf, 3, 4))) sn_status nn_fail(sn_context *ctx, sn_status status, const char *format, ...);
__attribute__((format(printf, 5, 6))) sn_expr nn_graph_fail(sn_graph *graph, sn_status status, const char *file,
                                                            int line, const char *format, ...);

/* params.c: memory of the context. nn_grow makes room for one more of n items; 0 where there is none. */
void *nn_alloc(sn_context *ctx, size_t bytes);
void nn_free(sn_context *ctx, void *p, size_t bytes);
int nn_grow(sn_context *ctx, void **items, size_t n, size_t *capacity, size_t size);

/* params.c: "f32[3,4]". */
typedef struct {
    char text[160];
} nn_type_text;
nn_type_text nn_type(const sn_tensor *type);
/* Whether two tensors have one rank and the same sizes. */
int nn_same_sizes(const sn_tensor *a, const sn_tensor *b);
static inline int nn_is_float(sn_dtype dtype) {
    return dtype == SN_F64 || dtype == SN_F32 || dtype == SN_F16 || dtype == SN_BF16;
}

/* utf8.c: the number of bytes of the character at text, which ends before end: 1 to 4; 0 where the bytes are no UTF-8.
 */
size_t nn_utf8(const char *text, const char *end);

/* file.c: files that appear whole or not at all. Writing goes to a file beside `path` that takes its place at the end;
 * a path that is there and no regular file (a pipe, a device) is written to as it is. After a failure the sentence is
 * in the context, and nn_writer_close, which has to be called, returns the status. */
typedef struct {
    sn_context *ctx;
    const char *path;
    char *part; /* NULL: path itself is written */
    size_t part_bytes;
    FILE *file;
    sn_status status;
} nn_writer;
void nn_writer_open(sn_context *ctx, const char *path, nn_writer *out);
void nn_writer_put(nn_writer *writer, const void *bytes, size_t n);
sn_status nn_writer_close(nn_writer *writer);

/* file.c: a regular file from its start on. */
typedef struct {
    sn_context *ctx;
    const char *path;
    FILE *file;
    uint64_t left; /* bytes */
} nn_reader;
sn_status nn_reader_open(sn_context *ctx, const char *path, nn_reader *out);
/* n bytes, of which the caller knows that they are there. */
sn_status nn_reader_get(nn_reader *reader, void *to, size_t n);
/* Goes on at a place counted from the start of the file. */
sn_status nn_reader_seek(nn_reader *reader, uint64_t at);
void nn_reader_close(nn_reader *reader);

#endif
