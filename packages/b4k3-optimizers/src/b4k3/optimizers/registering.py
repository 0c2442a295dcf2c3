"""The names under which optimizers are saved."""

from __future__ import annotations

from b4k3.backend import register


def register_optimizer(cls: type) -> type:
    """Register an optimizer of ours for saving, under a name that no optimizer of Keras has.

    Arguments:
        cls: class. The optimizer, such as Adam.

    Returns:
        The class.
    """
    return register(cls)
