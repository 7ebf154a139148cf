/* The command `sinter cache`, from outside: over a folder that a few kernels of the real backend were kept in. */
#define _GNU_SOURCE
#include <check.h>
#include <pty.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "backend/backend.h"
#include "cache/hits.h"
#include "support/support_cache.h"
#include "support/support_run.h"

static char dir[SUPPORT_PATH_MAX], out[1 << 16];

/* A context that wants tanh of two types: two kernels of one family. */
static void use(void) {
    sn_context *ctx;
    sn_context_options o = {.struct_size = sizeof o, .cache_mode = SN_CACHE_RW, .cache_dir = dir};
    ck_assert_int_eq(sn_context_new(&o, &ctx), SN_OK);
    for (int i = 0; i < 2; i++) {
        sn_graph *g = sn_graph_new(ctx, "tool");
        sn_dim N = sn_dim_new(g, "N");
        sn_expr x = sn_input(g, "speed", i ? SN_F64 : SN_F32, SN_SHAPE(N)),
                y = sn_tanh(sn_name(sn_square(x), "energy"));
        sn_function *f;
        sn_function_desc desc = {.inputs = &x, .n_inputs = 1, .outputs = &y, .n_outputs = 1};
        ck_assert_msg(!sn_function_new(g, &desc, &f), "%s", sn_graph_error(g));
        sn_function_free(f);
        sn_graph_free(g);
    }
    sn_context_free(ctx);
}

static void set_up(void) {
    support_folder(dir);
    use();
}

static void tear_down(void) { support_folder_remove(dir); }

/* Runs `sinter cache WORDS --dir DIR`; what it prints is in out. The exit status. */
static int tool(const char *words) {
    char command[1024];
    snprintf(command, sizeof command, SN_BUILD_DIR "/sinter cache %s --dir %s 2>&1", words, dir);
    return support_shell(command, out, sizeof out);
}

#define PRINTS(words, status, what)                                                                                    \
    do {                                                                                                               \
        ck_assert_msg(tool(words) == (status), "%s: %s", (words), out);                                                \
        ck_assert_msg(strstr(out, (what)) != NULL, "%s: no '%s' in\n%.3000s", (words), (what), out);                   \
    } while (0)

static void first_key(char key[33]) {
    char path[SUPPORT_PATH_MAX];
    ck_assert_int_ge(support_folder_count(dir, ".k1", path), 1);
    snprintf(key, 33, "%s", strrchr(path, '/') + 1);
}

START_TEST(lists_and_shows) {
    char key[33], words[256];
    first_key(key);
    PRINTS("ls", 0, "tool.0 square tanh");
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
    snprintf(words, sizeof words, "show %.8s disasm llvm asm --json", key);
    PRINTS(words, 0, "{\"disasm\": ");
    snprintf(words, sizeof words, "show %.8s colour", key);
    PRINTS(words, 2, "no part colour");
    PRINTS("show zzz", 1, "no entry begins with or is called zzz");
    PRINTS("show ''", 1, "several entries begin with");
    PRINTS("show tool.0", 1, "several entries are called tool.0: ");
    PRINTS("nonsense", 2, "no command \"nonsense\"");
}
END_TEST

/* Code tells what it computes in the user's names, line by line of the kernel; and is the code that runs. */
START_TEST(code_has_names) {
    static const char *const kinds[] = {"kernel", "llvm", "asm", "disasm"};
    static const char *const marks[] = {"    ", "; ", "# ", "; "};
    char key[33], words[256], line[64];
    first_key(key);
    for (int i = 0; i < 4; i++) {
        snprintf(words, sizeof words, "show %.8s %s", key, kinds[i]);
        PRINTS(words, 0, "speed");
        SUPPORT_HAS(out, "  energy\n");
        SUPPORT_HAS(out, "  tanh(energy)\n");
        snprintf(line, sizeof line, "\n%s%%0 = load f", marks[i]);
        SUPPORT_HAS(out, line);
        static const char *const noise[] = {"!dbg",    "!DILocation", ".loc",
                                            ".debug_", ".kernel:",    "without the kernel's"};
        for (size_t n = 0; n < sizeof noise / sizeof *noise; n++)
            ck_assert_msg(!strstr(out, noise[n]), "%s: %s in\n%.3000s", words, noise[n], out);
    }
    /* Of an entry whose code would be another one here nothing is told that might be wrong. */
    setenv("SINTER_LLVM", "/nonexistent", 1);
    PRINTS(words, 0, "shown without the kernel's lines");
    SUPPORT_HAS(out, "Disassembly of section");
    ck_assert_ptr_null(strstr(out, "%0 = load"));
    unsetenv("SINTER_LLVM");
}
END_TEST

