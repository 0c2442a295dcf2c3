"""How a layer reads a weight that training may move. On Keras 3, `keras.StatelessScope` does all of it."""

from __future__ import annotations

from typing import Any


def weight_value(variable: Any) -> Any:
    """Return what a layer computes with in the place of a variable. On Keras 3 this is always the variable.

    Arguments:
        variable: variable of Keras. A weight of a layer.

    Returns:
        The variable; on Keras 2 a tensor while `PerturbedModel` has moved the weight.

    Example:
        >>> layer = Dense(8)
        >>> layer.build((None, 4))
        >>> y = ops.matmul(ops.ones((2, 4)), weight_value(layer.kernel))  # [2, 8]
    """
    return variable
