/* standin.h: a GPU for tests on machines without one: three libraries with the names of NVIDIA's, found by the loader
 * before them, that compile the generated CUDA C++ for the host and run its blocks and threads one after the other.
 *
 *   libcuda.so.1        the driver (driver.c, context.c, capture.c, launch.c, threads.c, inject.c): contexts, memory,
 *                       streams, events, modules, launches, graphs
 *   libnvrtc.so.13      the compiler (nvrtc.c): the host's C++ compiler over device.h; with STANDIN_PTX=90 in the
 *                       environment NVIDIA's own (nvrtc_real.c), whose PTX for that architecture the driver executes
 *                       (ptx.h)
 *   libcublasLt.so.13   matrix products (cublaslt.c)
 *
 * What it is strict about: a barrier that not all threads reach, threads at different barriers, a shuffle that reads a
 * lane outside its mask, copies outside of allocations, launches beyond the limits, handles of another context, what
 * may not be done while a stream is captured (and code or products that are used there for the first time), parameters
 * beyond the 4096 bytes of CUDA 12.0, calls after fork or at the end of the process. Shared and device memory start as
 * NaN. Threads of a block run in the order that standin_order says, from barrier to barrier. It does not model timing;
 * only PTX has registers, and hazards between threads. */
#ifndef STANDIN_H
#define STANDIN_H

#include <stddef.h>
#include <stdint.h>

/* Exported by libcuda.so.1 for tests: */

/* Calls of a function since the last reset; name NULL: of all. */
unsigned long standin_count(const char *name);
/* The n-th call (from 1) of that function from now on (NULL: of any) returns code, once. n 0: no failure. Codes 700 to
 * 799 stay, as on a device, until the reset. */
void standin_fail_at(const char *name, unsigned long n, int code);
/* Each call of that function returns code, until the reset. */
void standin_fail_always(const char *name, int code);
/* Counters to 0, failures and sticky errors forgotten. */
void standin_reset(void);
/* The function that last failed by request. */
const char *standin_failed(void);
/* Order of threads: 0 forward, 1 reversed, else random by that seed. Also STANDIN_ORDER in the environment. */
void standin_order(unsigned order);
/* 1: work on streams runs only when somebody waits for it. */
void standin_defer(int defer);
/* Bytes that the device has from now on; 0: as many as at first. */
void standin_memory(uint64_t bytes);
/* The calling thread's contexts that are pushed; references to the primary contexts. */
int standin_context_depth(void);
/* .. and its mode for captures: 0 as long as nobody changed it. */
int standin_capture_mode(void);
int standin_retained(void);
/* Bytes copied each way, and bytes allocated now. */
uint64_t standin_bytes_in(void);
uint64_t standin_bytes_out(void);
uint64_t standin_allocated(void);
/* Bytes of dynamic shared memory: the most that a launch asked for since this was asked last. */
uint64_t standin_dynamic(void);
/* Bytes of the host's memory that are pinned now. */
uint64_t standin_pinned(void);
/* Objects that are not destroyed: of one kind ("stream", "event", "module", "graph", "recording", "product"), or all,
 * with allocations and pinned memory (NULL). A process that ends well without having given back all of them, or primary
 * contexts, says so and ends with status 3: unless a call was made to fail in it, the device was lost, or it told
 * standin_leave(1). */
long standin_live(const char *kind);
void standin_leave(int may);
/* cublaslt.c: objects that are not destroyed; what is refused from now on: 1: algorithms with an epilogue, 2: all. */
long standin_lt_live(void);
void standin_lt_refuse(unsigned what);
/* The last complaint about a kernel, or "". */
const char *standin_complaint(void);

/* ---- between its files ------------------------------------------------------------------------------------------- */

/* Counts a call; the code with which it has to fail, or 0. */
int standin_enter(const char *name);
int standin_sticky(int code); /* makes an error stay, and returns it */

/* Something was made (1) or destroyed (-1). */
typedef enum {
    A_STREAM,
    AN_EVENT,
    A_MODULE,
    A_GRAPH,
    A_RECORDING,
    A_PRODUCT,
    AN_AREA,
    PINNED_MEMORY,
    KINDS
} standin_kind;
void standin_made(standin_kind kind, int by);

/* Puts run(arg copied) on a stream: now, later, or into the graph that is being captured. */
int standin_enqueue(void *stream, int (*run)(void *arg), const void *arg, size_t bytes);

/* 3 in a process that was forked from one that used the driver, 4 at the end of a process; else 0. */
int standin_gone(void);
/* Live allocations: how many; as many as there is room for are told. Each has a place for ptx_shadow.c to keep what
 * happened to it, which is forgotten when it is freed. */
typedef struct standin_shadow standin_shadow;
typedef struct {
    char *at;
    size_t bytes;
    standin_shadow **shadow;
} standin_area;
size_t standin_areas(standin_area *to, size_t room);
void ptx_forget(standin_shadow **shadow);

/* Is a stream being captured? */
int standin_capturing(void);
/* Do these bytes lie in one allocation? */
int standin_on_device(const void *at, size_t bytes);

/* threads.c: runs all blocks; NULL, or a complaint. */
typedef struct {
    unsigned x, y, z;
} standin_dim;
typedef struct {
    standin_dim thread, block, block_dim, grid_dim;
    unsigned lane;
} standin_thread;
typedef struct { /* what kernels call; device.h has the same */
    void (*barrier)(int line);
    unsigned long long *(*warp)(unsigned mask, int line, unsigned long long value);
    void (*bad)(const char *text, int line);
    void *(*dynamic)(void);
} standin_calls;
extern const standin_calls standin_the_calls;
const char *standin_run(void (*kernel)(void **), void **args, standin_thread **current, standin_dim grid,
                        standin_dim block, char *shared, size_t shared_bytes, size_t dynamic_bytes, unsigned order);

#endif
