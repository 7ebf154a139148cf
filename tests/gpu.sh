#!/bin/bash
# What is run on a machine with an NVIDIA GPU, from a build folder or from a folder that `./dev gpu --pack` made; there it
# needs no compiler, no package and no network. A stage writes its log before the next one begins, and none stops the
# others. `./dev gpu --help` says the rest.
set -u

usage() {
    cat <<USAGE
usage: ./dev gpu [OPTIONS] [STAGE ..]     on a machine with an NVIDIA GPU
       ./dev gpu --pack FOLDER            makes a folder to take there: FOLDER/run [OPTIONS] [STAGE ..]
stages, in this order where none is named (slow and peers by name alone):
  info       what there is: device, driver, libraries, tools
  tests      the tests of label gpu, without the stand-in
  sanitizer  some of them under compute-sanitizer: memcheck, racecheck, synccheck, initcheck
  bench      the GPU's cases of bench: bench.json, bench.md
  samples    moons, and with data mnist: five epochs and the sweep
  peers      PyTorch (eager, compiled) and JAX beside them: peers.json, peers.md; wants python3 with NumPy
  slow       the long sweeps of label gpu
options:
  --out FOLDER   results (default: gpu-results)
  --minutes M    stop after M minutes (default 9); called again it goes on behind what is done
  --jobs N       so many tests at a time (default: as many as processors, 8 at most); what is timed runs alone
  --again        forget what is done
  --standin      on the tests' stand-in device, to try this script: nothing of it is a figure of a GPU
USAGE
}

here=$(cd "$(dirname "$0")" && pwd)
build=$here out=gpu-results minutes=9 standin='' again='' stages='' jobs=$(nproc)
[ "$jobs" -le 8 ] || jobs=8
while [ $# -gt 0 ]; do
    case $1 in
        --build) build=$2 && shift ;;
        --out) out=$2 && shift ;;
        --minutes) minutes=$2 && shift ;;
        --jobs) jobs=$2 && shift ;;
        --again) again=1 ;;
        --standin) standin=1 ;;
        --help) usage && exit 0 ;;
        info | tests | sanitizer | bench | samples | peers | slow) stages="$stages $1" ;;
        *) usage >&2 && exit 2 ;;
    esac
    shift
done
[ -n "$stages" ] || stages='info tests sanitizer bench samples'
build=$(cd "$build" && pwd) || exit 2
mkdir -p "$out" && out=$(cd "$out" && pwd) || exit 2
[ -z "$again" ] || rm -f "$out"/*.done

packed=$(cat "$build/packed" 2>/dev/null) # empty in a build folder
if [ -n "$packed" ]; then
    export LD_LIBRARY_PATH="$build/lib${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}"
    checks=$build/checks peers=$build/peers.py
    [ -e "$build/libsinter-llvm.so" ] || gunzip -k "$build/libsinter-llvm.so.gz"
    [ -d "$build/mnist-data" ] && export SINTER_MNIST_DIR="$build/mnist-data"
else
    checks=$here peers=$here/../bench/peers.py
fi
export SN_BUILD_DIR="$build" PYTHONDONTWRITEBYTECODE=1 SINTER_CACHE=off CK_DEFAULT_TIMEOUT=400
[ -e "$build/libsinter-llvm.so" ] && export SINTER_LLVM="$build/libsinter-llvm.so"

# Libraries of Python's packages, wherever this python3 has them, where the toolkit is not in a usual place. A list of
# folders replaces the usual search; the driver is found without it, too, unless it is in a folder of its own.
find_cuda() {
    for found in /usr/local/cuda*/lib64/libnvrtc.so* /usr/lib/x86_64-linux-gnu/libnvrtc.so* /opt/cuda/lib64/libnvrtc.so*; do
        [ -e "$found" ] && return
    done
    wheels=$(python3 -c 'import glob, sys
print(":".join(d for p in sys.path for d in glob.glob(p + "/nvidia/*/lib")))' 2>/dev/null)
    driver=$(ldconfig -p 2>/dev/null | sed -n 's/.*libcuda\.so\.1 .*=> \(.*\)\/libcuda.so.1$/\1/p' | head -n 1)
    [ -n "$wheels" ] && export SINTER_CUDA_PATH="${driver:-/usr/local/nvidia/lib64}:$wheels"
}
if [ -n "$standin" ]; then
    export SINTER_CUDA_PATH="$build/standin"
