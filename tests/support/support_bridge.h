/* support_bridge.h: the GPU backend over host memory: each launch and product takes what it reads to the device and
 * brings back what it wrote. So tests of kernels that know the CPU's memory alone hold for the GPU's code, too. */
#ifndef SUPPORT_BRIDGE_H
#define SUPPORT_BRIDGE_H

#include "backend/backend.h"

extern const be_backend support_bridge;

#endif
