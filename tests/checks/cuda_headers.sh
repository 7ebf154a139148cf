#!/bin/sh
# cuda_headers.sh SOURCE: our declarations of CUDA's libraries against NVIDIA's headers, of each toolkit that is here
# (/usr/local/cuda*, and the folders that CUDA_INCLUDE lists with colons). Skipped where there is none.
set -u
cc=${CC:-cc} found=77
folders=$(printf '%s\n' "${CUDA_INCLUDE:-}" | tr : '\n'; for f in /usr/local/cuda*/include; do readlink -f "$f"; done | sort -u)
for folder in $folders; do
    for part in DRIVER:cuda.h NVRTC:nvrtc.h LT:cublasLt.h; do
        [ -e "$folder/${part#*:}" ] || continue
        [ $found = 77 ] && found=0
        if "$cc" -std=gnu17 -fsyntax-only -D"${part%%:*}" -I"$1/src" -I"$1/include" -isystem "$folder" \
            "$1/tests/checks/cuda_headers.c"; then
            echo "$folder/${part#*:}: as declared"
        else
            echo "$folder/${part#*:}: DECLARED OTHERWISE" && found=1
        fi
    done
done
[ $found = 77 ] && echo "skipped: no header of CUDA's in /usr/local/cuda*/include"
exit $found
