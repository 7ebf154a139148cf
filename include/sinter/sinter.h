/* sinter.h: describe tensor computations as expression graphs, differentiate them, run them as native code.
 *
 *   sn_context *ctx;
 *   if (sn_context_new(NULL, &ctx)) return 1;
 *   sn_graph *g = sn_graph_new(ctx, "square");
 *   sn_expr x = sn_input(g, "x", SN_F32, SN_SCALAR);
 *   sn_expr y = sn_add(sn_add(sn_square(x), sn_mul(sn_const(g, 5.0), x)), sn_const(g, 2.0));
 *   sn_expr dy;
 *   sn_grad(y, &x, 1, &dy);                                  // dy is an expression like any other
 *   sn_function *f;
 *   sn_function_desc desc = {.inputs = &x, .n_inputs = 1, .outputs = &dy, .n_outputs = 1};
 *   if (sn_function_new(g, &desc, &f)) { fprintf(stderr, "%s\n", sn_graph_error(g)); return 1; }
 *   float at = 2.0f, slope;
 *   sn_tensor in = sn_tensor_of(SN_F32, &at, 0, NULL), out = sn_tensor_of(SN_F32, &slope, 0, NULL);
 *   sn_function_call(f, &in, 1, &out, 1);                    // slope == 9
 *
 * Rules that hold everywhere:
 *   Errors      Functions that can fail return sn_status; 0 is success. The sentence is kept by the object worked on:
 *               sn_context_error, sn_graph_error, sn_function_error, sn_call_error. Nothing aborts the host.
 *   Expressions Builders never fail in the middle of an expression: a bad one yields the poison expression, the graph
 *               keeps the first error with the caller's file and line, and sn_function_new reports it.
 *   Threads     A context, a function and a variable may be used from any thread; a graph and a call by one thread at
 *               a time: what is asked of a call while it runs is refused. There is no mutable global state.
 *   Ownership   Whoever calls sn_X_new calls sn_X_free, which accepts NULL. A graph may be freed once its functions are
 *               made; a context after everything made from it.
 *   Memory      Tensors are dense and row-major. What a call writes may not overlap what it reads.
 *   Time        A call whose results the host gets is done when it returns. One that writes arrays and variables alone
 *               may return while a GPU is still at work; whoever reads them waits, and sn_context_sync does.
 *   Options     Option structs start with struct_size; 0 means that of version 0.1.0. All zero is good defaults.
 *   Structs     Option structs, and those that a function fills, grow at their end; the caller's size goes along, so a
 *               program works with an older library and a newer one. The others stay as they are while the soname does.
 */
#ifndef SINTER_SINTER_H
#define SINTER_SINTER_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#if defined(__GNUC__)
#define SN_API __attribute__((visibility("default")))
#else
#define SN_API
#endif

#define SN_VERSION_MAJOR 0
#define SN_VERSION_MINOR 1
#define SN_VERSION_PATCH 0

/* "0.1.0" of the library that is running. */
SN_API const char *sn_version(void);

/* ---- status ---------------------------------------------------------------------------------------------------- */

#define SN_STATUS_MAP(X)                                                                                               \
    X(OK, 0, "success")                                                                                                \
    X(ERR_ARGUMENT, 1, "an argument is NULL, out of range or does not belong here")                                    \
    X(ERR_SHAPE, 2, "shapes, ranks or dims do not fit")                                                                \
    X(ERR_DTYPE, 3, "element types do not fit")                                                                        \
    X(ERR_MISSING, 4, "an input or a name is missing")                                                                 \
    X(ERR_NOMEM, 5, "out of memory")                                                                                   \
    X(ERR_UNAVAILABLE, 6, "a library or device that is needed is not there")                                           \
    X(ERR_UNSUPPORTED, 7, "valid, but this build or device cannot do it")                                              \
    X(ERR_GRADIENT, 8, "no gradient exists along a path")                                                              \
    X(ERR_PARSE, 9, "text or bytes are malformed")                                                                     \
    X(ERR_IO, 10, "the operating system refused")                                                                      \
    X(ERR_COMPILE, 11, "code generation failed")                                                                       \
    X(ERR_INTERNAL, 12, "a rule of the library's own was broken: please report it")

