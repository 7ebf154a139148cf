/* The command `sinter cache`, from outside: over a folder that a few kernels of the real backend were kept in. */
#define _GNU_SOURCE
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "support/support_cache.h"

static char dir[SUPPORT_PATH_MAX], out[1 << 16];

/* tanh of two types: two kernels of one family. */
static void set_up(void) {
    sn_context *ctx;
    support_folder(dir);
    sn_context_options o = {.struct_size = sizeof o, .cache_mode = SN_CACHE_RW, .cache_dir = dir};
    ck_assert_int_eq(sn_context_new(&o, &ctx), SN_OK);
    for (int i = 0; i < 2; i++) {
        sn_graph *g = sn_graph_new(ctx, "tool");
        sn_dim N = sn_dim_new(g, "N");
        sn_expr x = sn_input(g, "speed", i ? SN_F64 : SN_F32, SN_SHAPE(N)), y = sn_tanh(x);
        sn_function *f;
        sn_function_desc desc = {.inputs = &x, .n_inputs = 1, .outputs = &y, .n_outputs = 1};
        ck_assert_msg(!sn_function_new(g, &desc, &f), "%s", sn_graph_error(g));
        sn_function_free(f);
        sn_graph_free(g);
    }
    sn_context_free(ctx);
}

static void tear_down(void) { support_folder_remove(dir); }

/* Runs `sinter cache WORDS --dir DIR`; what it prints is in out. The exit status. */
static int tool(const char *words) {
    char command[1024];
    snprintf(command, sizeof command, SN_BUILD_DIR "/sinter cache %s --dir %s 2>&1", words, dir);
    FILE *f = popen(command, "r");
    ck_assert_ptr_nonnull(f);
    size_t n = fread(out, 1, sizeof out - 1, f);
    out[n] = 0;
    int status = pclose(f);
    ck_assert_msg(WIFEXITED(status), "%s: %s", command, out);
    return WEXITSTATUS(status);
}

#define PRINTS(words, status, what)                                                                                    \
    do {                                                                                                               \
        ck_assert_msg(tool(words) == (status), "%s: %s", (words), out);                                                \
        ck_assert_msg(strstr(out, (what)) != NULL, "%s: no '%s' in\n%s", (words), (what), out);                        \
    } while (0)

static void first_key(char key[33]) {
    char path[SUPPORT_PATH_MAX];
    ck_assert_int_ge(support_folder_count(dir, ".k1", path), 1);
    snprintf(key, 33, "%s", strrchr(path, '/') + 1);
}

START_TEST(lists_and_shows) {
    char key[33], words[256];
    first_key(key);
    PRINTS("ls", 0, "tool.0 tanh");
    PRINTS("ls 'nothing*' --json", 0, "[\n]");
    PRINTS("ls --sort size --json", 0, key);
    PRINTS("ls --sort colour", 2, "not by colour");
    PRINTS("stats", 0, "entries     2");
    PRINTS("stats --json", 0, "\"entries\": 2,");
    snprintf(words, sizeof words, "show %.8s", key);
    PRINTS(words, 0, "compiler LLVM ");
    snprintf(words, sizeof words, "show %.8s graph kernel", key);
    PRINTS(words, 0, "speed");
    snprintf(words, sizeof words, "show %.8s llvm asm", key);
    PRINTS(words, 0, "define ");
    snprintf(words, sizeof words, "show %.8s disasm", key);
    PRINTS(words, 0, "Disassembly of section");
    snprintf(words, sizeof words, "show %.8s about graph --json", key);
    PRINTS(words, 0, "{\"about\": \"entry ");
    snprintf(words, sizeof words, "show %.8s colour", key);
    PRINTS(words, 2, "no part colour");
    PRINTS("show zzz", 1, "no entry begins with zzz");
    PRINTS("show ''", 1, "several entries");
    PRINTS("nonsense", 2, "there is no command nonsense");
}
END_TEST

START_TEST(verifies_and_compares) {
    char path[SUPPORT_PATH_MAX], words[256], keys[2][33];
    size_t n;
    PRINTS("verify", 0, "2 entries, 0 damaged");
    ck_assert_int_eq(tool("ls --json"), 0);
    const char *at = out;
    for (int i = 0; i < 2; i++) {
        at = strstr(at, "\"key\": \"");
        ck_assert_ptr_nonnull(at);
        at += 8;
        snprintf(keys[i], sizeof keys[i], "%.32s", at);
    }
    snprintf(words, sizeof words, "diff %s %s", keys[0], keys[1]);
    PRINTS(words, 0, "is cached for types f");
    snprintf(words, sizeof words, "diff %s %s --json", keys[0], keys[0]);
    PRINTS(words, 0, "{\"differs\": \"the keys are equal\"}");
    support_folder_count(dir, ".k1", path);
    char *bytes = support_file(path, &n);
    bytes[n / 2] ^= 1;
    support_file_write(path, bytes, n);
    PRINTS("verify", 1, "its checksum is wrong");
    PRINTS("verify --json", 1, "\"entries\": 2}");
    PRINTS("ls", 0, "its checksum is wrong");
    free(bytes);
}
END_TEST

START_TEST(packs_and_removes) {
    char words[512], key[33];
    snprintf(words, sizeof words, "pack %s/b 'tool.0*'", dir);
    PRINTS(words, 0, "2 entries");
    first_key(key);
    snprintf(words, sizeof words, "rm %s", key);
    PRINTS(words, 0, "removed 1");
    PRINTS("gc 1", 0, "1 entries");
    ck_assert_int_eq(support_folder_count(dir, ".k1", NULL), 0);
    snprintf(words, sizeof words, "unpack %s/b --json", dir);
    PRINTS(words, 0, "{\"entries\": 2}");
    PRINTS("verify", 0, "2 entries, 0 damaged");
    PRINTS("rm", 2, "rm needs keys, or --all");
    PRINTS("rm --all --json", 0, "{\"removed\": 2}");
    ck_assert_int_eq(support_folder_count(dir, ".k1", NULL), 0);
    PRINTS("ls", 0, "");
    PRINTS("gc many", 2, "many is no number");
}
END_TEST

static Suite *suite(void) {
    Suite *s = suite_create("cache tool");
    TCase *t = tcase_create("all");
    tcase_add_checked_fixture(t, set_up, tear_down);
    tcase_add_test(t, lists_and_shows);
    tcase_add_test(t, verifies_and_compares);
    tcase_add_test(t, packs_and_removes);
    suite_add_tcase(s, t);
    return s;
}

int main(void) {
    SRunner *r = srunner_create(suite());
    srunner_run_all(r, CK_ENV);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed != 0;
}
