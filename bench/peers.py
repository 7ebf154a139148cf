"""The cases of bench next to NumPy, JAX, PyTensor and PyTorch (eager and compiled), as far as they can be imported.

    peers.py BENCH [--case GLOB] [--threads N] [--seconds S] [--json FILE]

For each case: the bench program measures Sinter and its yardstick, then each peer does the same step on the same inputs (made
from the same hash) in this process, one after the other. All use the same processors. Results are compared with NumPy's."""
import argparse
import fnmatch
import importlib
import json
import math
import os
import subprocess
import sys
import time

parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("bench")
parser.add_argument("--case", action="append", help="only cases whose name matches (may be repeated)")
parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
parser.add_argument("--seconds", type=float, default=1.0, help="for each case and program")
parser.add_argument("--json", help="write results here too")
options = parser.parse_args()

# Before anything is imported: the libraries size their thread pools by these.
processors = sorted(os.sched_getaffinity(0))[: options.threads]
os.sched_setaffinity(0, processors)
for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS"):
    os.environ[name] = str(len(processors))

import numpy as np  # noqa: E402


def uniform(n, seed, low, high):
    """bench_uniform of the bench program."""
    x = np.arange(n, dtype=np.uint64).astype(np.uint32) + np.uint32(seed * 0x9E3779B9 & 0xFFFFFFFF)
    x = (x ^ x >> np.uint32(16)) * np.uint32(0x7FEB352D)
    x = (x ^ x >> np.uint32(15)) * np.uint32(0x846CA68B)
    x ^= x >> np.uint32(16)
    return low + (high - low) * ((x >> np.uint32(8)).astype(np.float64) / 16777216)


def sigmoid(xp, z):
    return 1 / (1 + xp.exp(-z))


def cross_entropy(xp, z, y):
    shifted = z - xp.amax(z, 1)
    return xp.log(xp.exp(shifted).sum(axis=1)) - xp.pick(shifted, y)


# ---- cases: arrays, what is computed, and for trainings the gradient by hand for NumPy --------------------------------------


class Forward:
    """outputs = f(xp, inputs)"""

    def __init__(self, f, inputs):
        self.f, self.inputs = f, inputs


class Training:
    """loss(xp, parameters, inputs) is minimised by gradient descent, or by Adam; numpy_gradient gives its gradients."""

    def __init__(self, loss, numpy_gradient, parameters, inputs, rate, adam=False, rotate=False):
        self.loss, self.numpy_gradient, self.parameters, self.inputs = loss, numpy_gradient, parameters, inputs
        self.rate, self.adam, self.rotate = rate, adam, rotate

    def step_inputs(self, i):
        """The inputs of step i: one example after the other, or always the whole batch."""
        return [x[i % len(self.inputs[0])] for x in self.inputs] if self.rotate else self.inputs


def moons(n, hidden, dtype, spread):
    i = np.arange(n)
    y = i % 2
    along = math.pi * uniform(n, 1, 0, 1)
    X = np.stack([np.where(y, 1 - np.cos(along), np.cos(along)) + uniform(n, 2, -0.2, 0.2),
                  np.where(y, 0.5 - np.sin(along), np.sin(along)) + uniform(n, 3, -0.2, 0.2)], axis=1).astype(dtype)
    parameters = [uniform(2 * hidden, 4, -1.2, 1.2).reshape(2, hidden), np.zeros(hidden),
                  uniform(2 * hidden, 5, -spread, spread).reshape(hidden, 2), np.zeros(2)]
    l2 = 0.01

    def loss(xp, p, d):
        z = xp.tanh(d[0] @ p[0] + p[1]) @ p[2] + p[3]
        return cross_entropy(xp, z, d[1]).mean() + l2 / 2 / n * ((p[0] ** 2).sum() + (p[2] ** 2).sum())

    def gradient(p, d):
        a = np.tanh(d[0] @ p[0] + p[1])
        e = np.exp(a @ p[2] + p[3])
        delta = e / e.sum(axis=1, keepdims=True)
        delta[np.arange(n), d[1]] -= 1
        delta /= n
        back = delta @ p[2].T * (1 - a * a)
        return [d[0].T @ back + l2 / n * p[0], back.sum(axis=0), a.T @ delta + l2 / n * p[2], delta.sum(axis=0)]

    return Training(loss, gradient, [p.astype(dtype) for p in parameters], [X, y], 0.01)