elif [ -z "${SINTER_CUDA_PATH:-}" ]; then
    find_cuda
fi

say() { echo "$*" | tee -a "$out/summary.txt"; }
now() { date +%s; }
left() { echo "$((end - $(now)))"; } # seconds
late() { [ "$(left)" -le 5 ]; }
within() { # the smaller of a limit and what is left
    most=$(left)
    [ "$1" -lt "$most" ] && most=$1
    [ "$most" -gt 1 ] || most=1
    echo "$most"
}
is_done() { grep -qxF "$1" "$out/$2.done" 2>/dev/null; }

find_tool() {
    for found in "$(command -v "$1" 2>/dev/null)" /usr/local/cuda*/bin/"$1" /usr/local/cuda*/compute-sanitizer/"$1"; do
        [ -x "$found" ] && echo "$found" && return
    done
}

# The tests that CMake listed: name|environment|command, relative to the build folder. Echoes what happened.
run_test() { # STAGE NAME ENVIRONMENT COMMAND [PREFIX ..]
    stage=$1 name=$2 settings=$3 words=$4
    shift 4
    log=$out/$stage-$name.log start=$(now) allowed=$(within "$limit")
    case $words in
        python3\ *)
            if ! python3 -c 'import numpy' 2>/dev/null; then
                say "$stage: $name: skipped: there is no python3 with NumPy" && return
            fi
            words="python3 $checks/${words#python3 }"
            ;;
        *) words="$build/$words" ;;
    esac
    # shellcheck disable=SC2086
    (cd "$build" && timeout -k 10 "$allowed" env $settings "$@" $words) >"$log" 2>&1
    status=$? took=$(($(now) - start))
    case $status in
        0) say "$stage: $name: passed, $took s$(grep -c 'is skipped\|^skipped' "$log" | sed 's/^0$//; s/..*/, & skipped inside/')" ;;
        77) say "$stage: $name: skipped" ;;
        124 | 137)
            if [ "$allowed" -lt "$limit" ]; then
                say "$stage: $name: cut off by --minutes, call again"
                return
            fi
            say "$stage: $name: NOT FINISHED after $took s, see $log"
            ;;
        *) say "$stage: $name: FAILED ($status), $took s, see $log" ;;
    esac
    echo "$name" >>"$out/$stage.done"
}

stage_info() {
    {
        date
        uname -a
        nvidia-smi 2>&1
        "$build/sinter" info 2>&1
        echo "SINTER_CUDA_PATH=${SINTER_CUDA_PATH:-}"
        find_tool compute-sanitizer
        python3 -c 'import torch; print("PyTorch", torch.__version__)' 2>&1 | tail -n 1
        python3 -c 'import jax; print("JAX", jax.__version__)' 2>&1 | tail -n 1
    } >"$out/info.log" 2>&1
    say "info: $(sed -n 's/^ *gpu[: ]*//p' "$out/info.log" | head -n 1)"
}

# Most of a test's time is NVRTC's, which uses one processor: several tests share the device.
each_test() { # STAGE MORE_ENVIRONMENT PATTERN [PREFIX ..]
    stage_name=$1 more=$2 pattern=$3
    shift 3
    while IFS='|' read -r name settings words; do
        echo "$name" | grep -Eqx "$pattern" || continue
        is_done "$name" "$stage_name" && continue
        while [ "$(jobs -pr | wc -l)" -ge "$jobs" ]; do wait -n; done
        if late; then
            say "$stage_name: time is up; call again to go on at $name"
            break
        fi
        run_test "$stage_name" "$name" "$settings $more" "$words" "$@" </dev/null &
    done <"$build/tests/gpu-tests.txt"
    wait
}

