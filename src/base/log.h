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
/* Logs a title and a text line by line, however long they are, at SN_LOG_INFO without a look at the level (for
 * SINTER_DUMP). The text is as it was when this returns. */
void base_log_text(const base_log *log, const char *title, char *text);

#endif
