"""The few bindings of T5's `operative_config.gin` that say what the network is.

Nothing in the file is executed: values are numbers, strings, lists of them, or a macro's name.
https://github.com/google/gin-config
"""

from __future__ import annotations

import ast
import math
import re

from .errors import ConfigError

_MAX_VALUE = 1000  # characters: the time that a number takes grows with the square of its digits
_BINDING = re.compile(r"^([\w./]+)\s*=\s*(.*)$")
# our key -> the bindings that say it, the first one that is there counts
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
DEFAULTS = {"hidden_act": "relu"}  # of T5's code, which the operative config of v1.0 may leave out


def read_gin(text, path):
    """The configuration in a gin file.

    Arguments:
        text: what the file holds.
        path: str, for messages.

    Returns:
        dict under our names. The published files do not say vocab_size; the checkpoint does.

    Raises:
        ConfigError: it is not the gin file of an encoder and decoder of T5, or a macro is not there.
    """
    bindings = dict(_bindings(text))
    config = dict(DEFAULTS)
    for key, names in KEYS.items():
        for name in names:
            if name in bindings:
                config[key] = _value(name, bindings, path)
                break
    if "hidden_size" not in config:
        raise ConfigError("%s: no encoder/Unitransformer.d_model in it: not the gin file of a T5" % path)
    return config


def _bindings(text):
    """(name, value as text) of every binding; lines that end in a backslash go on in the next one."""
    for line in re.sub(r"\\\n\s*", " ", text).split("\n"):
        match = _BINDING.match(line)
        if match:
            yield match.groups()


def _value(name, bindings, path):
    """The value of a binding. Macros, '%name', are looked up."""
    seen = [name]
    value = bindings[name].strip()
    while value.startswith("%"):
        macro = value[1:]
        if macro not in bindings or macro in seen:
            raise ConfigError("%s: %s is %%%s, and there is no such macro" % (path, seen[-1], macro))
        seen.append(macro)
        value = bindings[macro].strip()
    if len(value) > _MAX_VALUE:
        raise ConfigError(f"{path}: {seen[-1]} has a value of {len(value):,} characters, more than any number needs")
    try:
        found = ast.literal_eval(value)
        if isinstance(found, float) and not math.isfinite(found):
            raise ValueError(value)
        return found
    except (ValueError, SyntaxError, MemoryError, RecursionError, TypeError):
        raise ConfigError("%s: %s = %s is no number, string or list of them" % (path, seen[-1], value[:60])) from None
