#!/usr/bin/env python3
"""Runs samples/mnist on small made-up pictures in MNIST's format, which any machine has: training against NumPy from the
same first weights; files, JSON, pictures, table; no compilation once training has begun; the same bits with any number
of threads; a sentence for bad options and bad data.

usage: check_mnist.py PATH/TO/mnist [gpu]

gpu: training alone, on the GPU backend.
"""
import gzip
import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile

import numpy as np

from mnist_reference import FILES, Network, load, read_safetensors, shuffled, write_idx

faults = []

# Options, and whether biases are added.
CASES = [
    dict(batch=1),
    dict(batch=1, optimizer="momentum", activation="tanh", shuffle="yes", decay="yes"),
    dict(batch=32, lr=1.5, shuffle="no", decay="no"),
    dict(batch=32, loss="xent", activation="relu", optimizer="adam", bias=True),
    dict(batch=1000, loss="xent", activation="relu", optimizer="adam"),
    dict(batch=250, loss="xent", activation="tanh", optimizer="momentum", bias=True, hidden=33),
    dict(batch=1, loss="xent", activation="relu", optimizer="adam", bias=True, hidden=7),
]
RATE = {"sgd": 0.1, "momentum": 0.01, "adam": 0.002}
GPU_CASES = [dict(batch=1, hidden=40, device="gpu"), dict(CASES[3], device="gpu", hidden=40)]
EXAMPLES, TEST, LIMIT, EPOCHS = 600, 2300, 503, 2
PAIRS, MARGIN = 1, 4
SEED = int(os.environ.get("SN_SEED", 3)) # of first weights: any


def expect(what, good, *context):
    if not good:
        faults.append(": ".join([what, *(str(c).strip() for c in context)]))


def make_data(folder):
    """Ten blurred prototypes, each picture one of them with noise."""
    random = np.random.default_rng(1)
    coarse = random.random((10, 7, 7)) > 0.6
    prototype = np.kron(coarse, np.ones((4, 4))) * 220
    for images, labels, n in ((FILES[0], FILES[1], EXAMPLES), (FILES[2], FILES[3], TEST)):
        y = random.integers(0, 10, n).astype(np.uint8)
        x = np.clip(prototype[y] * random.uniform(0.2, 1, (n, 1, 1)) + random.normal(0, 150, (n, 28, 28)), 0, 255)
        write_idx(folder / images, x.astype(np.uint8))
        write_idx(folder / labels, y)


def run(mnist, data, *words, environment=None, status=0):
    command = [mnist, "--data", str(data), *map(str, words)]
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                          env={**os.environ, **(environment or {})})
    expect(" ".join(command), done.returncode == status, f"status {done.returncode}", done.stdout)
    return done.stdout


def options(case):
    words = []
    for name, value in case.items():
        words += [f"--{name}"] if value is True else [f"--{name}", value]
    return words


