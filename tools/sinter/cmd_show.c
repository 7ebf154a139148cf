/* sinter show FILE.sn: a graph in the language of docs/ir.md, after the stage asked for. Needs no compiler: it stops
 * before code is generated, except with --code. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "backend/backend.h"
#include "ir/pass.h"
#include "ir/program.h"
#include "jit_gpu/nvrtc.h"
#include "tool.h"

enum { GRAPH = 1, OPT = 2, FUSE = 4, WHY = 8, KERNEL = 16, CODE = 32, DOT = 64, PASSES = 128 };
static const struct {
    const char *flag;
    int stage;
} flags[] = {{"--graph", GRAPH},   {"--opt", OPT},   {"--fuse", FUSE}, {"--why", WHY},
             {"--kernel", KERNEL}, {"--code", CODE}, {"--dot", DOT},   {"--passes", PASSES}};

typedef struct {
    int stages;
    int fuse;
    const be_backend *backend; /* whose plan it is */
    const char *text;
    size_t n;
    ir_graph given, graph;
    pg_plans plans;
    ir_roots roots; /* of given */
    base_alloc alloc;
    base_log log;
    sn_status status; /* of code generation, whose sentence is in error */
    base_trap error;
} job;

static void print(base_strbuf *out) {
    if (out->at) fputs(out->at, stdout);
    base_strbuf_free(out);
}

static void put_log(void *user, sn_log_level level, const char *message) {
    (void)user, (void)level;
    puts(message);
}

/* PTX of a source where there is no GPU to be asked which one it has to be for: of compute capability 8.0, or of the
 * oldest that the compiler knows. Without a compiler a line says so. */
static void print_ptx(job *j, const char *source) {
    enum { WITHOUT_GPU = 80 };
    gpu_nvrtc *nvrtc;
    base_strbuf ptx;
    int archs[NVRTC_MAX_ARCHS], n = 0;
    base_strbuf_init(&ptx, &j->alloc);
    gpu_nvrtc_init(&nvrtc, &j->alloc, &j->log);
    sn_status status = nvrtc ? gpu_nvrtc_archs(nvrtc, archs, &n, &j->error) : SN_ERR_NOMEM;
    if (!status)
        status = gpu_nvrtc_compile(nvrtc, source, "kernel.cu", archs[0] > WITHOUT_GPU ? archs[0] : WITHOUT_GPU, &ptx,
                                   NULL, &j->error);
    if (status)
        printf("// no PTX: %s\n", nvrtc ? j->error.text : "out of memory");
    else
        print(&ptx);
    base_strbuf_free(&ptx);
    gpu_nvrtc_free(nvrtc);
}

/* What is generated as text alone needs no device. */
static void print_source(job *j, const pg_program *p, const kn_kernel *kernel, const void *key, size_t n) {
    base_strbuf source, ptx;
    be_device *dev = NULL;
    be_options options = {.alloc = &j->alloc, .log = &j->log, .threads = 1};
    pg_namer namer = {p->graph, kernel};
    base_strbuf_init(&source, &j->alloc);
    base_strbuf_init(&ptx, &j->alloc);
    j->status = j->backend->source(&j->alloc, kernel, pg_name_instruction, &namer, &source, &j->error);
    if (!j->status) {
        fputs(source.at, stdout);
        if (j->backend->open(&options, &dev, &j->error)) {
            print_ptx(j, source.at);
        } else if (j->backend->text(dev, key, n, j->backend->texts[1], &ptx, &j->error)) {
            printf("// no PTX: %s\n", j->error.text);
        } else {
            print(&ptx);
        }
    }
    j->backend->close(dev);
    base_strbuf_free(&ptx);
    base_strbuf_free(&source);
}

static void print_code(job *j, const pg_program *p, const kn_kernel *kernel, const char *name) {
    be_device *dev = NULL;
    base_strbuf key, text;
    base_strbuf_init(&key, &j->alloc);
    base_strbuf_init(&text, &j->alloc);
    kn_encode(kernel, &key);
    be_options options = {.alloc = &j->alloc, .log = &j->log, .threads = 1};
    printf("%s\n", name);
    if (j->backend->source) {
        print_source(j, p, kernel, key.at, key.n);
    } else {
        j->status = j->backend->open(&options, &dev, &j->error);
        for (const char *const *what = j->backend->texts; *what && !j->status; what++) {
            j->status = j->backend->text(dev, key.at, key.n, *what, &text, &j->error);
            print(&text);
        }
        j->backend->close(dev);
    }
    base_strbuf_free(&text);
    base_strbuf_free(&key);
}

static void parse(void *arg) {
    job *j = arg;
    base_strbuf out;
    base_strbuf_init(&out, &j->alloc);
    ir_parse(&j->given, j->text, j->n, &j->roots);
    if (j->stages & GRAPH) ir_print(&j->given, &j->roots, &out);
    print(&out);
}

