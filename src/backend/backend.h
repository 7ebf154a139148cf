/* backend.h: the seam between the runtime and what runs kernels. One constant be_backend per backend; nothing above
 * asks which one it is. */
#ifndef BACKEND_BACKEND_H
#define BACKEND_BACKEND_H

#include "base/alloc.h"
#include "base/log.h"
#include "base/trap.h"
#include "ir/kernel.h"

enum { BE_COMPILER_MAX = 64 };

typedef struct be_device be_device; /* each backend's own struct */
typedef struct be_exec be_exec;

typedef struct {
    base_alloc *alloc; /* borrowed for the device's life */
    const base_log *log;
    int32_t threads;     /* 0: what affinity and cgroup allow */
    const sn_pool *pool; /* NULL: the library's own */
    int tf32;            /* matrix products of f32 may round their operands to 10 bits of mantissa */
    void *context;       /* the application's, and its stream, where the backend has such: NULL for one of its own */
    void *stream;
} be_options;

typedef struct {
    void *at; /* base_malloc'ed by the backend with the device's allocator */
    size_t n;
} be_blob;

/* c[m,n] = op(a) op(b), row-major and dense; trans_a: a is stored [k,m]; trans_b: b is stored [n,k]. m and n are not 0,
 * and k is not unless memory is remote or there is a row. batch > 1: that many products, whose operands and results lie
 * one after the other in memory.
 *
 * f32 or f64; on machines whose libraries have them f16 and bf16, too, multiplied and added in f32, with a result of
 * that type or f32. row and relu, the epilogue, come only in programs for machines that have them. */
typedef struct {
    sn_dtype dtype; /* of a and b */
    int64_t m, n, k;
    int trans_a, trans_b;
    const void *a, *b;
    void *c;
    int64_t batch;
    sn_dtype to;     /* of c and row; 0: as a and b */
    const void *row; /* [n]: added to each row of c; NULL: nothing is */
    int relu;        /* taken at the end; may make 0 of a NaN */
    void *plan;      /* what prepare_gemm chose; NULL: nothing yet */
} be_gemm;

static inline sn_dtype be_gemm_to(const be_gemm *g) { return g->to ? g->to : g->dtype; }

/* What backends have whose memory the host cannot touch. Work is put in order and runs on its own time. A call takes a
 * turn, from begin to finish, which one thread has at a time; a failure in it (as of a launch) is kept, what follows it
 * is left out, and finish returns it. What fails of work that nobody waited for is told by the next begin or finish
 * that notices, once; the loss of the device by all. */
typedef struct be_recording be_recording; /* work that can be started again as a whole */
typedef struct be_point be_point;         /* a place in the order of work */
typedef struct {
    sn_status (*begin)(be_device *dev, base_trap *err);
    sn_status (*finish)(be_device *dev, int wait, base_trap *err); /* wait: for all work to be done */

    /* In a turn: has something of it failed, so that all that follows is left out? */
    int (*failing)(const be_device *dev);
    /* Waits, outside of a turn, for all work, whether or not there is a failure to be told, which is kept. */
    void (*settle)(be_device *dev);

    /* In a turn: *at (NULL at first; forget_point frees it) is after all that was put in order so far. await waits
     * until it is reached. */
    void (*point)(be_device *dev, be_point **at);
    void (*await)(be_device *dev, be_point *at);
    void (*forget_point)(be_device *dev, be_point *at); /* NULL is fine */

    /* Copies, in a turn. Host memory of write and read has to stay until they are done. */
    void (*write)(be_device *dev, void *to, const void *from, size_t n);
    void (*read)(be_device *dev, void *to, const void *from, size_t n);
    void (*copy)(be_device *dev, void *to, const void *from, size_t n);
    void (*clear)(be_device *dev, void *to, size_t n); /* to zeros */
    /* Host memory that is quick to copy from and to. */
    void *(*staging_alloc)(be_device *dev, size_t bytes);
    void (*staging_free)(be_device *dev, void *p);

    void (*room)(be_device *dev, size_t *left, size_t *total); /* bytes of the device's memory */
    /* Gives back what the device keeps for later launches, which prepare will ask for again. */
    void (*trim)(be_device *dev);
    /* Names the device for exchange with other libraries: a DLPack device type and number. */
    void (*place)(const be_device *dev, int32_t *type, int32_t *number);

    /* Before a launch with these dims: what it needs of the device, so that it cannot fail for lack of it. */
    sn_status (*prepare)(be_device *dev, const be_exec *exec, const kn_launch *launch, const int64_t *n_chunks,
                         base_trap *err);
    /* Before a matrix product of these sizes at these addresses, or at others as aligned: chooses how it is done, which
     * cannot be asked while work is recorded. The choice stays until the next one, or forget_gemm. */
    sn_status (*prepare_gemm)(be_device *dev, be_gemm *gemm, base_trap *err);
    void (*forget_gemm)(be_device *dev, be_gemm *gemm);

    /* prepare holds while the device is of the same age, and so do recordings. Read it before prepare, compare it in
     * the turn.
     *
     * In a turn: what is launched, multiplied and copied between record and recorded is kept and not run. *at: NULL, or
     * a recording to be replaced; NULL afterwards, and no failure unless the device is lost, where it cannot be
     * recorded: nothing of it has run, and it can be started as it is. */
    void (*record)(be_device *dev);
    void (*recorded)(be_device *dev, be_recording **at);
    void (*replay)(be_device *dev, be_recording *recording);
    void (*forget)(be_device *dev, be_recording *recording); /* NULL is fine */
    uint64_t (*age)(const be_device *dev);

    /* In a turn: notes the time on the device; elapsed waits, and tells the ns between mark i and the next. */
    void (*mark)(be_device *dev, uint32_t i);
    uint64_t (*elapsed)(be_device *dev, uint32_t i);
} be_remote;

