/* support_run.h: what programs of tests have in common besides what they test. */
#ifndef SUPPORT_RUN_H
#define SUPPORT_RUN_H

#include <check.h>
#include <string.h>
#include <sys/types.h>

int support_main(Suite *suite); /* the program's exit status */
int support_slow(void);         /* is this the long run, with "SN_SLOW" set? */
/* Where the built programs are: SN_BUILD_DIR of the environment, else where they were built. */
const char *support_build_dir(void);
/* Runs a shell command; what it prints, cut to size - 1, is in out. Its exit status. */
int support_shell(const char *command, char *out, size_t size);
/* Waits for a child process, which must have ended with status 0. */
void support_join(pid_t child);

/* Built with a sanitizer, which makes everything several times as slow? */
#if defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define SUPPORT_SANITIZED 1
#endif
#endif
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SUPPORT_SANITIZED 1
#endif
#ifndef SUPPORT_SANITIZED
#define SUPPORT_SANITIZED 0
#endif
double support_seconds(void); /* of a clock that only goes forward */

#define SUPPORT_HAS(text, what)                                                                                        \
    ck_assert_msg(strstr((text), (what)) != NULL, "'%s' is not in the text:\n%.3000s", (what), (text))

#endif
