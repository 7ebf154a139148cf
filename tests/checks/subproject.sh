#!/bin/sh
# Sinter inside of another project's CMake: the host's targets, folders and tests stay its own, a program links
# sinter::sinter, and finds the code generator where it was built.
# usage: subproject.sh SOURCE
set -eu
source=$1
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
for name in $(env | sed -n 's/^\(SINTER_[A-Z_]*\)=.*/\1/p'); do unset "$name"; done
cat >"$work/CMakeLists.txt" <<END
cmake_minimum_required(VERSION 3.25)
project(host C CXX)
add_subdirectory("$source" sinter)
add_custom_target(bench) # a name that Sinter has, too, when it is built by itself
add_executable(use use.cpp)
set_target_properties(use PROPERTIES CXX_STANDARD 17)
target_link_libraries(use PRIVATE sinter::sinter)
END
cp "$source/tests/checks/use.cpp" "$work/"
cmake -G Ninja -S "$work" -B "$work/build" -DCMAKE_BUILD_TYPE=Release >"$work/log" 2>&1 || { cat "$work/log"; exit 1; }
ninja -C "$work/build" use >"$work/log" 2>&1 || { tail -40 "$work/log"; exit 1; }
SINTER_CACHE=off SINTER_LOG=info "$work/build/use" 2>"$work/out" || { cat "$work/out"; exit 1; }
grep -q ' [1-9][0-9]* kernels* compiled' "$work/out" || { echo "subproject: nothing was compiled"; cat "$work/out"; exit 1; }
for stranger in libsinter.so sinter.pc moons CPackConfig.cmake CTestTestfile.cmake; do
    [ ! -e "$work/build/$stranger" ] || { echo "subproject: $stranger lies in the host's build folder"; exit 1; }
done
echo "subproject: ok"
