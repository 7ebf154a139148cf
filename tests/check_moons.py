#!/usr/bin/env python3
"""Trains the network of samples/moons again with NumPy, from the points and first weights that a run of the program
wrote, and compares: the loss every 1000 passes, the final weights, the accuracy. Nothing of Sinter is used here: forward
and backward are written out by hand.

usage: check_moons.py PATH/TO/moons [gpu]

gpu: fewer and shorter trainings, on the GPU backend.
"""
import pathlib
import re
import subprocess
import sys
import tempfile

import numpy as np

LEARNING_RATE, LAMBDA = 0.01, 0.01
PARAMETERS = ("W1", "b1", "W2", "b2")

# Points, hidden units, passes, type, seed; the largest error of a weight that passes, relative to the largest weight of
# its array, and of a printed loss. NumPy computes in f64 throughout, so that the f32 bounds hold what 20000 roundings of
# the weights to f32 may add up to.
CASES = [
    (200, 3, 20000, "f64", 0, 1e-11, 1e-12),
    (200, 3, 20000, "f32", 0, 2e-4, 1e-5),
    (57, 5, 3001, "f64", 11, 1e-11, 1e-12),
    (57, 5, 3001, "f32", 11, 2e-4, 1e-5),
    (1, 1, 10, "f64", 3, 1e-11, 1e-12),
    (333, 130, 200, "f64", 2, 1e-11, 1e-12),
    (5000, 1000, 4, "f64", 0, 1e-11, 1e-12),
    (5000, 1000, 4, "f32", 0, 2e-4, 1e-5),
]
GPU_CASES = [
    (57, 5, 301, "f64", 11, 1e-11, 1e-12),
    (57, 5, 301, "f32", 11, 2e-4, 1e-5),
    (1, 1, 10, "f64", 3, 1e-11, 1e-12),
    (333, 130, 20, "f32", 2, 2e-4, 1e-5),
]


def forward(X, W1, b1, W2, b2):
    a1 = np.tanh(X @ W1 + b1)
    z2 = a1 @ W2 + b2
    e = np.exp(z2 - z2.max(axis=1, keepdims=True))
    return a1, e / e.sum(axis=1, keepdims=True)


def loss_of(X, y, p):
    _, probabilities = forward(X, *p)
    data = -np.log(probabilities[np.arange(len(y)), y]).mean()
    return data + LAMBDA / 2 * ((p[0] ** 2).sum() + (p[2] ** 2).sum()) / len(y)


def step(X, y, p):
    W1, b1, W2, b2 = p
    n = len(y)
    a1, delta = forward(X, *p)
    delta[np.arange(n), y] -= 1
    delta /= n
    dW2 = a1.T @ delta + LAMBDA / n * W2
    back = delta @ W2.T * (1 - a1**2)
    dW1 = X.T @ back + LAMBDA / n * W1
    gradient = (dW1, back.sum(axis=0), dW2, delta.sum(axis=0))
    return [value - LEARNING_RATE * g for value, g in zip(p, gradient)]


def run(moons, folder, points, hidden, passes, dtype, seed, *more):
    """The program's lines, and what it wrote."""
    command = [moons, "--points", points, "--hidden", hidden, "--passes", passes, "--dtype", dtype, "--seed", seed,
               "--lr", LEARNING_RATE, "--reg", LAMBDA, "--plot", folder / "moons.png", "--dump", folder, *more]
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"{' '.join(done.args)}\nleft with status {done.returncode}:\n{done.stderr}")
    if not (folder / "moons.png").read_bytes().startswith(b"\x89PNG\r\n\x1a\n"):
        sys.exit("moons.png is no PNG")
    return done.stdout, {path.stem: np.load(path) for path in folder.glob("*.npy")}