/* Functions that return sn_status put a sentence into err on failure. All may be called from several threads at once.
 */
typedef struct {
    const char *name;
    kn_machine machine; /* what its kernels are scheduled for */
    double split_ns;    /* launches estimated below this run on one thread, others on what is free; 0: all on one */
    sn_status (*open)(const be_options *options, be_device **out, base_trap *err);
    void (*close)(be_device *dev); /* NULL is fine */

    /* Text that, with a kernel's bytes, decides the code: architecture level, code generator version. No compiler
     * needed. */
    const char *(*target)(const be_device *dev);
    /* What the device is, for people; NULL: the target says it. */
    const char *(*describe)(const be_device *dev);
    /* Who compiles, as "LLVM 19.1.7", into text; opens the compiler if need be. Provenance: no part of any key. NULL
     * for a backend whose blobs are not worth keeping beyond the process. */
    sn_status (*compiler)(be_device *dev, char text[BE_COMPILER_MAX], base_trap *err);
    /* Bytes of a kernel (kn_encode) to a blob that can be loaded, now or by another process with the same target. */
    sn_status (*compile)(be_device *dev, const void *kernel, size_t n, be_blob *out, base_trap *err);
    /* Generated code as text; what: one of texts ("llvm", "asm" or "cuda", "ptx"; NULL at the end; texts NULL: there
     * are none). Appends to out. "llvm lines", "asm lines" and "object lines" (the bytes of an object) tell besides for
     * which line of kn_print each instruction is. */
    const char *const *texts;
    sn_status (*text)(be_device *dev, const void *kernel, size_t n, const char *what, base_strbuf *out, base_trap *err);
    /* The first of texts for people who know the kernel's names: mem_name, and name (may be NULL) for values. Needs no
     * device. NULL: text has all there is. */
    sn_status (*source)(base_alloc *alloc, const kn_kernel *kernel, kn_namer *name, void *arg, base_strbuf *out,
                        base_trap *err);
    /* kernel must outlive the exec. name is for debuggers and profilers. SN_ERR_PARSE: the blob is damaged;
     * SN_ERR_COMPILE: it is for another machine, and has to be compiled anew. */
    sn_status (*load)(be_device *dev, const kn_kernel *kernel, const void *blob, size_t n, const char *name,
                      be_exec **out, base_trap *err);
    void (*unload)(be_device *dev, be_exec *exec); /* NULL is fine */

    /* What a launch or gemm may need beyond the call's own memory (scratch of each thread, BLAS opened): after this
     * they cannot fail for lack of it. */
    sn_status (*reserve)(be_device *dev, size_t scratch_bytes, base_trap *err);
    sn_status (*reserve_gemm)(be_device *dev, base_trap *err);
    /* Runs all chunks of all parts; done when it returns. n_chunks[part] as kn_chunks gives. ns: estimated time on one
     * thread, to decide whether threads pay. */
    void (*launch)(be_device *dev, be_exec *exec, const kn_launch *launch, const int64_t *n_chunks,
                   size_t scratch_bytes, double ns);
    void (*gemm)(be_device *dev, const be_gemm *gemm);

    /* Memory that launches can reach, 64-byte aligned; NULL: there is none. free waits for the work that may use it. */
    void *(*alloc)(be_device *dev, size_t bytes);
    void (*free)(be_device *dev, void *p, size_t bytes);

    const be_remote *remote; /* NULL: memory is the host's, and a launch is done when it returns */
} be_backend;

extern const be_backend be_interp; /* the kernel interpreter: an oracle, and where no compiler can be had */
extern const be_backend be_null;   /* compiles and loads nothing, runs nothing: for tests of what lies above */
extern const be_backend be_cpu;    /* LLVM, own loader, BLAS, threads (src/jit_cpu) */
extern const be_backend be_gpu;    /* NVRTC, the CUDA driver, cuBLASLt (src/jit_gpu) */

#endif