typedef enum sn_status {
#define SN_STATUS_ITEM(name, value, text) SN_##name = value,
    SN_STATUS_MAP(SN_STATUS_ITEM)
#undef SN_STATUS_ITEM
} sn_status;

/* The constant's name without SN_, for example "ERR_SHAPE"; "?" for a value that is none. */
SN_API const char *sn_status_name(sn_status status);

/* ---- element types and shapes ---------------------------------------------------------------------------------- */

/* name, value, bytes per element, short name. F16 and BF16 are types of memory: operators compute in f32, and values
 * are rounded where they are stored or cast, not in between. */
#define SN_DTYPE_MAP(X)                                                                                                \
    X(F64, 1, 8, "f64")                                                                                                \
    X(F32, 2, 4, "f32")                                                                                                \
    X(I64, 3, 8, "i64")                                                                                                \
    X(I32, 4, 4, "i32")                                                                                                \
    X(U8, 5, 1, "u8")                                                                                                  \
    X(BOOL, 6, 1, "bool")                                                                                              \
    X(F16, 7, 2, "f16")                                                                                                \
    X(BF16, 8, 2, "bf16")

typedef enum sn_dtype {
    SN_DTYPE_NONE = 0,
#define SN_DTYPE_ITEM(name, value, bytes, text) SN_##name = value,
    SN_DTYPE_MAP(SN_DTYPE_ITEM)
#undef SN_DTYPE_ITEM
} sn_dtype;

SN_API size_t sn_dtype_size(sn_dtype dtype);      /* bytes per element; bool takes one byte, 0 or 1 */
SN_API const char *sn_dtype_name(sn_dtype dtype); /* "f32" ..; "?" for a value that is none */

/* An element in memory as a number, and a number as an element, converted as sn_cast does: for programs whose compiler
 * has no f16 or bf16. */
SN_API double sn_element_get(sn_dtype dtype, const void *element);
SN_API void sn_element_put(sn_dtype dtype, void *element, double value);

enum { SN_MAX_RANK = 6 };

typedef struct sn_context sn_context;   /* allocator, log, thread pool, kernel cache, device */
typedef struct sn_graph sn_graph;       /* expressions under construction */
typedef struct sn_var sn_var;           /* named state that lives on a device */
typedef struct sn_array sn_array;       /* a tensor in the device's memory, for inputs and outputs that stay there */
typedef struct sn_function sn_function; /* a compiled graph: inputs, outputs, updates */
typedef struct sn_call sn_call;         /* a function with bound inputs and outputs, its memory and its error */

/* A dim: a constant, or an expression over a graph's named dims. Make it with SN_DIM, sn_dim_new and the arithmetic. */
typedef struct sn_dim {
    int64_t value; /* constant, when id is 0 */
    uint32_t id;   /* handle inside the graph, else 0 */
} sn_dim;

typedef struct sn_shape {
    int32_t rank;
    sn_dim dim[SN_MAX_RANK];
} sn_shape;

/* An expression: a node of a graph. id 0 is the poison expression. Pass it by value. */
typedef struct sn_expr {
    sn_graph *graph;
    uint32_t id;
} sn_expr;

static inline sn_dim sn_dim_of(int64_t value) {
    sn_dim d;
    d.value = value;
    d.id = 0;
    return d;
}

/* A shape from an array of dims; rank -1 where there are more than SN_MAX_RANK, which every user of it reports. */
SN_API sn_shape sn_shape_of(int32_t rank, const sn_dim *dims);
/* A shape from constants alone. */
SN_API sn_shape sn_shape_of_sizes(int32_t rank, const int64_t *sizes);

