/* streams.h: work on streams, for the files of the driver. */
#ifndef STANDIN_STREAMS_H
#define STANDIN_STREAMS_H

#include "standin.h"

typedef int result;
typedef uint64_t device_ptr;
enum {
    INVALID_VALUE = 1,
    OUT_OF_MEMORY = 2,
    INVALID_DEVICE = 101,
    INVALID_IMAGE = 200,
    INVALID_CONTEXT = 201,
    NO_BINARY = 209,
    NOT_FOUND = 500,
    OUT_OF_RESOURCES = 701,
    LAUNCH_FAILED = 719,
    CAPTURE_UNSUPPORTED = 900,
    CAPTURE_INVALID = 901,
    UPDATE_FAILURE = 910
};
enum {
    MAX_PARAMETERS = 2200,
    SHARED_DEFAULT = 49152,
    SHARED_OWN = 16 /* of its own section */,
    SHARED_MOST = 166912,
    MOST_MEMORY = 1u << 30
};

#define ENTER(name)                                                                                                    \
    do {                                                                                                               \
        result code_ = standin_enter(#name);                                                                           \
        if (code_) return code_;                                                                                       \
    } while (0)

typedef struct work {
    struct work *next;
    int (*run)(void *);
    size_t bytes;
    _Alignas(16) char arg[];
} work;

typedef struct {
    work *first, **last;
} work_list;

typedef struct {
    void *context;
    work_list waiting, captured;
    int capturing;
    uint64_t put, done; /* pieces of work, since the beginning */
} stream;

/* context.c */
void *standin_context(void); /* the current one, or NULL */
#define IN_CONTEXT()                                                                                                   \
    do {                                                                                                               \
        if (!standin_context()) return INVALID_CONTEXT;                                                                \
    } while (0)

/* The stream of a handle: 1 is the legacy default stream. NULL: it cannot be used in the current context. */
stream *standin_stream(void *at);
extern stream standin_legacy;

int standin_append(work_list *list, int (*run)(void *), const void *arg, size_t bytes);
void standin_clear(work_list *list);
int standin_run_list(const work_list *list);
unsigned standin_order_now(void);
extern char standin_complained[400]; /* the last complaint */

#endif
