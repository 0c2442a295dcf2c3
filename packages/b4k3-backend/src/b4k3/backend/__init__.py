"""One Keras for b4k3: Keras 3 on JAX, PyTorch or TensorFlow, tf.keras, tf_keras and keras 2.3.1 under one set of names.

Nothing is imported before it is asked for: the first name that needs Keras decides the row (see `_runtime`).
"""

from __future__ import annotations

import importlib
import sys

from .__about__ import __version__
from ._missing import BackendError, missing

# public name -> the module that defines it
_NAMES = {
    "BackendError": "_missing",
    "Dense": "_row",
    "Dropout": "recomputing",
    "Layer": "_row",
    "Sinusoidal": "positions",
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
    "call_layer": "_row",
    "compiled": "_row",
    "copy_initializer": "_initialization",
    "custom_objects": "_row",
    "device_scope": "recomputing",
    "divisible_temporal_padding": "tensors",
    "do_recompute": "recomputing",
    "dtype": "tensors",
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
    "matmul_transposed": "_row",
    "merge_heads": "_heads",
    "multilabel_categorical_crossentropy": "losses",
    "ops": "_row",
    "orthogonally_resize": "_resize",
    "piecewise_linear": "tensors",
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
    "weight_path": "_row",
    "where": "tensors",
    "while_loop": "_row",
    "write_at": "_row",
    "wide": "tensors",
}
_MODULES = ("K", "activations")
# modules whose functions and classes are saved by name: the table `custom_objects` is complete once they are imported
_SAVED = ("activations", "losses", "positions", "recomputing", "tensors")

__all__ = sorted(_NAMES) + list(_MODULES) + ["__version__"]


def __getattr__(name):
    if name not in _NAMES and name not in _MODULES:
        raise AttributeError("module %r has no attribute %r" % (__name__, name))
    try:
        return _load(name)
    except BackendError as error:
        raise missing(error, __name__, name, sys._getframe(1)) from None


def _load(name):
    """The value of a public name, which is kept."""
    if name in _MODULES:
        return importlib.import_module("." + name, __name__)
    if name == "custom_objects":
        for module in _SAVED:
            importlib.import_module("." + module, __name__)
    value = getattr(importlib.import_module("." + _NAMES[name], __name__), name)
    globals()[name] = value
    return value


def __dir__():
    return __all__
