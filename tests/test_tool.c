/* The commands `sinter show`, `info` and the like, from outside; `sinter cache` and `sinter run` have tests of their
 * own. */
#define _GNU_SOURCE
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "support/support_cache.h"
#include "support/support_run.h"

static char dir[SUPPORT_PATH_MAX], out[1 << 16];

static const char graph[] = "graph net[N](%x: f32[N,64], %s: f32[64,3]) vars(@W: f32[64,128]) {\n"
                            "  %z = matmul %x, @W : f32[N,128]\n"
                            "  %none = neg %z : f32[N,128]\n"
                            "  %again = neg %none : f32[N,128]\n"
                            "  %h = tanh %again : f32[N,128]\n"
                            "  %small = matmul %x, %s : f32[N,3]\n"
                            "  return %h, %small\n"
                            "}\n";

static void set_up(void) {
    char path[SUPPORT_PATH_MAX + 16];
    support_folder(dir);
    snprintf(path, sizeof path, "%s/net.sn", dir);
    support_file_write(path, graph, sizeof graph - 1);
}

static void tear_down(void) { support_folder_remove(dir); }

/* Runs `sinter WORDS`, where FILE stands for the graph's file; what it prints is in out. The exit status. */
static int tool(const char *words) {
    char command[2048];
    snprintf(command, sizeof command,
             "set -- $(echo '%s' | sed 's,FILE,%s/net.sn,'); exec " SN_BUILD_DIR "/sinter \"$@\" 2>&1", words, dir);
    return support_shell(command, out, sizeof out);
}

#define PRINTS(words, status, what)                                                                                    \
    do {                                                                                                               \
        ck_assert_msg(tool(words) == (status), "%s: %.3000s", (words), out);                                           \
        SUPPORT_HAS(out, what);                                                                                        \
    } while (0)

START_TEST(shows_each_stage) {
    PRINTS("show FILE --graph", 0, "= neg %");
    PRINTS("show FILE --opt", 0, "= tanh %");
    ck_assert_ptr_null(strstr(out, "= neg %"));
    PRINTS("show FILE --passes", 0, "opt: before\ngraph net[N]");
    SUPPORT_HAS(out, "= neg %");
    SUPPORT_HAS(out, "opt: after algebra, 1 rewrites");
    PRINTS("show FILE", 0, "\"h\" stored");
    PRINTS("show FILE --why", 0, "alone: a matrix product for BLAS");
    SUPPORT_HAS(out, "    in loops, not by BLAS: n is 3, not more than 15\n");
    SUPPORT_HAS(out, "    new g");
    PRINTS("show FILE --kernel", 0, "  h\n");
    SUPPORT_HAS(out, "part 0  points");
    PRINTS("show FILE --dot", 0, "digraph");
    PRINTS("show FILE --graph --why --kernel", 0, "return %");
    PRINTS("show FILE --no-fuse", 0, "stored");
    PRINTS("show FILE --backend gpu --why", 0, "epilogue");
    PRINTS("show FILE --backend cpu --why", 0, "alone: a matrix product for BLAS");
    ck_assert_ptr_null(strstr(out, "epilogue"));
    PRINTS("show FILE --backend gpu --code", 0, "__global__");
    SUPPORT_HAS(out, ".version");
    /* Without a GPU there is PTX for 8.0, without a compiler the source still. */
    setenv("STANDIN_NO_DEVICE", "1", 1);
    PRINTS("show FILE --backend gpu --code --kernel", 0, "__global__");
    SUPPORT_HAS(out, ".version");
    SUPPORT_HAS(out, "part 0  points");
    unsetenv("STANDIN_NO_DEVICE");
    char libraries[512];
    snprintf(libraries, sizeof libraries, "%s", getenv("SINTER_CUDA_PATH"));
    setenv("SINTER_CUDA_PATH", "/nonexistent", 1);
    PRINTS("show FILE --backend gpu --code", 0, "__global__");
    SUPPORT_HAS(out, "// no PTX: no CUDA compiler: libnvrtc.so.13 cannot be opened; looked in /nonexistent");
    setenv("SINTER_CUDA_PATH", libraries, 1);
    PRINTS("show FILE --backend abacus", 2, "--backend is cpu or gpu, not \"abacus\"");
    PRINTS("show FILE --backend", 2, "--backend is cpu or gpu, not \"\"");
}
END_TEST

