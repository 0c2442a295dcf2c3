"""What stands in the place of quantised weights on Keras 2, which has none: weights as they are."""

from __future__ import annotations

from typing import Any


def dense_kernel(layer: Any) -> Any:
    """Return the kernel of a Dense layer.

    Arguments:
        layer: keras.layers.Dense, which is built.

    Returns:
        The variable, [d, units].
    """
    return layer.kernel


def quantised_layers(layer: Any) -> list[Any]:
    """Return an empty list: no layer is quantised.

    Arguments:
        layer: Keras layer or model.

    Returns:
        list.
    """
    return []


def unpacked(layer: Any, attribute: str, integers: Any, scales: Any) -> Any:
    """Do nothing: there are no integers.

    Arguments:
        layer: Keras layer.
        attribute: str. It is not read.
        integers: Any. It is not read.
        scales: Any. It is not read.
    """


def ask_owner(owner: Any) -> None:
    """Return None: nobody asks a layer to quantise itself.

    Arguments:
        owner: Keras layer.
    """
