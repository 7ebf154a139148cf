/* clock.h: the clock that never goes back. */
#ifndef BASE_CLOCK_H
#define BASE_CLOCK_H

#include <stdint.h>

int64_t base_now_ns(void);
/* The same in milliseconds, for people. */
double base_now_ms(void);

#endif
