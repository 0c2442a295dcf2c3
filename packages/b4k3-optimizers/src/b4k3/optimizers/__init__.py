"""Optimizers for every Keras, the extensions of bert4keras, and the training habits of the field.

No module is imported before one of its names is asked for. The names take their Keras from `b4k3.backend`.
"""

from __future__ import annotations

import importlib
import sys
from typing import TYPE_CHECKING, Any

from b4k3.backend._missing import BackendError, missing

from .__about__ import __version__

if TYPE_CHECKING:  # what the table below gives at run time, for editors and type checkers
    from b4k3.backend import (
        K as K,
        custom_objects as custom_objects,
        keras as keras,
        piecewise_linear as piecewise_linear,
    )

    from .adafactor import AdaFactor as AdaFactor
    from .adam import Adam as Adam
    from .adversarial import (
        adversarial_training as adversarial_training,
        gradient_penalty as gradient_penalty,
        virtual_adversarial_training as virtual_adversarial_training,
    )
    from .factories import (
        export_to_custom_objects as export_to_custom_objects,
        extend_with_exponential_moving_average as extend_with_exponential_moving_average,
        extend_with_gradient_accumulation as extend_with_gradient_accumulation,
        extend_with_layer_adaptation as extend_with_layer_adaptation,
        extend_with_lazy_optimization as extend_with_lazy_optimization,
        extend_with_lookahead as extend_with_lookahead,
        extend_with_parameter_wise_lr as extend_with_parameter_wise_lr,
        extend_with_piecewise_linear_lr as extend_with_piecewise_linear_lr,
        extend_with_weight_decay as extend_with_weight_decay,
    )
    from .layer_wise import layer_wise_rates as layer_wise_rates
    from .lion import Lion as Lion
    from .losses import (
        cosent_loss as cosent_loss,
        multiple_negatives_ranking_loss as multiple_negatives_ranking_loss,
        rdrop_loss as rdrop_loss,
        simcse_loss as simcse_loss,
    )
    from .schedules import (
        warmup_constant as warmup_constant,
        warmup_cosine as warmup_cosine,
        warmup_inverse_sqrt as warmup_inverse_sqrt,
        warmup_linear as warmup_linear,
        warmup_polynomial as warmup_polynomial,
    )
    from .tiger import Tiger as Tiger

    extend_with_lr_schedule = extend_with_piecewise_linear_lr
    # names of bert4keras for its two flavours of Keras; here they are one
    AdaFactorBase = AdaFactorV1 = AdaFactorV2 = AdaFactor
    LionV2 = Lion
    extend_with_exponential_moving_average_v2 = extend_with_exponential_moving_average
    extend_with_gradient_accumulation_v2 = extend_with_gradient_accumulation
    extend_with_layer_adaptation_v2 = extend_with_layer_adaptation
    extend_with_lazy_optimization_v2 = extend_with_lazy_optimization
    extend_with_lookahead_v2 = extend_with_lookahead
    extend_with_parameter_wise_lr_v2 = extend_with_parameter_wise_lr
    extend_with_piecewise_linear_lr_v2 = extend_with_piecewise_linear_lr
    extend_with_weight_decay_v2 = extend_with_weight_decay

# module -> its public names
_MODULES = {
    ".adafactor": "AdaFactor",
    ".adam": "Adam",
    ".adversarial": "adversarial_training gradient_penalty virtual_adversarial_training",
    ".factories": "export_to_custom_objects extend_with_exponential_moving_average extend_with_gradient_accumulation "
    "extend_with_layer_adaptation extend_with_lazy_optimization extend_with_lookahead extend_with_parameter_wise_lr "
    "extend_with_piecewise_linear_lr extend_with_weight_decay",
    ".layer_wise": "layer_wise_rates",
    ".lion": "Lion",
    ".losses": "cosent_loss multiple_negatives_ranking_loss rdrop_loss simcse_loss",
    ".schedules": "warmup_constant warmup_cosine warmup_inverse_sqrt warmup_linear warmup_polynomial",
    ".tiger": "Tiger",
    "b4k3.backend": "K custom_objects keras piecewise_linear",
}
_NAMES = {name: module for module, names in _MODULES.items() for name in names.split()}
# The names of bert4keras for its two flavours of Keras; here they are one.
_ALIASES = {
    "AdaFactorBase": "AdaFactor",
    "AdaFactorV1": "AdaFactor",
    "AdaFactorV2": "AdaFactor",
    "LionV2": "Lion",
    **{name + "_v2": name for name in _NAMES if name.startswith("extend_with_")},
    "extend_with_lr_schedule": "extend_with_piecewise_linear_lr",  # its schedules need not be piecewise linear
}


def _get(name: str) -> Any:
    target = _ALIASES.get(name, name)
    if target not in _NAMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    try:
        value = getattr(importlib.import_module(_NAMES[target], __name__), target)
    except BackendError as error:
        raise missing(error, __name__, name, sys._getframe(1)) from None
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted([*_NAMES, *_ALIASES, "__version__"])


if not TYPE_CHECKING:  # a checker would take every misspelt name for one that `__getattr__` knows
    __getattr__ = _get
    __all__ = __dir__()