def check_case(moons, points, hidden, passes, dtype, seed, weight_bound, loss_bound, *more):
    with tempfile.TemporaryDirectory() as folder:
        text, array = run(moons, pathlib.Path(folder), points, hidden, passes, dtype, seed, *more)
    faults = []
    real = np.dtype({"f64": np.float64, "f32": np.float32}[dtype])
    shapes = {"X": (points, 2), "W1": (2, hidden), "b1": (hidden,), "W2": (hidden, 2), "b2": (2,)}
    for name, shape in [*shapes.items(), *((name + "_init", shapes[name]) for name in PARAMETERS)]:
        if array[name].shape != shape or array[name].dtype != real:
            faults.append(f"{name} is {array[name].dtype}{array[name].shape}")
    y = array["y"]
    if y.dtype != np.int64 or y.shape != (points,) or not np.isin(y, (0, 1)).all():
        faults.append("y is not N classes 0 or 1 as int64")
    if array["b1_init"].any() or array["b2_init"].any() or not (array["W1_init"].any() and array["W2_init"].any()):
        faults.append("the first biases are not 0, or the first weights are")

    X = array["X"].astype(np.float64)
    p = [array[name + "_init"].astype(np.float64) for name in PARAMETERS]
    losses = {}
    for done in range(passes + 1):
        if done % 1000 == 0 or done == passes:
            losses[done] = loss_of(X, y, p)
        if done < passes:
            p = step(X, y, p)

    printed = {int(n): float(loss) for n, loss in re.findall(r"^pass +(\d+) +loss (\S+)$", text, re.MULTILINE)}
    if printed.keys() != losses.keys():
        faults.append(f"losses of passes {sorted(printed)} were printed, not of {sorted(losses)}")
    loss_error = max(abs(printed[n] - losses[n]) / losses[n] for n in printed.keys() & losses.keys())
    # Not "error > bound": a NaN must be a fault.
    if not loss_error <= loss_bound:
        faults.append(f"a loss is off by {loss_error:.3g}, more than {loss_bound:g}")

    weight_error = 0
    for name, value in zip(PARAMETERS, p):
        error = np.abs(array[name] - value).max() / np.abs(value).max()
        weight_error = max(weight_error, error)
        if not error <= weight_bound:
            faults.append(f"{name} is off by {error:.3g}, more than {weight_bound:g}")

    right = int((forward(X, *p)[1].argmax(axis=1) == y).sum())
    found = re.search(r"^accuracy (\S+) %: (\d+) of (\d+) points$", text, re.MULTILINE)
    if not found or (int(found[2]), int(found[3])) != (right, points):
        faults.append(f"NumPy gets {right} of {points} points right, the program says {found and found[0]}")
    elif abs(float(found[1]) - 100 * right / points) > 1e-4:
        faults.append(f"{right} of {points} points are not {found[1]} %")

    title = f"{points} points, {hidden} hidden, {passes} passes, {dtype}, seed {seed}"
    print(f"{title}: weights off by {weight_error:.2g}, losses by {loss_error:.2g}, {right} right")
    return [f"{title}: {fault}" for fault in faults]


def check_bad_options(moons):
    """Each is refused with a sentence and status 2 (or 1 where only the file system can tell), before any training."""
    missing = "/nonexistent/folder/file"
    cases = [(["--points", text], 2) for text in ("0", "-5", "99999999999999999999", "ten", "", "5x")]
    cases += [(["--hidden", "0"], 2), (["--passes", "-1"], 2), (["--dtype", "f16"], 2), (["--lr", "nan"], 2),
              (["--reg", "-1"], 2), (["--seed", "-1"], 2), (["--nothing"], 2), (["file"], 2), (["--points"], 2),
              (["--plot", ""], 2), (["--plot", missing], 1), (["--dot", missing], 1), (["--dump", missing], 1)]
    faults = []
    for words, status in cases:
        done = subprocess.run([moons, *words], capture_output=True, text=True)
        if done.returncode != status or not done.stderr.strip():
            faults.append(f"{words}: status {done.returncode}, not {status}; said: {done.stderr.strip()!r}")
        if re.search(r"^pass ", done.stdout, re.MULTILINE):
            faults.append(f"{words}: the training began")
    return faults


def main():
    on_gpu = sys.argv[2:] == ["gpu"]
    if len(sys.argv) != 2 + on_gpu:
        sys.exit(__doc__)
    moons = str(pathlib.Path(sys.argv[1]).resolve())
    faults = [] if on_gpu else check_bad_options(moons)
    for case in GPU_CASES if on_gpu else CASES:
        faults += check_case(moons, *case, *(("--device", "gpu") if on_gpu else ()))
    for fault in faults:
        print(fault, file=sys.stderr)
    sys.exit(bool(faults))


main()
