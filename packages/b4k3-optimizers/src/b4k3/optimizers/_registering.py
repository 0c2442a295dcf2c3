"""The names under which optimizers are saved."""

from __future__ import annotations

import warnings

from b4k3.backend import keras, register


def register_extended(optimizer: type) -> type:
    """Let Keras find a class that a user made, and perhaps named, when a model is loaded.

    Keras reads the names of its own optimizers in any case of letters, "adamw" for "AdamW", before it looks for others.
    A class with such a name is registered as `b4k3>extended.AdamW`.

    Arguments:
        optimizer: class. An optimizer with extensions.

    Returns:
        The class.

    Warns:
        UserWarning: this Keras has no registry, and would load its own optimizer in the place of the class.
    """
    name, saved = optimizer.__name__, keras.utils.get_custom_objects()
    if name.lower() not in names_of_keras():
        saved[name] = optimizer
    elif hasattr(keras.utils, "register_keras_serializable"):
        saved.pop(f"b4k3>extended.{name}", None)  # the class of a former call; Keras would refuse another one
        register(optimizer, name=f"extended.{name}")
    else:
        saved[name] = optimizer
        warnings.warn(
            f"This Keras has an optimizer {name} of its own, which it makes when it loads a model that was saved with "
            f"yours. Give the class another name, such as 'My{name}'.",
            stacklevel=4,
        )
    return optimizer


def names_of_keras() -> set[str]:
    """Return the names of the optimizers of this Keras in lower case."""
    found = {name: getattr(keras.optimizers, name, None) for name in dir(keras.optimizers)}
    base = keras.optimizers.Optimizer
    return {name.lower() for name, cls in found.items() if isinstance(cls, type) and issubclass(cls, base)}
