"""The cases of bench next to NumPy, JAX, PyTensor and PyTorch (eager and compiled), as far as they can be imported.

    peers.py BENCH [--case GLOB] [--threads N] [--seconds S] [--json FILE]
    peers.py BENCH --device gpu [--scale F] [--report FILE] ..

For each case: the bench program measures Sinter and its yardstick, then each peer does the same step on the same inputs (made
from the same hash) in this process, one after the other. All use the same processors. Results are compared with NumPy's.

With --device gpu the cases are the GPU's, and the peers PyTorch (eager; compiled with max-autotune, which brings CUDA graphs;
a whole compiled step recorded as one CUDA graph) and JAX (a step a call; many steps in one call, as Sinter has them). All data
lies on the device, and a sample is many steps between two waits for it. Products are f32 throughout but where the case is
about another precision."""
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
parser.add_argument("--device", choices=("cpu", "gpu"), default="cpu")
parser.add_argument("--scale", type=float, default=1.0, help="of the sizes of the GPU's cases")
parser.add_argument("--report", help="write a table in Markdown here too")
parser.add_argument("--on-cpu", action="store_true", help="the GPU's cases with the peers on the processor: to try this script")
options = parser.parse_args()
on_gpu = options.device == "gpu"

# Before anything is imported: the libraries size their thread pools by these.
processors = sorted(os.sched_getaffinity(0))[: options.threads]
os.sched_setaffinity(0, processors)
os.environ["XLA_PYTHON_CLIENT_PREALLOCATE"] = "false"  # Sinter and PyTorch need some of the device's memory, too
if not on_gpu or options.on_cpu:
    os.environ["JAX_PLATFORMS"] = "cpu"
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
    """outputs = f(xp, inputs); precision is that of products: f32, tf32, or bf16 for operands and results, too"""

    def __init__(self, f, inputs, precision="f32"):
        self.f, self.inputs, self.precision = f, inputs, precision


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


PERIOD = 1 << 24  # bench_fill of the bench program


def vectors(count, *shape):
    n = math.prod(shape)
    period = [uniform(min(n, PERIOD), 1 + k, -1, 1).astype(np.float32) for k in range(count)]
    return [(x if n <= PERIOD else np.resize(x, n)).reshape(shape) for x in period]


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


def product(n, precision="f32"):
    a, b, bias = (uniform(m, 1 + k, -1, 1).astype(np.float32) for k, m in enumerate((n * n, n * n, n)))
    f = lambda xp, v: [xp.relu(v[0] @ v[1] + v[2])]
    return Forward(f, [a.reshape(n, n), b.reshape(n, n), bias], precision)


