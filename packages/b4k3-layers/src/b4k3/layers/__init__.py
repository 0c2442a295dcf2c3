"""The layers of the bert4keras family, for every Keras.

`from b4k3.layers import *` also gives the names of the row's `keras.layers`; where both have a name, ours is meant.
"""

from __future__ import annotations

import importlib
import sys
from typing import Any

from b4k3 import backend
from b4k3.backend._missing import BackendError, missing

from .__about__ import __version__
from ._keras_names import NAMES as KERAS_NAMES

# public name -> the module that defines it
_NAMES = {
    "Add": "merging",
    "BatchConcat": "merging",
    "BatchSplit": "merging",
    "Concatenate1D": "merging",
    "ConditionalRandomField": "crf",
    "DeepTruncatedNormal": "initialization",
    "EfficientGlobalPointer": "global_pointer",
    "Embedding": "embedding",
    "FeedForward": "feedforward",
    "FirstToken": "pooling",
    "GatedAttentionUnit": "gau",
    "GlobalAveragePooling1D": "pooling",
    "GlobalMaxPooling1D": "pooling",
    "GlobalPointer": "global_pointer",
    "LanguageModelMask": "masks",
    "LayerNormalization": "normalization",
    "Loss": "loss",
    "MaximumEntropyMarkovModel": "crf",
    "MultiHeadAttention": "attention",
    "PaddedPositionEmbedding": "position",
    "PositionEmbedding": "position",
    "RelativePositionEmbedding": "position",
    "RelativePositionEmbeddingT5": "position",
    "RotaryPositionEmbedding": "position",
    "ScaleOffset": "normalization",
    "SinusoidalPositionEmbedding": "position",
    "TaskEmbedding": "embedding",
    "UniLMMask": "masks",
    "ZeroPadding": "masks",
    "integerize_shape": "shapes",
}
# from b4k3.backend
_BACKEND = ("K", "Layer", "custom_objects", "keras")


def __getattr__(name):
    if name == "__all__":
        return __dir__()
    if not knows(name):
        raise AttributeError("module %r has no attribute %r, and no keras.layers has it" % (__name__, name))
    try:
        return load(name)
    except BackendError as error:
        raise missing(error, __name__, name, sys._getframe(1)) from None


def knows(name: str) -> bool:
    """Whether a name may be one of this package: ours, or of keras.layers. No Keras is started to answer that."""
    if name in _NAMES or name in _BACKEND or name == "Model" or name in KERAS_NAMES:
        return True
    return not name.startswith("_") and "keras" in globals() and hasattr(globals()["keras"].layers, name)


def load(name: str) -> Any:
    """The value of a name that `knows` knows, which is kept. Raises AttributeError if the row's Keras lacks it."""
    if name in _NAMES:
        value = getattr(importlib.import_module("." + _NAMES[name], __name__), name)
    elif name in _BACKEND:
        if name == "custom_objects":  # the table is complete once every module of layers has been imported
            for module in sorted(set(_NAMES.values())):
                importlib.import_module("." + module, __name__)
        value = backend._load(name)
    else:
        keras = globals()["keras"] = backend._load("keras")
        source = keras if name == "Model" else keras.layers
        if not hasattr(source, name):
            raise AttributeError("neither %s nor the row's keras.layers has %r" % (__name__, name))
        value = getattr(source, name)
    globals()[name] = value
    return value


def __dir__():
    try:
        keras = backend._load("keras")
        theirs = [name for name in dir(keras.layers) if not name.startswith("_")]
    except BackendError:
        theirs = []
    return sorted(set(theirs) | set(_NAMES) | set(_BACKEND) | {"Model", "__version__"})
