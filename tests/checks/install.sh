#!/bin/sh
# What `cmake --install` puts in place is used from there: a program built by pkg-config and by find_package, compiled
# kernels at first, then those of a shipped bundle with no compiler left; the tool, the man pages; what `cpack` packs.
# usage: install.sh BUILD LIBDIR SOURCE
set -eu
build=$1 libdir=$2 source=$3
work=$(mktemp -d)
trap 'chmod -R u+w "$work"; rm -rf "$work"' EXIT
for name in $(env | sed -n 's/^\(SINTER_[A-Z_]*\)=.*/\1/p'); do unset "$name"; done
unset LD_LIBRARY_PATH PKG_CONFIG_PATH CMAKE_PREFIX_PATH
export HOME="$work" XDG_CACHE_HOME="$work/cache"

fail() {
    echo "install: $*" >&2
    exit 1
}

# Installed in one place and moved to another: nothing knows where it was.
cmake --install "$build" --prefix "$work/first" >/dev/null
mv "$work/first" "$work/prefix"
prefix=$work/prefix
lib=$prefix/$libdir
cat >"$work/wanted" <<END
bin/sinter
include/sinter/nn.h
include/sinter/ops.h
include/sinter/sinter.h
$libdir/cmake/sinter/sinterConfig.cmake
$libdir/cmake/sinter/sinterConfigVersion.cmake
$libdir/cmake/sinter/sinterTargets.cmake
$libdir/libsinter-llvm.so
$libdir/libsinter.so
$libdir/pkgconfig/sinter.pc
share/doc/sinter/LICENSE
share/doc/sinter/README.md
share/doc/sinter/docs/guide.md
share/man/man1/sinter-cache.1
share/man/man1/sinter.1
END
while read -r file; do
    [ -s "$prefix/$file" ] || fail "no $file"
done <"$work/wanted"
version=$("$prefix/bin/sinter" --version)
soname=$(readelf -d "$lib/libsinter.so" | sed -n 's/.*SONAME.*\[\(.*\)\]/\1/p')
[ "$soname" = "libsinter.so.${version%.*}" ] || fail "the SONAME is $soname" # 0.1: until 1.0 a minor version may break
[ "$(readlink "$lib/libsinter.so")" = "$soname" ] || fail "libsinter.so does not lead to $soname"
[ "$(readlink "$lib/$soname")" = "libsinter.so.$version" ] || fail "$soname does not lead to libsinter.so.$version"
"$prefix/bin/sinter" info | grep -q '^compiler *yes' || fail "the tool does not find the code generator"

mkdir "$work/app"
cat >"$work/app/app.c" <<'END'
#include <sinter/sinter.h>
#include <stdio.h>

int main(int argc, char **argv) {
    sn_context_options options = {.struct_size = sizeof options, .cache_bundle = argc > 1 ? argv[1] : NULL};
    sn_context *ctx;
    if (sn_context_new(&options, &ctx)) return 1;
    sn_graph *g = sn_graph_new(ctx, "app");
    sn_expr x = sn_input(g, "x", SN_F32, SN_SHAPE(sn_dim_new(g, "N")));
    sn_expr y = sn_mul(sn_tanh(x), sn_exp(x)), sum = sn_sum_all(y), results[2] = {y};
    sn_grad(sum, &x, 1, &results[1]);
    sn_function *f;
    sn_function_desc desc = {.inputs = &x, .n_inputs = 1, .outputs = results, .n_outputs = 2};
    if (sn_function_new(g, &desc, &f)) return fprintf(stderr, "%s\n", sn_graph_error(g)), 2;
    float at[3] = {-1, 0.5f, 2}, to[2][3];
    int64_t n = 3;
    sn_tensor in = sn_tensor_of(SN_F32, at, 1, &n);
    sn_tensor out[2] = {sn_tensor_of(SN_F32, to[0], 1, &n), sn_tensor_of(SN_F32, to[1], 1, &n)};
    if (sn_function_call(f, &in, 1, out, 2)) return fprintf(stderr, "%s\n", sn_function_error(f)), 3;
    for (int i = 0; i < n; i++) printf("%a %a\n", (double)to[0][i], (double)to[1][i]);
    sn_function_free(f), sn_graph_free(g), sn_context_free(ctx);
}
END

# Both ways to build; the first compiles its kernels, the second finds them.
export PKG_CONFIG_PATH="$lib/pkgconfig"
[ "$(pkg-config --modversion sinter)" = "$version" ] || fail "sinter.pc is of another version"
# shellcheck disable=SC2046
gcc -std=c17 "$work/app/app.c" $(pkg-config --cflags --libs sinter) -Wl,-rpath,"$lib" -o "$work/app/by-pkg-config"
SINTER_LOG=info "$work/app/by-pkg-config" >"$work/cold" 2>"$work/log" || fail "the program fails: $(cat "$work/log")"
grep -q ' [1-9][0-9]* kernels* compiled' "$work/log" || fail "nothing was compiled: $(cat "$work/log")"
[ "$(wc -l <"$work/cold")" = 3 ] || fail "the program prints $(cat "$work/cold")"