# By the size that the bench program says it took, which --scale and the device's memory decide.
GPU_CASES = {
    "moons-large": lambda n: moons(n, 1000, np.float32, 0.05),
    "moons-large-call": lambda n: moons(n, 1000, np.float32, 0.05),
    **{f"mnist-1-{h}": digit for h in (200, 1000, 2000, 5000)},
    "mnist-500": lambda n: batch(500, n),
    "chain": lambda n: Forward(chain, vectors(3, n)),
    "softmax": lambda n: Forward(softmax, vectors(1, n // 1024, 1024)),
    "sum": lambda n: Forward(lambda xp, v: [v[0].sum()], vectors(1, n)),
    **{f"matmul-{p}": lambda n, p=p: product(n, p) for p in ("f32", "tf32", "bf16")},
}


# ---- peers: each makes a function that does one step and returns what can be compared --------------------------------------


def adam_rate(t):
    return 0.001 * math.sqrt(1 - 0.999 ** (t + 1)) / (1 - 0.9 ** (t + 1))


class NumPy:
    relu = staticmethod(lambda x: np.maximum(x, 0))
    exp, log, sin, cos, tanh, maximum = np.exp, np.log, np.sin, np.cos, np.tanh, np.maximum
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
    steps = 1  # of one call

    def __init__(self):
        self.jax = importlib.import_module("jax")
        self.jax.config.update("jax_enable_x64", True)
        jnp = self.jnp = importlib.import_module("jax.numpy")
        self.exp, self.log, self.sin, self.cos = jnp.exp, jnp.log, jnp.sin, jnp.cos
        self.tanh, self.maximum = jnp.tanh, jnp.maximum
        self.amax = lambda x, axis: x.max(axis=axis, keepdims=True)
        self.keep = lambda x: x[:, None]
        self.relu = lambda x: jnp.maximum(x, 0)
        self.pick = lambda z, y: z[jnp.arange(z.shape[0]), y]

        if on_gpu and not options.on_cpu and self.jax.default_backend() != "gpu":
            raise ImportError("JAX has no GPU here")

    last = None

    def wait(self):
        self.jax.block_until_ready(self.last)

    def host(self, x):
        return np.asarray(x.astype(self.jnp.float32) if x.dtype == self.jnp.bfloat16 else x)

    def forward(self, case):
        if self.steps > 1:
            return None
        precision = {"f32": "highest", "tf32": "tensorfloat32", "bf16": None}[case.precision]
        self.jax.config.update("jax_default_matmul_precision", precision)
        f = self.jax.jit(lambda *v: case.f(self, v))
        v = [self.jnp.asarray(x, dtype=self.jnp.bfloat16 if case.precision == "bf16" else None) for x in case.inputs]

        def step():
            self.last = f(*v)
            return self.last

        return step

    def training(self, case):
        jnp, grad = self.jnp, self.jax.grad(lambda p, d: case.loss(self, p, d))

        def update(p, m, v, d, rate):
            g = grad(p, d)
            if not case.adam:
                return [a - rate * b for a, b in zip(p, g)], m, v
            m = [0.9 * a + 0.1 * b for a, b in zip(m, g)]
            v = [0.999 * a + 0.001 * b * b for a, b in zip(v, g)]
            return [a - rate * b / (jnp.sqrt(c) + 1e-8) for a, b, c in zip(p, m, v)], m, v

        self.jax.config.update("jax_default_matmul_precision", "highest")
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
            self.last = state[0]
            return state[0]

        return step


class JaxLoop(Jax):
    """Many steps in one call."""

    steps = 128

    def training(self, case):
        jax, jnp = self.jax, self.jnp
        jax.config.update("jax_default_matmul_precision", "highest")
        grad = jax.grad(lambda p, d: case.loss(self, p, d))
        data = [jnp.asarray(x) for x in case.inputs]
        length, kind = len(case.inputs[0]), case.parameters[0].dtype.type

        def one(t, state):
            p, m, v = state
            g = grad(p, [x[t % length] for x in data] if case.rotate else data)
            if not case.adam:
                return [a - kind(case.rate) * b for a, b in zip(p, g)], m, v
            n = (t + 1).astype(p[0].dtype)
            rate = kind(0.001) * jnp.sqrt(1 - kind(0.999) ** n) / (1 - kind(0.9) ** n)
            m = [kind(0.9) * a + kind(0.1) * b for a, b in zip(m, g)]
            v = [kind(0.999) * a + kind(0.001) * b * b for a, b in zip(v, g)]
            return [a - rate * b / (jnp.sqrt(c) + kind(1e-8)) for a, b, c in zip(p, m, v)], m, v

        f = jax.jit(lambda state, first, n: jax.lax.fori_loop(first, first + n, one, state), donate_argnums=0)
        p = [jnp.array(x) for x in case.parameters]
        zeros = lambda: [jnp.zeros_like(x) for x in p] if case.adam else []
        state, t = (p, zeros(), zeros()), 0

        def step(n=self.steps):
            nonlocal state, t
            state = f(state, t, n)
            t += n
            self.last = state[0]
            return state[0]

        return step


class PyTensor:
    def __init__(self):
        self.pytensor, pt = importlib.import_module("pytensor"), importlib.import_module("pytensor.tensor")
        self.pt = pt
        self.exp, self.log, self.sin, self.cos = pt.exp, pt.log, pt.sin, pt.cos
        self.tanh, self.maximum = pt.tanh, pt.maximum
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
    steps = 1

    def __init__(self):
        torch = self.torch = importlib.import_module("torch")
        torch.set_num_threads(len(processors))
        if on_gpu and not options.on_cpu and not torch.cuda.is_available():
            raise ImportError("PyTorch has no GPU here")
        self.device = "cuda" if on_gpu and not options.on_cpu else "cpu"
        self.exp, self.log, self.sin, self.cos = torch.exp, torch.log, torch.sin, torch.cos
        self.tanh, self.maximum = torch.tanh, torch.maximum
        self.cos = torch.cos
        self.amax = lambda x, axis: x.amax(dim=axis, keepdim=True)
        self.keep = lambda x: x[:, None]
        self.relu = torch.relu
        self.pick = lambda z, y: z.gather(1, y[:, None])[:, 0]

    def wait(self):
        if self.device == "cuda":
            self.torch.cuda.synchronize()

    def host(self, x):
        return x.detach().float().cpu().numpy() if x.dtype == self.torch.bfloat16 else x.detach().cpu().numpy()

    def wrap(self, f):
        if not self.compiled:
            return f
        return self.torch.compile(f, mode="max-autotune") if self.device == "cuda" else self.torch.compile(f)

    def place(self, x, **kind):
        return self.torch.as_tensor(np.array(x), device=self.device, **kind)

    def precision(self, name):
        self.torch.backends.cuda.matmul.allow_tf32 = self.torch.backends.cudnn.allow_tf32 = name == "tf32"
        return {"dtype": self.torch.bfloat16} if name == "bf16" else {}

    def forward(self, case):
        kind = self.precision(case.precision)
        v = [self.place(x, **kind) for x in case.inputs]
        f = self.wrap(lambda *v: case.f(self, v))

        def step():
            with self.torch.no_grad():
                return f(*v)

        return step

    def inputs(self, case):
        return [[self.place(x) for x in case.step_inputs(i)] for i in range(len(case.inputs[0]) if case.rotate else 1)]

    def training(self, case):
        torch = self.torch
        self.precision("f32")
        p = [self.place(x).requires_grad_() for x in case.parameters]
        d = self.inputs(case)
        f, update, t = self.wrap(lambda *d: case.loss(self, p, d)), self.optimiser(case, p), 0

        def step():
            nonlocal t
            for x in p:
                x.grad = None
            if self.compiled and self.device == "cuda":
                torch.compiler.cudagraph_mark_step_begin()
            f(*d[t % len(d)]).backward()
            update()
            t += 1
            return p

        return step

    def optimiser(self, case, p):
        optim = self.torch.optim
        on_device = {"capturable": True} if case.adam and self.device == "cuda" and self.compiled else {}
        optimiser = optim.Adam(p, 0.001, **on_device) if case.adam else optim.SGD(p, case.rate)
        return self.wrap(optimiser.step)


class TorchCompile(Torch):
    compiled = True


class TorchGraph(Torch):
    """A whole step, compiled, recorded as one CUDA graph: the least that PyTorch can be made to do on the host."""

    compiled = True

    def __init__(self):
        super().__init__()
        if self.device != "cuda":
            raise ImportError("CUDA graphs need a GPU")

    def wrap(self, f):
        return self.torch.compile(f, mode="max-autotune-no-cudagraphs")

    def record(self, run):
        torch, side = self.torch, self.torch.cuda.Stream()
        side.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(side):
            for _ in range(3):
                run()
        torch.cuda.current_stream().wait_stream(side)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            out = run()
        return graph, out

    def forward(self, case):
        graph, out = self.record(super().forward(case))

        def step():
            graph.replay()
            return out

        return step

    def training(self, case):
        torch = self.torch
        self.precision("f32")
        p = [self.place(x).requires_grad_() for x in case.parameters]
        d, t = self.inputs(case), 0
        static = [x.clone() for x in d[0]]
        f, update = self.wrap(lambda *d: case.loss(self, p, d)), self.optimiser(case, p)
        for x in p:
            x.grad = torch.zeros_like(x)

        def run():
            for x in p:
                x.grad.zero_()
            f(*static).backward()
            update()

        graph, _ = self.record(run)
        with torch.no_grad():  # recording has trained: begin again
            for x, first in zip(p, case.parameters):
                x.copy_(torch.as_tensor(first))
            for state in update.__self__.state.values() if hasattr(update, "__self__") else []:
                for value in state.values():
                    value.zero_()

        def step():
            nonlocal t
            if case.rotate:
                for x, y in zip(static, d[t % len(d)]):
                    x.copy_(y)
            graph.replay()
            t += 1
            return p

        return step

    def optimiser(self, case, p):
        optim = self.torch.optim  # fused: one kernel for all parameters, which compiling cannot better
        return (optim.Adam(p, 0.001, capturable=True, fused=True) if case.adam else optim.SGD(p, case.rate, fused=True)).step


PEERS = {"numpy": NumPy, "numpy-f64": NumPy64, "jax": Jax, "pytensor": PyTensor, "torch": Torch, "torch.compile": TorchCompile}
GPU_PEERS = {"torch": Torch, "torch.compile": TorchCompile, "torch.graph": TorchGraph, "jax": Jax, "jax.loop": JaxLoop}
SAMPLE_SECONDS = 0.03  # on the GPU: a sample is as many steps as take so long, and one wait


# ---- measuring --------------------------------------------------------------------------------------------------------------


def difference(got, want):
    worst = 0.0
    for a, b in zip(got, want):
        a, b = np.asarray(a, np.float64), np.asarray(b, np.float64)
        scale = max(1e-2, float(np.abs(b).max()))
        worst = max(worst, float(np.abs(a - b).max()) / scale)
    return worst


def times_of(peer, step, seconds, least, calls):
    end, times = time.perf_counter() + seconds, []
    wait = getattr(peer, "wait", lambda: None)
    while len(times) < least or time.perf_counter() < end:
        start = time.perf_counter()
        for _ in range(calls):
            step()
        wait()
        times.append((time.perf_counter() - start) / calls)
    return sorted(times)


def measure(peer, step):
    calls, steps = 1, getattr(peer, "steps", 1)
    warm = times_of(peer, step, options.seconds / 5, 2, 1)  # compilation, caches
    if on_gpu:
        calls = max(1, int(SAMPLE_SECONDS / warm[0]))
    times = times_of(peer, step, options.seconds, 5, calls)
    return {"median": times[len(times) // 2] / steps, "mean": sum(times) / len(times) / steps, "least": times[0] / steps,
            "steps": len(times) * calls * steps}


def run_bench(name):
    command = [options.bench, "--case", name, "--threads", str(len(processors)), "--seconds", str(options.seconds), "--json", "-",
               "--device", options.device, "--scale", str(options.scale)]
    done = subprocess.run(command, capture_output=True, text=True)
    try:
        whole = json.loads(done.stdout)
        return {**whole["results"][0], "device": whole.get("device")}
    except (ValueError, IndexError, KeyError):
        return {"case": name, "failure": done.stderr.strip() or "no output"}


def text(seconds):
    return f"{seconds * 1e6:.2f} us" if seconds < 1e-3 else f"{seconds * 1e3:.3f} ms"


def available():
    peers = {}
    for name, peer in (GPU_PEERS if on_gpu else PEERS).items():
        try:
            peers[name] = peer()
        except ImportError as missing:
            print(f"without {name}: {missing}", file=sys.stderr)
    return peers


def run_case(name, peers):
    result = run_bench(name)
    result["peers"] = {}
    if on_gpu and "size" not in result and "failure" in result:
        return result
    case = GPU_CASES[name](result["size"]) if on_gpu else CASES[name]()
    kind = "training" if isinstance(case, Training) else "forward"
    wanted = [np.array(x) for x in getattr(NumPy(), kind)(case)()]
    for peer_name, peer in peers.items():
        make = getattr(peer, kind)
        if make is None or (peer_name == "numpy-f64" and name.endswith("f64")):
            continue
        try:
            step = make(case)
            if step is None:
                continue
            first = step(1) if getattr(peer, "steps", 1) > 1 else step()
            error = difference([getattr(peer, "host", np.asarray)(x) for x in first], wanted)
            # Adam's first step is of the size of the rate wherever a gradient is not 0, and epsilon has several places.
            bound = 2e-2 if getattr(case, "adam", False) else {"tf32": 1e-2, "bf16": 3e-2}.get(getattr(case, "precision", ""), 2e-3)
            if not error < bound:
                raise ArithmeticError(f"differs from NumPy by {error:.3g}")
            result["peers"][peer_name] = measure(peer, step)
        except Exception as failure:  # a peer that cannot do a case is a fact about the peer: the others go on
            text_of = f"{type(failure).__name__}: {failure}"
            result["peers"][peer_name] = {"failure": text_of}
            print(f"{name}: {peer_name}: {text_of[:400]}", file=sys.stderr)
        step = first = None
        if on_gpu and getattr(peer, "device", "") == "cuda":
            peer.torch.cuda.empty_cache()
    return result


def versions(peers):
    names = {"numpy", *(p.partition(".")[0].partition("-")[0] for p in peers)}
    return {p: importlib.import_module(p).__version__ for p in sorted(names)}


def write_json(results, peers):
    with open(options.json, "w") as f:
        json.dump({"threads": len(processors), "versions": versions(peers), "results": results}, f, indent=1)


def best_of(result):
    times = {p: r["median"] for p, r in result["peers"].items() if "median" in r}
    return min(times.items(), key=lambda item: item[1]) if times else (None, math.nan)


def write_report(results, peers):
    """A table for docs/performance.md: medians of a step, and how many times as long the best of the peers takes."""
    named = ", ".join(f"{name} {version}" for name, version in versions(peers).items() if name != "numpy")
    with open(options.report, "w") as f:
        f.write(f"{next((r['device'] for r in results if r.get('device')), 'CPU')}; {named}.\n\n")
        f.write("| case | Sinter |" + "".join(f" {p} |" for p in peers) + " best of them |\n")
        f.write("|---|---:|" + "---:|" * len(peers) + "---:|\n")
        for r in results:
            if "failure" in r:
                f.write(f"| `{r['case']}` | failed |" + " |" * (len(peers) + 1) + "\n")
                continue
            cells = [text(r["peers"][p]["median"]) if "median" in r["peers"].get(p, {}) else "" for p in peers]
            best = best_of(r)[1] / r["ours"]["median"]
            f.write(f"| `{r['case']}` | {text(r['ours']['median'])} |" + "".join(f" {c} |" for c in cells) +
                    (f" x {best:.2f} |\n" if best == best else " |\n"))


def main():
    peers = available()
    cases = GPU_CASES if on_gpu else CASES
    listed = subprocess.run([options.bench, "--device", options.device, "--list"], capture_output=True, text=True).stdout
    known = {line.split()[0] for line in listed.splitlines() if line[:1].strip()}
    names = [n for n in cases if n in known and (not options.case or any(fnmatch.fnmatch(n, g) for g in options.case))]
    print(f"{'case':16} {'sinter':>11} {'by hand':>11}" + "".join(f" {p:>20}" for p in peers), flush=True)
    results = []
    for name in names:
        r = run_case(name, peers)
        results.append(r)
        if "failure" in r:
            print(f"{name:16} failed: {r['failure']}", flush=True)
        else:
            ours = r["ours"]["median"]
            hand = text(r["yardstick"]["median"]) if "yardstick" in r else "-"
            row = f"{name:16} {text(ours):>11} {hand:>11}"
            for p in peers:
                m = r["peers"].get(p, {}).get("median")
                row += f" {text(m) + f' x{m / ours:6.1f}':>20}" if m else f" {'-':>20}"
            print(row, flush=True)
        if options.json:  # so far: whoever is stopped has these
            write_json(results, peers)
        if options.report and (r.get("device") or "").startswith("stand-in"):
            print(f"{options.report} is not written: this is no GPU", file=sys.stderr)
            options.report = None
        if options.report:
            write_report(results, peers)
    return any("failure" in r for r in results)


if __name__ == "__main__":
    sys.exit(main())
