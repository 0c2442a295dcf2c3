"""Keras 2's backend, for scripts that were written against it, on every row.

`K.sum`, `K.cast`, `K.expand_dims` … have Keras 2's names, arguments and meaning everywhere. `reshape`, `flatten`,
`where` and `dtype` are bert4keras' variants, which do more; `logsumexp` and `log_softmax` exist on every row.
What is specific to graphs (`K.function`, `K.gradients`, `K.get_session`) works where the row's Keras has it.
"""

from __future__ import annotations

from ._environment import load, ops
from .tensors import dtype, flatten, logsumexp, reshape, where  # noqa: F401  (bert4keras' variants)

_backend = load("k")

_HERE = ["dtype", "flatten", "log_softmax", "logsumexp", "reshape", "where"]


def log_softmax(x, axis=-1):
    """The logarithm of softmax. Arguments: x float [...]; axis of the classes. Returns: shape and dtype of x."""
    return ops.log_softmax(x, axis=axis)


def __getattr__(name):
    try:
        return getattr(_backend, name)
    except AttributeError:
        raise AttributeError(
            f"K.{name} does not exist on this row; b4k3.backend.ops has the names of keras.ops, the same everywhere."
        ) from None


def __dir__():
    return sorted(set(_HERE) | {n for n in dir(_backend) if not n.startswith("_") and callable(getattr(_backend, n))})