#define SN_DIM(n) sn_dim_of(n)
#define SN_SCALAR sn_shape_of(0, NULL)
#ifdef __cplusplus
extern "C++" {
template <class... Dim> inline sn_shape sn_shape_list(Dim... dims) {
    const sn_dim list[] = {dims...};
    return sn_shape_of(static_cast<int32_t>(sizeof...(dims)), list);
}
}
#define SN_SHAPE(...) sn_shape_list(__VA_ARGS__)
#else
#define SN_SHAPE(...)                                                                                                  \
    sn_shape_of((int32_t)(sizeof((const sn_dim[]){__VA_ARGS__}) / sizeof(sn_dim)), (const sn_dim[]){__VA_ARGS__})
#endif

/* Memory of the caller's: dense, row-major, dtype and sizes known. The library never frees it. */
typedef struct sn_tensor {
    void *data;
    sn_dtype dtype;
    int32_t rank;
    int64_t size[SN_MAX_RANK];
} sn_tensor;

/* Such a tensor; sizes may be NULL for a scalar. Rank -1 where rank is none of 0 .. SN_MAX_RANK, which every user of it
 * reports. */
SN_API sn_tensor sn_tensor_of(sn_dtype dtype, void *data, int32_t rank, const int64_t *sizes);
SN_API size_t sn_tensor_bytes(const sn_tensor *tensor); /* SIZE_MAX where the product overflows */

/* ---- context --------------------------------------------------------------------------------------------------- */

typedef enum sn_log_level { SN_LOG_OFF, SN_LOG_ERROR, SN_LOG_WARN, SN_LOG_INFO, SN_LOG_DEBUG } sn_log_level;

/* Memory for everything the library allocates on the host. realloc(user, p, old_size, new_size): p NULL allocates,
 * new_size 0 frees and returns NULL; results are aligned to 64 bytes. NULL means failure. Called from any thread. */
typedef struct sn_allocator {
    void *(*realloc)(void *user, void *p, size_t old_size, size_t new_size);
    void *user;
} sn_allocator;

/* One message without a newline. May be called from any thread. */
typedef void (*sn_log_fn)(void *user, sn_log_level level, const char *message);

/* A host's thread pool: run body(arg, i) for each i in [0, n) in any order on any threads, return when all are done. */
typedef struct sn_pool {
    void (*parallel_for)(void *user, int64_t n, void (*body)(void *arg, int64_t i), void *arg);
    void *user;
} sn_pool;

/* What is done with compiled kernels that outlive the process. */
typedef enum sn_cache_mode {
    SN_CACHE_DEFAULT, /* SINTER_CACHE, else RW */
    SN_CACHE_OFF,     /* nothing is read or written */
    SN_CACHE_RO,      /* read; nothing is written or deleted */
    SN_CACHE_RW,      /* read; what is missing is compiled and kept */
    SN_CACHE_STRICT,  /* RW, and an entry must come from the compiler's very version (which is loaded to tell it) */
    SN_CACHE_ONLY     /* read; what is missing is an error: nothing is ever compiled */
} sn_cache_mode;

/* A place of the host's for compiled kernels. key is 32 hexadecimal digits; bytes are opaque, and checked when they
 * come back: their end tells whether they are whole. Both are called from any thread, also at the same time. */
typedef struct sn_store {
    /* If there is an entry: calls give(to, bytes, n) once, before it returns; the bytes are copied. */
    void (*get)(void *user, const char *key, void (*give)(void *to, const void *bytes, size_t n), void *to);
    /* Keeps a copy of the bytes, in place of what it may have under that key. NULL: nothing is kept. */
    void (*put)(void *user, const char *key, const void *bytes, size_t n);
    void *user;
} sn_store;

