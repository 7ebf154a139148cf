/* support_standin.h: what a test asks of the stand-in device (tests/standin/standin.h says what each function does). On
 * a real device nothing is counted, nothing can be made to fail, and these do nothing and return 0. */
#ifndef SUPPORT_STANDIN_H
#define SUPPORT_STANDIN_H

#include <stdint.h>

typedef struct {
    unsigned long (*count)(const char *name);
    void (*fail_at)(const char *name, unsigned long n, int code);
    void (*fail_always)(const char *name, int code);
    const char *(*failed)(void);
    void (*reset)(void);
    void (*order)(unsigned order);
    void (*defer)(int defer);
    void (*memory)(uint64_t bytes);
    int (*context_depth)(void);
    int (*retained)(void);
    int (*capture_mode)(void);
    uint64_t (*bytes_in)(void);
    uint64_t (*bytes_out)(void);
    uint64_t (*allocated)(void);
    uint64_t (*dynamic)(void);
    uint64_t (*pinned)(void);
    long (*live)(const char *kind);
    void (*leave)(int may);
    long (*lt_live)(void); /* cublaslt.c has these two */
    void (*lt_refuse)(unsigned what);
} support_standin;

/* Finds the stand-in that SINTER_CUDA_PATH names, so that *out is that of the backend. 0: the device is a real one. */
int support_standin_open(support_standin *out);
/* The same for a test that is about nothing else: on a real device it says that it is skipped. */
int support_standin_needed(support_standin *out, const char *test);

#endif
