/* variable.h: state that outlives calls. The user holds one reference; so does every graph and function that names it.
 */
#ifndef RUNTIME_VARIABLE_H
#define RUNTIME_VARIABLE_H

#include <stdatomic.h>

#include "runtime/context.h"
#include "runtime/lock.h"

struct sn_var {
    sn_context *ctx;
    _Atomic uint32_t refs;
    rt_lock lock;   /* of the content at data: calls hold it shared to read, exclusively to update */
    sn_tensor type; /* data is NULL */
    size_t bytes;
    void *data; /* the device's memory, in place for life */
    char *name;
};

/* The value at `at` in the device's memory from `from`, into `to`, or set to zeros where both are NULL. With host
 * memory it is done when it returns. */
sn_status rt_transfer(sn_context *ctx, void *at, const void *from, void *to, size_t bytes, base_trap *err);

void rt_var_retain(sn_var *var);
void rt_var_release(sn_var *var);

#endif
