/* trap.h: failing out of deep code with a status and a sentence.
 *
 * Compilation is many small functions over arenas. Rather than thread a status through each, they run under a trap:
 * base_fail (and an arena that cannot grow) jumps back to the base_protect call, which returns the status; the sentence
 * is in the trap. Code that runs under a trap owns nothing but arena memory, so nothing leaks. Code outside of traps
 * returns sn_status as usual and fills a trap's text through base_set_error. */
#ifndef BASE_TRAP_H
#define BASE_TRAP_H

#include <setjmp.h>
#include <stdarg.h>

#include "sinter/sinter.h"

enum { BASE_TEXT_MAX = 1024 };

typedef struct base_trap {
    jmp_buf jump;
    int armed; /* inside base_protect */
    sn_status status;
    char text[BASE_TEXT_MAX]; /* the sentence; "" when status is SN_OK */
} base_trap;

/* Clears the error, runs body(arg) and returns SN_OK, or the status with which it failed. Nesting on one trap is
 * allowed: the inner failure returns from the inner call. */
sn_status base_protect(base_trap *trap, void (*body)(void *arg), void *arg);

/* Does not return. Call only under base_protect(trap). */
__attribute__((noreturn, format(printf, 3, 4))) void base_fail(base_trap *trap, sn_status status, const char *format,
                                                               ...);

/* Records an error without jumping and returns status: `return base_set_error(&call->error, SN_ERR_SHAPE, "...")`. */
__attribute__((format(printf, 3, 4))) sn_status base_set_error(base_trap *trap, sn_status status, const char *format,
                                                               ...);

void base_clear_error(base_trap *trap);

#endif
