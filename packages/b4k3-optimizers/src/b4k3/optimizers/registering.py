"""The names under which optimizers are saved."""

from __future__ import annotations

from b4k3.backend import keras, register


def register_optimizer(cls: type) -> type:
    """Register an optimizer of ours for saving, under a name that no optimizer of Keras has.

    A Keras without a registry (keras 2.3, tf.keras 1.15) saves the name of the class. There `Adam` is called
    `B4k3Adam`, because a Keras that reads "Adam" makes its own.

    Arguments:
        cls: class. The optimizer, such as Adam.

    Returns:
        The class.
    """
    register(cls)
    if not hasattr(keras.utils, "register_keras_serializable"):
        if hasattr(keras.optimizers, cls.__name__):
            cls.__name__ = cls.__qualname__ = f"B4k3{cls.__name__}"
        keras.utils.get_custom_objects()[cls.__name__] = cls
    return cls
