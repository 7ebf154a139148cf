/* device.h: the GPU as a program has it that calls the driver and cuBLASLt itself: what the cases of --device gpu are
 * compared with. It uses the libraries that Sinter has opened, in the same process and the same primary context, on a
 * stream of its own. Functions that return int return 0 on failure, with a sentence in device_error. */
#ifndef BENCH_DEVICE_H
#define BENCH_DEVICE_H

#include <stddef.h>
#include <stdint.h>

typedef struct device device;

/* After a context of Sinter's on the GPU. NULL, and a sentence in why, where that is not possible. */
device *device_open(char *why, size_t n);
void device_close(device *d); /* frees all that was allocated; NULL is fine */
const char *device_error(const device *d);

size_t device_free_bytes(device *d);

/* Memory on the device; 0 on failure. */
uint64_t device_alloc(device *d, size_t bytes);
int device_upload(device *d, uint64_t to, const void *from, size_t bytes);
int device_download(device *d, void *to, uint64_t from, size_t bytes);
int device_sync(device *d); /* waits for everything below */

/* Puts a copy of so many bytes on the stream. The first call allocates, and finds out which is quicker: the driver's
 * copy or a kernel (which there is once Sinter has compiled one). */
int device_copy(device *d, size_t bytes);
const char *device_copy_way(const device *d); /* "cuMemcpyDtoD" or "a kernel", once decided */

/* ---- device_product.c: matrix products by cuBLASLt, once Sinter has opened it ------------------------------------ */

typedef enum { DEVICE_F32, DEVICE_TF32, DEVICE_BF16 } device_precision;

/* c[m,n] = op(a) op(b), row-major; with bias [n], relu(.. + bias). Products of half numbers have half results. The
 * algorithm is the quickest of those that cuBLASLt proposes. */
typedef struct {
    device_precision precision;
    int64_t m, n, k;
    int trans_a, trans_b;
    uint64_t a, b, c, bias;
} device_product;

/* A number to run it by, from 1; 0 on failure. */
int device_product_new(device *d, const device_product *product);
int device_product_run(device *d, int product);

#endif
