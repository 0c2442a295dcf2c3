"""Read the bindings of T5's `operative_config.gin` that tell what the network is.

The file is a list of bindings, one in a line. A value is a number, a string, a list of these, or the name of a macro,
which is a binding itself:

    encoder/Unitransformer.d_model = %d_model
    d_model = 768

Nothing in the file is executed. Format: https://github.com/google/gin-config
"""

from __future__ import annotations

import ast
import math
import re
from typing import Any, Iterator, Mapping

from .errors import ConfigError

_MAX_VALUE = 1000  # characters; the time to read a number grows with the square of its digits
_BINDING = re.compile(r"^([\w./]+)\s*=\s*(.*)$")
# our key -> the bindings that have its value; the first one that is there counts
KEYS = {
    "vocab_size": ("make_bitransformer.output_vocab_size", "make_bitransformer.input_vocab_size"),
    "hidden_size": ("encoder/Unitransformer.d_model", "decoder/Unitransformer.d_model", "d_model"),
    "intermediate_size": ("encoder/DenseReluDense.hidden_size", "DenseReluDense.hidden_size", "d_ff"),
    "hidden_act": ("encoder/DenseReluDense.activation", "DenseReluDense.activation"),
    "num_attention_heads": ("encoder/SelfAttention.num_heads", "SelfAttention.num_heads", "num_heads"),
    "attention_head_size": ("encoder/SelfAttention.key_value_size", "SelfAttention.key_value_size", "d_kv"),
    "num_hidden_layers": ("encoder/make_layer_stack.num_layers", "make_layer_stack.num_layers", "num_layers"),
    "num_decoder_layers": ("decoder/make_layer_stack.num_layers",),
    "relative_attention_num_buckets": (
        "encoder/SelfAttention.relative_attention_num_buckets",
        "SelfAttention.relative_attention_num_buckets",
    ),
    "dropout_rate": ("dropout_rate", "encoder/DenseReluDense.dropout_rate"),
    "attention_dropout_rate": ("encoder/SelfAttention.dropout_rate", "SelfAttention.dropout_rate", "dropout_rate"),
    "layer_norm_eps": ("sublayer_rms_norm.epsilon",),
}
DEFAULTS = {"hidden_act": "relu"}  # the default of T5's code, which the files of version 1.0 may leave out


def read_gin(text: str, path: str) -> dict[str, Any]:
    """Read the configuration in a gin file.

    Arguments:
        text: str. What the file holds.
        path: str. The file, for error messages.

    Returns:
        dict under our names. The published files do not have vocab_size; the checkpoint tells it.

    Raises:
        ConfigError: it is not the gin file of an encoder and decoder of T5, a macro is not there, or a value is neither
            a number, a string nor a list of these.

    Example:
        >>> from b4k3.models.gin import read_gin
        >>> read_gin("encoder/Unitransformer.d_model = %d_model\\nd_model = 768", "operative_config.gin")
        {'hidden_act': 'relu', 'hidden_size': 768}
    """
    bindings = dict(_bindings(text))
    config: dict[str, Any] = dict(DEFAULTS)
    for key, names in KEYS.items():
        for name in names:
            if name in bindings:
                config[key] = _value(name, bindings, path)
                break
    if "hidden_size" not in config:
        raise ConfigError(
            f"{path}: is not the gin file of a T5, because it has no encoder/Unitransformer.d_model; give the "
            "operative_config.gin beside the checkpoint, or a JSON config"
        )
    return config


def _bindings(text: str) -> Iterator[tuple[str, str]]:
    """Yield the name and the text of the value of each binding. A line that ends in a backslash goes on in the next."""
    for line in re.sub(r"\\\n\s*", " ", text).split("\n"):
        match = _BINDING.match(line)
        if match:
            yield match.group(1), match.group(2)


def _value(name: str, bindings: Mapping[str, str], path: str) -> Any:
    """Read the value of a binding. If it is a macro, '%name', read the value of the macro."""
    seen = [name]
    value = bindings[name].strip()
    while value.startswith("%"):
        macro = value[1:]
        if macro not in bindings or macro in seen:
            raise ConfigError(f"{path}: {seen[-1]} is %{macro}, and there is no such macro, or it is defined by itself")
        seen.append(macro)
        value = bindings[macro].strip()
    if len(value) > _MAX_VALUE:
        raise ConfigError(
            f"{path}: {seen[-1]} has a value of {len(value):,} characters, expected {_MAX_VALUE:,} at most"
        )
    try:
        found = ast.literal_eval(value)
        if isinstance(found, float) and not math.isfinite(found):
            raise ValueError(value)
        return found
    except (ValueError, SyntaxError, MemoryError, RecursionError, TypeError):
        raise ConfigError(f"{path}: {seen[-1]} = {value[:60]} is no number, string or list of them") from None
