/* Messages to the host's sink, or to standard error. */
#include "base/log.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/env.h"

static void to_stderr(void *user, sn_log_level level, const char *message) {
    (void)user;
    static const char *const names[] = {"", "error", "warning", "info", "debug"};
    fprintf(stderr, "sinter: %s: %s\n", names[level], message);
}

void base_log_init(base_log *log, sn_log_fn fn, void *user, sn_log_level level) {
    static const char *const words[] = {"off", "error", "warn", "info", "debug"};
    log->fn = fn ? fn : to_stderr;
    log->user = user;
    log->level = level;
    if (level) return;
    log->level = SN_LOG_WARN;
    const char *value = base_env(BASE_ENV_SINTER_LOG);
    for (int i = 0; value && i < 5; i++)
        if (!strcmp(value, words[i])) log->level = (sn_log_level)i;
}

void base_logf(const base_log *log, sn_log_level level, const char *format, ...) {
    if (level > log->level) return;
    char text[1024];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    log->fn(log->user, level, text);
}

void base_log_text(const base_log *log, const char *title, char *text) {
    log->fn(log->user, SN_LOG_INFO, title);
    while (*text) {
        size_t n = strcspn(text, "\n");
        char end = text[n];
        text[n] = 0;
        log->fn(log->user, SN_LOG_INFO, text);
        text[n] = end;
        text += n + (end == '\n');
    }
}