/* What --json prints is JSON. */
START_TEST(json_parses) {
    char key[33], command[1024];
    first_key(key);
    const char *const commands[] = {
        "ls",           "stats",      "verify",       "gc",    "show KEY about graph kernel llvm asm disasm",
        "diff KEY KEY", "pack DIR/b", "unpack DIR/b", "rm KEY"};
    for (size_t i = 0; i < sizeof commands / sizeof *commands; i++) {
        snprintf(command, sizeof command,
                 "words=$(echo '%s' | sed 's,KEY,%s,g; s,DIR,%s,g'); " SN_BUILD_DIR
                 "/sinter cache $words --dir %s --json | python3 -c 'import json, sys; json.load(sys.stdin)' 2>&1",
                 commands[i], key, dir, dir);
        ck_assert_msg(!system(command), "%s", commands[i]);
    }
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
    PRINTS("gc 1", 0, "1 entry of ");
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

/* ---- counts ------------------------------------------------------------------------------------------------------ */

START_TEST(counts_hits) {
    char key[33], words[128];
    use();
    use();
    first_key(key);
    PRINTS("stats", 0, "\nhits        4\nmisses      2\n");
    PRINTS("stats --json", 0, "\"hits\": 4, \"misses\": 2,");
    PRINTS("ls --json", 0, "\"hits\": 2, \"misses\": 1,");
    double saved = strtod(strstr(out, "\"compile_ms\": ") + 14, NULL);
    PRINTS("stats", 0, "\nsaved  ");
    ck_assert_double_gt(strtod(strstr(out, "\nsaved ") + 7, NULL), 2 * saved - 0.2);
    /* One more of a kernel alone brings it to the front, and to the sums of its glob. */
    base_alloc alloc;
    base_alloc_init(&alloc, NULL);
    snprintf(words, sizeof words, "%s-00000000.k1", key);
    cache_hits_append(&alloc, dir, &(cache_hit){.key = cache_hits_key_of(words), .hits = 7}, 1);
    PRINTS("ls --sort hits --json", 0, key);
    ck_assert_ptr_eq(strstr(out, "{\"key\": \"") + 9, strstr(out, key));
    ck_assert_ptr_nonnull(strstr(out, "\"hits\": 9,"));
    snprintf(words, sizeof words, "stats '%s*'", key);
    PRINTS(words, 0, "entries     1\n");
    ck_assert_ptr_nonnull(strstr(out, "\nhits        9\n"));
    /* What was saved stays when the entries are gone. */
    PRINTS("gc 1", 0, "removed 2");
    PRINTS("stats", 0, "\nhits        11\nmisses      2\n");
}
END_TEST

/* ---- the table --------------------------------------------------------------------------------------------------- */

/* The same in a terminal. */
static void tool_in_terminal(const char *words, const char *term) {
    char command[1024];
    int fd;
    snprintf(command, sizeof command, "exec " SN_BUILD_DIR "/sinter cache %s --dir %s", words, dir);
    pid_t child = forkpty(&fd, NULL, NULL, NULL);
    if (!child) {
        setenv("TERM", term, 1);
        execl("/bin/sh", "sh", "-c", command, (char *)NULL);
        _exit(127);
    }
    ck_assert_int_gt(child, 0);
    size_t n = 0;
    for (ssize_t m; n < sizeof out - 1 && (m = read(fd, out + n, sizeof out - 1 - n)) > 0;) n += (size_t)m;
    out[n] = 0;
    close(fd);
    int status;
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    ck_assert_msg(WIFEXITED(status) && !WEXITSTATUS(status), "%s", out);
}

START_TEST(columns_are_aligned_and_plain) {
    unsetenv("NO_COLOR");
    base_alloc alloc;
    char key[33], name[64];
    first_key(key);
    snprintf(name, sizeof name, "%s-00000000.k1", key);
    base_alloc_init(&alloc, NULL);
    cache_hits_append(&alloc, dir, &(cache_hit){.key = cache_hits_key_of(name), .hits = 12345678901}, 1);
    PRINTS("ls", 0, " hits ");
    ck_assert_ptr_null(strchr(out, '\033'));
    /* Right ends of numbers and left ends of words lie under their heads. */
    char *head = out, *end = strchr(head, '\n');
    static const struct {
        const char *word;
        int right;
    } columns[] = {{" bytes", 1}, {" hits", 1},   {" compile ms", 1}, {" used", 0},
                   {" types", 0}, {" target", 0}, {" name", 0}};
    int rows = 0;
    for (char *row = end + 1; *row; row = strchr(row, '\n') + 1, rows++) {
        ck_assert_ptr_nonnull(strchr(row, '\n'));
        for (size_t i = 0; i < sizeof columns / sizeof *columns; i++) {
            const char *at = strstr(head, columns[i].word);
            ck_assert_ptr_nonnull(at);
            ptrdiff_t edge = at - head + (columns[i].right ? (ptrdiff_t)strlen(columns[i].word) - 1 : 1);
            ck_assert_msg(row[edge] != ' ' && row[edge + (columns[i].right ? 1 : -1)] == ' ', "%s:\n%s",
                          columns[i].word, out);
        }
    }
    ck_assert_int_eq(rows, 2);
    ck_assert_ptr_nonnull(strstr(out, "  f32    x86"));
    ck_assert_ptr_nonnull(strstr(out, "  f64    x86"));
    PRINTS("stats", 0, "folder      ");
    ck_assert_ptr_null(strchr(out, '\033'));

    tool_in_terminal("ls", "xterm");
    ck_assert_ptr_nonnull(strstr(out, "\033[1mname\033[0m"));
    tool_in_terminal("stats", "xterm");
    ck_assert_ptr_nonnull(strstr(out, "\033[1mhits\033[0m"));
    tool_in_terminal("ls --json", "xterm");
    ck_assert_ptr_null(strchr(out, '\033'));
    tool_in_terminal("ls", "dumb");
    ck_assert_ptr_null(strchr(out, '\033'));
    setenv("NO_COLOR", "1", 1);
    tool_in_terminal("ls", "xterm");
    ck_assert_ptr_null(strchr(out, '\033'));
}
END_TEST

START_TEST(sorts_by_each_column) {
    static const char *const orders[] = {"used", "size", "ms", "hits", "name", "key"};
    char words[64];
    for (size_t i = 0; i < 6; i++) {
        snprintf(words, sizeof words, "ls --sort %s --json", orders[i]);
        PRINTS(words, 0, "\"types\": \"f64\"");
        char *first = strstr(out, "{\"key\": \""), *second = strstr(first + 1, "{\"key\": \"");
        ck_assert_ptr_nonnull(second);
        double ms[2] = {strtod(strstr(first, "compile_ms\": ") + 13, NULL),
                        strtod(strstr(second, "compile_ms\": ") + 13, NULL)};
        long bytes[2] = {atol(strstr(first, "bytes\": ") + 8), atol(strstr(second, "bytes\": ") + 8)};
        if (i == 1) ck_assert_int_ge(bytes[0], bytes[1]);
        if (i == 2) ck_assert_double_ge(ms[0], ms[1]);
        if (i == 5) ck_assert_int_lt(strncmp(first, second, 43), 0);
    }
}
END_TEST

/* ---- many entries ------------------------------------------------------------------------------------------------ */

/* 1000 kernels, each with a key, a checksum and a name of its own, over the object of a real one; in the long run each
 * over its own object, whose compiling takes most of the time. */
START_TEST(verifies_a_thousand) {
    enum { ENTRIES = 1000 };
    char path[SUPPORT_PATH_MAX], why[CACHE_WHY_MAX], name[CACHE_NAME_MAX];
    size_t n, total = 0;
    base_alloc alloc;
    cache_entry real;
    base_alloc_init(&alloc, NULL);
    support_folder_count(dir, ".k1", path);
    char *bytes = support_file(path, &n);
    ck_assert_ptr_null(cache_entry_open(&real, bytes, n));
    base_log log;
    base_trap err;
    be_device *dev;
    base_log_init(&log, NULL, NULL, SN_LOG_ERROR);
    be_options options = {.alloc = &alloc, .log = &log, .threads = 1};
    ck_assert_msg(!be_cpu.open(&options, &dev, &err), "%s", err.text);
    for (int i = 0; i < ENTRIES; i++) {
        base_strbuf key = support_cache_kernel(SN_F32, i), meta, entry;
        be_blob own = {0};
        if (support_slow()) ck_assert_msg(!be_cpu.compile(dev, key.at, key.n, &own, &err), "%s", err.text);
        cache_key k = {.kernel_bytes = key.n, .family = (uint32_t)i};
        base_strbuf_puts(&key, real.key + real.kernel_bytes);
        base_strbuf_add(&key, "", 1);
        k.at = key.at;
        k.n = key.n;
        k.hash = base_hash_bytes(k.at, k.n);
        base_strbuf_init(&meta, &alloc);
        base_strbuf_init(&entry, &alloc);
        base_strbuf_add(&meta, real.meta, real.meta_bytes);
        if (own.at)
            cache_entry_write(&entry, &k, own.at, own.n, &meta);
        else
            cache_entry_write(&entry, &k, real.payload, real.payload_bytes, &meta);
        base_free(&alloc, own.at, own.n);
        cache_dir_name(k.hash, k.family, name);
        ck_assert_msg(cache_dir_publish(dir, name, entry.at, entry.n, NULL, why), "%s", why);
        total += entry.n;
        base_strbuf_free(&key);
        base_strbuf_free(&meta);
        base_strbuf_free(&entry);
    }
    be_cpu.close(dev);
    double best = 1e9;
    for (int i = 0; i < 5; i++) {
        double start = support_seconds();
        PRINTS("verify", 0, "1002 entries, 0 damaged");
        double took = support_seconds() - start;
        if (took < best) best = took;
    }
    printf("sinter cache verify: %d entries, %.1f MB, %.1f ms\n", ENTRIES + 2, (double)total * 1e-6, best * 1e3);
    ck_assert_msg(best < (SUPPORT_SANITIZED ? 10 : 0.5), "verify took %.3f s", best);
    /* One wrong byte of them all is found. */
    char last[SUPPORT_PATH_MAX + CACHE_NAME_MAX];
    snprintf(last, sizeof last, "%s/%s", dir, name);
    free(bytes);
    bytes = support_file(last, &n);
    bytes[n / 3] ^= 16;
    support_file_write(last, bytes, n);
    PRINTS("verify", 1, "1002 entries, 1 damaged");
    ck_assert_ptr_nonnull(strstr(out, name));
    free(bytes);
}
END_TEST

static Suite *suite(void) {
    Suite *s = suite_create("cache tool");
    TCase *t = tcase_create("all");
    tcase_add_checked_fixture(t, set_up, tear_down);
    tcase_add_test(t, lists_and_shows);
    tcase_add_test(t, code_has_names);
    tcase_add_test(t, json_parses);
    tcase_add_test(t, verifies_and_compares);
    tcase_add_test(t, packs_and_removes);
    tcase_add_test(t, counts_hits);
    tcase_add_test(t, columns_are_aligned_and_plain);
    tcase_add_test(t, sorts_by_each_column);
    tcase_add_test(t, verifies_a_thousand);
    suite_add_tcase(s, t);
    return s;
}

int main(void) { return support_main(suite()); }
