"""What stands in the place of LoRA on Keras 2, which has no layers with LoRA: weights as they are, and a refusal."""

from __future__ import annotations

from typing import Any, NoReturn

import numpy as np

from .._missing import BackendError


def refuse() -> NoReturn:
    """Refuse LoRA.

    Raises:
        BackendError: always.
    """
    raise BackendError(
        "LoRA needs Keras 3, and this is Keras 2: install b4k3[jax], b4k3[torch] or b4k3[tensorflow] in a new "
        "environment. transformer.freeze trains a part of the weights on every Keras."
    )


def lora_version() -> int:
    """Return 0: no layer has LoRA.

    Returns:
        int.
    """
    return 0


def enable_lora(layer: Any, rank: int, alpha: float | None = None) -> NoReturn:
    """Refuse, because Keras 2 has no LoRA.

    Arguments:
        layer: Keras layer.
        rank: int. It is not read.
        alpha: float or None. It is not read.
    """
    refuse()


def add_weight_later(layer: Any, name: str, shape: tuple[int, ...], initializer: Any) -> NoReturn:
    """Refuse, because only LoRA adds weights to a layer that is built.

    Arguments:
        layer: Keras layer.
        name: str. It is not read.
        shape: tuple of int. It is not read.
        initializer: Any. It is not read.
    """
    refuse()


def layers_inside(layer: Any) -> NoReturn:
    """Refuse, because only LoRA looks for the layers inside a layer.

    Arguments:
        layer: Keras layer.
    """
    refuse()


def low_rank_of(layer: Any) -> None:
    """Return None: no layer has LoRA.

    Arguments:
        layer: Keras layer.
    """


def disable_lora(layer: Any) -> None:
    """Do nothing: no layer has LoRA.

    Arguments:
        layer: Keras layer.
    """


def reset_lora(layer: Any) -> None:
    """Do nothing: no layer has LoRA.

    Arguments:
        layer: Keras layer.
    """


def forget_compiled(model: Any) -> None:
    """Do nothing: no layer has got LoRA since the model was compiled.

    Arguments:
        model: Keras model.
    """


def base_weights(layer: Any) -> list[Any]:
    """Return the weights of a layer.

    Arguments:
        layer: Keras layer.

    Returns:
        list of variables.
    """
    return list(layer.weights)


def merged_weights(layer: Any) -> list[np.ndarray]:
    """Return the values of the weights of a layer.

    Arguments:
        layer: Keras layer.

    Returns:
        list of arrays.
    """
    return list(layer.get_weights())
