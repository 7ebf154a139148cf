/* context.h: what everything made from a context shares. */
#ifndef RUNTIME_CONTEXT_H
#define RUNTIME_CONTEXT_H

#include <pthread.h>

#include "backend/backend.h"
#include "base/alloc.h"
#include "base/log.h"
#include "base/trap.h"
#include "cache/memory.h"
#include "sinter/sinter.h"

struct sn_context {
    base_alloc alloc;
    base_log log;
    sn_pool pool; /* the host's, if pool.parallel_for is set */
    const be_backend *backend;
    be_device *device;
    int keep_nan;        /* as the options say */
    cache_disk *disk;    /* compiled kernels of all processes; NULL: none are kept */
    cache_memory *cache; /* those of this process */
    pthread_mutex_t error_lock;
    base_trap error;
    pthread_mutex_t functions_lock;
    struct sn_function *functions; /* all that live */
};

/* sn_context_new with a backend of the caller's choice (tests bring their own); NULL: as the options say. */
sn_status rt_context_open(const sn_context_options *options, const be_backend *backend, sn_context **out);

/* Keeps the sentence for sn_context_error and returns status. */
__attribute__((format(printf, 3, 4))) sn_status rt_context_fail(sn_context *ctx, sn_status status, const char *format,
                                                                ...);

/* Memory of the device. Where it is short, what idle calls keep is given back and it is tried once more; NULL then. */
void *rt_alloc(sn_context *ctx, size_t bytes);
/* The same for another need of the device's memory: 1 if trying again makes sense. */
int rt_make_room(sn_context *ctx);
/* "; 32 of the device's 1024 bytes are free", or why there are none, or nothing: the end of a sentence about memory. */
enum { RT_ROOM_TEXT = 640 };
const char *rt_room_text(sn_context *ctx, char text[RT_ROOM_TEXT]);

/* Copies an option struct that starts with struct_size, 0 for first_version, into *to (known bytes, cleared first).
 * 0 for a struct that is newer than this library and uses what it does not know. */
int rt_options_copy(void *to, size_t known, size_t first_version, const void *from);

#endif
