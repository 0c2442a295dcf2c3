"""Refuse what a model whose weights are integers cannot do."""

from __future__ import annotations

from typing import Any, Iterable

from b4k3.backend import quantised_layers

from .checkpoints import CheckpointError


def refuse_quantised(layers: Iterable[Any], what: str) -> None:
    """Refuse layers that `model.quantize` has changed, where float weights are needed.

    The integers and scales of a quantised layer are in another order, shape and dtype than its float weights, so that a
    checkpoint would get numbers that mean nothing.

    Arguments:
        layers: iterable of Keras layers and models.
        what: str. What was asked for, the subject of the message.

    Raises:
        CheckpointError: one of them, or a layer inside, is quantised.

    Example:
        >>> from b4k3.backend import Dense
        >>> from b4k3.models.quantised import refuse_quantised
        >>> refuse_quantised([Dense(8)], "A checkpoint")
    """
    for layer in layers:
        found = quantised_layers(layer)
        if found:
            raise CheckpointError(
                f"{what} needs float weights, but {found[0].path} is quantised to {found[0].quantization_mode}: do "
                "this with the model before model.quantize, or build it anew; a quantised model is saved by "
                "model.save('….keras') and loaded by keras.models.load_model"
            )
