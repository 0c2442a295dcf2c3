"""Reads a model's configuration and says what is wrong with it."""

from __future__ import annotations

import difflib
import json
import os

from .errors import ConfigError
from .gin import read_gin

READY = os.path.join(os.path.dirname(__file__), "configs")

# our name <- what publishers call it; the first that is there counts
ALIASES = {
    "max_position": ("max_position_embeddings",),
    "dropout_rate": ("hidden_dropout_prob",),
    "attention_dropout_rate": ("attention_probs_dropout_prob",),
    "segment_vocab_size": ("type_vocab_size",),
}
# our name <- that in Hugging Face's configs of T5, of GPT-2 and GPT
HUGGINGFACE_ALIASES = {
    "max_position": ("n_positions",),
    "dropout_rate": ("resid_pdrop",),
    "attention_dropout_rate": ("attn_pdrop",),
    "hidden_size": ("d_model", "n_embd"),
    "num_hidden_layers": ("num_layers", "n_layer"),
    "num_attention_heads": ("num_heads", "n_head"),
    "intermediate_size": ("d_ff", "n_inner"),
    "attention_head_size": ("d_kv",),
    "layer_norm_eps": ("layer_norm_epsilon",),
}
ACTIVATION_KEYS = ("feed_forward_proj", "activation_function", "afn")  # in the same configs
ALIAS_NAMES = {name for table in (ALIASES, HUGGINGFACE_ALIASES) for names in table.values() for name in names} | set(
    ACTIVATION_KEYS
)
DEFAULTS = {"max_position": 512, "segment_vocab_size": 2}

# Larger than any published model by an order of magnitude: such a number is a slip, and would take all memory.
LIMITS = {
    "vocab_size": 10**8,
    "hidden_size": 10**6,
    "embedding_size": 10**6,
    "intermediate_size": 10**7,
    "num_hidden_layers": 10**4,
    "num_attention_heads": 10**4,
    "attention_head_size": 10**5,
    "attention_key_size": 10**5,
    "max_position": 10**7,
    "max_relative_position": 10**6,
    "num_hidden_groups": 10**4,
    "inner_group_num": 10**4,
    "segment_vocab_size": 10**6,
    "num_decoder_layers": 10**4,
    "relative_attention_num_buckets": 10**5,
    "relative_attention_max_distance": 10**7,
}
# keys that would mean another network, and the values that do not
EXPECTED = {
    "ln_type": (None, "postln"),
    "position_embedding_type": (None, "absolute"),
    "rotary_value": (None, False),
}
MAY_BE_NONE = ("embedding_size", "attention_head_size", "attention_key_size", "num_decoder_layers")
REQUIRED = ("vocab_size", "hidden_size", "num_hidden_layers", "num_attention_heads", "intermediate_size", "hidden_act")


def refuse_constant(path):
    def refuse(name):
        raise ConfigError("%s: %s is not a number that JSON knows" % (path, name))

    return refuse


def refuse_duplicates(path):
    def pairs_to_dict(pairs):
        keys = [key for key, _ in pairs]
        for key in keys:
            if keys.count(key) > 1:
                raise ConfigError("%s: the key %r stands there twice; which is meant?" % (path, key))
        return dict(pairs)

    return pairs_to_dict


def ready_configs():
    """Configurations of releases that ship none.

    Returns:
        dict from name to path, either of which `build_transformer_model` takes as config_path.
    """
    names = sorted(name[: -len(".json")] for name in os.listdir(READY) if name.endswith(".json"))
    return {name: os.path.join(READY, name + ".json") for name in names}


def read_config(path):
    """Read a JSON file, or a gin file of T5, into a dict.

    Arguments:
        path: str or path-like, or a name of `ready_configs`; a dict is copied.

    Raises:
        ConfigError: the file is not UTF-8, not a JSON object, has a key twice, NaN or Infinity; or of a gin file what
            `read_gin` says.
        FileNotFoundError: there is no such file.
    """
    if isinstance(path, dict):
        return dict(path)
    path = os.fspath(path)
    if os.path.isdir(path):
        raise ConfigError("%s is a folder; config_path is the JSON file in it" % path)
    if not os.path.exists(path):
        if path not in ready_configs():
            raise FileNotFoundError("config_path: there is no file %s" % path)
        path = ready_configs()[path]
    with open(path, "rb") as f:
        data = f.read()
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as e:
        guess = ""
        try:
            data.decode("gbk")
            guess = " It reads as GBK: save it as UTF-8."
        except UnicodeDecodeError:
            pass
        raise ConfigError("%s: byte %d is not UTF-8.%s" % (path, e.start, guess)) from None
    if path.endswith(".gin"):
        return read_gin(text, path)
    try:
        config = json.loads(text, object_pairs_hook=refuse_duplicates(path), parse_constant=refuse_constant(path))
    except json.JSONDecodeError as e:
        raise ConfigError("%s is not JSON: line %d, column %d: %s" % (path, e.lineno, e.colno, e.msg)) from None
    except RecursionError:
        raise ConfigError("%s is nested too deeply for a configuration" % path) from None
    if not isinstance(config, dict):
        raise ConfigError("%s holds a JSON %s, expected an object" % (path, type(config).__name__))
    return config


