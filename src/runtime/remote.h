/* remote.h: calls on a device whose memory the host cannot touch. */
#ifndef RUNTIME_REMOTE_H
#define RUNTIME_REMOTE_H

#include "ir/program.h"
#include "backend/backend.h"
#include "cache/memory.h"

/* Runs that were recorded: with these dims, which tell the plan, at these addresses. */
enum { RT_RECORDINGS = 8 };
typedef struct {
    int64_t *names;
    void *arena, **at;           /* temporaries; each input and output */
    uint64_t used;               /* when last, counted by the call; 0: nothing is here */
    int ran;                     /* once as it is, at least */
    be_recording *once, *many;   /* a run; several runs that count. May be those of what was here before: */
    uint64_t once_age, many_age; /* of the device when they were made; 0: not made */
    size_t many_input;           /* what is counted in many */
    uint32_t once_bad, many_bad; /* tries that failed */
} rt_recorded;

/* What a call has on such a device, besides its arena: its inputs and outputs. */
typedef struct {
    unsigned char *io; /* device: inputs, then outputs */
    size_t io_bytes;
    unsigned char *staging; /* host: what is copied as one */
    size_t staging_bytes;
    size_t staged_in, staged_out; /* bytes at the start of the inputs, and of the outputs, that are staged */
    size_t inputs;                /* bytes of all inputs: where the outputs begin */
    size_t *offset;               /* of each input and output in io; those that are arrays are not in it */
    void **at;                    /* where each input and output is */
    rt_recorded *recorded;        /* RT_RECORDINGS of them .. */
    rt_recorded *now;             /* .. and the one for the dims and addresses that the steps have */
    int moved;                    /* the steps have got others since their products were prepared */
    uint64_t clock;               /* counts changes of now */
    uint64_t prepared;            /* age of the device for which launches are prepared, and 1 */
    be_point *sent;               /* after the inputs of the last run */
    int sending;                  /* nobody has waited for it */
    size_t counted, number; /* while runs that count are recorded: the input and how far behind it its number is */
} rt_remote;

/* With the dims of a call: room for inputs and outputs, and what its launches need. */
sn_status rt_remote_layout(sn_call *call);
/* Then, once the steps have their addresses: how its matrix products are done. Nothing where they are as before. */
sn_status rt_remote_products(sn_call *call);
/* The steps are about to get the addresses of inputs and outputs: finds what was recorded with these. */
void rt_remote_point(sn_call *call);
void rt_remote_free(sn_call *call);
/* Runs n times; counting: input number `input`, an i64 scalar, is one more each time. The call is ready. Returns before
 * the device is done where nothing of the host's is written. */
sn_status rt_remote_run(sn_call *call, int counting, size_t input, int64_t n);
/* The kernel that counts an i64 on, as bytes to be had from the kernel cache; under the arena's trap. */
kn_kernel *rt_count_kernel(base_arena *arena);

#endif
