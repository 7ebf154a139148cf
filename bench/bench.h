/* bench.h: named cases, each a computation of Sinter's next to a yardstick written by hand, timed alternately.
 *
 * A case's setup makes inputs, compiles functions and fills a bench_run; everything it makes through the functions
 * below is freed with the run. What fails ends the case, not the program: bench_fail does not return. */
#ifndef BENCH_H
#define BENCH_H

#include <setjmp.h>
#include <stddef.h>
#include <stdint.h>

#include <sinter/sinter.h>

#include "device.h"
#include "team.h"

/* What the limit of a case is compared with. */
typedef enum bench_measure {
    BENCH_TIME,   /* our time / the yardstick's: at most */
    BENCH_SPEED,  /* the yardstick's time / ours: at least */
    BENCH_SECONDS /* our time: at most */
} bench_measure;

typedef struct bench_run bench_run;

/* How cases are run. */
typedef struct bench_settings {
    const char *backend; /* NULL: the library's choice */
    int threads;
    double scale; /* on the GPU: of the sizes of cases, up to 1 */
} bench_settings;

typedef struct bench_case {
    const char *name;
    const char *what;      /* one line */
    const char *yardstick; /* what it is compared with; NULL: nothing, and results with C on the CPU */
    bench_measure measure;
    double limit;     /* 0: none */
    double tolerance; /* of run->error */
    void (*setup)(bench_run *run, const struct bench_case *c);
    sn_dtype dtype;
    int64_t size;  /* meaning is the setup's */
    int variant;   /* meaning is the setup's */
    int by_mean;   /* means are compared, not medians */
    int tf32;      /* products may round their operands */
    int one_count; /* the number of threads does not matter: measured once */
} bench_case;

enum { BENCH_MAX_OWNED = 64 };

struct bench_run {
    /* Given to setup. */
    sn_context *ctx;
    team *team;     /* the yardstick's threads */
    device *device; /* on the GPU alone */
    int threads;
    double scale;
    /* Filled in by setup. ours and yard do one step on the same inputs. Where the _timed forms are set they do and time
     * a step themselves. On the GPU they may return before the step is done: whoever measures waits at the end of a
     * sample. yard NULL: error runs what it compares itself. */
    void *state;
    int64_t steps;  /* that one call of ours does; 0: one */
    char note[120]; /* what is unusual about this run: sizes, mostly */
    int64_t size;   /* what bench_scaled gave */
    int smaller;    /* than the case is: its target does not apply */
    void (*ours)(void *state);
    void (*yard)(void *state);
    double (*ours_timed)(void *state);
    double (*yard_timed)(void *state);
    double (*error)(void *state); /* after one call of each: the largest relative difference of results; may be NULL */
    void (*leave)(void *state);   /* called at the end; may be NULL */
    double bytes;                 /* least traffic of one step; 0: not a matter of bandwidth */
    /* Owned. */
    jmp_buf failed;
    char message[600];
    void *memory[BENCH_MAX_OWNED];
    sn_var *var[BENCH_MAX_OWNED];
    sn_array *array; /* where output 0 stays on the device */
    size_t n_memory, n_var;
    sn_graph *graph;
    sn_function *function;
    sn_call *call;
};

/* ---- run.c ------------------------------------------------------------------------------------------------------- */

