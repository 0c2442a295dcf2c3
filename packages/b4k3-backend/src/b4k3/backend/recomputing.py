"""Trading time for memory: recompute a layer's inner results in the backward pass. And what else a graph needed."""

from __future__ import annotations

import importlib
import os

from ._row import implementation as _row

_recompute = importlib.import_module(".recompute", _row.__name__)
_devices = importlib.import_module(".devices", _row.__name__)

# Environment variable RECOMPUTE=1, read when b4k3 is imported, as in bert4keras.
do_recompute = os.environ.get("RECOMPUTE", "").strip().lower() in ("1", "true", "yes", "on")

# The row's Dropout whose mask a recomputed layer can draw a second time; on Keras 3 that is Keras' own.
Dropout = _recompute.Dropout
implementation = _recompute.recompute


def recompute_grad(call):
    """Decorator for the `call` of a layer: with RECOMPUTE=1 its inner results are not kept for the gradient.

    The masks of dropout are the same in both passes. On the Keras 2 rows the layer must take its dropout from
    `b4k3.backend.Dropout`; Keras' own is refused there, because it would draw another mask. Losses that the layer adds
    itself are refused on Keras 3. Mask metadata of the inputs is not visible inside: declare `mask` as an argument.

    Arguments:
        call: a method `call(self, inputs, …)`.

    Returns:
        The method with the same signature; `call` itself without RECOMPUTE=1.

    Reference: Chen et al., Training Deep Nets with Sublinear Memory Cost, https://arxiv.org/abs/1604.06174
    """
    return implementation(call) if do_recompute else call


def graph_mode_decorator(f, *args, **kwargs):
    """Call a function that brings its own gradient.

    Arguments:
        f: takes tensors, returns (result, gradient function); the convention is that of the framework's
            `custom_gradient`: `tf.custom_gradient` on the Keras 2 rows, `keras.ops.custom_gradient` on Keras 3.
        args, kwargs: what `f` is called with.

    Returns:
        The result.
    """
    return _recompute.custom_gradient(f)(*args, **kwargs)


def symbolic(f):
    """keras 2.3.1's decorator for functions that build a graph; on other rows the function as it is."""
    return importlib.import_module(".k", _row.__name__).symbolic(f)


def get_available_gpus():
    """The names of the GPUs that the backend can use: a list such as ['/device:GPU:0'], empty without any."""
    return [f"/device:GPU:{i}" for i in range(_devices.gpu_count())]


def device_scope(name):
    """A context in which what is added to a graph is put on a device.

    Arguments:
        name: such as '/device:GPU:0'.

    Raises:
        NotImplementedError: on rows other than keras 2.3.1 and tf.keras 1.15; it says what they have instead.
    """
    return _devices.device_scope(name)
