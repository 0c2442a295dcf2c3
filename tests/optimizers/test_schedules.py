"""Named schedules: against the formulas of transformers, one batch after the other."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest

from b4k3 import optimizers
from b4k3.backend import K, ops
from b4k3.optimizers import Adam
from b4k3.optimizers.schedules import checked_schedule, schedule_factor
from support.optimizer_goldens import in_model, problem_of, trained


def linear(t, steps, warmup, end=0.0):
    if t < warmup:
        return t / warmup
    return end + (1 - end) * max(0.0, (steps - t) / (steps - warmup))


def cosine(t, steps, warmup, cycles=1, end=0.0):
    if t < warmup:
        return t / warmup
    progress = (t - warmup) / (steps - warmup)
    if progress >= 1:
        return end
    return end + (1 - end) * 0.5 * (1 + math.cos(math.pi * (cycles * progress % 1)))


def polynomial(t, steps, warmup, power=2.0, end=0.0):
    if t < warmup:
        return t / warmup
    return end if t > steps else end + (1 - end) * (1 - (t - warmup) / (steps - warmup)) ** power


def inverse_sqrt(t, warmup, timescale=None):
    timescale = timescale or warmup
    return t / warmup if t < warmup else 1 / math.sqrt((t + timescale - warmup) / timescale)


def constant(t, warmup):
    return 1.0 if t >= warmup else t / warmup


CASES = [
    ("constant", constant, {"warmup": 0}),
    ("constant", constant, {"warmup": 3}),
    ("linear", linear, {"steps": 10, "warmup": 0}),
    ("linear", linear, {"steps": 10, "warmup": 4, "end": 0.25}),
    ("cosine", cosine, {"steps": 10, "warmup": 0}),
    ("cosine", cosine, {"steps": 11, "warmup": 3, "cycles": 2, "end": 0.1}),
    ("polynomial", polynomial, {"steps": 10, "warmup": 3}),
    ("polynomial", polynomial, {"steps": 10, "warmup": 0, "power": 0.5, "end": 0.2}),
    ("inverse_sqrt", inverse_sqrt, {"warmup": 4}),
    ("inverse_sqrt", inverse_sqrt, {"warmup": 2, "timescale": 9}),
]


@pytest.mark.parametrize("name,oracle,numbers", CASES)
def test_factors(name, oracle, numbers):
    schedule = getattr(optimizers, "warmup_" + name)(**numbers)
    again = checked_schedule(json.loads(json.dumps(schedule)))
    assert again == schedule
    batches = range(14)
    got = [K.eval(schedule_factor(ops.convert_to_tensor(t), again)) for t in batches]
    np.testing.assert_allclose(got, [oracle(t, **numbers) for t in batches], atol=1e-6)


def test_a_training_with_accumulation_counts_batches(tmp_path):
    schedule = optimizers.warmup_cosine(8, warmup=2)
    cls = optimizers.extend_with_lr_schedule(Adam, "AdamNamed")
    cls = optimizers.extend_with_gradient_accumulation(cls, "AdamNamedGA")
    optimizer = cls(0.5, lr_schedule=schedule, grad_accum_steps=2, epsilon=1e-12)
    config = json.loads(json.dumps(optimizer.get_config(), default=float))
    assert config["lr_schedule"] == schedule
    start, gradient = {"d/kernel": np.zeros(3, "float32")}, np.array([1.0, -2.0, 4.0], "float32")
    history = trained(start, cls.from_config(config), [{"d/kernel": gradient}] * 8)
    # the gradient never changes, so that a step of Adam is as long as the rate of the batch that closes a window
    want = np.cumsum([0.5 * cosine(t, 8, 2) if t % 2 else 0.0 for t in range(8)])
    np.testing.assert_allclose([-h["d/kernel"] * np.sign(gradient) for h in history], want[:, None] * np.ones(3), 1e-4)


def test_a_callback_that_sets_the_rate_does_not_end_the_schedule():
    optimizer = optimizers.extend_with_lr_schedule(Adam, "AdamNamed")(
        0.5, lr_schedule=optimizers.warmup_linear(10, warmup=2), epsilon=1e-12
    )
    one = {"d/kernel": np.ones(1, "float32")}
    step, values = in_model(problem_of({"d/kernel": np.zeros(1, "float32")}, [one, one]), optimizer)
    step(0)
    K.set_value(optimizer.learning_rate, 4.0)
    step(1)
    np.testing.assert_allclose(values()["d/kernel"], [-4.0 * 0.5], rtol=1e-4)


@pytest.mark.parametrize(
    "schedule,said",
    [
        ({}, "is a dict"),
        (0.5, "is a dict"),
        ({"schedule": "cosin", "steps": 3}, "no schedule 'cosin'. Known: cosine"),
        ({"schedule": "cosine", "steps": 3}, "has the numbers"),
        ({"schedule": "inverse_sqrt", "warmup": 0, "timescale": 3}, "warmup is a whole number, 1 or more; found 0"),
    ],
)
def test_what_is_refused(schedule, said):
    with pytest.raises((TypeError, ValueError), match=said):
        optimizers.extend_with_lr_schedule(Adam)(lr_schedule=schedule)


@pytest.mark.parametrize(
    "numbers,said",
    [
        ({"steps": 10, "warmup": 10}, "leaves nothing"),
        ({"steps": 0}, "steps is a whole number"),
        ({"steps": 2.5}, "steps is a whole number"),
        ({"steps": 10, "end": -1}, "end is a number"),
    ],
)
def test_numbers_out_of_range(numbers, said):
    for name in ("linear", "cosine", "polynomial"):
        with pytest.raises(ValueError, match=said):
            getattr(optimizers, "warmup_" + name)(**numbers)
