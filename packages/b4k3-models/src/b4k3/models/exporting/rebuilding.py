"""Make a `Transformer` again in another process, around the layers of its Keras model."""

from __future__ import annotations

import importlib
from typing import Any

import numpy as np

from b4k3.backend import keras

from ..errors import ConfigError
from ..language_models import (
    LM_Mask,
    UniLM_Mask,
    extend_with_language_model,
    extend_with_unified_language_model,
)
from ..registry import architecture

# application -> the mixin of its classes, and the function that makes them
APPLICATIONS: dict[str, Any] = {
    "lm": (LM_Mask, extend_with_language_model),
    "unilm": (UniLM_Mask, extend_with_unified_language_model),
}


def construction_of(transformer: Any) -> dict[str, Any]:
    """Describe how a transformer is made again, in what JSON can hold.

    Arguments:
        transformer: `Transformer`.

    Returns:
        dict: "model", the name of its class; "application", "lm", "unilm" or "encoder"; "arguments".

    Raises:
        ConfigError: another process cannot import the class, or cannot be told an argument.
    """
    cls, application = type(transformer), "encoder"
    for name, (mask, _) in APPLICATIONS.items():
        if cls.__bases__[0] is mask and not importable(cls):
            cls, application = cls.__bases__[1], name
    if importable(cls):
        model = f"{cls.__module__}:{cls.__qualname__}"
    elif cls.model_key is not None and architecture(cls.model_key) is cls:
        model = cls.model_key
    else:
        raise ConfigError(
            f"{cls.__name__}: the class is made while the program runs, so another process cannot import it; define it "
            "in a module, or run this on the backend torch"
        )
    given = {key: value for key, value in transformer.arguments.items() if key != "layers"}
    return {"model": model, "application": application, "arguments": {k: plain(k, v) for k, v in given.items()}}


def rebuilt(construction: dict[str, Any], model: Any) -> Any:
    """Make a transformer around the layers of a Keras model.

    Arguments:
        construction: dict. What `construction_of` returned.
        model: the Keras model of the transformer.

    Returns:
        The built `Transformer`.
    """
    name, application = construction["model"], construction["application"]
    module, _, attribute = name.partition(":")
    cls = getattr(importlib.import_module(module), attribute) if attribute else architecture(name)
    cls = APPLICATIONS[application][1](cls) if application in APPLICATIONS else cls
    layers = {layer.name: layer for layer in model.layers if not isinstance(layer, keras.layers.InputLayer)}
    transformer = cls(layers=layers, **construction["arguments"])
    transformer.build()
    return transformer


def importable(target: type) -> bool:
    """Return whether another process finds a class where it says it is.

    Arguments:
        target: class.

    Returns:
        bool.
    """
    if target.__module__ == "__main__":
        return False
    return getattr(importlib.import_module(target.__module__), target.__qualname__, None) is target


def plain(name: str, value: Any) -> Any:
    """Convert a value to what JSON can hold.

    Arguments:
        name: str. The name of the argument, for the error message.
        value: Any. The value.

    Returns:
        None, bool, int, float, str, list or dict.

    Raises:
        ConfigError: it is of another type.
    """
    if isinstance(value, (np.ndarray, np.generic)):
        value = value.tolist()
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    if isinstance(value, (list, tuple)):
        return [plain(name, x) for x in value]
    if isinstance(value, dict):
        return {str(key): plain(name, x) for key, x in value.items()}
    raise ConfigError(
        f"{name}: {type(value).__name__} is nothing that another process can be told; give it by a name, or run this "
        "on the backend torch"
    )
