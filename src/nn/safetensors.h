/* safetensors.h: the header of a safetensors file: eight bytes of length, little-endian, then JSON of one shape,
 *   {"NAME": {"dtype": "F32", "shape": [2,3], "data_offsets": [0,24]}, .., "__metadata__": {"KEY": "TEXT", ..}}
 * then the data, at the offsets. The reader is as strict as the format's own library. */
#ifndef NN_SAFETENSORS_H
#define NN_SAFETENSORS_H

#include "nn/nn.h"

/* The format's own limit on the header's length. */
enum { NN_ST_PREFIX = 8, NN_ST_HEADER_MAX = 100000000 };

typedef struct {
    const char *name;  /* unescaped */
    const char *dtype; /* as in the file: "F32", but also what has no counterpart here: "I16" */
    int item;          /* its bytes */
    int32_t rank;      /* can be above SN_MAX_RANK: then only so many sizes are kept */
    int64_t size[SN_MAX_RANK];
    uint64_t begin, end; /* of the data, after the header */
} nn_st_entry;

typedef struct {
    sn_context *ctx;
    nn_st_entry *entry; /* sorted by name */
    size_t n, capacity;
} nn_st_header;

/* Parses and checks the n bytes of JSON at text, which are changed, since entries point into them; data: the number of
 * bytes that follow, which the offsets must cover without overlap or gap. On failure why has a sentence for people, and
 * the status tells PARSE from NOMEM. Free with nn_st_free in either case. */
sn_status nn_st_parse(sn_context *ctx, char *text, size_t n, uint64_t data, nn_st_header *out, char why[NN_TEXT_MAX]);
void nn_st_free(nn_st_header *header);
/* The entry of that name, or NULL. */
const nn_st_entry *nn_st_find(const nn_st_header *header, const char *name);

/* The name of a dtype in such files; NULL where it has none. */
const char *nn_st_dtype(sn_dtype dtype);

#endif
