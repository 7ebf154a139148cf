#!/bin/sh
# Adds the operator of docs/adding-an-op.md to a copy of the tree, by the edits shown there, and runs the tests that are
# said to cover it.
set -eu
source=$1
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir "$work/tree"
(cd "$source" && tar -cf - --exclude='./build*' --exclude=./.git .) | tar -xf - -C "$work/tree"
cd "$work/tree"
python3 tests/checks/docs.py . --apply .
cmake -G Ninja -S . -B build -DSINTER_SAMPLES=OFF -DSINTER_WERROR=ON >/dev/null
ninja -C build gen_ops >/dev/null
build/gen_ops >ops.h
mv ops.h include/sinter/ops.h
grep -q '^SN_API sn_expr sn_softsign_at(sn_expr a,' include/sinter/ops.h
tests="test_composites test_grad test_random test_passes_random test_eval_ewise"
# shellcheck disable=SC2086
ninja -C build sinter-llvm sinter_tool $tests >/dev/null
# shellcheck disable=SC2086
ctest --test-dir build --output-on-failure --no-tests=error -R "^($(echo $tests | tr ' ' '|'))\$"
printf 'graph g[N](%%x: f32[N]) {\n  %%y = softsign %%x : f32[N]\n  return %%y\n}\n' | build/sinter show - --kernel | grep div
echo "adding an operator: ok"
