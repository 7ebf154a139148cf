/* nvrtc.h: between the files of the stand-in's compiler. */
#ifndef STANDIN_NVRTC_H
#define STANDIN_NVRTC_H

enum { NVRTC_OUT_OF_MEMORY = 1, NVRTC_INVALID_OPTION = 5, NVRTC_COMPILATION = 6, NVRTC_BUILTIN_FAILURE = 7 };

/* nvrtc_real.c: are kernels to go through NVIDIA's compiler? Its version, the number of its architectures, them; the
 * PTX of a source, to be freed as is the log, which may be NULL. */
int standin_real_wanted(void);
int standin_real_version(int *major, int *minor);
int standin_real_archs(int *n, int *archs);
int standin_real_compile(const char *source, int n, const char *const *options, char **ptx, char **log);

#endif
