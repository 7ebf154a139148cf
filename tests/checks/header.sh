#!/bin/sh
# The public headers compile as C99, C11, C17 and C++17 without a warning, and a C++17 program uses them.
set -eu
source=$1 build=$2
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
for header in sinter.h nn.h; do
    printf '#include <sinter/%s>\nint main(void) { return sn_dtype_size(SN_F32) == 0; }\n' "$header" >"$work/c.c"
    cp "$work/c.c" "$work/c.cpp"
    for compiler in gcc clang; do
        command -v "$compiler" >/dev/null || continue
        for standard in c99 c11 c17; do
            "$compiler" -std=$standard -Wall -Wextra -pedantic -Werror -I"$source/include" -fsyntax-only "$work/c.c"
        done
    done
    for compiler in g++ clang++; do
        command -v "$compiler" >/dev/null || continue
        "$compiler" -std=c++17 -Wall -Wextra -pedantic -Werror -I"$source/include" -fsyntax-only "$work/c.cpp"
    done
done
g++ -std=c++17 -Wall -Wextra -pedantic -Werror -I"$source/include" "$source/tests/checks/use.cpp" -L"$build" -lsinter \
    -Wl,-rpath,"$build" -o "$work/use"
"$work/use"
echo "header: ok"
