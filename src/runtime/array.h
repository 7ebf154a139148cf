/* array.h: a tensor in the device's memory that outlives calls. The user holds one reference, so does every call that
 * it is bound to, and every tensor given away by DLPack. */
#ifndef RUNTIME_ARRAY_H
#define RUNTIME_ARRAY_H

#include <stdatomic.h>

#include "runtime/context.h"
#include "runtime/lock.h"

struct sn_array {
    sn_context *ctx;
    _Atomic uint32_t refs;
    rt_lock lock;   /* of the content and the sizes: calls hold it shared to read, exclusively to write */
    sn_tensor type; /* data: the device's memory, in place for life */
    size_t capacity;
    int read_only;
    void *lent; /* the other library's tensor whose memory it is; NULL: the memory is ours */
    void (*give_back)(void *lent);
};

void rt_array_retain(sn_array *array);
void rt_array_release(sn_array *array);
/* An array of memory that is there: give_back(lent) in the end. */
sn_status rt_array_wrap(sn_context *ctx, const sn_tensor *type, int read_only, void *lent, void (*give_back)(void *),
                        sn_array **out);
/* "array f32[3,4]" for sentences. */
enum { RT_TYPE_TEXT = 192 };
const char *rt_type_text(const sn_tensor *t, char text[RT_TYPE_TEXT]);

#endif