def check_training(mnist, data, folder, case, dtype, weight_bound, loss_bound):
    words = [*options(case), "--dtype", dtype, "--limit", LIMIT, "--seed", SEED]
    first, last = folder / "first.safetensors", folder / "last.safetensors"
    run(mnist, data, *words, "--epochs", 0, "--save", first)
    out = json.loads(run(mnist, data, *words, "--epochs", EPOCHS, "--save", last, "--json"))
    kind = case.get("optimizer", "sgd")
    # A gradient that is nearly 0 may have another sign, and Adam makes a whole step of it: networks that are off by some
    # roundings tell where. Pairs of opposite errors, so that each sign is met.
    error = 8 * np.finfo({"f32": "f4", "f64": "f8"}[dtype]).eps
    network, *noisy = [Network(read_safetensors(first), case.get("loss", "mse"), case.get("activation", "sigmoid"), kind,
                               case.get("lr", RATE[kind]), e, seed)
                       for e, seed in [(0, 0)] + [(e, seed) for seed in range(PAIRS) for e in (error, -error)]]
    x, y, test_x, test_y = load(data)
    x, y = x[:LIMIT], y[:LIMIT]
    title = f"{case} {dtype}"
    for name in "shuffle", "decay":
        expect(name, out[name] == (case.get(name, "yes" if case["batch"] > 1 else "no") == "yes"), title)
    rate = network.lr
    for number, epoch in enumerate(out["epochs"]):
        order = shuffled(LIMIT, SEED, number) if out["shuffle"] else None
        for n in network, *noisy:
            n.lr = rate * (EPOCHS - number) / EPOCHS if out["decay"] else rate
        loss, *others = [n.epoch(x, y, case["batch"], order) for n in (network, *noisy)]
        answers, *turned = [n.answers(test_x) for n in (network, *noisy)]
        right = int((answers == test_y).sum())
        allowed = loss_bound * loss + MARGIN * max(abs(other - loss) for other in others)
        expect("loss", abs(epoch["loss"] - loss) <= allowed, title, epoch["loss"], loss, allowed)
        # An answer may turn where two are nearly as likely.
        near = int(np.any([other != answers for other in turned], axis=0).sum())
        expect("accuracy", abs(epoch["accuracy"] * TEST / 100 - right) <= near + 1e-6, title, epoch, right)
    got = read_safetensors(last)
    expect("parameters", got.keys() == network.p.keys() and out["steps"] == EPOCHS * -(-LIMIT // case["batch"]), title)
    worst = most = 0
    for name, w in network.p.items():
        off = np.max([np.abs(n.p[name] - w) for n in noisy], axis=0)
        bound = weight_bound * np.abs(w).max() + MARGIN * off
        worst = max(worst, (np.abs(got[name] - w) / bound).max())
        most = max(most, (bound > 1e-2 * np.abs(w).max()).mean())
    expect("weights", worst <= 1, title, worst)
    expect("weights that may be anything", most <= 0.1, title, most)
    expect("dtype", all(w.dtype == np.dtype({"f32": "f4", "f64": "f8"}[dtype])
                        for w in got.values()), title)
    print(f"{title}: weights off by {worst:.2g} of what is allowed, {most:.2%} by much, {out['right']} of {TEST} right")
    return last


def check_same_bits(mnist, data, folder):
    """The same seed gives the same weights, twice and with any number of threads; another seed gives others."""
    for case in CASES[0], CASES[3]:
        bits = []
        for threads, seed in ((1, 3), (1, 3), (2, 3), (3, 3), (1, 4)):
            path = folder / "bits.safetensors"
            run(mnist, data, *options(case), "--hidden", 300, "--epochs", 1, "--threads", threads, "--seed", seed,
                "--save", path)
            bits.append(path.read_bytes())
        expect("the same bits", len(set(bits[:4])) == 1, case)
        expect("another seed", bits[4] != bits[0], case)


def check_no_compile(mnist, data):
    """Batches of 1, 32 and 1000, the remainder and the test: nothing is compiled once training has begun."""
    for batch, limit in ((1, 5), (32, 100), (1000, 600), (599, 600), (100, 600)):
        out = run(mnist, data, "--batch", batch, "--limit", limit, "--epochs", 2, environment={"SINTER_LOG": "info", "SINTER_CACHE": "off"})
        before, begun, after = out.partition("a step is ")
        expect("kernels are logged when they are made", re.search(r"sinter: info: .*compiled", before), before)
        expect("nothing compiled after it", begun and not re.search("compiled (?!in)|sinter: info: kernel", after), after)


def check_files(mnist, data, folder):
    saved = folder / "saved.safetensors"
    out = json.loads(run(mnist, data, "--epochs", 1, "--save", saved, "--json"))
    again = json.loads(run(mnist, data, "--epochs", 0, "--load", saved, "--json"))
    expect("loaded weights answer the same", again["right"] == out["right"] and again["epochs"] == [], out, again)
    run(mnist, data, "--hidden", 100, "--epochs", 0, "--load", saved, status=1)
    (folder / "cut").write_bytes(saved.read_bytes()[:-1])
    run(mnist, data, "--epochs", 0, "--load", folder / "cut", status=1)
    run(mnist, data, "--epochs", 0, "--load", folder / "missing", status=1)
    run(mnist, data, "--epochs", 0, "--save", folder / "no" / "where", status=1)
    run(mnist, data, "--epochs", 0, "--plot", folder / "no" / "where.png", status=1)

    picture = folder / "mnist.png"
    out = run(mnist, data, "--epochs", 1, "--plot", picture, "--show", 4, "--profile")
    expect("picture", picture.read_bytes().startswith(b"\x89PNG\r\n\x1a\n"))
    expect("digits", len(re.findall("^[ \u2591\u2592\u2593\u2588]{28}", out, re.M)) >= 28, out)
    expect("profile", "step.0" in out, out)
    expect("text", re.search(r"^epoch  1   loss [\d.e-]+ +test +[\d.]+ %   [\d.]+ s$", out, re.M) and
           re.search(rf"^accuracy [\d.]+ %: \d+ of {TEST} test pictures$", out, re.M) and
           re.search(r"^training +[\d.]+ s +[\d.]+ s CPU, [\d.]+ us a step$", out, re.M) and
           re.search(r"^program +[\d.]+ s +[\d.]+ s CPU$", out, re.M), out)
    out = json.loads(run(mnist, data, "--epochs", 1, "--json", "--profile"))
    expect("JSON", out["layers"] == [784, 200, 10] and out["batch"] == 1 and "profile" in out, out)
    expect("times", 0 < out["training_seconds"] <= out["program_seconds"] and out["training_cpu_seconds"] > 0, out)

    run(mnist, data, "--sweep", "--limit", 20, "--plot", picture)
    table = json.loads(run(mnist, data, "--sweep", "--limit", 20, "--plot", picture, "--json"))["table"]
    expect("table", [row["nodes"] for row in table] == [200, 1000, 2000, 5000] and all(r["cpu"] > 0 for r in table), table)
    expect("picture of the table", picture.read_bytes().startswith(b"\x89PNG\r\n\x1a\n"))


def check_bad_options(mnist, data):
    for words in (["--hidden", "0"], ["--hidden", "x"], ["--batch", "0"], ["--epochs", "-1"], ["--lr", "nan"],
                  ["--loss", "l1"], ["--activation", "none"], ["--optimizer", ""], ["--dtype", "f16"], ["--device", "tpu"],
                  ["--threads", "0"], ["--seed", "-1"], ["--limit", "0"], ["--save", ""], ["--shuffle", "maybe"], ["--nothing"], ["file"]):
        out = run(mnist, data, *words, status=2)
        expect("a sentence", "mnist" in out and "Try mnist --help." in out and "a step is" not in out, words, out)
    expect("help", "--optimizer" in run(mnist, data, "--help"))


def check_bad_data(mnist, data, folder):
    """A folder with one file changed; what is said names it."""
    good = {name: (data / name).read_bytes() for name in FILES}
    header = lambda *sizes: b"".join(n.to_bytes(4, "big") for n in (0x800 + len(sizes), *sizes))
    changes = [
        (FILES[0], None, "there is no train-images-idx3-ubyte"),
        (FILES[3], None, "there is no t10k-labels-idx1-ubyte"),
        (FILES[0], good[FILES[0]][:-1], "ends after 470399 of its 470400 bytes"),
        (FILES[1], good[FILES[1]] + b"\0", "goes on after its 600 bytes"),
        (FILES[2], b"<html>not found</html>", "is no IDX file"),
        (FILES[2], good[FILES[3]], "has 1 dimension, not 3"),
        (FILES[1], header(3) + b"\1\2\3", "there are 600 training pictures and 3 labels"),
        (FILES[0], header(1, 2, 3) + bytes(6), "pictures are of 2 x 3 pixels, not of 28 x 28"),
        (FILES[3], good[FILES[3]][:-1] + b"\x0a", f"the label of test picture {TEST - 1} is 10"),
        (FILES[2], gzip.compress(good[FILES[2]])[:-9], None),
    ]
    for number, (name, content, said) in enumerate(changes):
        bad = folder / f"bad{number}"
        bad.mkdir()
        for other in FILES:
            if other != name:
                (bad / other).write_bytes(good[other])
        if content is not None:
            (bad / (name if said else name + ".gz")).write_bytes(content)
        out = run(mnist, bad, status=1)
        expect("bad data", (said or "is cut off: its gzip stream does not end") in out and str(bad) in out, name, out)
    for name in FILES:
        (data / f"{name}.gz").write_bytes(gzip.compress(good[name]))
        (data / name).unlink()
    run(mnist, data, "--epochs", 0)
    environment = {"SINTER_MNIST_DIR": str(data)}
    done = subprocess.run([mnist, "--epochs", "0"], env={**os.environ, **environment}, capture_output=True, text=True)
    expect("SINTER_MNIST_DIR", done.returncode == 0 and "of unknown origin" in done.stdout, done.stdout, done.stderr)


def main():
    global LIMIT
    on_gpu = sys.argv[2:] == ["gpu"]
    if len(sys.argv) != 2 + on_gpu:
        sys.exit(__doc__)
    mnist = str(pathlib.Path(sys.argv[1]).resolve())
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        data = folder / "data"
        data.mkdir()
        # Many runs of few kernels: a cache of the test's own.
        os.environ.update(SINTER_CACHE="rw", SINTER_CACHE_DIR=str(folder / "cache"))
        make_data(data)
        if on_gpu:
            LIMIT = 75  # the stand-in for a GPU takes its time
        for case in GPU_CASES if on_gpu else []:
            check_training(mnist, data, folder, case, "f32", 1e-5, 1e-6)
        if on_gpu:
            sys.exit("\n".join(faults) if faults else print("mnist on the GPU: ok"))
        check_bad_options(mnist, data)
        for case in CASES:
            check_training(mnist, data, folder, case, "f64", 1e-11, 1e-13)
            check_training(mnist, data, folder, case, "f32", 1e-5, 1e-6)
        check_same_bits(mnist, data, folder)
        check_no_compile(mnist, data)
        check_files(mnist, data, folder)
        check_bad_data(mnist, data, folder)
    print("\n".join(faults) if faults else "mnist: ok")
    sys.exit(bool(faults))


main()
