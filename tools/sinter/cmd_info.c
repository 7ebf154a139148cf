/* sinter info: what this machine offers and what was found. */
#include <stdio.h>
#include <string.h>

#include "backend/backend.h"
#include "base/strbuf.h"
#include "cache/disk.h"
#include "jit_cpu/cores.h"
#include "jit_cpu/cpuid.h"
#include "tool.h"

static void print_cache(void) {
    static cache_disk_options options;
    sn_context_options none = {0};
    base_trap error = {.armed = 0};
    base_alloc alloc;
    base_alloc_init(&alloc, NULL);
    if (cache_disk_choose(&none, &options, &error)) {
        printf("cache        no: %s\n", error.text);
    } else if (!*options.dir) {
        printf("cache        no: %s\n", options.no_dir);
    } else {
        cache_swept there = cache_dir_sweep(&alloc, options.dir, 0);
        printf("cache        %s, %llu entr%s, %llu bytes\n", options.dir, (unsigned long long)there.entries,
               base_ies(there.entries), (unsigned long long)there.bytes);
    }
}

/* What generated code may use of the processor, and whether it has it. */
static void print_features(const cpu_id *id) {
    const struct {
        const char *name;
        uint32_t word;
        int bit;
    } features[] = {{"avx", id->leaf1_ecx, 28},      {"avx2", id->leaf7_ebx, 5},      {"fma", id->leaf1_ecx, 12},
                    {"f16c", id->leaf1_ecx, 29},     {"bmi1", id->leaf7_ebx, 3},      {"bmi2", id->leaf7_ebx, 8},
                    {"lzcnt", id->ext1_ecx, 5},      {"movbe", id->leaf1_ecx, 22},    {"avx512f", id->leaf7_ebx, 16},
                    {"avx512bw", id->leaf7_ebx, 30}, {"avx512cd", id->leaf7_ebx, 28}, {"avx512dq", id->leaf7_ebx, 17},
                    {"avx512vl", id->leaf7_ebx, 31}};
    for (int there = 1; there >= 0; there--) {
        int n = 0;
        for (size_t i = 0; i < sizeof features / sizeof *features; i++)
            if ((int)(features[i].word >> features[i].bit & 1) == there)
                printf("%s%s", n++ ? " " : there ? "features     " : "lacking      ", features[i].name);
        if (n) puts("");
    }
}

/* What the device says while it opens its libraries: where they are. */
typedef struct {
    char compiler[400], blas[400], warning[400];
} found;

static void note(void *user, sn_log_level level, const char *message) {
    static const char *const compilers[] = {"compiler: ", "CUDA compiler: "};
    found *f = user;
    for (size_t i = 0; i < sizeof compilers / sizeof *compilers; i++)
        if (!strncmp(message, compilers[i], strlen(compilers[i])))
            snprintf(level == SN_LOG_INFO ? f->compiler : f->warning, sizeof f->compiler,
                     level == SN_LOG_INFO ? ", %.390s" : "; %.390s", message + strlen(compilers[i]));
    if (!strncmp(message, "matrix products: ", 17)) snprintf(f->blas, sizeof f->blas, ", %.390s", message + 17);
}

/* All that a program needs sooner or later is opened here. */
static void print_gpu(const be_options *options, found *where) {
    base_trap error = {.armed = 0};
    be_device *dev = NULL;
    char version[BE_COMPILER_MAX];
    *where = (found){0};
    if (be_gpu.open(options, &dev, &error)) {
        printf("gpu          no: %s\n", error.text);
        return;
    }
    printf("gpu          yes, %s\n", be_gpu.describe(dev));
    sn_status compiler = be_gpu.compiler(dev, version, &error);
    char *said = strstr(where->compiler, ", NVRTC "); /* which comes first here */
    if (said) *said = 0;
    printf("gpu compiler %s%s%s%s\n", compiler ? "no: " : "yes, ", compiler ? error.text : version, where->compiler,
           where->warning);
    sn_status blas = be_gpu.reserve_gemm(dev, &error);
    printf("gpu blas     %s%s\n", blas ? "no: " : "yes", blas ? error.text : where->blas);
    be_gpu.close(dev);
}

static void print_cpu(const be_options *options, const found *where) {
    base_trap error = {.armed = 0};
    be_device *dev = NULL;
    char version[BE_COMPILER_MAX];
    if (be_cpu.open(options, &dev, &error)) {
        printf("cpu          no: %s\n", error.text);
        return;
    }
    printf("cpu          yes, target %s\n", be_cpu.target(dev));
    sn_status compiler = be_cpu.compiler(dev, version, &error);
    printf("compiler     %s%s%s\n", compiler ? "no: " : "yes, ", compiler ? error.text : version, where->compiler);
    sn_status blas = be_cpu.reserve_gemm(dev, &error);
    printf("blas         %s%s\n", blas ? "no: " : "yes", blas ? error.text : where->blas);
    be_cpu.close(dev);
}

static int run(int argc, char **argv) {
    (void)argv;
    static found where;
    if (argc > 1) return tool_fail("info", "takes no arguments");
    cpu_id id = cpu_id_read();
    printf("sinter       %s\n", sn_version());
    printf("processor    x86-64-v%d, %d thread%s\n", (int)cpu_id_level(&id), cpu_cores(),
           base_s((uint64_t)cpu_cores()));
    print_features(&id);
    base_alloc alloc;
    base_log log;
    base_alloc_init(&alloc, NULL);
    base_log_init(&log, note, &where, SN_LOG_INFO);
    be_options options = {.alloc = &alloc, .log = &log};
    print_cpu(&options, &where);
    print_gpu(&options, &where);
    printf("interp       yes\n");
    print_cache();
    return 0;
}

const tool_command tool_info = {"info", run, "info",
                                "processor, backends, compilers and BLAS libraries found, or why not", NULL};