typedef struct sn_context_options {
    size_t struct_size;            /* sizeof(sn_context_options), or 0 */
    const sn_allocator *allocator; /* NULL: the C library's */
    sn_log_fn log;                 /* NULL: standard error */
    void *log_user;
    sn_log_level log_level; /* 0: SINTER_LOG, else warnings */
    int32_t threads;        /* 0: SINTER_THREADS, else what affinity and cgroup allow */
    const sn_pool *pool;    /* NULL: the library's own */
    const char *backend;    /* NULL: SINTER_BACKEND, else "cpu"; "gpu"; "interp" runs the kernel interpreter */
    sn_cache_mode cache_mode;
    const char *cache_dir;    /* NULL: SINTER_CACHE_DIR, else sinter in XDG_CACHE_HOME, else ~/.cache/sinter */
    const sn_store *store;    /* keeps kernels instead of the folder */
    const char *cache_bundle; /* a file that `sinter cache pack` made: looked into first, never written. NULL: none */
    /* Both are about large matrix products on a GPU, which are cuBLASLt's. 1: products of f32 may round their operands
     * to TF32, 10 bits of mantissa, which is several times faster. Results are less precise. */
    int32_t tf32;
    /* relu may be taken in the end of a product whose result, or that and a bias, it alone reads; where the sum is NaN,
     * NVIDIA's library then gives 0. 1: relu keeps NaNs there, too, at the price of another kernel. */
    int32_t keep_nan;
    /* Backend "gpu": a CUDA context of the application's (a CUcontext), whose device is used; NULL: the primary one of
     * the first device. And a stream in it (a CUstream, or 1 for the legacy default stream), on which all work is put
     * in order; NULL: one of our own. Both stay the application's, have to outlive the sn_context, and are never freed
     * by it. While the application records a CUDA graph on that stream, calls and copies fail and say so, and nothing
     * made from the sn_context may be freed. */
    void *cuda_context;
    void *cuda_stream;
} sn_context_options;

/* Makes a context; *out is NULL on failure. options may be NULL. */
SN_API sn_status sn_context_new(const sn_context_options *options, sn_context **out);
/* The last to be freed: what was made from it is of no use any more. The log is warned where there is something. */
SN_API void sn_context_free(sn_context *ctx);
/* The sentence of the last failed function that took this context or a variable of it, on whatever thread; "" where
 * none failed. Valid until the next failure on the context. */
SN_API const char *sn_context_error(const sn_context *ctx);
/* Waits until everything that was started on the context's device is done; at once where the device is the CPU. Fails
 * with what went wrong since the last call that told: a call may return before a GPU has failed at it. */
SN_API sn_status sn_context_sync(sn_context *ctx);
/* Name of the backend in use: "cpu", "gpu" or "interp". */
SN_API const char *sn_context_backend(const sn_context *ctx);
/* Can a context be made on that backend here? text (of size bytes, or NULL) gets what the device is, or the sentence
 * why not. Opens the driver but compiles nothing. Any thread. */
SN_API sn_status sn_device_available(const char *backend, char *text, size_t size);

/* For code that is built on this header, as nn.h is: host memory by the context's allocator (p NULL allocates, new_size
 * 0 frees and returns NULL, old_size is the size that p was asked for; NULL on failure, where p stays as it is) .. */
SN_API void *sn_context_realloc(sn_context *ctx, void *p, size_t old_size, size_t new_size);
/* .. and a failure of that code's own: keeps the sentence for sn_context_error, returns the status. */
SN_API sn_status sn_context_fail(sn_context *ctx, sn_status status, const char *sentence);

/* ---- variables ------------------------------------------------------------------------------------------------- */

/* A variable of constant shape, filled with zeros. name is copied and must be unique only inside one function. */
SN_API sn_status sn_var_new(sn_context *ctx, const char *name, sn_dtype dtype, int32_t rank, const int64_t *sizes,
                            sn_var **out);
