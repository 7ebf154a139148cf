/* Failing out of deep code: a jump to the base_protect call, and the sentence that says why. */
#include "base/trap.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

sn_status base_protect(base_trap *trap, void (*body)(void *arg), void *arg) {
    jmp_buf outer;
    int was_armed = trap->armed;
    if (was_armed) memcpy(&outer, &trap->jump, sizeof outer);
    base_clear_error(trap);
    trap->armed = 1;
    if (!setjmp(trap->jump)) {
        body(arg);
        base_clear_error(trap); /* a failure that the body caught and dealt with is not its result */
    }
    trap->armed = was_armed;
    if (was_armed) memcpy(&trap->jump, &outer, sizeof outer);
    return trap->status;
}

static void set_text(base_trap *trap, sn_status status, const char *format, va_list args) {
    char text[BASE_TEXT_MAX]; /* an argument may be the old text itself */
    vsnprintf(text, sizeof text, format, args);
    memcpy(trap->text, text, sizeof text);
    trap->status = status;
}

void base_fail(base_trap *trap, sn_status status, const char *format, ...) {
    assert(trap->armed && status != SN_OK);
    va_list args;
    va_start(args, format);
    set_text(trap, status, format, args);
    va_end(args);
    longjmp(trap->jump, 1);
}

sn_status base_set_error(base_trap *trap, sn_status status, const char *format, ...) {
    va_list args;
    va_start(args, format);
    set_text(trap, status, format, args);
    va_end(args);
    return status;
}

void base_clear_error(base_trap *trap) {
    trap->status = SN_OK;
    trap->text[0] = 0;
}
