/* cores.h: how many threads this process may usefully run. */
#ifndef JIT_CPU_CORES_H
#define JIT_CPU_CORES_H

/* At least 1: processors in the calling thread's affinity mask, at most what the CPU quota of its cgroup pays for. */
int cpu_cores(void);
/* Processors that the cgroup quota pays for, rounded up; 0 without a quota. membership is /proc/self/cgroup, root
 * /sys/fs/cgroup; tests pass others. Versions 1 and 2. */
int cpu_cores_quota(const char *membership, const char *root);

#endif