cat >"$work/app/CMakeLists.txt" <<END
cmake_minimum_required(VERSION 3.25)
project(app C)
find_package(sinter ${version%.*} REQUIRED)
add_executable(by-find-package app.c)
target_link_libraries(by-find-package PRIVATE sinter::sinter)
END
cmake -S "$work/app" -B "$work/app/build" -DCMAKE_PREFIX_PATH="$prefix" >"$work/log" || fail "$(cat "$work/log")"
cmake --build "$work/app/build" >"$work/log" || fail "$(cat "$work/log")"
"$work/app/build/by-find-package" >"$work/out" || fail "the program built by find_package fails"
cmp -s "$work/cold" "$work/out" || fail "the two programs differ: $(cat "$work/out")"

# A project of C++ alone, as strict about warnings as they get.
mkdir "$work/cpp"
cp "$source/tests/checks/use.cpp" "$work/cpp/"
cat >"$work/cpp/CMakeLists.txt" <<END
cmake_minimum_required(VERSION 3.16)
project(cpp CXX)
set(CMAKE_CXX_STANDARD 17)
find_package(sinter ${version%.*} REQUIRED)
add_executable(use use.cpp)
target_compile_options(use PRIVATE -Wall -Wextra -Wpedantic -Wconversion -Wsign-conversion -Wold-style-cast -Werror)
target_link_libraries(use PRIVATE sinter::sinter)
END
cmake -S "$work/cpp" -B "$work/cpp/build" -DCMAKE_PREFIX_PATH="$prefix" >"$work/log" || fail "$(cat "$work/log")"
cmake --build "$work/cpp/build" >"$work/log" 2>&1 || fail "$(cat "$work/log")"
"$work/cpp/build/use" || fail "the C++ program built by find_package fails"

# The kernels as one read-only file, an empty cache, no compiler anywhere. The same bits.
"$prefix/bin/sinter" cache pack "$work/app.bundle" | grep -q '^[1-9]' || fail "nothing was packed"
chmod a-w "$work/app.bundle"
rm -r "$XDG_CACHE_HOME" "$lib/libsinter-llvm.so"
export SINTER_CACHE=only SINTER_LLVM=/nonexistent
for program in "$work/app/by-pkg-config" "$work/app/build/by-find-package"; do
    "$program" "$work/app.bundle" >"$work/out" || fail "nothing but the bundle, and it fails"
    cmp -s "$work/cold" "$work/out" || fail "the bundle's kernels give something else: $(cat "$work/out")"
done
[ ! -e "$XDG_CACHE_HOME" ] || fail "mode only writes"
if "$work/app/by-pkg-config" >"$work/out" 2>&1; then fail "without the bundle it runs as well"; fi
unset SINTER_CACHE
if "$work/app/by-pkg-config" >"$work/out" 2>&1; then fail "without bundle and compiler it runs as well"; fi
grep -q /nonexistent "$work/out" || fail "the path tried is not named: $(cat "$work/out")"
unset SINTER_LLVM

if command -v man >/dev/null && command -v groff >/dev/null; then
    for page in sinter sinter-cache; do
        LC_ALL=C.UTF-8 man --warnings -E UTF-8 -l "$prefix/share/man/man1/$page.1" 2>"$work/log" >"$work/page"
        [ -s "$work/page" ] && [ ! -s "$work/log" ] || fail "$page.1: $(cat "$work/log")"
    done
else
    echo "install: no man and groff here, the manual pages are not formatted"
fi
# Every command of the tool is in its page.
"$prefix/bin/sinter" help | sed -n 's/^  \([a-z][a-z]*\) .*/\1/p' >"$work/commands"
while read -r name; do
    grep -q "^\.Ss sinter $name$" "$prefix/share/man/man1/sinter.1" || fail "sinter.1 lacks $name"
done <"$work/commands"
"$prefix/bin/sinter" cache --help | sed -n 's/^  \([a-z][a-z]*\) .*/\1/p' >"$work/commands"
while read -r name; do
    grep -q "^\.It Cm $name$" "$prefix/share/man/man1/sinter-cache.1" || fail "sinter-cache.1 lacks $name"
done <"$work/commands"

if command -v dpkg-deb >/dev/null; then
    (cd "$work" && cpack -Wno-dev -G DEB --config "$build/CPackConfig.cmake" -B "$work/pack" >"$work/log" 2>&1) ||
        fail "cpack: $(cat "$work/log")"
    dpkg-deb -c "$work"/pack/*.deb >"$work/content"
    while read -r file; do
        grep -q " \./usr/$file\( \|$\)" "$work/content" || fail "the package lacks $file: $(cat "$work/content")"
    done <"$work/wanted"
    dpkg-deb -f "$work"/pack/*.deb >"$work/control"
    for line in "Package: sinter" "Version: $version" "Depends: .*libstdc++6" "Recommends: libopenblas0"; do
        grep -q "^$line" "$work/control" || fail "the control file lacks $line: $(cat "$work/control")"
    done
else
    echo "install: no dpkg-deb here, no package was made"
fi
echo "install: ok"