/* An array of zeros in NumPy's form, whose name ends the command. */
static void write_zeros(const char *name, int rows, int columns) {
    char path[SUPPORT_PATH_MAX + 16], head[80];
    snprintf(path, sizeof path, "%s/%s.npy", dir, name);
    FILE *f = fopen(path, "wb");
    ck_assert_ptr_nonnull(f);
    snprintf(head, sizeof head, "{'descr': '<f4', 'fortran_order': False, 'shape': (%d, %d), }", rows, columns);
    fprintf(f, "\x93NUMPY\x01%c\x76%c%-117s\n", 0, 0, head);
    for (int i = 0; i < rows * columns; i++) ck_assert_uint_eq(fwrite(&(float){0}, 4, 1, f), 1);
    ck_assert(!fclose(f));
}

START_TEST(run_shows_what_it_did) {
    char words[1024];
    write_zeros("x", 5, 64);
    write_zeros("s", 64, 3);
    snprintf(words, sizeof words, "run FILE --input x=%s/x.npy --input s=%s/s.npy --show program --show profile", dir,
             dir);
    PRINTS(words, 0, "h: f32[5,128] 0 0");
    SUPPORT_HAS(out, "matmul f32 ");
    SUPPORT_HAS(out, " us: one thread\n");
    SUPPORT_HAS(out, "arena 2560 bytes with N = 5\n");
    strcat(words, " --backend gpu --show profile-json");
    PRINTS(words, 0, "h: f32[5,128] 0 0");
    SUPPORT_HAS(out, "\nto the device ");
    SUPPORT_HAS(out, "\"bytes_to_device\": ");
    SUPPORT_HAS(out, "\"graph_launches\": 0, ");
    PRINTS("run FILE --show poem", 2, "not \"poem\"");
}
END_TEST

START_TEST(says_what_is_wrong) {
    PRINTS("show", 2, "which file?");
    PRINTS("show FILE --colour", 2, "no flag \"--colour\"");
    PRINTS("show /nonexistent", 2, "/nonexistent cannot be read");
    PRINTS("show FILE FILE", 2, "one file at a time");
    PRINTS("nonsense", 2, "no command \"nonsense\"");
    PRINTS("info FILE", 2, "takes no arguments");
}
END_TEST

START_TEST(tells_how_it_is_used) {
    static const char *const commands[] = {"show", "run", "info", "ops", "cache"};
    char words[32];
    PRINTS("help", 0, "usage: sinter COMMAND");
    for (size_t i = 0; i < sizeof commands / sizeof *commands; i++) {
        snprintf(words, sizeof words, "%s --help", commands[i]);
        PRINTS(words, 0, "usage: sinter ");
        SUPPORT_HAS(out, commands[i]);
    }
}
END_TEST

START_TEST(informs_about_the_machine) {
    static const char *const lines[] = {"sinter       ",      "\nprocessor    x86-64-v", "\nfeatures     ",
                                        "\ncpu          ",    "\ncompiler     ",         "\nblas         ",
                                        "\ninterp       yes", "\ncache        "};
    setenv("SINTER_CACHE_DIR", dir, 1);
    PRINTS("info", 0, "0 entries, 0 bytes");
    for (size_t i = 0; i < sizeof lines / sizeof *lines; i++) SUPPORT_HAS(out, lines[i]);
    setenv("SINTER_LLVM", "/nonexistent", 1);
    PRINTS("info", 0, "compiler     no: ");
    SUPPORT_HAS(out, "/nonexistent");
    setenv("SINTER_BLAS", "/nonexistent", 1);
    PRINTS("info", 0, "blas         no: ");
}
END_TEST

static Suite *suite(void) {
    Suite *s = suite_create("tool");
    TCase *t = tcase_create("all");
    tcase_add_checked_fixture(t, set_up, tear_down);
    tcase_add_test(t, shows_each_stage);
    tcase_add_test(t, run_shows_what_it_did);
    tcase_add_test(t, says_what_is_wrong);
    tcase_add_test(t, tells_how_it_is_used);
    tcase_add_test(t, informs_about_the_machine);
    suite_add_tcase(s, t);
    return s;
}

int main(void) { return support_main(suite()); }