def digit(hidden):
    x = uniform(512 * 784, 1, 0.01, 1).reshape(512, 784).astype(np.float32)
    label = uniform(512, 2, 0, 10).astype(np.int64)
    target = np.full((512, 10), 0.01, np.float32)
    target[np.arange(512), label] = 0.99
    r1, r2 = math.sqrt(3 / 784), math.sqrt(3 / hidden)
    parameters = [uniform(hidden * 784, 3, -r1, r1).reshape(hidden, 784), uniform(hidden * 10, 4, -r2, r2).reshape(10, hidden)]

    def loss(xp, p, d):
        return ((d[1] - sigmoid(xp, p[1] @ sigmoid(xp, p[0] @ d[0]))) ** 2).sum()

    def gradient(p, d):
        h = sigmoid(np, p[0] @ d[0])
        o = sigmoid(np, p[1] @ h)
        e = 2 * (o - d[1]) * o * (1 - o)
        return [np.outer((p[1].T @ e) * h * (1 - h), d[0]), np.outer(e, h)]

    return Training(loss, gradient, [p.astype(np.float32) for p in parameters], [x, target], 0.1, rotate=True)


def batch(hidden, n=500):
    r1, r2 = math.sqrt(3 / 784), math.sqrt(3 / hidden)
    x = uniform(n * 784, 1, 0, 1).reshape(n, 784).astype(np.float32)
    y = uniform(n, 2, 0, 10).astype(np.int64)
    parameters = [uniform(784 * hidden, 3, -r1, r1).reshape(784, hidden), np.zeros(hidden),
                  uniform(10 * hidden, 4, -r2, r2).reshape(hidden, 10), np.zeros(10)]

    def loss(xp, p, d):
        return cross_entropy(xp, xp.relu(d[0] @ p[0] + p[1]) @ p[2] + p[3], d[1]).mean()

    def gradient(p, d):
        h = np.maximum(d[0] @ p[0] + p[1], 0)
        z = h @ p[2] + p[3]
        e = np.exp(z - z.max(axis=1, keepdims=True))
        delta = e / e.sum(axis=1, keepdims=True)
        delta[np.arange(n), d[1]] -= 1
        delta /= n
        back = (delta @ p[2].T) * (h > 0)
        return [d[0].T @ back, back.sum(axis=0), h.T @ delta, delta.sum(axis=0)]

    return Training(loss, gradient, [p.astype(np.float32) for p in parameters], [x, y], 0.001, adam=True)


def vectors(count, *shape):
    n = math.prod(shape)
    return [uniform(n, 1 + k, -1, 1).astype(np.float32).reshape(shape) for k in range(count)]


def chain(xp, v):
    x, y, z = v
    a = x * y + z
    return [abs(xp.maximum(a - x, y) * z - 0.5) * a]


def softmax(xp, v):
    e = xp.exp(v[0] - xp.amax(v[0], 1))
    return [e / xp.keep(e.sum(axis=1))]


def layer_norm(xp, v):
    mean = v[0].mean(axis=1)
    return [mean, ((v[0] - xp.keep(mean)) ** 2).mean(axis=1)]


def maths(name):
    low, high = (1e-3, 1e3) if name == "log" else (-6, 6)
    f = (lambda xp, v: [sigmoid(xp, v[0])]) if name == "sigmoid" else lambda xp, v: [getattr(xp, name)(v[0])]
    return Forward(f, [uniform(1 << 20, 1, low, high).astype(np.float32)])


