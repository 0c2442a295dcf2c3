"""What an optimizer takes, and what it refuses by name."""

from __future__ import annotations

import numpy as np
import pytest

import b4k3.optimizers as optimizers
from b4k3.backend import K, keras
from b4k3.optimizers import AdaFactor, Adam, Lion
from b4k3.optimizers._extensions import EXTENSIONS
from support.harness import fresh_session
from support.optimizer_goldens import PROBLEM, bare_variables

ALL = (
    "weight_decay layer_adaptation parameter_wise_lr piecewise_linear_lr lazy_optimization gradient_accumulation "
    "lookahead exponential_moving_average"
).split()


def extended(extension, base=Adam):
    return getattr(optimizers, f"extend_with_{extension}")(base)


@pytest.mark.parametrize("extension", ALL)
def test_an_argument_without_its_extension_names_it(extension):
    argument = next(iter(EXTENSIONS[f"extend_with_{extension}"].arguments))
    with pytest.raises(TypeError, match=f"extend_with_{extension}"):
        Adam(**{argument: 1})
    other = extended("lookahead" if extension != "lookahead" else "weight_decay")
    with pytest.raises(TypeError, match=f"extend_with_{extension}"):
        other(**{argument: 1})


@pytest.mark.parametrize(
    "extension, arguments, error",
    [
        ("weight_decay", {"exclude_from_weight_decay": "bias"}, TypeError),
        ("weight_decay", {"exclude_from_weight_decay": ["("]}, ValueError),
        ("weight_decay", {"weight_decay_rate": "0.01"}, ValueError),
        ("weight_decay", {"weight_decay_rate": float("nan")}, ValueError),
        ("lazy_optimization", {"include_in_lazy_optimization": [3]}, TypeError),
        ("layer_adaptation", {"exclude_from_layer_adaptation": "Norm"}, TypeError),
        ("gradient_accumulation", {"grad_accum_steps": 0}, ValueError),
        ("gradient_accumulation", {"grad_accum_steps": 2.5}, ValueError),
        ("lookahead", {"steps_per_slow_update": 0}, ValueError),
        ("lookahead", {"slow_step_size": 2}, ValueError),
        ("exponential_moving_average", {"ema_momentum": 1.5}, ValueError),
        ("parameter_wise_lr", {"paramwise_lr_schedule": [0.1]}, TypeError),
        ("parameter_wise_lr", {"paramwise_lr_schedule": {"kernel": "0.1"}}, ValueError),
        ("piecewise_linear_lr", {"lr_schedule": [1000, 1]}, TypeError),
        ("piecewise_linear_lr", {"lr_schedule": {}}, ValueError),
    ],
)
def test_what_no_extension_understands(extension, arguments, error):
    with pytest.raises(error, match=next(iter(arguments))):
        extended(extension)(1e-3, **arguments)


def test_what_cannot_be_extended():
    with pytest.raises(TypeError, match="already"):
        extended("lookahead", extended("lookahead"))
    for wrong in ("adam", Adam(1e-3), dict, None):
        with pytest.raises(TypeError, match="extend_with_weight_decay"):
            extended("weight_decay", wrong)
    for cls in (Adam, AdaFactor, extended("lookahead"), extended("lookahead", keras.optimizers.SGD)):
        with pytest.raises(TypeError, match="learning_rate"):
            cls(1e-2, lr=1e-3)
    with pytest.raises(TypeError, match="weight_decay"):
        Adam(1e-3, weight_decay=0.1)


@pytest.mark.parametrize("rate", [1, 0.5, np.float32(0.5), np.float64(0.5), np.array(0.5)], ids=repr)
@pytest.mark.parametrize("argument", ["", "lr", "learning_rate"])
def test_rates(rate, argument):
    fresh_session()
    for cls in (Adam, Lion, AdaFactor, extended("weight_decay", keras.optimizers.SGD)):
        optimizer = cls(**{argument: rate}) if argument else cls(rate)
        assert float(K.get_value(optimizer.learning_rate)) == float(rate)


def moved(optimizer, steps=1):
    """How far the values go, over all variables, in each of some steps."""
    step, values = bare_variables(PROBLEM, optimizer)
    out, before = [], PROBLEM.start
    for i in range(steps):
        step(i)
        after = values()
        out.append(max(float(np.abs(after[name] - before[name]).max()) for name in before))
        before = {name: np.array(value) for name, value in after.items()}
    return out


def test_a_schedule_of_keras_as_rate():
    fresh_session()
    schedule = keras.optimizers.schedules.ExponentialDecay(0.5, decay_steps=1, decay_rate=0.1)
    np.testing.assert_allclose(moved(Lion(schedule), 3), [0.5, 0.05, 0.005], rtol=1e-4)


def test_decay():
    fresh_session()
    np.testing.assert_allclose(moved(Lion(0.5, decay=1.0), 3), [0.5, 0.25, 0.5 / 3], rtol=1e-4)


@pytest.mark.parametrize("epsilon", [None, 0])
def test_no_epsilon_is_that_of_keras(epsilon):
    assert Adam(epsilon=epsilon).epsilon == K.epsilon()


def test_names_of_the_classes():
    assert extended("weight_decay").__name__ != extended("lookahead").__name__
    cls = optimizers.extend_with_weight_decay(Adam, name="Mine")
    assert cls.__name__ == "Mine" and issubclass(cls, Adam)
    assert keras.utils.get_custom_objects()["Mine"] is cls


def test_the_averages_are_taken_in_and_out_in_turn():
    fresh_session()
    optimizer = extended("exponential_moving_average")(0.1, ema_momentum=0.5)
    with pytest.raises(RuntimeError, match="not been used"):
        optimizer.apply_ema_weights()
    step, values = bare_variables(PROBLEM, optimizer)
    step(0)
    before = {name: np.array(value) for name, value in values().items()}
    with pytest.raises(RuntimeError, match="apply_ema_weights"):
        optimizer.reset_old_weights()
    optimizer.apply_ema_weights()
    with pytest.raises(RuntimeError, match="reset_old_weights"):
        optimizer.apply_ema_weights()
    assert len(optimizer.old_weights) == len(optimizer.model_weights) == len(optimizer.ema_weights) == len(before)
    optimizer.reset_old_weights()
    for name, value in values().items():
        np.testing.assert_array_equal(value, before[name])
    assert optimizer.old_weights == []