static void print_plan(job *j, const pg_program *p) {
    base_strbuf out;
    base_strbuf_init(&out, &j->alloc);
    if (j->plans.n > 1 && !(j->stages & DOT)) {
        base_strbuf_puts(&out, "# plan for ");
        pg_print_assumption(p, &out);
        base_strbuf_puts(&out, "\n");
    }
    if ((j->stages & OPT) && p->graph != &j->graph) ir_print(p->graph, &p->roots, &out);
    print(&out);
    if (j->stages & FUSE) fputs(p->fuse_text, stdout);
    if (j->stages & WHY) fputs(p->why_text, stdout);
    if (j->stages & DOT) ir_print_dot(p->graph, &p->roots, p->step_of, &out);
    print(&out);
    for (uint32_t i = 0; i < p->n_step; i++) {
        if (p->step[i].kind != PG_LAUNCH) continue;
        if (j->stages & KERNEL) {
            printf("%s\n", p->step[i].name);
            pg_namer namer = {p->graph, p->step[i].kernel};
            kn_print_named(p->step[i].kernel, pg_name_instruction, &namer, &out);
            print(&out);
        }
        if ((j->stages & CODE) && !j->status) print_code(j, p, p->step[i].kernel, p->step[i].name);
    }
}

static void compile(void *arg) {
    job *j = arg;
    base_strbuf out;
    base_strbuf_init(&out, &j->alloc);
    ir_roots roots;
    /* The passes themselves print the graph where they have changed it, to the log. */
    if (j->stages & PASSES) setenv("SINTER_DUMP", "opt", 1);
    ir_optimise(&j->graph, &j->given, &j->roots, ir_pass_last(j->backend->machine), &roots);
    if (j->stages & OPT) ir_print(&j->graph, &roots, &out);
    print(&out);
    if (!(j->stages & (FUSE | WHY | KERNEL | CODE | DOT))) return;
    pg_compile_plans(&j->plans, &j->graph, &roots, j->fuse ? PG_FUSE : 0, j->backend->machine);
    /* A picture is of one plan. */
    uint32_t first = j->stages & DOT ? j->plans.n - 1 : 0;
    for (uint32_t i = first; i < j->plans.n; i++) print_plan(j, j->plans.at[i]);
}

/* 0, or the exit status after a sentence on standard error. */
static int show(job *j, const char *path) {
    if (ir_graph_init(&j->given, &j->alloc, &j->log, NULL)) return tool_fail("show", "out of memory");
    if (base_protect(&j->given.trap, parse, j)) return tool_fail("show", "%s: %s", path, j->given.trap.text);
    if (!(j->stages & ~GRAPH)) return 0;
    if (ir_graph_init(&j->graph, &j->alloc, &j->log, j->given.name)) return tool_fail("show", "out of memory");
    if (base_protect(&j->graph.trap, compile, j)) return tool_fail("show", "%s: %s", path, j->graph.trap.text);
    return j->status ? tool_fail("show", "%s", j->error.text) : 0;
}

/* ---- arguments --------------------------------------------------------------------------------------------------- */

static int take_flag(job *j, const char *flag) {
    for (size_t k = 0; k < sizeof flags / sizeof *flags; k++)
        if (!strcmp(flag, flags[k].flag)) {
            j->stages |= flags[k].stage;
            return 0;
        }
    if (strcmp(flag, "--no-fuse") != 0) return tool_fail("show", "no flag \"%s\"", flag);
    j->fuse = 0;
    return 0;
}

static int take_backend(job *j, const char *name) {
    if (!strcmp(name, "gpu"))
        j->backend = &be_gpu;
    else if (strcmp(name, "cpu") != 0)
        return tool_fail("show", "--backend is cpu or gpu, not \"%s\"", name);
    return 0;
}

static int take_arguments(job *j, int argc, char **argv, const char **path) {
    int bad = 0;
    for (int i = 1; i < argc && !bad; i++) {
        if (!strcmp(argv[i], "--backend"))
            bad = take_backend(j, i + 1 < argc ? argv[++i] : "");
        else if (argv[i][0] == '-' && argv[i][1])
            bad = take_flag(j, argv[i]);
        else if (*path)
            bad = tool_fail("show", "one file at a time, please: \"%s\"", argv[i]);
        else
            *path = argv[i];
    }
    if (!bad && !*path) bad = tool_fail("show", "which file? usage: sinter %s", tool_show.usage);
    if (!j->stages) j->stages = FUSE;
    return bad;
}

static int run(int argc, char **argv) {
    const char *path = NULL;
    job *j = calloc(1, sizeof *j);
    if (!j) return tool_fail("show", "out of memory");
    j->fuse = 1;
    j->backend = &be_cpu;
    base_alloc_init(&j->alloc, NULL);
    base_log_init(&j->log, put_log, NULL, SN_LOG_OFF);
    int bad = take_arguments(j, argc, argv, &path);
    char *text = bad ? NULL : tool_read_file(path, &j->n);
    if (!bad && !text) bad = tool_fail("show", "%s cannot be read", path);
    if (!bad) {
        j->text = text;
        bad = show(j, path);
        pg_plans_clear(&j->plans);
        ir_graph_clear(&j->graph);
        ir_graph_clear(&j->given);
    }
    free(text);
    free(j);
    return bad;
}

const tool_command tool_show = {"show", run, "show FILE.sn [OPTION ..]",
                                "a graph that is given as text, after each stage of compiling that is named",
                                "  --graph              the graph as given\n"
                                "  --passes             the graph after each pass that changed it\n"
                                "  --opt                the graph after the passes\n"
                                "  --fuse               which nodes go to which kernel (the default)\n"
                                "  --why                every decision of fusion with its reason\n"
                                "  --kernel             the kernels\n"
                                "  --code               LLVM IR and assembly, or CUDA C++ and PTX\n"
                                "  --dot                the optimised graph with its kernels, for Graphviz\n"
                                "  --no-fuse            a kernel for every node\n"
                                "  --backend cpu|gpu    for which machine\n"};