/* Gives it up: graphs and functions that use it keep it alive. */
SN_API void sn_var_free(sn_var *var);
SN_API const char *sn_var_name(const sn_var *var);
/* dtype, rank and sizes of the variable; data is NULL. */
SN_API sn_tensor sn_var_type(const sn_var *var);
/* Copy the whole value in or out. bytes must be the variable's size exactly. Waits for calls that use the variable. */
SN_API sn_status sn_var_set(sn_var *var, const void *data, size_t bytes);
SN_API sn_status sn_var_get(sn_var *var, void *data, size_t bytes);

/* ---- arrays ---------------------------------------------------------------------------------------------------- */

/* A tensor in the memory of the context's device, filled with zeros, to be bound to calls in place of host memory: what
 * one call writes is there for the next, and no byte of it goes to the host before somebody asks. sizes are the
 * largest: the memory stays in place for life, and a call that writes the array gives it the sizes (and rank) of the
 * output, which have to fit. Lock and order are those of a variable: calls and copies from several threads see it
 * whole. */
SN_API sn_status sn_array_new(sn_context *ctx, sn_dtype dtype, int32_t rank, const int64_t *sizes, sn_array **out);
/* Calls that it is bound to keep it. */
SN_API void sn_array_free(sn_array *array);
/* dtype, rank and sizes that it has now; data is its address: the host's on the CPU, else the device's, for work that
 * the application puts on the stream it gave (or after sn_context_sync). */
SN_API sn_tensor sn_array_type(const sn_array *array);
/* Copy the whole value in or out, as sn_var_set and sn_var_get do; bytes must be those of the sizes it has now. */
SN_API sn_status sn_array_set(sn_array *array, const void *data, size_t bytes);
SN_API sn_status sn_array_get(sn_array *array, void *data, size_t bytes);

/* Exchange with other libraries by DLPack (CPU memory on the CPU, CUDA memory of the same device on the GPU), never
 * copied. From: dense and row-major is wanted; on success the array owns the tensor and calls its deleter in the end,
 * on failure nothing is taken. Work that writes the tensor has to be ordered before ours. To: waits for work on the
 * array, which lives until the other side calls the deleter; that has to come before sn_context_free. The versioned
 * form is of DLPack 1.x; a tensor that is read-only can be bound to inputs alone. */
struct DLManagedTensor;
struct DLManagedTensorVersioned;
SN_API sn_status sn_array_from_dlpack(sn_context *ctx, struct DLManagedTensor *tensor, sn_array **out);
SN_API sn_status sn_array_to_dlpack(sn_array *array, struct DLManagedTensor **out);
SN_API sn_status sn_array_from_dlpack_versioned(sn_context *ctx, struct DLManagedTensorVersioned *tensor,
                                                sn_array **out);
SN_API sn_status sn_array_to_dlpack_versioned(sn_array *array, struct DLManagedTensorVersioned **out);

/* ---- graphs and expressions ------------------------------------------------------------------------------------ */

/* NULL when out of memory. name is for messages and dumps. */
SN_API sn_graph *sn_graph_new(sn_context *ctx, const char *name);
SN_API void sn_graph_free(sn_graph *graph);
/* The first error of the graph as "file:line: op: what was wrong"; else that of the last sn_function_new or sn_eval,
 * which does not spoil the graph; "" where there is none. Valid until the next call on the graph. */
SN_API const char *sn_graph_error(const sn_graph *graph);
SN_API sn_status sn_graph_status(const sn_graph *graph);
/* For builders of users' own: keeps the sentence, with the place in front, as the graph's error unless it has one
 * already. Returns poison. file may be NULL: no place. */
SN_API sn_expr sn_graph_fail(sn_graph *graph, sn_status status, const char *sentence, const char *file, int line);
/* The context that the graph was made with. */
SN_API sn_context *sn_graph_context(const sn_graph *graph);

/* A named dim, decided at each call by the inputs. A named dim never broadcasts and is never silently 1. The same name
 * gives the same dim. */