CASES = {
    "moons-large": lambda: moons(5000, 1000, np.float32, 0.05),
    "moons-small": lambda: moons(200, 3, np.float32, 1),
    "moons-small-f64": lambda: moons(200, 3, np.float64, 1),
    **{f"mnist-1-{h}": lambda h=h: digit(h) for h in (200, 1000, 2000, 5000)},
    "mnist-500": lambda: batch(500),
    "chain": lambda: Forward(chain, vectors(3, 16 << 20)),
    **{f"maths-{f}": lambda f=f: maths(f) for f in ("exp", "sin", "cos", "tanh", "sigmoid", "log")},
    "transpose": lambda: Forward(lambda xp, v: [(v[0] + v[1].T) * v[2]], vectors(3, 4096, 4096)),
    "transpose-4099": lambda: Forward(lambda xp, v: [(v[0] + v[1].T) * v[2]], vectors(3, 4099, 4099)),
    "softmax": lambda: Forward(softmax, vectors(1, 4096, 1024)),
    "layer-norm": lambda: Forward(layer_norm, vectors(1, 4096, 1024)),
    "sum": lambda: Forward(lambda xp, v: [v[0].sum()], vectors(1, 16 << 20)),
    "max": lambda: Forward(lambda xp, v: [v[0].max()], vectors(1, 16 << 20)),
    "argmax": lambda: Forward(lambda xp, v: [v[0].argmax()], vectors(1, 16 << 20)),
    "column-sums": lambda: Forward(lambda xp, v: [v[0].sum(axis=0)], vectors(1, 16384, 1024)),
}


# ---- peers: each makes a function that does one step and returns what can be compared --------------------------------------


def adam_rate(t):
    return 0.001 * math.sqrt(1 - 0.999 ** (t + 1)) / (1 - 0.9 ** (t + 1))


class NumPy:
    exp, log, sin, tanh, maximum = np.exp, np.log, np.sin, np.tanh, np.maximum
    amax = staticmethod(lambda x, axis: x.max(axis=axis, keepdims=True))
    keep = staticmethod(lambda x: x[:, None])

    def forward(self, case):
        return lambda: case.f(self, case.inputs)

    def training(self, case):
        p = [x.copy() for x in case.parameters]
        m, v, t = [np.zeros_like(x) for x in p], [np.zeros_like(x) for x in p], 0

        def step():
            nonlocal t
            g = case.numpy_gradient(p, case.step_inputs(t))
            rate = p[0].dtype.type(adam_rate(t) if case.adam else case.rate)
            for i in range(len(p)):
                if case.adam:
                    m[i] = np.float32(0.9) * m[i] + np.float32(0.1) * g[i]
                    v[i] = np.float32(0.999) * v[i] + np.float32(0.001) * g[i] ** 2
                    p[i] -= rate * m[i] / (np.sqrt(v[i]) + np.float32(1e-8))
                else:
                    p[i] -= rate * g[i]
            t += 1
            return p

        return step


class NumPy64(NumPy):
    """The same in f64, as a program that does not care about types has it."""

    def training(self, case):
        wide = lambda a: [x.astype(np.float64) if x.dtype.kind == "f" else x for x in a]
        return super().training(Training(case.loss, case.numpy_gradient, wide(case.parameters), wide(case.inputs),
                                         case.rate, case.adam, case.rotate))

    forward = None


class Jax:
    def __init__(self):
        self.jax = importlib.import_module("jax")
        self.jax.config.update("jax_enable_x64", True)
        jnp = self.jnp = importlib.import_module("jax.numpy")
        self.exp, self.log, self.sin, self.tanh, self.maximum = jnp.exp, jnp.log, jnp.sin, jnp.tanh, jnp.maximum
        self.amax = lambda x, axis: x.max(axis=axis, keepdims=True)
        self.keep = lambda x: x[:, None]
        self.relu = lambda x: jnp.maximum(x, 0)
        self.pick = lambda z, y: z[jnp.arange(z.shape[0]), y]

    def forward(self, case):
        f = self.jax.jit(lambda *v: case.f(self, v))
        v = [self.jnp.asarray(x) for x in case.inputs]
        return lambda: self.jax.block_until_ready(f(*v))

    def training(self, case):
        jnp, grad = self.jnp, self.jax.grad(lambda p, d: case.loss(self, p, d))

        def update(p, m, v, d, rate):
            g = grad(p, d)
            if not case.adam:
                return [a - rate * b for a, b in zip(p, g)], m, v
            m = [0.9 * a + 0.1 * b for a, b in zip(m, g)]
            v = [0.999 * a + 0.001 * b * b for a, b in zip(v, g)]
            return [a - rate * b / (jnp.sqrt(c) + 1e-8) for a, b, c in zip(p, m, v)], m, v

        f = self.jax.jit(update, donate_argnums=(0, 1, 2))
        p = [jnp.array(x) for x in case.parameters]
        zeros = lambda: [jnp.zeros_like(x) for x in p] if case.adam else []
        state, t = (p, zeros(), zeros()), 0
        d = [[jnp.asarray(x) for x in case.step_inputs(i)] for i in range(len(case.inputs[0]) if case.rotate else 1)]

        def step():
            nonlocal state, t
            rate = case.parameters[0].dtype.type(adam_rate(t) if case.adam else case.rate)
            state = f(*state, d[t % len(d)], rate)
            t += 1
            return self.jax.block_until_ready(state[0])

        return step


