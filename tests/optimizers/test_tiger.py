"""Tiger: against the rule of its author in numpy, batch by batch."""

from __future__ import annotations

import json

import numpy as np
import pytest

from b4k3.backend import keras
from b4k3.optimizers import (
    Tiger,
    extend_with_gradient_accumulation,
    extend_with_lazy_optimization,
    extend_with_lookahead,
    extend_with_piecewise_linear_lr,
)
from support.optimizer_goldens import trained

START = {
    "dense/kernel": (4, 3),
    "dense-1/bias": (3,),
    "norm/gamma": (3,),
    "norm-1/beta": (3,),
    "gamma-dense/kernel": (3, 2),  # the name of its layer does not make it a gamma
    "table/embeddings": (5, 3),
}


def problem(batches=8, broken=()):
    """Start values with a row of zeros, and gradients; `broken` has (batch, path, value) of what is not finite."""
    random = np.random.RandomState(3)
    start = {path: random.randn(*shape).astype("float32") for path, shape in START.items()}
    start["table/embeddings"][2] = 0
    gradients = []
    for _ in range(batches):
        gradients.append({path: random.randn(*shape).astype("float32") for path, shape in START.items()})
    for batch, path, value in broken:
        gradients[batch][path].flat[1] = value
    return start, gradients


def oracle(start, gradients, rate, beta=0.965, decay=0.01, k=1, schedule=lambda t: 1.0, shrink=0.99):
    """The values after each batch, as the author's repository computes them."""
    w, m = dict(start), {path: np.zeros_like(value) for path, value in start.items()}
    history = []
    for t, batch in enumerate(gradients):
        for path, g in batch.items():
            kind, lost = path.split("/")[1], not np.isfinite(g).all()
            if not lost:
                m[path] = (beta if t % k == 0 else 1.0) * m[path] + (1 - beta) / k * g
            relative, lam, centre = 1.0, decay, 0.0
            if kind in ("bias", "beta", "gamma"):
                relative, lam, centre = 0.5, 0.0, float(kind == "gamma")
            elif kind == "embeddings":
                relative = np.sqrt((w[path] ** 2).mean(-1, keepdims=True))
            else:
                relative = np.sqrt((w[path] ** 2).mean())
            r = rate * schedule(t) * relative if (t + 1) % k == 0 else 0.0
            if lost:
                w[path] = (w[path] - centre) * shrink + centre
            else:
                w[path] = w[path] - r * (np.sign(m[path]) + lam * w[path])
        history.append(dict(w))
    return history


def compare(got, want, tolerance=1e-5):
    for t, (values, wanted) in enumerate(zip(got, want)):
        for path in wanted:
            np.testing.assert_allclose(values[path], wanted[path], atol=tolerance, err_msg=f"{path} after batch {t}")


CASES = [
    ({}, {}, ()),
    (
        {"beta": 0.5, "weight_decay": 0.3, "lr_schedule": {4: 1, 8: 0.5}},
        {"beta": 0.5, "decay": 0.3, "schedule": lambda t: np.interp(t, [0, 4, 8], [0, 1, 0.5])},
        (),
    ),
    ({"grad_accum_steps": 3}, {"k": 3}, ()),
    (
        {"grad_accum_steps": 2, "shrink_ratio": 0.5},
        {"k": 2, "shrink": 0.5},
        [(1, "norm/gamma", np.nan), (2, "table/embeddings", np.nan), (3, "dense/kernel", np.inf)],
    ),
]


@pytest.mark.parametrize("arguments,of_oracle,broken", CASES)
def test_rule(arguments, of_oracle, broken):
    start, gradients = problem(broken=broken)
    optimizer = Tiger(learning_rate=0.1, **arguments)
    config = json.loads(json.dumps(keras.optimizers.serialize(optimizer), default=float))
    got = trained(start, keras.optimizers.deserialize(config), gradients)
    compare(got, oracle(start, gradients, 0.1, **of_oracle))


def test_accumulation_needs_no_slot():
    slots = Tiger(grad_accum_steps=4).variable_slots("dense/kernel", (4, 3))
    assert {name: tuple(slot.shape) for name, slot in slots.items()} == {"m": (4, 3)}


def test_extensions_act_once_for_each_update():
    """Lookahead after every second update of two batches: after batches 4 and 8."""
    start, gradients = problem()
    optimizer = extend_with_lookahead(Tiger, "TigerLookahead")(
        0.1, grad_accum_steps=2, steps_per_slow_update=2, slow_step_size=0.25
    )
    got = trained(start, optimizer, gradients)
    first = oracle(start, gradients[:4], 0.1, k=2)
    first[-1] = {path: start[path] + 0.25 * (value - start[path]) for path, value in first[-1].items()}
    compare(got[:4], first)


@pytest.mark.parametrize("extend", [extend_with_piecewise_linear_lr, extend_with_gradient_accumulation])
def test_what_it_has_is_not_added_again(extend):
    with pytest.raises(TypeError, match="Tiger has the extension extend_with_.* already"):
        extend(Tiger)


def test_lazy_rows_of_former_batches_are_unknown():
    lazy = extend_with_lazy_optimization(Tiger, "LazyTiger")
    lazy(include_in_lazy_optimization=["table"])
    with pytest.raises(TypeError, match="use one of the two"):
        lazy(grad_accum_steps=2, include_in_lazy_optimization=["table"])
