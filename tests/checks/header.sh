#!/bin/sh
# The public headers compile as C99, C11, C17, C++17 and C++20 without a warning, macros included, with the warnings that
# strict projects have; a C++17 program uses them.
set -eu
source=$1 build=$2
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
strict="-Wall -Wextra -pedantic -Wconversion -Wsign-conversion -Wshadow -Wcast-qual -Wundef -Werror -I$source/include"
for header in sinter.h nn.h; do
    cat >"$work/c.c" <<END
#include <sinter/$header>
sn_expr use(sn_graph *graph);
sn_expr use(sn_graph *graph) {
    sn_expr x = sn_input(graph, "x", SN_F32, SN_SHAPE(SN_DIM(3), sn_dim_new(graph, "N")));
    sn_expr part = sn_slice(sn_sum(x, SN_AXES(0, -1), 1), 0, SN_DIM(0), SN_END);
    return sn_add(part, sn_full(graph, SN_F32, 2, SN_SCALAR));
}
END
    cp "$work/c.c" "$work/c.cpp"
    for compiler in gcc clang; do
        command -v "$compiler" >/dev/null || continue
        for standard in c99 c11 c17; do
            # shellcheck disable=SC2086
            "$compiler" -std=$standard $strict -Wstrict-prototypes -Wmissing-prototypes -fsyntax-only "$work/c.c"
        done
    done
    for compiler in g++ clang++; do
        command -v "$compiler" >/dev/null || continue
        for standard in c++17 c++20; do
            # shellcheck disable=SC2086
            "$compiler" -std=$standard $strict -Wold-style-cast -Wzero-as-null-pointer-constant -fsyntax-only "$work/c.cpp"
        done
    done
done
# shellcheck disable=SC2086
g++ -std=c++17 $strict "$source/tests/checks/use.cpp" -L"$build" -lsinter -Wl,-rpath,"$build" -o "$work/use"
"$work/use"
echo "header: ok"