SN_API sn_dim sn_dim_new(sn_graph *graph, const char *name);
/* Arithmetic of dims and constants, decided at each call too: 2 * N + 1 is a size like any other. */
SN_API sn_dim sn_dim_add(sn_graph *graph, sn_dim a, sn_dim b);
SN_API sn_dim sn_dim_sub(sn_graph *graph, sn_dim a, sn_dim b);
SN_API sn_dim sn_dim_mul(sn_graph *graph, sn_dim a, sn_dim b);

/* dtype and shape of an expression; SN_DTYPE_NONE and rank 0 for poison. */
SN_API sn_dtype sn_expr_dtype(sn_expr e);
SN_API sn_shape sn_expr_shape(sn_expr e);

/* The operators: sn_add(a, b), sn_matmul(a, b), sn_sum(a, axes) .. with the caller's file and line. Generated. */
#include <sinter/ops.h>

/* Text of the graph that the given expressions need, in the language of docs/ir.md. Free with sn_string_free. */
SN_API sn_status sn_graph_print(sn_graph *graph, const sn_expr *outputs, size_t n_outputs, char **out);
SN_API void sn_string_free(sn_context *ctx, char *text);

/* Expressions of d(sum of y)/d(wrt[i]) into d[i]; y is a floating-point scalar. Where y does not depend on wrt[i] the
 * gradient is zeros. Each wrt[i] may be any expression of the graph. An error is kept by the graph and d is poison. */
SN_API sn_status sn_grad(sn_expr y, const sn_expr *wrt, size_t n, sn_expr *d);

/* ---- functions and calls --------------------------------------------------------------------------------------- */

typedef struct sn_update {
    sn_var *var;
    sn_expr value; /* same dtype and shape as the variable; reads old values only */
} sn_update;

/* The function is one of the graph in which this is replaced by that, all givens at once; the graph stays as it is. */
typedef struct sn_given {
    sn_expr replace; /* an expression of the graph (often an input) .. */
    sn_expr with;    /* .. that this one of the same type stands in for */
} sn_given;

typedef struct sn_function_desc {
    size_t struct_size; /* sizeof(sn_function_desc), or 0 */
    const char *name;   /* NULL: the graph's */
    const sn_expr *inputs;
    size_t n_inputs;
    const sn_expr *outputs;
    size_t n_outputs;
    const sn_update *updates;
    size_t n_updates;
    const sn_given *givens;
    size_t n_givens;
    const sn_dim *dims; /* named dims that calls are told by sn_call_set_dim; all others follow from inputs */
    size_t n_dims;
} sn_function_desc;

/* Optimises, fuses, plans and compiles. On failure *out is NULL and sn_graph_error(graph) has the sentence. */
SN_API sn_status sn_function_new(sn_graph *graph, const sn_function_desc *desc, sn_function **out);
SN_API void sn_function_free(sn_function *function);

/* Call it: inputs and outputs in the order of the description. Sizes of outputs must be what the dims give. Nothing is
 * written unless everything that can fail has succeeded. May be called from several threads at once. */
SN_API sn_status sn_function_call(sn_function *function, const sn_tensor *inputs, size_t n_inputs,
                                  const sn_tensor *outputs, size_t n_outputs);
/* The sentence of this function's last failed sn_function_call. */
SN_API const char *sn_function_error(const sn_function *function);

/* What sn_function_show prints. */
typedef enum sn_show {
    SN_SHOW_GRAPH,   /* the graph as given */
    SN_SHOW_OPT,     /* the graph after the passes */
    SN_SHOW_FUSE,    /* which nodes went to which kernel */
    SN_SHOW_WHY,     /* every fusion decision with its reason */
    SN_SHOW_KERNEL,  /* the kernels */
    SN_SHOW_PROGRAM, /* launches, matrix products, copies, memory plan */
    SN_SHOW_CODE,    /* generated code as text */
    SN_SHOW_DOT,     /* the optimised graph with its kernels, for Graphviz */
    SN_SHOW_PROFILE, /* time, bytes, flops per kernel since the function was made */
    SN_SHOW_PROFILE_JSON
} sn_show;
/* Text to free with sn_string_free(ctx). */
SN_API sn_status sn_function_show(sn_function *function, sn_show what, char **out);

