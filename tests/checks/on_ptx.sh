#!/bin/sh
# Runs a test with the stand-in executing the PTX that NVIDIA's NVRTC makes of kernels; skipped where there is none.
#   on_ptx.sh BUILD PROGRAM [ARGUMENT ..]
set -eu
build=$1
shift
export STANDIN_PTX="${STANDIN_PTX:-90}"
found=$("$build/sinter" info | grep '^gpu compiler')
case $found in
    *' yes, '*) exec "$@" ;;
esac
echo "skipped: $found"
exit 77
