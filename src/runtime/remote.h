/* remote.h: calls on a device whose memory the host cannot touch. */
#ifndef RUNTIME_REMOTE_H
#define RUNTIME_REMOTE_H

#include "ir/program.h"
#include "backend/backend.h"
#include "cache/memory.h"

/* What a call has on such a device, besides its arena: its inputs and outputs. */
typedef struct {
    unsigned char *io; /* device: inputs, then outputs */
    size_t io_bytes;
    unsigned char *staging; /* host: what is copied as one */
    size_t staging_bytes;
    size_t staged_in, staged_out; /* bytes at the start of the inputs, and of the outputs, that are staged */
    size_t inputs;                /* bytes of all inputs: where the outputs begin */
    size_t *offset;               /* of each input and output in io; those that are arrays are not in it */
    void **at;                    /* where each input and output was when the steps got their addresses */
    uint64_t here;                /* runs with these sizes and addresses */
    be_recording *once, *many;    /* a run; MANY runs that count */
    uint64_t once_age, many_age;  /* of the device when they were made; 0: not there, or of other dims or addresses */
    size_t many_input;            /* what is counted in many */
    uint64_t prepared;            /* age of the device for which launches are prepared, and 1 */
    be_point *sent;               /* after the inputs of the last run */
    int sending;                  /* nobody has waited for it */
} rt_remote;

/* With the dims of a call: room for inputs and outputs, and what its launches need. */
sn_status rt_remote_layout(sn_call *call);
/* Then, once the steps have their addresses: how its matrix products are done. */
sn_status rt_remote_products(sn_call *call);
/* The steps are about to get the addresses of arrays: recordings with others are of no use. */
void rt_remote_point(sn_call *call);
void rt_remote_free(sn_call *call);
/* Runs n times; counting: input number `input`, an i64 scalar, is one more each time. The call is ready. Returns before
 * the device is done where nothing of the host's is written. */
sn_status rt_remote_run(sn_call *call, int counting, size_t input, int64_t n);
/* The kernel that adds 1 to an i64, as bytes to be had from the kernel cache; under the arena's trap. */
kn_kernel *rt_count_kernel(base_arena *arena);

#endif
