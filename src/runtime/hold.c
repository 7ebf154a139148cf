/* What a call locks for a run: its function's variables and its own arrays, each once, exclusively if the run writes
 * it, in the order of the locks' addresses, which is the order of locking everywhere: two calls never wait for each
 * other.
 */
#include "runtime/call.h"

static void add(sn_call *call, rt_lock *lock, int exclusive) {
    uint32_t at = call->n_hold;
    for (uint32_t i = 0; i < call->n_hold; i++)
        if (call->hold[i].lock == lock) {
            call->hold[i].exclusive |= exclusive;
            return;
        }
    for (; at && (uintptr_t)call->hold[at - 1].lock > (uintptr_t)lock; at--) call->hold[at] = call->hold[at - 1];
    call->hold[at] = (rt_hold){lock, exclusive};
    call->n_hold++;
}

void rt_hold_collect(sn_call *call) {
    const sn_function *f = call->function;
    call->n_hold = 0;
    for (uint32_t i = 0; i < f->n_held; i++) add(call, &f->held[i].var->lock, f->held[i].exclusive);
    for (uint32_t slot = 0; call->n_array && slot < f->n_input + f->roots.n_out; slot++)
        if (call->array[slot]) add(call, &call->array[slot]->lock, slot >= f->n_input);
}

void rt_hold_lock(const sn_call *call) {
    for (uint32_t i = 0; i < call->n_hold; i++) {
        if (call->hold[i].exclusive)
            rt_lock_exclusive(call->hold[i].lock);
        else
            rt_lock_shared(call->hold[i].lock);
    }
}

void rt_hold_unlock(const sn_call *call) {
    for (uint32_t i = call->n_hold; i-- > 0;) {
        if (call->hold[i].exclusive)
            rt_unlock_exclusive(call->hold[i].lock);
        else
            rt_unlock_shared(call->hold[i].lock);
    }
}