def with_aliases(config):
    """A copy with our names beside the publishers'; a name of ours that is there already stays."""
    config = dict(config)
    for name, others in list(ALIASES.items()) + list(HUGGINGFACE_ALIASES.items()):
        for other in others:
            if name not in config and other in config:
                config[name] = config[other]
    if "n_embd" in config and config.get("intermediate_size") is None:
        config["intermediate_size"] = 4 * config["n_embd"]
    activation = next((key for key in ACTIVATION_KEYS if config.get(key) is not None), None)
    if "hidden_act" not in config and activation is not None:
        config["hidden_act"] = activation_of(activation, config[activation])
    if "d_ff" in config:  # of T5, which has one rate for both
        config.setdefault("attention_dropout_rate", config.get("dropout_rate"))
    return config


def activation_of(key, name):
    """Our name, or list of names, for the activation in a config of Hugging Face. Arguments: one of ACTIVATION_KEYS."""
    if key == "feed_forward_proj":
        return [name[len("gated-") :], "linear"] if str(name).startswith("gated-") else name
    return "gelu_tanh" if key == "afn" and name == "gelu" else name  # by which transformers computes it


def merge(from_file, from_call):
    """One config of two: the call wins, under whichever name, and what neither says is bert4keras' default."""
    return dict(DEFAULTS, **dict(with_aliases(from_file), **with_aliases(from_call)))


def validate(config, where):
    """Refuse what cannot describe a model.

    Arguments:
        config: dict under our names.
        where: the file it is from, for messages.

    Raises:
        ConfigError: a required key is missing, a size is no positive int or absurd, or sizes contradict each other.
    """
    missing = [key for key in REQUIRED if config.get(key) is None]
    if missing:
        raise ConfigError(
            "%s lacks %s: give a config file that has them, or keyword arguments" % (where, ", ".join(missing))
        )
    for key, limit in LIMITS.items():
        value = config.get(key)
        if value is None and (key in MAY_BE_NONE or key not in config):
            continue
        least = 0 if key in ("segment_vocab_size", "max_position", "num_hidden_layers", "num_decoder_layers") else 1
        if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= limit:
            raise ConfigError("%s: %s=%r, expected an int from %d to %d" % (where, key, value, least, limit))
    for key, values in EXPECTED.items():
        if config.get(key) not in values:
            raise ConfigError("%s: %s=%r is a network that b4k3 does not have" % (where, key, config[key]))
    heads, hidden = config["num_attention_heads"], config["hidden_size"]
    if hidden % heads and config.get("attention_head_size") is None:
        raise ConfigError(
            "%s: hidden_size=%d is no multiple of num_attention_heads=%d, and there is no attention_head_size"
            % (where, hidden, heads)
        )
    for key in ("dropout_rate", "attention_dropout_rate"):
        rate = config.get(key)
        if rate is not None and (isinstance(rate, bool) or not isinstance(rate, (int, float)) or not 0 <= rate < 1):
            raise ConfigError("%s: %s=%r, expected a number from 0 to below 1" % (where, key, rate))


def checked_padding_id(pad_token_id, vocab_size):
    """The padding id of a configuration as an int.

    Arguments:
        pad_token_id: int, or None for 0.
        vocab_size: int, that of the whole vocabulary.

    Raises:
        ConfigError: there is no such id.
    """
    if pad_token_id is None:
        return 0
    if isinstance(pad_token_id, bool) or not isinstance(pad_token_id, int) or not 0 <= pad_token_id < vocab_size:
        raise ConfigError(
            f"pad_token_id={pad_token_id!r}, expected an id of the vocabulary, 0 to {vocab_size - 1}: give the id that "
            "your sequences are padded with"
        )
    return pad_token_id


def padding_id_after(pad_token_id, keep_tokens):
    """The padding id once only some rows of the vocabulary are kept: where its row went.

    0 stays 0, because the lists that `load_vocab` of b4k3.tokenizers makes begin with the padding. So does the id of
    a row that is not kept.

    Arguments:
        pad_token_id: int, in the whole vocabulary.
        keep_tokens: list of ids that are kept, or None.
    """
    if keep_tokens is None or pad_token_id == 0:
        return pad_token_id
    kept = [int(i) for i in keep_tokens]
    return kept.index(pad_token_id) if pad_token_id in kept else 0


def refuse_unknown(given, known, owner):
    """Refuse keyword arguments that nobody reads.

    Arguments:
        given: names from the call.
        known: names that are read.
        owner: what reads them, for the message.

    Raises:
        ConfigError: names each unknown one and the nearest that is known.
    """
    problems = []
    for name in given:
        if name not in known:
            near = difflib.get_close_matches(name, known, 1)
            problems.append("%r%s" % (name, " (did you mean %r?)" % near[0] if near else ""))
    if problems:
        raise ConfigError("%s has no argument %s" % (owner, ", ".join(problems)))
