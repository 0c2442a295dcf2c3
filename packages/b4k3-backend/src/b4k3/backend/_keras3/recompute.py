"""Recompute a layer in the backward pass: `keras.remat` around a pure function of the layer's variables and inputs.

All state goes in as arguments and comes out as results, and so do the seeds of dropout. The second run therefore draws
the same masks as the first one, and the seeds move on once. (A plain `keras.remat` would draw new masks on torch and
TensorFlow, and leak a tracer on JAX.) A layer with one Dropout, for example, is called like this:

    first run:   pure([kernel, seed 7, x]) -> y, [seed 8]     the mask of seed 7; then seed 8 is assigned
    second run:  pure([kernel, seed 7, x]) -> y, [seed 8]     the same arguments, so the same mask
"""

from __future__ import annotations

import functools
import warnings
from typing import Any, Callable

import keras

from ..types import Tensor
from .k import learning_phase

Dropout = keras.layers.Dropout
custom_gradient = keras.ops.custom_gradient


class _Body(keras.layers.Layer):
    """Call a function under the dtype policy, the autocast and the `training` of the layer that owns it."""

    def __init__(self, owner: keras.layers.Layer, function: Callable[[Any], Any]) -> None:
        super().__init__(name="recomputed", dtype=owner.dtype_policy, autocast=owner.autocast)
        self.function = function
        self.built = True

    def call(self, tensors: list[Tensor], training: bool | None = None) -> Any:
        """Call the function on a list of tensors."""
        return self.function(tensors)


def recompute(call: Callable[..., Any]) -> Any:
    """Decorate the `call` of a layer so that its inner results are computed again for the gradient, not kept.

    Arguments:
        call: method. A `call(self, inputs, …)`.

    Returns:
        A method with the same signature.
    """

    @functools.wraps(call)
    def inner(self: Any, inputs: Any, *args: Any, **kwargs: Any) -> Any:
        """Call the layer, recomputed if somebody may ask for a gradient."""
        tensors = keras.tree.flatten(inputs)
        if any(isinstance(x, keras.KerasTensor) for x in tensors) or not _available() or not _wanted(self, tensors):
            return call(self, inputs, *args, **kwargs)
        variables, training, changed = self.variables, bool(learning_phase()), []
        body = _Body(self, lambda xs: call(self, keras.tree.pack_sequence_as(inputs, xs), *args, **kwargs))

        def pure(everything: list[Tensor]) -> Any:
            """Compute outputs and changed variables from the values of all variables and the inputs."""
            values, tensors = everything[: len(variables)], everything[len(variables) :]
            with keras.StatelessScope(state_mapping=list(zip(variables, values)), collect_losses=True) as scope:
                before = [scope.get_current_value(v) for v in variables]
                outputs = body(tensors, training=training)
                after = [scope.get_current_value(v) for v in variables]
            if scope.losses:
                raise ValueError(f"{self.name}: a layer that adds losses cannot be recomputed; they would be lost.")
            changed[:] = [v for v, old, new in zip(variables, before, after) if new is not old]
            return outputs, [new for old, new in zip(before, after) if new is not old]

        # The layer may change its other variables. Without copies torch and TensorFlow would see the new values in the
        # second run. Weights that are only frozen, as with LoRA, do not change.
        weights = {id(v) for layer in self._flatten_layers() for v in layer._trainable_variables}
        values = [v.value if v.trainable or id(v) in weights else keras.ops.copy(v.value) for v in variables]
        outputs, values = _remat(pure, values + tensors)
        for variable, value in zip(list(changed), values):
            variable.assign(value)
        return outputs

    return inner


def _remat(function: Callable[[list[Tensor]], Any], tensors: list[Tensor]) -> Any:
    """Recompute `function(tensors)`. Integers are no arguments of the remat, because TensorFlow would warn of them."""
    is_float = ["float" in keras.backend.standardize_dtype(x.dtype) for x in tensors]

    def of_floats(*floats: Tensor) -> Any:
        """Call the function on these floats and the integers from outside."""
        rest = iter(floats)
        return function([next(rest) if f else x for f, x in zip(is_float, tensors)])

    return keras.remat(of_floats)(*[x for f, x in zip(is_float, tensors) if f])


@functools.lru_cache(maxsize=None)
def _available() -> bool:
    """Return True if this Keras can recompute; warn if only its version keeps it from that."""
    if keras.config.backend() not in ("jax", "tensorflow", "torch"):
        return False  # the other backends have no gradients
    if not hasattr(keras, "remat"):
        warnings.warn(f"RECOMPUTE needs Keras 3.9, this is {keras.__version__}: nothing is recomputed.", stacklevel=2)
        return False
    return True


def _wanted(layer: keras.layers.Layer, tensors: list[Tensor]) -> bool:
    """Return False if the backend tells that nobody will ask for a gradient."""
    if keras.config.backend() == "jax":
        import jax

        return any(isinstance(x, jax.core.Tracer) for x in tensors + [v.value for v in layer.trainable_variables])
    if keras.config.backend() == "torch":
        import torch

        return torch.is_grad_enabled()
    return True