class PyTensor:
    def __init__(self):
        self.pytensor, pt = importlib.import_module("pytensor"), importlib.import_module("pytensor.tensor")
        self.pt = pt
        self.exp, self.log, self.sin, self.tanh, self.maximum = pt.exp, pt.log, pt.sin, pt.tanh, pt.maximum
        self.amax = lambda x, axis: x.max(axis=axis, keepdims=True)
        self.keep = lambda x: x[:, None]
        self.relu = lambda x: pt.maximum(x, 0)
        self.pick = lambda z, y: z[pt.arange(y.shape[0]), y]

    def forward(self, case):
        v = [self.pt.tensor(dtype=x.dtype.name, shape=x.shape) for x in case.inputs]
        f = self.pytensor.function(v, case.f(self, v), trust_input=True)
        return lambda: f(*case.inputs)

    def training(self, case):
        pt, shared = self.pt, self.pytensor.shared
        kind = case.parameters[0].dtype
        p = [shared(x.copy()) for x in case.parameters]
        d = [pt.tensor(dtype=np.asarray(x).dtype.name, shape=np.asarray(x).shape) for x in case.step_inputs(0)]
        rate = pt.scalar(dtype=kind.name)
        updates, c = [], kind.type
        for a, g in zip(p, pt.grad(case.loss(self, p, d).astype(kind.name), p)):
            if not case.adam:
                updates.append((a, (a - rate * g).astype(kind.name)))
                continue
            m, v = shared(np.zeros_like(a.get_value())), shared(np.zeros_like(a.get_value()))
            new_m, new_v = c(0.9) * m + c(0.1) * g, c(0.999) * v + c(0.001) * g * g
            updates += [(m, new_m), (v, new_v), (a, a - rate * new_m / (pt.sqrt(new_v) + c(1e-8)))]
        f = self.pytensor.function([*d, rate], [], updates=updates, trust_input=True)
        t = 0

        def step():
            nonlocal t
            f(*case.step_inputs(t), np.asarray(adam_rate(t) if case.adam else case.rate, kind))
            t += 1
            return [a.get_value(borrow=True) for a in p]

        return step


class Torch:
    compiled = False

    def __init__(self):
        torch = self.torch = importlib.import_module("torch")
        torch.set_num_threads(len(processors))
        self.exp, self.log, self.sin, self.tanh, self.maximum = torch.exp, torch.log, torch.sin, torch.tanh, torch.maximum
        self.amax = lambda x, axis: x.amax(dim=axis, keepdim=True)
        self.keep = lambda x: x[:, None]
        self.relu = torch.relu
        self.pick = lambda z, y: z.gather(1, y[:, None])[:, 0]

    def wrap(self, f):
        return self.torch.compile(f) if self.compiled else f

    def forward(self, case):
        v = [self.torch.from_numpy(x) for x in case.inputs]
        f = self.wrap(lambda *v: case.f(self, v))
        return lambda: f(*v)

    def training(self, case):
        torch = self.torch
        p = [torch.from_numpy(x.copy()).requires_grad_() for x in case.parameters]
        d = [[torch.as_tensor(x) for x in case.step_inputs(i)] for i in range(len(case.inputs[0]) if case.rotate else 1)]
        optimiser = (torch.optim.Adam(p, 0.001) if case.adam else torch.optim.SGD(p, case.rate))
        f, t = self.wrap(lambda *d: case.loss(self, p, d)), 0

        def step():
            nonlocal t
            optimiser.zero_grad()
            f(*d[t % len(d)]).backward()
            optimiser.step()
            t += 1
            return [x.detach() for x in p]

        return step