# Golden text is of no device and looks for the sources.
stage_tests() { limit=500 && each_test tests '' '.*'; }
stage_slow() {
    limit=3000
    each_test slow 'SN_SLOW=1 SN_COMPILED=1 SN_COUNT=2000 CK_TIMEOUT_MULTIPLIER=200' \
        'test_gpu_kernels|test_gpu_mnist|gpu_random|gpu_ops.*'
}

# What is slow there gets fewer kernels and graphs.
stage_sanitizer() {
    tool=$(find_tool compute-sanitizer)
    if [ -z "$tool" ]; then
        say "sanitizer: there is no compute-sanitizer"
        return
    fi
    limit=400
    for check in memcheck racecheck synccheck initcheck; do
        set=test_gpu_kernels
        [ $check = memcheck ] && set='test_gpu|test_gpu_kernels|test_gpu_mnist|gpu_ops_reduce|gpu_reduced|gpu_random'
        [ $check = racecheck ] && set='test_gpu_kernels|gpu_ops_reduce|gpu_reduced'
        each_test "$check" 'SN_COUNT=25 CK_TIMEOUT_MULTIPLIER=20' "$set" "$tool" --tool $check --target-processes all \
            --error-exitcode 99 --print-limit 20
    done
}

scale() { [ -n "$standin" ] && echo "--scale 0.002"; }

# All of a kind in one program, which writes its results after each case.
program() { # STAGE COMMAND ..
    stage=$1
    shift
    is_done "$stage" programs && return
    timeout -k 10 "$(within 3600)" "$@" >"$out/$stage.log" 2>&1
    status=$?
    say "$stage: status $status"
    tee -a "$out/summary.txt" <"$out/$stage.log"
    [ $status = 124 ] || echo "$stage" >>"$out/programs.done"
}

stage_bench() {
    # shellcheck disable=SC2046
    program bench "$build/bench" --device gpu $(scale) --seconds 3 --json "$out/bench.json" \
        --markdown "$out/bench.md"
}

stage_peers() {
    # shellcheck disable=SC2046
    program peers python3 "$peers" "$build/bench" --device gpu $(scale) --seconds 2 \
        --json "$out/peers.json" --report "$out/peers.md"
}

sample() { # NAME COMMAND ..
    name=$1
    shift
    is_done "$name" samples && return
    timeout -k 10 "$(within 300)" "$@" >"$out/sample-$name.log" 2>&1
    say "samples: $name: status $?: $(grep -E 'accuracy|training' "$out/sample-$name.log" | tr '\n' ' ')"
    late || echo "$name" >>"$out/samples.done"
}

stage_samples() {
    passes=20000 limit_pictures=''
    [ -n "$standin" ] && passes=20 limit_pictures='--limit 20'
    sample moons "$build/moons" --device gpu --passes $passes --plot "$out/moons.png"
    if [ -z "${SINTER_MNIST_DIR:-}" ]; then
        say "samples: mnist is left out: SINTER_MNIST_DIR names no data"
        return
    fi
    # shellcheck disable=SC2086
    sample mnist "$build/mnist" --device gpu --epochs 5 $limit_pictures --plot "$out/mnist.png"
    [ -n "$standin" ] || sample sweep "$build/mnist" --sweep --plot "$out/mnist-sweep.png"
}

say "==== $(date -u '+%Y-%m-%d %H:%M:%S') UTC:$stages${standin:+ (stand-in: no GPU)}"
if ! "$build/sinter" info >"$out/start.log" 2>&1; then
    say "sinter does not start: $(tail -n 1 "$out/start.log")"
    exit 1
fi
end=$(($(now) + minutes * 60))
for stage_now in $stages; do
    if late; then
        say "$stage_now: time is up, call again"
    else
        "stage_$stage_now"
    fi
done
! grep -qE 'FAILED|NOT FINISHED' "$out/summary.txt"
