"""One Keras for b4k3: Keras 3 on JAX, PyTorch or TensorFlow, tf.keras, tf_keras and keras 2.3.1 behind one set of names.

Nothing is imported before it is asked for: the first name that needs Keras decides the row (see `_runtime`).
"""

from __future__ import annotations

import importlib

from .__about__ import __version__

# public name -> the module that defines it
_NAMES = {
    "BackendError": "_runtime",
    "row": "_runtime",
    "orthogonally_resize": "_resize",
    "keras": "_row",
    "ops": "_row",
    "Layer": "_row",
    "build_sublayer": "_row",
    "register": "_row",
    "custom_objects": "_row",
    "TruncatedNormal": "_row",
    "skip_initialization": "_row",
    "assert_at_most": "_row",
    "assign_weights": "_row",
    "weight_path": "_row",
    "attention": "_attention",
    "lowest": "_attention",
    "mask_bias": "_attention",
    "layer_normalization": "_normalization",
}
_NAMES.update(
    {
        n: "stubs"
        for n in "Sinusoidal sinusoidal_embeddings apply_rotary_position_embeddings attention_normalize sequence_masking".split()
    }
)
_MODULES = ("K", "activations")

__all__ = sorted(_NAMES) + list(_MODULES) + ["__version__"]


def __getattr__(name):
    if name in _MODULES:
        return importlib.import_module("." + name, __name__)
    if name in _NAMES:
        value = getattr(importlib.import_module("." + _NAMES[name], __name__), name)
        globals()[name] = value
        return value
    raise AttributeError("module %r has no attribute %r" % (__name__, name))


def __dir__():
    return __all__