class TorchCompile(Torch):
    compiled = True


PEERS = {"numpy": NumPy, "numpy-f64": NumPy64, "jax": Jax, "pytensor": PyTensor, "torch": Torch, "torch.compile": TorchCompile}


# ---- measuring --------------------------------------------------------------------------------------------------------------


def difference(got, want):
    worst = 0.0
    for a, b in zip(got, want):
        a, b = np.asarray(a, np.float64), np.asarray(b, np.float64)
        scale = max(1e-2, float(np.abs(b).max()))
        worst = max(worst, float(np.abs(a - b).max()) / scale)
    return worst


def times_of(step, seconds, least):
    end, times = time.perf_counter() + seconds, []
    while len(times) < least or time.perf_counter() < end:
        start = time.perf_counter()
        step()
        times.append(time.perf_counter() - start)
    return sorted(times)


def measure(step):
    times_of(step, options.seconds / 5, 2)  # warm-up: compilation, caches
    times = times_of(step, options.seconds, 5)
    return {"median": times[len(times) // 2], "mean": sum(times) / len(times), "least": times[0], "steps": len(times)}


def run_bench(name):
    command = [options.bench, "--case", name, "--threads", str(len(processors)), "--seconds", str(options.seconds), "--json", "-"]
    done = subprocess.run(command, capture_output=True, text=True)
    try:
        return json.loads(done.stdout)["results"][0]
    except (ValueError, IndexError, KeyError):
        return {"case": name, "failure": done.stderr.strip() or "no output"}


def text(seconds):
    return f"{seconds * 1e6:.2f} us" if seconds < 1e-3 else f"{seconds * 1e3:.3f} ms"


def available():
    peers = {}
    for name, peer in PEERS.items():
        try:
            peers[name] = peer()
        except ImportError as missing:
            print(f"without {name}: {missing}", file=sys.stderr)
    return peers


def run_case(name, peers):
    result, case = run_bench(name), CASES[name]()
    kind = "training" if isinstance(case, Training) else "forward"
    wanted = [np.array(x) for x in getattr(peers["numpy"], kind)(case)()]
    result["peers"] = {}
    for peer_name, peer in peers.items():
        make = getattr(peer, kind)
        if make is None or (peer_name == "numpy-f64" and name.endswith("f64")):
            continue
        try:
            step = make(case)
            error = difference(step(), wanted)
            if not error < 2e-3:
                raise ArithmeticError(f"differs from NumPy by {error:.3g}")
            result["peers"][peer_name] = measure(step)
        except Exception as failure:  # a peer that cannot do a case is a fact about the peer: the others go on
            result["peers"][peer_name] = {"failure": f"{type(failure).__name__}: {failure}"}
            print(f"{name}: {peer_name}: {type(failure).__name__}: {failure}", file=sys.stderr)
    return result


def main():
    peers = available()
    names = [n for n in CASES if not options.case or any(fnmatch.fnmatch(n, g) for g in options.case)]
    print(f"{'case':16} {'sinter':>11} {'by hand':>11}" + "".join(f" {p:>20}" for p in peers), flush=True)
    results = []
    for name in names:
        r = run_case(name, peers)
        results.append(r)
        if "failure" in r:
            print(f"{name:16} failed: {r['failure']}", flush=True)
            continue
        ours = r["ours"]["median"]
        row = f"{name:16} {text(ours):>11} {text(r['yardstick']['median']):>11}"
        for p in peers:
            m = r["peers"].get(p, {}).get("median")
            row += f" {text(m) + f' x{m / ours:6.1f}':>20}" if m else f" {'-':>20}"
        print(row, flush=True)
    if options.json:
        with open(options.json, "w") as f:
            versions = {p: importlib.import_module(p).__version__ for p in ("numpy", "jax", "pytensor", "torch") if p in peers}
            json.dump({"threads": len(processors), "versions": versions, "results": results}, f, indent=1)
    return any("failure" in r for r in results)


if __name__ == "__main__":
    sys.exit(main())
