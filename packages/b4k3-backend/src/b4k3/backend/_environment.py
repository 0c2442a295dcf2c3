"""The Keras of this environment: the modules of the folder `_keras3` or `_keras2`, which have the same names in both.

Whatever differs between Keras 2 and Keras 3 is written once in each folder. The rest of b4k3-backend takes it from
here: `from ._environment import fused`, and then `fused.rows_at(table, ids)`. Neither folder imports a module that
imports this one; a function that needs something from there gets it as an argument.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from ._runtime import environment

if TYPE_CHECKING or environment.is_keras3:  # a type checker reads Keras 3, for which b4k3 is written
    from ._keras3 import (
        checks as checks,
        fused as fused,
        initializers as initializers,
        keras as keras,
        layer,
        ops as ops,
    )
else:
    from ._keras2 import (
        checks as checks,
        fused as fused,
        initializers as initializers,
        keras as keras,
        layer,
        ops as ops,
    )

_FOLDER = "_keras3" if environment.is_keras3 else "_keras2"

register = layer.register


def load(module: str) -> Any:
    """Import a module of the folder of this environment that is not needed always.

    Arguments:
        module: str. The name of the module, such as 'compiling'.

    Returns:
        The module.
    """
    return importlib.import_module(f".{_FOLDER}.{module}", __package__)
