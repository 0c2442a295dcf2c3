"""The layers of the bert4keras family, for every Keras.

`from b4k3.layers import *` also gives the names of the row's `keras.layers`; where both have a name, ours is meant.
"""

from __future__ import annotations

import importlib

from .__about__ import __version__

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
    if name in _NAMES:
        value = getattr(importlib.import_module("." + _NAMES[name], __name__), name)
    elif name in _BACKEND:
        if name == "custom_objects":  # the table is complete once every module of layers has been imported
            for module in sorted(set(_NAMES.values())):
                importlib.import_module("." + module, __name__)
        value = getattr(importlib.import_module("b4k3.backend"), name)
    elif name == "Model":
        value = importlib.import_module("b4k3.backend").keras.Model
    elif name == "__all__":
        return __dir__()
    elif name.startswith("__"):
        raise AttributeError("module %r has no attribute %r" % (__name__, name))
    else:
        layers = importlib.import_module("b4k3.backend").keras.layers
        if not hasattr(layers, name):
            raise AttributeError("neither %s nor the row's keras.layers has %r" % (__name__, name))
        value = getattr(layers, name)
    globals()[name] = value
    return value


def __dir__():
    keras = importlib.import_module("b4k3.backend").keras
    theirs = [name for name in dir(keras.layers) if not name.startswith("_")]
    return sorted(set(theirs) | set(_NAMES) | set(_BACKEND) | {"Model", "__version__"})
