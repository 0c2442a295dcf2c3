"""Tell by the names of variables which program wrote a file that no dialect can read, and what to do with it."""

from __future__ import annotations

import re
from typing import Iterable, Pattern

OBJECT_MARK = "/.ATTRIBUTES/VARIABLE_VALUE"  # the end of every name in an object-based checkpoint of TensorFlow 2

_KERAS_TF = re.compile(r"(layer_with_weights|layer)-\d+/")
_OBJECT_GRAPH = re.compile(r".*/\.ATTRIBUTES/VARIABLE_VALUE$", re.S)
_KERAS_3 = re.compile(r"((_layer_checkpoint_dependencies|layers|.*/layers)/.+/)?vars/\d+$", re.S)
_TRANSFORMERS_TF = re.compile(r"(.+/)?tf_\w+(_\d+)?/.+:\d+$", re.S)
_ERNIE_M = re.compile(r"(.+\.)?encoder\.layers\.\d+\.self_attn\.self_attn\.[qkv]_proj\.")
_BY_LAYER = re.compile(r".+:\d+$", re.S)

_REBUILD = "build the model that was saved, without checkpoint_path, and call `model.load_weights(path)`"
# (what the names of the variables look like, what wrote the file, what to do)
_KINDS: list[tuple[Pattern[str], str, str]] = [
    (
        _KERAS_TF,
        "weights of a Keras model in TensorFlow's format (`model.save_weights` without .h5), or of its SavedModel",
        f"{_REBUILD} on tf.keras or tf_keras, in the Keras that wrote the file; the names only count the layers, so "
        "b4k3 cannot tell which variable is which. `model.save_weights('weights.h5')` then writes a file that names "
        "the layers",
    ),
    (
        _OBJECT_GRAPH,
        "an object graph of TensorFlow 2 (tf.train.Checkpoint or a SavedModel)",
        "restore it with `tf.train.Checkpoint(model=model).restore(path)` into the model that was saved, write its "
        "weights with `model.save_weights('weights.h5')`, then build the model here without checkpoint_path and call "
        "`model.load_weights('weights.h5')`; the names follow the attributes of Python objects, so b4k3 cannot tell "
        "which variable is which",
    ),
    (
        _KERAS_3,
        "weights of a Keras 3 model (.weights.h5)",
        f"{_REBUILD}; if it is a model of b4k3, `b4k3 convert FILE TARGET --config CONFIG --model MODEL` makes a "
        "checkpoint of it, which can be given as checkpoint_path",
    ),
    (
        _TRANSFORMERS_TF,
        "weights of a TensorFlow model of transformers (tf_model.h5)",
        "give the model's safetensors file; transformers 4 writes it from this one with "
        "`AutoModel.from_pretrained(folder, from_tf=True).save_pretrained(target, safe_serialization=True)`",
    ),
    (
        _BY_LAYER,
        "weights of a Keras model by layer (.h5)",
        f"{_REBUILD}; with `by_name=True` Keras 2 matches the layers by their names",
    ),
]


def foreign_kind(names: Iterable[str]) -> tuple[str, str] | None:
    """Tell what wrote a checkpoint whose names belong to no dialect.

    Such a file is a sound container, and `open_checkpoint` opens it. But its names count the layers or follow Python
    objects, so that nothing says which variable of a network each is.

    Arguments:
        names: str, any number of them. The names of the variables.

    Returns:
        (kind, advice), or None if the names look like none of these. The kind is a noun phrase; the advice is an
        imperative sentence without a full stop, to follow 'What to do: '.

    Example:
        >>> from b4k3.models.checkpoints.kinds import foreign_kind
        >>> foreign_kind(["bert/embeddings/word_embeddings"]) is None
        True
        >>> foreign_kind(["layers/dense/vars/0", "layers/dense/vars/1"])[0]
        'weights of a Keras 3 model (.weights.h5)'
    """
    names = list(names)
    if not names:
        return None
    if any(name.endswith(OBJECT_MARK) for name in names):
        objects = [name for name in names if name.endswith(OBJECT_MARK)]
        whole_model = any(_KERAS_TF.match(name) for name in objects)
        _, kind, advice = _KINDS[0] if whole_model else _KINDS[1]
        return kind, advice
    if any(_ERNIE_M.match(name) for name in names):
        return "an ERNIE-M, as in UIE-M, which b4k3 does not have", "take a UIE that is an ERNIE, as uie-base is"
    for pattern, kind, advice in _KINDS[2:]:
        if all(pattern.match(name) for name in names):
            return kind, advice
    return None
