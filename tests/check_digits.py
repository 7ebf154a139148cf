#!/usr/bin/env python3
"""Runs samples/mnist on real data, where there is any; status 77, which ctest takes for skipped, where there is none.

usage: check_digits.py PATH/TO/mnist           a short run
       check_digits.py PATH/TO/mnist --whole   five epochs as a tutorial has them, held against NumPy in f64 from the same
                                               first weights in accuracy and time; and what one would do today
"""
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import time

NO_DATA = 77
faults = []


def folder():
    """Where the program looks."""
    data = os.environ.get("XDG_DATA_HOME", "")
    base = pathlib.Path(data) if data.startswith("/") else pathlib.Path.home() / ".local/share"
    return pathlib.Path(os.environ.get("SINTER_MNIST_DIR") or base / "sinter/mnist")


def run(mnist, *words):
    done = subprocess.run([mnist, "--json", *map(str, words)], capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"{' '.join(done.args)}\nleft with status {done.returncode}:\n{done.stderr}")
    return json.loads(done.stdout)


def expect(what, good):
    print(("" if good else "NOT SO: ") + what)
    if not good:
        faults.append(what)


def short(mnist):
    """A sixth of an epoch; chance is 10 %."""
    for words, digits, clothes in ((["--limit", 10000], 87, 65),
                                   (["--limit", 20000, "--batch", 100, "--activation", "relu", "--loss", "xent",
                                     "--optimizer", "adam"], 90, 75)):
        out = run(mnist, "--epochs", 1, *words)
        least = clothes if out["data"].startswith("Fashion") else digits
        expect(f"{out['data']}, {words}: {out['accuracy']:.2f} %, at least {least} %", out["accuracy"] >= least)


def whole(mnist):
    from mnist_reference import Classic, load, read_safetensors

    x, y, test_x, test_y = load(folder())
    with tempfile.TemporaryDirectory() as name:
        first = pathlib.Path(name) / "first.safetensors"
        for seed in range(3):
            run(mnist, "--epochs", 0, "--seed", seed, "--save", first)
            out = run(mnist, "--seed", seed)
            network, start = Classic(read_safetensors(first)), time.monotonic()
            for _ in range(5):
                network.epoch(x, y)
            seconds = time.monotonic() - start
            right = 100 * (network.answers(test_x) == test_y).mean()
            expect(f"seed {seed}: {out['accuracy']:.2f} % where NumPy reaches {right:.2f} %, within 0.3",
                   abs(out["accuracy"] - right) <= 0.3)
            ratio = seconds / out["training_seconds"]
            expect(f"seed {seed}: {out['training_seconds']:.1f} s where NumPy needs {seconds:.1f} s, a fifth or less: "
                   f"{ratio:.1f} times as fast", ratio >= 5)
    for seed in range(3):
        out = run(mnist, "--hidden", 500, "--batch", 100, "--activation", "relu", "--loss", "xent", "--optimizer", "adam",
                  "--seed", seed)
        least = 85 if out["data"].startswith("Fashion") else 98
        expect(f"seed {seed}, as one would do today: {out['accuracy']:.2f} %, at least {least} %",
               out["accuracy"] >= least)


def main():
    if len(sys.argv) < 2 or sys.argv[2:] not in ([], ["--whole"]):
        sys.exit(__doc__)
    if not (list(folder().glob("train-images-idx3-ubyte*")) if folder().is_dir() else []):
        print(f"skipped: there is no data in {folder()}; samples/mnist/fetch-data gets it")
        sys.exit(NO_DATA)
    with tempfile.TemporaryDirectory() as cache:
        os.environ.update(SINTER_CACHE="rw", SINTER_CACHE_DIR=cache)
        (whole if sys.argv[2:] else short)(str(pathlib.Path(sys.argv[1]).resolve()))
    sys.exit(bool(faults))


main()
