/* Running a suite, waiting for child processes. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* clock_gettime */
#endif
#include "support/support_run.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <time.h>

int support_main(Suite *suite) {
    SRunner *r = srunner_create(suite);
    srunner_run_all(r, CK_ENV);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed != 0;
}

int support_slow(void) { return getenv("SN_SLOW") != NULL; }

const char *support_build_dir(void) {
    const char *moved = getenv("SN_BUILD_DIR");
    return moved ? moved : SN_BUILD_DIR;
}

int support_shell(const char *command, char *out, size_t size) {
    FILE *f = popen(command, "r");
    ck_assert_ptr_nonnull(f);
    size_t n = fread(out, 1, size - 1, f);
    out[n] = 0;
    int status = pclose(f);
    ck_assert_msg(WIFEXITED(status), "%s: %.3000s", command, out);
    return WEXITSTATUS(status);
}

double support_seconds(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

void support_join(pid_t child) {
    int status;
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    ck_assert_msg(WIFEXITED(status) && !WEXITSTATUS(status), "a child ended with status %x", (unsigned)status);
}
