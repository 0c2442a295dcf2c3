"""The layers of the bert4keras family, for every Keras.

`from b4k3.layers import *` also gives the names of `keras.layers`; a name that both have means ours.
"""

from __future__ import annotations

import importlib
import sys
from typing import TYPE_CHECKING, Any

from b4k3 import backend
from b4k3.backend._missing import BackendError, missing

from .__about__ import __version__
from ._keras_names import NAMES as KERAS_NAMES

if TYPE_CHECKING:  # what the table below gives at run time, for editors and type checkers
    from b4k3.backend import K as K, Layer as Layer, custom_objects as custom_objects, keras as keras
    from b4k3.backend._keras3.layers import *  # noqa: F403

    from .attention import MultiHeadAttention as MultiHeadAttention
    from .convolution import TokenConvolution as TokenConvolution
    from .crf import (
        ConditionalRandomField as ConditionalRandomField,
        MaximumEntropyMarkovModel as MaximumEntropyMarkovModel,
    )
    from .disentangled import DisentangledAttention as DisentangledAttention, DistanceEmbedding as DistanceEmbedding
    from .embedding import (
        Embedding as Embedding,
        TaskEmbedding as TaskEmbedding,
        first_tokens_masked as first_tokens_masked,
    )
    from .feedforward import FeedForward as FeedForward
    from .gau import GatedAttentionUnit as GatedAttentionUnit
    from .global_pointer import EfficientGlobalPointer as EfficientGlobalPointer, GlobalPointer as GlobalPointer
    from .initialization import DeepTruncatedNormal as DeepTruncatedNormal
    from .local_attention import LocalMultiHeadAttention as LocalMultiHeadAttention
    from .loss import Loss as Loss
    from .masks import LanguageModelMask as LanguageModelMask, UniLMMask as UniLMMask, ZeroPadding as ZeroPadding
    from .merging import (
        Add as Add,
        BatchConcat as BatchConcat,
        BatchSplit as BatchSplit,
        Concatenate1D as Concatenate1D,
    )
    from .normalization import LayerNormalization as LayerNormalization, ScaleOffset as ScaleOffset
    from .pooling import (
        FirstToken as FirstToken,
        GlobalAveragePooling1D as GlobalAveragePooling1D,
        GlobalMaxPooling1D as GlobalMaxPooling1D,
        SequencePooling as SequencePooling,
        Squeeze as Squeeze,
    )
    from .position import (
        PaddedPositionEmbedding as PaddedPositionEmbedding,
        PositionEmbedding as PositionEmbedding,
        RotaryPositionEmbedding as RotaryPositionEmbedding,
        SinusoidalPositionEmbedding as SinusoidalPositionEmbedding,
    )
    from .relative_attention import (
        LearnedVector as LearnedVector,
        PermutationMask as PermutationMask,
        RelativeMultiHeadAttention as RelativeMultiHeadAttention,
        SinusoidalDistanceEmbedding as SinusoidalDistanceEmbedding,
    )
    from .relative_position import (
        RelativePositionEmbedding as RelativePositionEmbedding,
        RelativePositionEmbeddingT5 as RelativePositionEmbeddingT5,
    )
    from .shapes import integerize_shape as integerize_shape

    Model = keras.Model

# public name -> the module that defines it
_NAMES = {
    "Add": "merging",
    "BatchConcat": "merging",
    "BatchSplit": "merging",
    "Concatenate1D": "merging",
    "ConditionalRandomField": "crf",
    "DeepTruncatedNormal": "initialization",
    "DisentangledAttention": "disentangled",
    "DistanceEmbedding": "disentangled",
    "EfficientGlobalPointer": "global_pointer",
    "Embedding": "embedding",
    "FeedForward": "feedforward",
    "FirstToken": "pooling",
    "GatedAttentionUnit": "gau",
    "GlobalAveragePooling1D": "pooling",
    "GlobalMaxPooling1D": "pooling",
    "SequencePooling": "pooling",
    "GlobalPointer": "global_pointer",
    "LanguageModelMask": "masks",
    "LayerNormalization": "normalization",
    "LocalMultiHeadAttention": "local_attention",
    "LearnedVector": "relative_attention",
    "Loss": "loss",
    "MaximumEntropyMarkovModel": "crf",
    "MultiHeadAttention": "attention",
    "PaddedPositionEmbedding": "position",
    "PermutationMask": "relative_attention",
    "PositionEmbedding": "position",
    "RelativeMultiHeadAttention": "relative_attention",
    "RelativePositionEmbedding": "relative_position",
    "RelativePositionEmbeddingT5": "relative_position",
    "RotaryPositionEmbedding": "position",
    "ScaleOffset": "normalization",
    "SinusoidalDistanceEmbedding": "relative_attention",
    "SinusoidalPositionEmbedding": "position",
    "Squeeze": "pooling",
    "TaskEmbedding": "embedding",
    "TokenConvolution": "convolution",
    "UniLMMask": "masks",
    "ZeroPadding": "masks",
    "first_tokens_masked": "embedding",
    "integerize_shape": "shapes",
}
# from b4k3.backend
_BACKEND = ("K", "Layer", "custom_objects", "keras")


def _get(name: str) -> Any:
    if name == "__all__":
        return __dir__()
    if not knows(name):
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}, and no keras.layers has it")
    try:
        return load(name)
    except BackendError as error:
        raise missing(error, __name__, name, sys._getframe(1)) from None


def knows(name: str) -> bool:
    """Return whether a name may be one of this package: ours, or from keras.layers. It starts no Keras to answer that.

    Arguments:
        name: str. The name.

    Returns:
        bool. If True, `load` may still find that this Keras lacks the name.
    """
    if name in _NAMES or name in _BACKEND or name == "Model" or name in KERAS_NAMES:
        return True
    return not name.startswith("_") and "keras" in globals() and hasattr(globals()["keras"].layers, name)


def load(name: str) -> Any:
    """Return the value of a name for which `knows` is True, and keep it in the module.

    Arguments:
        name: str. The name.

    Returns:
        The class, function or module.

    Raises:
        AttributeError: the name is from keras.layers, and this Keras lacks it.
    """
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
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}: the keras.layers in use lacks it")
        value = getattr(source, name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    try:
        keras = backend._load("keras")
        theirs = [name for name in dir(keras.layers) if not name.startswith("_")]
    except BackendError:
        theirs = []
    return sorted(set(theirs) | set(_NAMES) | set(_BACKEND) | {"Model", "__version__"})


if not TYPE_CHECKING:  # a checker would take every misspelt name for one that `__getattr__` knows
    __getattr__ = _get
