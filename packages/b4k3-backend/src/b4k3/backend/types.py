"""The types that annotations of b4k3 use. They are for editors and type checkers, and need neither Keras nor numpy."""

from __future__ import annotations

from typing import Any, Callable, Dict, NamedTuple, Union

Tensor = Any
"""A tensor of the framework in use: a `jax.Array`, a `torch.Tensor`, a `tf.Tensor`, or a symbolic `keras.KerasTensor`.

The frameworks have no common base class, so a type checker takes it for `Any`. What a tensor holds, and its shape, is
in the docstrings: `x: float, [batch, n, d]`.
"""

Activation = Union[str, Callable[[Any], Any], None]
"""A name that `activations.get` knows, a function from a tensor to a tensor, or None for the identity."""

Initializer = Union[str, Dict[str, Any], Callable[..., Any]]
"""Whatever `keras.initializers.get` takes: a name, a serialized initializer, or an initializer."""


class GraphTensor(NamedTuple):
    """An input or output of a graph that is written for other programs.

    Attributes:
        name: str. The name by which those programs know it.
        axes: tuple of str and int. The name of each axis whose size may change, and the size of each other axis.
        dtype: str. The name of its dtype.

    Example:
        >>> from b4k3.backend.types import GraphTensor
        >>> GraphTensor("input_ids", ("batch", "sequence")).dtype
        'int64'
    """

    name: str
    axes: tuple[str | int, ...]
    dtype: str = "int64"