/* 1, or 0 with run->message. Afterwards bench_end must be called in both cases. */
int bench_begin(bench_run *run, const bench_case *c, const bench_settings *how);
void bench_end(bench_run *run);
_Noreturn void bench_fail(bench_run *run, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Zeroed, aligned to a page, freed with the run. */
void *bench_alloc(bench_run *run, size_t bytes);
float *bench_floats(bench_run *run, int64_t n);
/* Floats as bench_uniform_at gives them; the same ones again and again after BENCH_PERIOD. */
enum { BENCH_PERIOD = 1 << 24 };
void bench_fill(float *to, int64_t n, uint32_t seed, double low, double high);
/* n, or as much of it as the settings and the device's memory allow at so many bytes each, in multiples of step; what
 * is less than n is noted. */
int64_t bench_scaled(bench_run *run, int64_t n, int64_t step, double bytes_each);
/* The same floats as bench_floats from a hash of seed and index, uniform in [low, high): peers.py makes them again. */
float *bench_uniform(bench_run *run, int64_t n, uint32_t seed, double low, double high);
double bench_uniform_at(int64_t i, uint32_t seed, double low, double high);

/* The run's graph; made at first use. */
sn_graph *bench_graph(bench_run *run);
sn_var *bench_var(bench_run *run, const char *name, sn_dtype dtype, int32_t rank, const int64_t *sizes);
void bench_var_set(bench_run *run, sn_var *var, const void *data);
void bench_var_get(bench_run *run, sn_var *var, void *data);
/* Compiles the run's function and makes its call. */
void bench_compile(bench_run *run, const sn_expr *in, size_t n_in, const sn_expr *out, size_t n_out,
                   const sn_update *updates, size_t n_updates);
void bench_bind_in(bench_run *run, size_t index, const sn_tensor *tensor);
void bench_bind_out(bench_run *run, size_t index, const sn_tensor *tensor);
/* Output 0 of that type stays on the device; and copied from there. */
void bench_keep_out(bench_run *run, sn_dtype dtype, int32_t rank, const int64_t *sizes);
void bench_kept_out(bench_run *run, void *data);
/* Runs the call; inline, for it is inside what is timed. */
static inline void bench_call(bench_run *run) {
    if (sn_call_run(run->call)) bench_fail(run, "%s", sn_call_error(run->call));
}
/* Largest |a - b| / (scale + |b|). */
double bench_difference(const float *a, const float *b, int64_t n, double scale);

/* ---- measure.c --------------------------------------------------------------------------------------------------- */

typedef struct bench_stats {
    double median, mean, least; /* seconds of one step */
    int64_t steps;
} bench_stats;

typedef struct bench_result {
    const bench_case *c;
    int threads;
    char failure[600], note[120]; /* failure: "" where it ran */
    bench_stats ours, yard;       /* yard.steps 0: there is none */
    double error, ratio, bytes;
    double best;  /* the ratio of the least times: tells noise from a slow program */
    int64_t size; /* 0: what the case says */
    int samples, met, smaller;
} bench_result;

double bench_now(void);
/* Prints what sn_function_show tells about a case's function (a profile: after it ran for `seconds`); 0 where that
 * fails. */
int bench_show_case(const bench_case *c, const bench_settings *how, sn_show what, double seconds);
/* Runs a case for about `seconds` after warm-up: checks that results agree, then times ours and the yardstick in turn.
 */
void bench_measure_case(const bench_case *c, const bench_settings *how, double seconds, bench_result *out);

/* ---- report.c ---------------------------------------------------------------------------------------------------- */

void bench_print_head(void);
void bench_print_row(const bench_result *r);
/* gpu: what the results are of, where it is no processor, else NULL. Return 0 where the file cannot be written. */
int bench_write_json(const char *path, const char *gpu, const bench_result *r, size_t n);
/* The table of docs/performance.md. */
int bench_write_markdown(const char *path, const char *gpu, const bench_result *r, size_t n);

/* ---- cases ------------------------------------------------------------------------------------------------------- */

typedef struct bench_list {
    const bench_case *at;
    size_t n;
} bench_list;
extern const bench_list bench_moons, bench_mnist, bench_few, bench_elementwise, bench_rows, bench_folds, bench_start;
/* Those of --device gpu: everything lies on the device. */
extern const bench_list bench_moons_gpu, bench_mnist_gpu, bench_memory_gpu, bench_products_gpu;

/* cases_start.c: what the program does when the cases `cold` and `warm` start it again: "load", or "moons-" and a
 * number of threads with the folder of the kernel cache. Returns an exit status. */
int bench_child(const char *what, const char *folder);

#endif
