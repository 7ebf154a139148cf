/* streams.h: work on streams, for the files of the driver. */
#ifndef STANDIN_STREAMS_H
#define STANDIN_STREAMS_H

#include "standin.h"

typedef int result;
typedef uint64_t device_ptr;
enum {
    INVALID_VALUE = 1,
    OUT_OF_MEMORY = 2,
    NOT_INITIALIZED = 3,
    DEINITIALIZED = 4,
    DEVICE_UNAVAILABLE = 46,
    INVALID_DEVICE = 101,
    INVALID_IMAGE = 200,
    INVALID_CONTEXT = 201,
    NO_BINARY = 209,
    INVALID_PTX = 218,
    INVALID_HANDLE = 400,
    ILLEGAL_STATE = 401,
    NOT_FOUND = 500,
    NOT_READY = 600,
    OUT_OF_RESOURCES = 701,
    LAUNCH_FAILED = 719,
    CAPTURE_UNSUPPORTED = 900,
    CAPTURE_INVALID = 901,
    CAPTURE_IMPLICIT = 906,
    CAPTURED_EVENT = 907,
    CAPTURE_WRONG_THREAD = 908,
    UPDATE_FAILURE = 910,
    UNKNOWN = 999
};
enum { MODE_GLOBAL, MODE_THREAD_LOCAL, MODE_RELAXED };
enum {
    MAX_PARAMETERS = 2200,
    MOST_PARAMETER_BYTES = 4096 /* before CUDA 12.1 */,
    SHARED_DEFAULT = 49152,
    SHARED_OWN = 16 /* of its own section */,
    SHARED_MOST = 166912,
    MOST_MEMORY = 1u << 30
};

/* inject.c: the driver is up; from here on a fork and the end of the process are noticed. */
void standin_started(void);

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

typedef struct stream {
    void *context;
    int blocking; /* the legacy default stream waits for it, and it for that */
    work_list waiting, captured;
    int capturing;       /* 2: something has made the capture invalid */
    int mode;            /* of the capture */
    const void *thread;  /* that began it */
    struct stream *next; /* of those that capture */
    uint64_t put, done;  /* pieces of work, since the beginning */
} stream;

/* context.c */
void *standin_context(void); /* the current one, or NULL */
int standin_compute_mode(void);
#define IN_CONTEXT()                                                                                                   \
    do {                                                                                                               \
        if (!standin_context()) return INVALID_CONTEXT;                                                                \
    } while (0)

/* The stream of a handle: 1 is the legacy default stream. NULL: it cannot be used in the current context. */
stream *standin_stream(void *at);
extern stream standin_legacy;

/* capture.c: 0, or 900 where the calling thread may not do what does not belong on a stream (allocate, load code, wait)
 * because of a capture, which is invalid from then on. */
int standin_unsafe(void);
#define UNSAFE()                                                                                                       \
    do {                                                                                                               \
        if (standin_unsafe()) return CAPTURE_UNSUPPORTED;                                                              \
    } while (0)
/* 0, or 906 for the legacy default stream while one that it waits for is captured; invalidates: that one. */
int standin_implicit(const stream *s, int invalidates);

int standin_append(work_list *list, int (*run)(void *), const void *arg, size_t bytes);
void standin_clear(work_list *list);
int standin_run_list(const work_list *list);
unsigned standin_order_now(void);
int standin_shared_most(void); /* bytes of shared memory that a block may ask for */
/* launch.c: what was captured becomes a graph. */
int standin_graph(work_list *captured, void **out);
extern char standin_complained[400]; /* the last complaint */

#endif
