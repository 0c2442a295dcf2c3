"""The backend of Keras 2, for scripts that were written against it, with every Keras.

`K.sum`, `K.cast`, `K.expand_dims` … have Keras 2's names, arguments and meaning everywhere. `dtype`, `flatten`,
`reshape` and `where` are bert4keras' variants, which do more; `log_softmax` and `logsumexp` exist with every Keras.

On Keras 2 every other name is from Keras' own backend. On Keras 3 the names are made from `keras.ops`, and these
differ:

    K.function, K.gradients, K.placeholder,      raise NotImplementedError, which says what to write instead
    K.get_session, K.set_session,
    K.set_learning_phase
    K.shape                                      gives ints wherever they are known, and not a tensor
    K.zeros, K.ones, K.eye                       give a tensor, not a variable, while a function is traced
    K.update, K.update_add, K.update_sub         happen at once, as on TensorFlow 2, and not in a session
    K.learning_phase                             is 1 only inside a layer that is called in training
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ._environment import load, ops
from .tensors import (  # bert4keras' variants
    dtype as dtype,
    flatten as flatten,
    logsumexp as logsumexp,
    reshape as reshape,
    where as where,
)
from .types import Tensor

if TYPE_CHECKING:  # what `__getattr__` gives on Keras 3, for editors and type checkers
    from ._keras3.drawing import (
        dropout as dropout,
        random_bernoulli as random_bernoulli,
        random_binomial as random_binomial,
        random_normal as random_normal,
        random_uniform as random_uniform,
        truncated_normal as truncated_normal,
    )
    from ._keras3.k import *  # noqa: F403
    from ._keras3.rnn import rnn as rnn

_backend = load("k")

_HERE = ["dtype", "flatten", "log_softmax", "logsumexp", "reshape", "where"]


def log_softmax(x: Tensor, axis: int = -1) -> Tensor:
    """Return the logarithm of softmax(x), without overflow.

    Arguments:
        x: float, [...]. The scores.
        axis: int. The axis of the classes.

    Returns:
        float, [...]. The shape and dtype are the same as for x.

    Example:
        >>> y = K.log_softmax(ops.zeros((2, 3)))  # [2, 3]
    """
    return ops.log_softmax(x, axis=axis)


def __getattr__(name: str) -> Any:
    try:
        return getattr(_backend, name)
    except AttributeError:
        raise AttributeError(
            f"K.{name} does not exist with this Keras; b4k3.backend.ops has the names of keras.ops, the same everywhere"
        ) from None


def __dir__() -> list[str]:
    return sorted(set(_HERE) | {n for n in dir(_backend) if not n.startswith("_") and callable(getattr(_backend, n))})
