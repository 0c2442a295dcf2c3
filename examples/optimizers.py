"""Replace the optimizers of bert4keras on Keras 3, mostly by arguments of Keras' own, else by small classes.

    python examples/optimizers.py

Keras has weight decay, layer adaptation (Lamb), gradient accumulation, moving averages, Adafactor and Lion. This file
has a piecewise linear learning rate, Lookahead, learning rates for some parameters, and lazy embeddings.
docs/migration.md names the counterpart of each.
"""

import re

import common
import numpy as np

from b4k3.backend import keras, ops, piecewise_linear


class PiecewiseLinear(keras.optimizers.schedules.LearningRateSchedule):
    """Multiply a learning rate by a factor that goes from point to point; it was extend_with_piecewise_linear_lr.

    Arguments:
        rate: float. The learning rate.
        schedule: {step: factor}. {1000: 1, 10000: 0.1} is a warm-up and a slow decay.
    """

    def __init__(self, rate, schedule):
        self.rate, self.schedule = rate, {int(step): factor for step, factor in schedule.items()}

    def __call__(self, step):
        return self.rate * piecewise_linear(ops.cast(step, "float32"), self.schedule)

    def get_config(self):
        return {"rate": self.rate, "schedule": self.schedule}


class AdjustedAdam(keras.optimizers.Adam):
    """Adam whose steps a subclass changes in `adjust`. The same works with every optimizer of Keras 3."""

    def adjust(self, variable, before, after, gradient):
        """Return the value that the variable gets instead of `after`."""
        return after

    def apply(self, grads, trainable_variables=None):
        grads = list(grads)
        variables = self._trainable_variables if trainable_variables is None else list(trainable_variables)
        before = [ops.copy(v.value) for v in variables]
        result = super().apply(grads, trainable_variables)
        for v, old, gradient in zip(variables, before, grads):
            v.assign(self.adjust(v, old, ops.convert_to_tensor(v.value), gradient))
        return result


class ParameterWiseAdam(AdjustedAdam):
    """Use other rates for variables whose path has a pattern; it was extend_with_parameter_wise_lr."""

    rates = {"slow": 0.1}

    def adjust(self, variable, before, after, gradient):
        for pattern, rate in self.rates.items():
            if re.search(pattern, variable.path):
                after = before + rate * (after - before)
        return after


class LazyAdam(AdjustedAdam):
    """Leave rows of embeddings that have no gradient as they are; it was extend_with_lazy_optimization."""

    pattern = "Embedding"

    def adjust(self, variable, before, after, gradient):
        if not re.search(self.pattern, variable.path):
            return after
        return ops.where(ops.any(ops.not_equal(gradient, 0), axis=-1, keepdims=True), after, before)


class LookaheadAdam(AdjustedAdam):
    """Go back a part of the way after every few steps; it was extend_with_lookahead.

    Reference: Zhang et al., Lookahead Optimizer, https://arxiv.org/abs/1907.08610
    """

    steps_per_slow_update, slow_step_size = 5, 0.5

    def build(self, variables):
        super().build(variables)
        self.slow = {v.path: self.add_variable_from_reference(v, name="slow") for v in variables}

    def adjust(self, variable, before, after, gradient):
        slow = self.slow[variable.path]  # self.iterations has counted this step already
        start = ops.where(ops.equal(self.iterations, 1), before, slow.value)
        now = ops.equal(self.iterations % self.steps_per_slow_update, 0)
        after = ops.where(now, start + self.slow_step_size * (after - start), after)
        slow.assign(ops.where(now, after, start))
        return after


def network(optimizer):
    """Make a model that adds two embeddings, one of which is called slow."""
    ids = keras.layers.Input((1,))
    layers = [keras.layers.Embedding(10, 2, name=name) for name in ("Embedding-fast", "Embedding-slow")]
    model = keras.models.Model(ids, keras.layers.Add()([layer(ids) for layer in layers]))
    model.set_weights([np.zeros((10, 2)), np.zeros((10, 2))])
    model.compile(loss="mse", optimizer=optimizer)
    return model


def steps(optimizer, count):
    """Train with ids 0 to 4 of 10 and the target 1 for some steps, and return the two tables."""
    model, ids = network(optimizer), np.arange(5)[:, None]
    for _ in range(count):
        model.train_on_batch(ids, np.ones((5, 1, 2)))
    return [w.copy() for w in model.get_weights()]


def largest(difference):
    """Return the largest absolute value."""
    return float(np.abs(difference).max())


if __name__ == "__main__":
    options = common.Options(__doc__)
    plain = steps(keras.optimizers.Adam(0.01), 4)
    warm = steps(keras.optimizers.Adam(PiecewiseLinear(0.02, {2: 1, 4: 0.5})), 1)
    common.check("a warm-up begins with a rate of 0", largest(warm[0]), below=1e-7)
    slow = steps(ParameterWiseAdam(0.01), 1)
    common.check("slow embeddings move a tenth as far", largest(slow[1] - 0.1 * slow[0]), below=1e-7)
    lazy = steps(LazyAdam(0.01), 4)
    common.check("rows without a gradient stay", largest(lazy[0][5:]), below=1e-7)
    common.check("rows with a gradient move as with Adam", largest(lazy[0][:5] - plain[0][:5]), below=1e-6)
    fast, ahead = steps(keras.optimizers.Adam(0.01), 5), steps(LookaheadAdam(0.01), 5)
    common.check("it goes back half of the way", largest(ahead[0] - 0.5 * fast[0]), below=1e-6)
    accumulated = steps(keras.optimizers.Adam(0.01, gradient_accumulation_steps=2), 1)
    common.check("gradients are gathered first", largest(accumulated[0]), below=1e-7)
    decayed = keras.optimizers.AdamW(0.01, weight_decay=0.01)
    decayed.exclude_from_weight_decay(var_names=["bias", "beta", "gamma"])
    for optimizer in (
        decayed,
        keras.optimizers.Lamb(0.01),
        keras.optimizers.Adafactor(0.01),
        keras.optimizers.Lion(0.01),
        keras.optimizers.Adam(0.01, use_ema=True, ema_momentum=0.9),
    ):
        common.check(f"{type(optimizer).__name__} moves", largest(steps(optimizer, 2)[0]), above=1e-6)
