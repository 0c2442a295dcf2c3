"""Train and run one model on several devices, by what each framework has for it. `docs/cluster.md` has the recipes.

With Keras on JAX two lines do it:

    with distribution.model_parallel("bert_config.json").scope():
        model = build_transformer_model("bert_config.json", "bert_model.ckpt")
"""

from __future__ import annotations

import importlib
import sys
from typing import TYPE_CHECKING, Any

from b4k3.backend._missing import BackendError, missing

if TYPE_CHECKING:  # what the table below gives at run time, for editors and type checkers
    from .keras_distribution import (
        data_parallel as data_parallel,
        model_parallel as model_parallel,
        plan as plan,
        save as save,
    )
    from .layouts import Plan as Plan, plan_of as plan_of
    from .torch_ranks import (
        distributed_data_parallel as distributed_data_parallel,
        init_process_group as init_process_group,
        on_first_rank as on_first_rank,
    )

# public name -> the module that defines it
_NAMES = {
    "Plan": "layouts",
    "data_parallel": "keras_distribution",
    "distributed_data_parallel": "torch_ranks",
    "init_process_group": "torch_ranks",
    "model_parallel": "keras_distribution",
    "on_first_rank": "torch_ranks",
    "plan": "keras_distribution",
    "plan_of": "layouts",
    "save": "keras_distribution",
}


def _get(name: str) -> Any:
    if name not in _NAMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    try:
        value = getattr(importlib.import_module("." + _NAMES[name], __name__), name)
    except BackendError as error:
        raise missing(error, __name__, name, sys._getframe(1)) from None
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(_NAMES)


if not TYPE_CHECKING:  # a checker would take every misspelt name for one that `__getattr__` knows
    __getattr__ = _get
    __all__ = __dir__()
