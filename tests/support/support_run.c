/* Running a suite, waiting for child processes. */
#include "support/support_run.h"

#include <stdlib.h>
#include <sys/wait.h>

int support_main(Suite *suite) {
    SRunner *r = srunner_create(suite);
    srunner_run_all(r, CK_ENV);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed != 0;
}

int support_slow(void) { return getenv("SN_SLOW") != NULL; }

void support_join(pid_t child) {
    int status;
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    ck_assert_msg(WIFEXITED(status) && !WEXITSTATUS(status), "a child ended with status %x", (unsigned)status);
}
