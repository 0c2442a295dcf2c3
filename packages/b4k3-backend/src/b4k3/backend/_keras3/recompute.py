"""Recomputing a layer in the backward pass: `keras.remat` around a pure function of the layer's variables and inputs.

All state goes in as arguments and comes out as results, seeds of dropout included. So the second run draws the same
masks as the first, and the seeds move on once. (A plain `keras.remat` would draw new masks on torch and TensorFlow,
and leak a tracer on JAX.)
"""

from __future__ import annotations

import functools
import warnings

import keras

from .k import learning_phase

Dropout = keras.layers.Dropout
custom_gradient = keras.ops.custom_gradient


class _Body(keras.layers.Layer):
    """The call of a layer, once more under the `training` and the autocast of the first time."""

    def __init__(self, owner, function):
        super().__init__(name="recomputed", dtype=owner.dtype_policy, autocast=owner.autocast)
        self.function = function
        self.built = True

    def call(self, tensors, training=None):
        return self.function(tensors)


def recompute(call):
    """Decorate the `call` of a layer so that its inner results are computed again for the gradient, not kept."""

    @functools.wraps(call)
    def inner(self, inputs, *args, **kwargs):
        tensors = keras.tree.flatten(inputs)
        if any(isinstance(x, keras.KerasTensor) for x in tensors) or not _available() or not _wanted(self, tensors):
            return call(self, inputs, *args, **kwargs)
        variables, training, changed = self.variables, bool(learning_phase()), []
        body = _Body(self, lambda xs: call(self, keras.tree.pack_sequence_as(inputs, xs), *args, **kwargs))

        def pure(everything):
            values, tensors = everything[: len(variables)], everything[len(variables) :]
            with keras.StatelessScope(state_mapping=list(zip(variables, values)), collect_losses=True) as scope:
                before = [scope.get_current_value(v) for v in variables]
                outputs = body(tensors, training=training)
                after = [scope.get_current_value(v) for v in variables]
            if scope.losses:
                raise ValueError(f"{self.name}: a layer that adds losses cannot be recomputed; they would be lost.")
            changed[:] = [v for v, old, new in zip(variables, before, after) if new is not old]
            return outputs, [new for old, new in zip(before, after) if new is not old]

        # Copies of what the layer itself may change: torch and TensorFlow would see the new values in the second run.
        values = [v.value if v.trainable else keras.ops.copy(v.value) for v in variables]
        outputs, values = _remat(pure, values + tensors)
        for variable, value in zip(list(changed), values):
            variable.assign(value)
        return outputs

    return inner


def _remat(function, tensors):
    """`function(tensors)` recomputed; TensorFlow warns of integers among the arguments, so they stay outside."""
    is_float = ["float" in keras.backend.standardize_dtype(x.dtype) for x in tensors]

    def of_floats(*floats):
        floats = iter(floats)
        return function([next(floats) if f else x for f, x in zip(is_float, tensors)])

    return keras.remat(of_floats)(*[x for f, x in zip(is_float, tensors) if f])


@functools.lru_cache(maxsize=None)
def _available():
    if keras.config.backend() not in ("jax", "tensorflow", "torch"):
        return False  # no gradients there
    if not hasattr(keras, "remat"):
        warnings.warn(f"RECOMPUTE needs Keras 3.9, this is {keras.__version__}: nothing is recomputed.", stacklevel=2)
        return False
    return True


def _wanted(layer, tensors):
    """Whether somebody may ask for a gradient, as far as the backend tells."""
    if keras.config.backend() == "jax":
        import jax

        return any(isinstance(x, jax.core.Tracer) for x in tensors + [v.value for v in layer.trainable_variables])
    if keras.config.backend() == "torch":
        import torch

        return torch.is_grad_enabled()
    return True
