"""One Keras for b4k3: Keras 3 on JAX, PyTorch or TensorFlow, tf.keras, tf_keras and keras 2.3.1 under one set of names.

Nothing is imported before it is asked for: the first name that needs Keras decides the environment (see `_runtime`).
"""

from __future__ import annotations

import importlib
import sys
from typing import TYPE_CHECKING, Any

from .__about__ import __version__
from ._missing import BackendError as BackendError, missing

if TYPE_CHECKING:  # what the table below gives at run time, for editors and type checkers
    from . import K as K, activations as activations
    from ._attention import attention as attention, lowest as lowest, mask_bias as mask_bias, mask_value as mask_value
    from ._heads import merge_heads as merge_heads, split_heads as split_heads
    from ._ids import misfit as misfit
    from ._initialization import copy_initializer as copy_initializer
    from ._normalization import layer_normalization as layer_normalization
    from ._resize import orthogonally_resize as orthogonally_resize
    from ._row import (
        Dense as Dense,
        Layer as Layer,
        MetricLayer as MetricLayer,
        TruncatedNormal as TruncatedNormal,
        assert_at_most as assert_at_most,
        assign_weights as assign_weights,
        build_sublayer as build_sublayer,
        cache_orders as cache_orders,
        call_layer as call_layer,
        compiled as compiled,
        custom_objects as custom_objects,
        keras as keras,
        matmul_transposed as matmul_transposed,
        ops as ops,
        register as register,
        runs_eagerly as runs_eagerly,
        skip_initialization as skip_initialization,
        weight_path as weight_path,
        while_loop as while_loop,
        write_at as write_at,
    )
    from ._runtime import environment as environment, is_tf_keras as is_tf_keras, row as row
    from .activations import (
        gelu_erf as gelu_erf,
        gelu_tanh as gelu_tanh,
        leaky_relu as leaky_relu,
        set_gelu as set_gelu,
        swish as swish,
    )
    from .losses import (
        multilabel_categorical_crossentropy as multilabel_categorical_crossentropy,
        sparse_multilabel_categorical_crossentropy as sparse_multilabel_categorical_crossentropy,
    )
    from .masking import attention_normalize as attention_normalize, sequence_masking as sequence_masking
    from .positions import (
        Sinusoidal as Sinusoidal,
        apply_rotary_position_embeddings as apply_rotary_position_embeddings,
        sinusoidal_embeddings as sinusoidal_embeddings,
    )
    from .prediction import model_scope as model_scope, predict_function as predict_function
    from .recomputing import (
        Dropout as Dropout,
        device_scope as device_scope,
        do_recompute as do_recompute,
        get_available_gpus as get_available_gpus,
        graph_mode_decorator as graph_mode_decorator,
        recompute_grad as recompute_grad,
        symbolic as symbolic,
    )
    from .searching import layers_before as layers_before, search_layer as search_layer
    from .tables import checked_ids as checked_ids, nan_unless as nan_unless, take_rows as take_rows
    from .tensors import (
        align as align,
        batch_gather as batch_gather,
        divisible_temporal_padding as divisible_temporal_padding,
        dtype as dtype,
        flatten as flatten,
        logsumexp as logsumexp,
        piecewise_linear as piecewise_linear,
        pool1d as pool1d,
        reshape as reshape,
        root_mean_square as root_mean_square,
        upcast as upcast,
        where as where,
        wide as wide,
    )
    from .types import Tensor as Tensor


# public name -> the module that defines it
_NAMES = {
    "BackendError": "_missing",
    "Dense": "_row",
    "Dropout": "recomputing",
    "Layer": "_row",
    "MetricLayer": "_row",
    "Sinusoidal": "positions",
    "Tensor": "types",
    "TruncatedNormal": "_row",
    "align": "tensors",
    "apply_rotary_position_embeddings": "positions",
    "assert_at_most": "_row",
    "assign_weights": "_row",
    "attention": "_attention",
    "attention_normalize": "masking",
    "batch_gather": "tensors",
    "build_sublayer": "_row",
    "cache_orders": "_row",
    "checked_ids": "tables",
    "call_layer": "_row",
    "compiled": "_row",
    "copy_initializer": "_initialization",
    "custom_objects": "_row",
    "device_scope": "recomputing",
    "divisible_temporal_padding": "tensors",
    "do_recompute": "recomputing",
    "dtype": "tensors",
    "environment": "_runtime",
    "flatten": "tensors",
    "gelu_erf": "activations",
    "gelu_tanh": "activations",
    "get_available_gpus": "recomputing",
    "graph_mode_decorator": "recomputing",
    "is_tf_keras": "_runtime",
    "keras": "_row",
    "layer_normalization": "_normalization",
    "layers_before": "searching",
    "leaky_relu": "activations",
    "logsumexp": "tensors",
    "lowest": "_attention",
    "mask_bias": "_attention",
    "mask_value": "_attention",
    "matmul_transposed": "_row",
    "merge_heads": "_heads",
    "misfit": "_ids",
    "multilabel_categorical_crossentropy": "losses",
    "model_scope": "prediction",
    "nan_unless": "tables",
    "ops": "_row",
    "orthogonally_resize": "_resize",
    "piecewise_linear": "tensors",
    "predict_function": "prediction",
    "pool1d": "tensors",
    "recompute_grad": "recomputing",
    "register": "_row",
    "reshape": "tensors",
    "root_mean_square": "tensors",
    "row": "_runtime",
    "runs_eagerly": "_row",
    "search_layer": "searching",
    "sequence_masking": "masking",
    "set_gelu": "activations",
    "sinusoidal_embeddings": "positions",
    "skip_initialization": "_row",
    "sparse_multilabel_categorical_crossentropy": "losses",
    "split_heads": "_heads",
    "swish": "activations",
    "symbolic": "recomputing",
    "take_rows": "tables",
    "upcast": "tensors",
    "weight_path": "_row",
    "where": "tensors",
    "while_loop": "_row",
    "write_at": "_row",
    "wide": "tensors",
}
_MODULES = ("K", "activations")
# modules whose functions and classes are saved by name: the table `custom_objects` is complete once they are imported
_SAVED = ("activations", "losses", "positions", "recomputing", "tensors")


def _get(name: str) -> Any:
    if name not in _NAMES and name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    try:
        return _load(name)
    except BackendError as error:
        raise missing(error, __name__, name, sys._getframe(1)) from None


def _load(name: str) -> Any:
    """The value of a public name, which is kept."""
    if name in _MODULES:
        return importlib.import_module("." + name, __name__)
    if name == "custom_objects":
        for module in _SAVED:
            importlib.import_module("." + module, __name__)
    value = getattr(importlib.import_module("." + _NAMES[name], __name__), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted([*_NAMES, *_MODULES, "__version__"])


if not TYPE_CHECKING:  # a checker would take every misspelt name for one that `__getattr__` knows
    __getattr__ = _get
    __all__ = __dir__()