typedef struct sn_function_stats {
    uint32_t n_kernels;      /* launches of generated kernels per call */
    uint32_t n_matmuls;      /* BLAS calls per call */
    uint32_t n_compiled;     /* kernels that the backend compiled for this function (the others were cached) */
    double compile_ms;       /* wall time of sn_function_new */
    double plan_ms;          /* of it: passes, fusion, lowering, plan; the rest finds or compiles kernels */
    uint64_t arena_bytes;    /* temporaries at the last call's dims */
    uint64_t bytes_per_call; /* memory read and written by kernels at the last call's dims */
    uint32_t n_plans;        /* for different dims: what is counted above is the last call's plan */
} sn_function_stats;
/* Fills the first out_bytes of *out; what this library knows nothing of is 0. sn_function_get_stats(function, out)
 * passes sizeof *(out). */
SN_API sn_status sn_function_get_stats_of(const sn_function *function, sn_function_stats *out, size_t out_bytes);
#define sn_function_get_stats(function, out) sn_function_get_stats_of((function), (out), sizeof *(out))

/* A call: bind once, run many times. Bound memory must stay valid and in place until it is bound anew. A run takes
 * memory when it is the first one, and when its sizes need more than any before; else it allocates nothing, and nor
 * does sn_function_call, which keeps its calls. A bind that fails leaves that input or output without memory. What
 * another thread asks of a call while it runs fails with SN_ERR_ARGUMENT and does not harm the run, but for
 * sn_call_free; of two runs that begin at the very same moment this need not be noticed. */
SN_API sn_status sn_call_new(sn_function *function, sn_call **out);
SN_API void sn_call_free(sn_call *call);
SN_API sn_status sn_call_bind_input(sn_call *call, size_t index, const sn_tensor *tensor);
SN_API sn_status sn_call_bind_output(sn_call *call, size_t index, const sn_tensor *tensor);
/* The same with an array, of the function's context. An input has the sizes that the array has at each run; an output
 * gives it its own. */
SN_API sn_status sn_call_bind_input_array(sn_call *call, size_t index, sn_array *array);
SN_API sn_status sn_call_bind_output_array(sn_call *call, size_t index, sn_array *array);
/* The size of dim number `index` of the description's dims, 0 or more, for all runs from here on: a batch size, say,
 * where the batch is sliced from a variable and no input has it. An input that has the dim too must agree. */
SN_API sn_status sn_call_set_dim(sn_call *call, size_t index, int64_t size);
/* Inputs have been read from host memory and outputs been written there when it returns. With arrays and variables
 * alone to write, a GPU may still be at it: what fails later is told by the next call, copy or sn_context_sync. */
SN_API sn_status sn_call_run(sn_call *call);
/* Runs n times while input number `input`, an i64 scalar, counts first, first + 1, ..: a loop over data that lies in
 * variables. The input need not be bound, and keeps what it is bound to. Outputs hold what the last run gave. All that
 * can fail does so before the first run; from there to the end nobody else writes the function's variables, and nobody
 * sees those that it updates. n 0 checks and runs nothing. */
SN_API sn_status sn_call_run_steps(sn_call *call, size_t input, int64_t first, int64_t n);
SN_API const char *sn_call_error(const sn_call *call);

/* Value of an expression that needs no inputs but variables (and the given inputs). Compiles, runs and forgets. */
SN_API sn_status sn_eval(sn_expr e, const sn_expr *inputs, const sn_tensor *values, size_t n_inputs, sn_tensor *out);

#ifdef __cplusplus
}
#endif

#endif
