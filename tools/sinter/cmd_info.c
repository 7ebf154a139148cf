/* sinter info: what this machine offers and what was found. */
#include <stdio.h>

#include "backend/backend.h"
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
        printf("cache        %s, %llu entries, %llu bytes\n", options.dir, (unsigned long long)there.entries,
               (unsigned long long)there.bytes);
    }
}

static int run(int argc, char **argv) {
    (void)argv;
    if (argc > 1) return tool_fail("info", "takes no arguments");
    cpu_id id = cpu_id_read();
    printf("sinter       %s\n", sn_version());
    printf("processor    x86-64-v%d, %d threads\n", (int)cpu_id_level(&id), cpu_cores());
    base_alloc alloc;
    base_log log;
    base_trap error = {0};
    base_alloc_init(&alloc, NULL);
    base_log_init(&log, NULL, NULL, SN_LOG_OFF);
    be_options options = {.alloc = &alloc, .log = &log};
    be_device *dev = NULL;
    if (be_cpu.open(&options, &dev, &error)) {
        printf("cpu          no: %s\n", error.text);
        printf("interp       yes\n");
        return 0;
    }
    printf("cpu          yes, target %s\n", be_cpu.target(dev));
    /* The smallest kernel there is shows whether code can be generated. */
    kn_kernel empty = {0};
    base_strbuf key, text;
    base_strbuf_init(&key, &alloc);
    base_strbuf_init(&text, &alloc);
    kn_encode(&empty, &key);
    sn_status compiler = be_cpu.text(dev, key.at, key.n, "llvm", &text, &error);
    printf("compiler     %s%s\n", compiler == SN_ERR_UNAVAILABLE ? "no: " : "yes",
           compiler == SN_ERR_UNAVAILABLE ? error.text : "");
    sn_status blas = be_cpu.reserve_gemm(dev, &error);
    printf("blas         %s%s\n", blas ? "no: " : "yes", blas ? error.text : "");
    printf("interp       yes\n");
    print_cache();
    base_strbuf_free(&key);
    base_strbuf_free(&text);
    be_cpu.close(dev);
    return 0;
}

const tool_command tool_info = {"info", run, "info", "backends, processor, compiler and BLAS found, or why not"};
