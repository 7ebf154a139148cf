"""The network of samples/mnist in NumPy, forward and backward written out by hand, in f64: what the program's runs are
held against. Nothing of Sinter is used here. Reads and writes the files that the program reads and writes."""
import gzip
import json
import pathlib
import struct

import numpy as np

FILES = ("train-images-idx3-ubyte", "train-labels-idx1-ubyte", "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte")


def read_idx(path):
    packed = pathlib.Path(f"{path}.gz")
    data = gzip.decompress(packed.read_bytes()) if packed.exists() else pathlib.Path(path).read_bytes()
    rank = data[3]
    sizes = struct.unpack(f">{rank}I", data[4 : 4 + 4 * rank])
    return np.frombuffer(data, np.uint8, offset=4 + 4 * rank).reshape(sizes)


def write_idx(path, array):
    path.write_bytes(struct.pack(f">HBB{array.ndim}I", 0, 8, array.ndim, *array.shape) + array.tobytes())


def load(folder):
    """Training pictures as [n, 784] in 0.01 .. 1.00, their labels, and the same of the test."""
    images, labels, test_images, test_labels = (read_idx(pathlib.Path(folder) / name) for name in FILES)
    scale = lambda a: a.reshape(len(a), -1) * (0.99 / 255) + 0.01
    return scale(images), labels, scale(test_images), test_labels


def read_safetensors(path):
    data = pathlib.Path(path).read_bytes()
    (size,) = struct.unpack("<Q", data[:8])
    header = json.loads(data[8 : 8 + size])
    header.pop("__metadata__", None)
    kind = {"F32": "<f4", "F64": "<f8"}
    return {name: np.frombuffer(data[8 + size :][slice(*t["data_offsets"])], kind[t["dtype"]]).reshape(t["shape"])
            for name, t in header.items()}


def sigmoid(z):
    return 1 / (1 + np.exp(-z))


class Network:
    """error: every sum of a step is off by up to that times the sum of its terms' sizes, by at least half of it, by the
    same in networks of one seed, and the other way round where error is negative."""

    def __init__(self, weights, loss="mse", activation="sigmoid", optimizer="sgd", lr=0.1, error=0, seed=0):
        self.p = {name: w.astype(np.float64) for name, w in weights.items()}
        self.m = {name: np.zeros_like(w) for name, w in self.p.items()}
        self.v = {name: np.zeros_like(w) for name, w in self.p.items()}
        self.loss, self.activation, self.optimizer, self.lr, self.t = loss, activation, optimizer, lr, 0
        self.error, self.random = error, np.random.default_rng(seed)

    def product(self, a, b, error):
        if not error:
            return a @ b
        off = self.random.uniform(0.5, 1, (len(a), b.shape[1])) * self.random.choice((-1, 1), (len(a), b.shape[1]))
        return a @ b + error * off * (np.abs(a) @ np.abs(b))

    def forward(self, x, error=0):
        z = self.product(x, self.p["W1"].T, error) + self.p.get("b1", 0)
        h = {"sigmoid": sigmoid, "relu": lambda z: np.maximum(z, 0), "tanh": np.tanh}[self.activation](z)
        out = self.product(h, self.p["W2"].T, error) + self.p.get("b2", 0)
        return h, sigmoid(out) if self.loss == "mse" else out

    def answers(self, x):
        return self.forward(x)[1].argmax(axis=1)

    def step(self, x, y):
        """One step on a batch; returns the sum of its examples' losses before it."""
        h, out = self.forward(x, self.error)
        right = np.zeros_like(out)
        right[np.arange(len(y)), y] = 1
        if self.loss == "mse":
            error = out - (0.98 * right + 0.01)
            loss = (error**2).sum()
            d_out = 2 * error * out * (1 - out)
        else:
            e = np.exp(out - out.max(axis=1, keepdims=True))
            d_out = e / e.sum(axis=1, keepdims=True)
            loss = -np.log(d_out[np.arange(len(y)), y]).sum()
            d_out = d_out - right
        d_out = d_out / len(y)
        slope = {"sigmoid": h * (1 - h), "relu": (h > 0).astype(float), "tanh": 1 - h * h}[self.activation]
        d_h = self.product(d_out, self.p["W2"], self.error) * slope
        ones = np.ones((1, len(y)))
        gradient = {"W1": self.product(d_h.T, x, self.error), "b1": self.product(ones, d_h, self.error)[0],
                    "W2": self.product(d_out.T, h, self.error), "b2": self.product(ones, d_out, self.error)[0]}
        self.t += 1
        for name, w in self.p.items():
            self.update(name, w, gradient[name])
        return loss

    def update(self, name, w, g):
        m, v = self.m[name], self.v[name]
        if self.optimizer == "sgd":
            w -= self.lr * g
        elif self.optimizer == "momentum":
            m *= 0.9
            m += g
            w -= self.lr * m
        else:
            m += 0.1 * (g - m)
            v += 0.001 * (g * g - v)
            w -= self.lr * (m / (1 - 0.9**self.t)) / (np.sqrt(v / (1 - 0.999**self.t)) + 1e-8)

    def epoch(self, x, y, batch, order=None):
        """Mean loss of the examples."""
        order = np.arange(len(x)) if order is None else order
        parts = (order[i : i + batch] for i in range(0, len(x), batch))
        return sum(self.step(x[part], y[part]) for part in parts) / len(x)


def shuffled(n, seed, epoch):
    """The order of an epoch: Fisher and Yates with the numbers of SplitMix64."""
    mask, gamma = 2**64 - 1, 0x9E3779B97F4A7C15

    def mix(z):
        z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9 & mask
        z = (z ^ (z >> 27)) * 0x94D049BB133111EB & mask
        return z ^ (z >> 31)

    key = mix(mix(seed + gamma & mask) + (epoch + 1) * gamma & mask)
    order = np.arange(n)
    for draw, i in enumerate(range(n - 1, 0, -1), 1):
        other = mix(key + draw * gamma & mask) % (i + 1)
        order[[i, other]] = order[[other, i]]
    return order


class Classic:
    """The classic run alone, one example a step, as a tutorial writes it: what times are compared with."""

    def __init__(self, weights, lr=0.1):
        self.w1, self.w2, self.lr = weights["W1"].astype(np.float64), weights["W2"].astype(np.float64), lr

    def answers(self, x):
        return sigmoid(sigmoid(x @ self.w1.T) @ self.w2.T).argmax(axis=1)

    def epoch(self, x, y):
        targets = 0.01 + 0.98 * np.eye(10)[y]
        for picture, target in zip(x, targets):
            h = sigmoid(self.w1 @ picture)
            out = sigmoid(self.w2 @ h)
            d_out = 2 * (out - target) * out * (1 - out)
            d_h = d_out @ self.w2 * h * (1 - h)
            self.w2 -= self.lr * np.outer(d_out, h)
            self.w1 -= self.lr * np.outer(d_h, picture)
