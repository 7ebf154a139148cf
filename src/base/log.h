/* log.h: messages to the host's sink. */
#ifndef BASE_LOG_H
#define BASE_LOG_H

#include "sinter/sinter.h"

typedef struct base_log {
    sn_log_fn fn; /* never NULL inside */
    void *user;
    sn_log_level level;
} base_log;

/* fn NULL: standard error. level 0: SINTER_LOG, else warnings. */
void base_log_init(base_log *log, sn_log_fn fn, void *user, sn_log_level level);
__attribute__((format(printf, 3, 4))) void base_logf(const base_log *log, sn_log_level level, const char *format, ...);
/* Logs a long text line by line, whatever its length, at SN_LOG_INFO's sink without a level check (for SINTER_DUMP). */
void base_log_text(const base_log *log, const char *title, const char *text);

#endif
