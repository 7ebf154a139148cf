"""Writes the files beside it that tests/test_nn*.c read: what layers, losses and optimisers give, computed by NumPy in
f64 from the formulas of the papers (no library of neural networks), as a file of the Python package safetensors; and
arrays as numpy.save writes them. usage: make_nn.py (with numpy and safetensors)"""
import pathlib

import numpy as np
from safetensors.numpy import save_file

here = pathlib.Path(__file__).parent
rng = np.random.default_rng(20)
out = {}


def erf(x):
    return np.vectorize(__import__("math").erf)(x)


# ---- activations and losses: values, and gradients of the sums
x = np.concatenate([rng.normal(0, 2, 14), [0.5, -30.0, 30.0, 1e-3]])
sigmoid = 1 / (1 + np.exp(-x))
cdf, pdf = (1 + erf(x / np.sqrt(2))) / 2, np.exp(-x * x / 2) / np.sqrt(2 * np.pi)
out["activation.x"] = x
for name, value, slope in [
    ("none", x, np.ones_like(x)),
    ("relu", np.maximum(x, 0), (x > 0) * 1.0),
    ("sigmoid", sigmoid, sigmoid * (1 - sigmoid)),
    ("tanh", np.tanh(x), 1 - np.tanh(x) ** 2),
    ("gelu", x * cdf, cdf + x * pdf),
    ("silu", x * sigmoid, sigmoid + x * sigmoid * (1 - sigmoid)),
    ("softplus", np.logaddexp(0, x), sigmoid),
]:
    out[f"activation.{name}"], out[f"activation.{name}.grad"] = value, slope

y, t = rng.normal(0, 1.5, (5, 4)), rng.normal(0, 1.5, (5, 4))
ids = np.array([3, 0, 2, 2, 1])
probs = rng.dirichlet(np.ones(4), 5)
labels = rng.uniform(0, 1, (5, 4))
labels[0] = [0, 1, 0, 1]
logp = y - np.log(np.exp(y).sum(1, keepdims=True))
softmax, hot = np.exp(logp), np.eye(4)[ids]
d, delta = np.abs(y - t), 0.75
out["loss.y"], out["loss.t"], out["loss.ids"], out["loss.probs"], out["loss.labels"] = y, t, ids, probs, labels
for name, value, slope in [
    ("squared", (y - t) ** 2, 2 * (y - t)),
    ("absolute", d, np.sign(y - t)),
    ("huber", np.where(d <= delta, d * d / 2, delta * (d - delta / 2)), np.clip(y - t, -delta, delta)),
    ("cross_entropy", -logp[np.arange(5), ids], softmax - hot),
    ("cross_entropy_probs", -(probs * logp).sum(1), softmax * probs.sum(1, keepdims=True) - probs),
    ("binary_cross_entropy", -(labels * np.log(1 / (1 + np.exp(-y))) + (1 - labels) * np.log(1 / (1 + np.exp(y)))),
     1 / (1 + np.exp(-y)) - labels),
]:
    out[f"loss.{name}"], out[f"loss.{name}.grad"] = value, slope

# ---- optimisers: the loss sum(s * (w - a)^2), the rate 0.1 / (1 + step), the weights after each of 7 steps
STEPS = 7
w0, a, s = rng.normal(0, 1, (3, 2)), rng.normal(0, 1, (3, 2)), rng.uniform(0.1, 2, (3, 2))
out["optimizer.w0"], out["optimizer.a"], out["optimizer.s"] = w0, a, s


def run(name, step, states):
    w, state, path = w0.copy(), [np.zeros_like(w0) for _ in range(states)], []
    for i in range(STEPS):
        w, state = step(w, 2 * s * (w - a), state, 0.1 / (1 + i), i + 1)
        path.append(w)
    out[f"optimizer.{name}"] = np.array(path)
    for suffix, value in zip("mv", state):
        out[f"optimizer.{name}.{suffix}"] = value


def sgd(decay):
    return lambda w, g, state, lr, t: (w - lr * (g + decay * w), state)


def momentum(mu, nesterov, decay):
    def step(w, g, state, lr, t):
        g = g + decay * w
        m = mu * state[0] + g
        return w - lr * (g + mu * m if nesterov else m), [m]

    return step


