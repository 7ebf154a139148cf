/* llvm_plugin.h: the border between libsinter and libsinter-llvm.so, the only object that is linked to LLVM.
 *
 * The plug-in exports one function, sinter_llvm_compile, which may be called from several threads at once. libsinter
 * opens the plug-in with RTLD_NOW | RTLD_LOCAL when the first kernel has to be compiled and never closes it:
 *
 *     sinter_llvm_compile_fn *compile = (sinter_llvm_compile_fn *)dlsym(so, SINTER_LLVM_ENTRY);
 *     sinter_llvm_request request = {.struct_size = sizeof request, .abi = SINTER_LLVM_ABI};
 *     request.kernel = bytes, request.kernel_size = n, request.allocator = hook;
 *     request.symbol = "sk_0123", request.level = "v4", request.want = SINTER_LLVM_OBJECT;
 *     sinter_llvm_result result;
 *     sn_status status = compile(&request, &result);
 *     .. use result.bytes[0 .. result.n) ..
 *     hook.realloc(hook.user, result.bytes, result.n, 0);
 *
 * Equal requests to one build of the plug-in give equal bytes. The object is a relocatable x86-64 ELF file with the one
 * global symbol request.symbol, a kn_code; it has no undefined symbol and relocates itself with R_X86_64_PC32 alone. */
#ifndef JIT_CPU_LLVM_PLUGIN_H
#define JIT_CPU_LLVM_PLUGIN_H

#include <stddef.h>
#include <stdint.h>

#include "sinter/sinter.h"

enum { SINTER_LLVM_ABI = 2, SINTER_LLVM_TEXT_MAX = 1024 };
#define SINTER_LLVM_ENTRY "sinter_llvm_compile"
#define SINTER_LLVM_SO    "libsinter-llvm.so"

/* A digest of the sources that turn a kernel into code, set by the build. It is part of every key of the kernel cache,
 * so that code made by other sources is never taken for ours; and of every request, so that none is made by them. */
#ifndef SINTER_LLVM_CODEGEN
#define SINTER_LLVM_CODEGEN "unknown"
#endif

typedef enum {
    SINTER_LLVM_OBJECT, /* relocatable ELF */
    SINTER_LLVM_RAW,    /* LLVM IR text as emitted, before the passes */
    SINTER_LLVM_IR,     /* LLVM IR text after the passes, as handed to the code generator */
    SINTER_LLVM_ASM,    /* assembly text */
    SINTER_LLVM_LINK    /* nothing is compiled: ORC links request.object and keeps it, see address and handle below */
} sinter_llvm_want;

typedef struct {
    size_t struct_size; /* sizeof(sinter_llvm_request) */
    uint32_t abi;       /* SINTER_LLVM_ABI */
    uint32_t want;      /* sinter_llvm_want */
    uint32_t lines;     /* 1: with the numbers of the lines of kn_print; the code is the same */
    uint32_t keep;      /* 1, with OBJECT: also link the object with ORC and keep it, see address and handle below */
    const void *kernel; /* kn_encode's bytes; untrusted: anything malformed gives SN_ERR_PARSE */
    size_t kernel_size;
    const char *symbol;     /* a C identifier, derived from content */
    const char *level;      /* "v3" (AVX2, FMA, F16C) or "v4" (AVX-512 F, BW, CD, DQ, VL) */
    sn_allocator allocator; /* where the result's bytes come from; also for work memory. Must be thread-safe. */
    const char *codegen;    /* SINTER_LLVM_CODEGEN of the caller: another one is refused. NULL: not compared */
    const void *object;     /* LINK: what an OBJECT request gave; trusted */
    size_t object_size;
} sinter_llvm_request;

typedef struct {
    char *bytes; /* n bytes from request.allocator, the caller's; NULL on failure. The last one of a text is a NUL. */
    size_t n;
    void *address; /* keep and LINK: the linked function, a kn_code, alive until release(handle) */
    void *handle;  /* else NULL */
    void (*release)(void *handle);
    char llvm[32];                   /* "19.1.7": provenance of the code */
    char text[SINTER_LLVM_TEXT_MAX]; /* the sentence on failure, else "" */
} sinter_llvm_result;

/* SN_OK, SN_ERR_ARGUMENT (request), SN_ERR_PARSE (kernel), SN_ERR_NOMEM, SN_ERR_COMPILE (LLVM refused). result is
 * always filled, whatever it held. */
typedef sn_status sinter_llvm_compile_fn(const sinter_llvm_request *request, sinter_llvm_result *result);

#endif