def adam(b1, b2, eps, decay, decoupled):
    def step(w, g, state, lr, t):
        if not decoupled:
            g = g + decay * w
        m, v = b1 * state[0] + (1 - b1) * g, b2 * state[1] + (1 - b2) * g * g
        m_hat, v_hat = m / (1 - b1**t), v / (1 - b2**t)
        new = w - lr * m_hat / (np.sqrt(v_hat) + eps)
        return new - lr * decay * w if decoupled else new, [m, v]

    return step


run("sgd", sgd(0), 0)
run("sgd_decay", sgd(0.3), 0)
run("momentum", momentum(0.9, False, 0), 1)
run("nesterov", momentum(0.7, True, 0.2), 1)
run("adam", adam(0.9, 0.999, 1e-8, 0, False), 2)
run("adam_decay", adam(0.8, 0.99, 1e-3, 0.3, False), 2)
run("adamw", adam(0.9, 0.999, 1e-8, 0.3, True), 2)

# ---- a network, 6 -> relu 5 -> 3 classes, mean cross-entropy, Adam with rate 0.02: weights and losses of 20 steps
X, digits = rng.normal(0, 1, (9, 6)), rng.integers(0, 3, 9)
net = {"W1": rng.normal(0, 0.6, (6, 5)), "b1": rng.normal(0, 0.1, 5), "W2": rng.normal(0, 0.6, (5, 3)), "b2": np.zeros(3)}
out["net.X"], out["net.digits"] = X, digits
for name, value in net.items():
    out[f"net.{name}"] = value.T.copy()  # weights lie as [units, inputs]
rule, states, losses = adam(0.9, 0.999, 1e-8, 0, False), {k: [np.zeros_like(v)] * 2 for k, v in net.items()}, []
for i in range(20):
    z = X @ net["W1"] + net["b1"]
    h = np.maximum(z, 0)
    q = h @ net["W2"] + net["b2"]
    logp = q - np.log(np.exp(q).sum(1, keepdims=True))
    losses.append(-logp[np.arange(9), digits].mean())
    dq = (np.exp(logp) - np.eye(3)[digits]) / 9
    dz = (dq @ net["W2"].T) * (z > 0)
    grads = {"W1": X.T @ dz, "b1": dz.sum(0), "W2": h.T @ dq, "b2": dq.sum(0)}
    for k in net:
        net[k], states[k] = rule(net[k], grads[k], states[k], 0.02, i + 1)
out["net.losses"] = np.array(losses)
for name, value in net.items():
    out[f"net.{name}.trained"] = value.T

save_file({k: np.ascontiguousarray(v) for k, v in out.items()}, here / "nn.safetensors")

# ---- every element type, odd shapes, a name that JSON has to escape
types = {
    "f64": np.array([[1.5, -0.0, np.inf], [np.pi, 5e-324, -2.0]]),
    "f32": np.array([0.1, -3.4e38], np.float32),
    "i64": np.array([-(2**63), 2**63 - 1]),
    "i32": np.array([[-7], [2**31 - 1]], np.int32),
    "u8": np.arange(250, 256).astype(np.uint8).reshape(1, 2, 3),
    "bool": np.array([True, False, True]),
    "scalar": np.array(2.5, np.float32),
    "empty": np.zeros((0, 3), np.float32),
    'a "name"\\\u00e9\U0001d11e': np.array([42.0]),
}
save_file(types, here / "types.safetensors", metadata={"made by": 'a "test"\\\n\u00e9'})
save_file({"half": np.array([1.0], np.float16), "w": np.array([1, 2], np.float32), "seven": np.zeros((1,) * 7),
           "two\nlines": np.zeros(1)}, here / "others.safetensors")
for path in here.glob("*.safetensors"):
    path.chmod(0o644)
for name in ("f64", "f32", "i64", "i32", "u8", "bool", "scalar", "empty"):
    np.save(here / f"{name}.npy", types[name])
np.save(here / "fortran.npy", np.asfortranarray(types["f64"]))
np.save(here / "big_endian.npy", types["f64"].astype(">f8"))
