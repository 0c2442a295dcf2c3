"""Define the keys of configurations: the meaning of each, and which of them change no number or need another network.

No key is skipped silently. Each one is used, or is in the table of keys that change no number, or is refused, or is
reported as unknown. `understand` sorts the keys of one file for one network; `validate` checks the values.
"""

from __future__ import annotations

import difflib
from numbers import Integral, Real
from typing import TYPE_CHECKING, Any, Collection, Iterable

from .errors import ConfigError, short

if TYPE_CHECKING:
    from .networks.description import Network

# Our name of a key -> the names that the publishers of BERT and similar networks give it. A `Network` adds others.
SPELLINGS = {
    "max_position": ("max_position_embeddings",),
    "dropout_rate": ("hidden_dropout_prob",),
    "attention_dropout_rate": ("attention_probs_dropout_prob",),
    "segment_vocab_size": ("type_vocab_size",),
}
NO_PADDING = -1  # the pad_token_id of a network in which no id is padding
DEFAULTS = {"max_position": 512, "segment_vocab_size": 2}  # the same as in bert4keras

# The arguments that every network has. A `Network` adds its own as `keys`.
ARGUMENTS = (
    "vocab_size hidden_size num_hidden_layers num_attention_heads intermediate_size hidden_act dropout_rate "
    "attention_dropout_rate embedding_size attention_head_size attention_key_size sequence_length keep_tokens "
    "compound_tokens residual_attention_scores ignore_invalid_weights ignore_unread_weights autoresize_weights layers "
    "prefix name layer_norm_eps pad_token_id tie_word_embeddings"
).split()

# Keys of published configs that change no number of a forward pass: labels and dropouts of task heads, training,
# storage, caches, the defaults of `generate`, and the keys of a pooler in Google's configs, which no code reads.
IGNORED = frozenset(
    (
        "_attn_implementation _attn_implementation_autoset _commit_hash _from_model_config _name_or_path _num_labels "
        "architectures attn_implementation begin_suppress_tokens bos_token_id chunk_size_feed_forward "
        "classifier_dropout classifier_dropout_prob cls_token_id cross_attention_hidden_size decoder_start_token_id "
        "directionality do_sample dtype early_stopping embd_pdrop encoder_no_repeat_ngram_size eos_token_id "
        "experts_implementation exponential_decay_length_penalty finetuning_task forced_bos_token_id "
        "forced_eos_token_id generator_size gradient_checkpointing id2label initializer_factor initializer_range "
        "is_encoder_decoder label2id language layers_to_keep length_penalty mask_token_id max_length min_length "
        "model_type n_ctx name_or_path no_repeat_ngram_size num_beam_groups num_beams num_labels "
        "num_return_sequences output_attentions output_hidden_states output_past output_scores pooler_fc_size "
        "pooler_num_attention_heads pooler_num_fc_layers pooler_size_per_head pooler_type prefix problem_type "
        "remove_invalid_values reorder_and_upcast_attn repetition_penalty return_dict return_dict_in_generate "
        "sentence_transformers sep_token_id seq_length summary_activation summary_first_dropout "
        "summary_last_dropout summary_proj_to_labels summary_type summary_use_proj suppress_tokens "
        "task_specific_params temperature tf_legacy_loss tokenizer_class top_k top_p torch_dtype torchscript training "
        "transformers_version type_sequence_label_size typical_p use_bfloat16 use_cache bad_words_ids "
        "diversity_penalty tie_last_hidden_states"
    ).split()
)
# Keys that can mean another network -> the values with which they do not.
FIXED = {
    "add_cross_attention": (None, False),
    "auto_map": (None, {}),
    "ln_type": (None, "postln"),
    "norm_type": (None, "layer_norm"),
    "per_layer_config": (None, {}),
    "position_embedding_type": (None, "absolute"),
    "pruned_heads": (None, {}, []),
    "quantization_config": (None, {}),
    "rotary_value": (None, False),
    "tie_encoder_decoder": (None, False),
    "use_bias": (None, True),
}
# The name of an activation in a config file -> our name. A name that transformers has means the same function there.
ACTIVATIONS = {
    "gelu": "gelu",
    "gelu_erf": "gelu_erf",
    "gelu_python": "gelu_erf",
    "gelu_10": "gelu_10",
    "gelu_tanh": "gelu_tanh",
    "gelu_new": "gelu_tanh",
    "gelu_fast": "gelu_tanh",
    "gelu_accurate": "gelu_tanh",
    "gelu_pytorch_tanh": "gelu_tanh",
    "gelu_python_tanh": "gelu_tanh",
    "quick_gelu": "quick_gelu",
    "relu": "relu",
    "relu2": "relu2",
    "relu6": "relu6",
    "leaky_relu": "leaky_relu_torch",
    "leaky_relu_torch": "leaky_relu_torch",
    "silu": "swish",
    "swish": "swish",
    "hardswish": "hardswish",
    "mish": "mish",
    "laplace": "laplace",
    "sqrtsoftplus": "sqrtsoftplus",
    "sigmoid": "sigmoid",
    "tanh": "tanh",
    "linear": "linear",
    "elu": "elu",
    "selu": "selu",
    "softplus": "softplus",
    "softsign": "softsign",
    "exponential": "exponential",
    "hard_sigmoid": "hard_sigmoid",
}
# Our name of an activation -> the name that transformers gives it, if the two differ.
THEIR_ACTIVATIONS = {
    "gelu_tanh": "gelu_new",
    "gelu_erf": "gelu",
    "swish": "silu",
    "leaky_relu_torch": "leaky_relu",
}

# The limits are ten times as large as in any published model: a greater number is a mistake that would take all memory.
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
    "task_type_vocab_size": 10**6,
    "num_decoder_layers": 10**4,
    "relative_attention_num_buckets": 10**5,
    "relative_attention_max_distance": 10**7,
    "local_attention": 10**7,
    "pad_token_id": 10**8,
    "decoder_start_token_id": 10**8,
    "forced_bos_token_id": 10**8,
    "forced_eos_token_id": 10**8,
    "num_decoder_attention_heads": 10**4,
    "decoder_intermediate_size": 10**7,
    "encoder_max_position": 10**7,
}
MAY_BE_NONE = {
    "embedding_size",
    "attention_head_size",
    "attention_key_size",
    "num_decoder_layers",
    "pad_token_id",
    "decoder_start_token_id",
    "forced_bos_token_id",
    "forced_eos_token_id",
    "num_decoder_attention_heads",
    "decoder_intermediate_size",
    "encoder_max_position",
}
MAY_BE_ZERO = {
    "segment_vocab_size",
    "max_position",
    "num_hidden_layers",
    "num_decoder_layers",
    "pad_token_id",
    "decoder_start_token_id",
    "forced_bos_token_id",
    "forced_eos_token_id",
}
MAY_BE_NO_TOKEN = ("pad_token_id", "forced_bos_token_id", "forced_eos_token_id")  # -1
SWITCHES = (
    "tie_word_embeddings is_decoder use_task_id scale_attn_weights scale_attn_by_inverse_layer_idx "
    "use_attention_bias mlp_bias norm_bias decoder_bias classifier_bias "
    "scale_embedding final_logits_bias "
    "ignore_invalid_weights ignore_unread_weights autoresize_weights"
).split()
REQUIRED = ("vocab_size", "hidden_size", "num_hidden_layers", "num_attention_heads", "intermediate_size", "hidden_act")


CALL_ONLY = ("layers", "prefix", "name")  # arguments that a call can give and a configuration cannot


class Understood:
    """The keys of one configuration, sorted by `understand`.

    Attributes:
        values: dict. The values under our names.
        spelled: dict from our name of a key to its name in the configuration.
        unknown: list of str. The keys that b4k3 does not know. They may change a number.

    Example:
        >>> from b4k3.models.keys import understand
        >>> from b4k3.models.networks.bert import BERT
        >>> understand(BERT, {"type_vocab_size": 2}, "my config").spelled
        {'segment_vocab_size': 'type_vocab_size'}
    """

    def __init__(self) -> None:
        self.values: dict[str, Any] = {}
        self.spelled: dict[str, str] = {}
        self.unknown: list[str] = []


def spellings(network: Network) -> dict[str, list[str]]:
    """List the names that a configuration may use for each key.

    Arguments:
        network: `Network` that the configuration is for.

    Returns:
        dict from our name of a key to list of str. The first one is our name.

    Example:
        >>> from b4k3.models.keys import spellings
        >>> from b4k3.models.networks.bert import BERT
        >>> spellings(BERT)["max_position"]
        ['max_position', 'max_position_embeddings']
    """
    names = {key: [key] for key in list(ARGUMENTS) + list(DEFAULTS) + list(network.keys)}
    for table in (network.spellings, SPELLINGS):
        for key, others in table.items():
            names.setdefault(key, [key])
            names[key] += [other for other in others if other not in names[key]]
    return names


def understand(network: Network, config: dict[str, Any], where: str, from_call: bool = False) -> Understood:
    """Sort the keys of a configuration.

    Arguments:
        network: `Network` that the configuration is for.
        config: dict. The configuration as the file has it, or the keyword arguments of a call.
        where: str. The source of the configuration, for error messages.
        from_call: bool. Whether these are the arguments of a call. Their activations have our names, and the caller of
            this function refuses unknown ones.

    Returns:
        `Understood`.

    Raises:
        ConfigError: a key says that this is another network, two keys contradict each other, or an activation is
            unknown.

    Example:
        >>> from b4k3.models.keys import understand
        >>> from b4k3.models.networks.bert import BERT
        >>> found = understand(BERT, {"type_vocab_size": 2, "hidden_act": "gelu_new", "color": "red"}, "my config")
        >>> found.values["segment_vocab_size"], found.values["hidden_act"], found.unknown
        (2, 'gelu_tanh', ['color'])
    """
    found = Understood()
    names = spellings(network)
    if not from_call:
        names = {key: others for key, others in names.items() if key not in CALL_ONLY}
    read: set[str] = set()
    interpreted: dict[str, tuple[Any, str]] = {}
    for key, others in names.items():
        for other in others:
            if other in config:
                read.add(other)
                if key not in found.values:
                    found.values[key], found.spelled[key] = config[other], other
                elif other in network.spellings.get(key, ()) and None not in (config[other], found.values[key]):
                    _refuse_contradiction(where, config, found.spelled[key], other)
    if not from_call:
        read.update(key for key in network.interprets if key in config)
        try:
            interpreted = network.interpret(config)
        except ConfigError as e:
            raise ConfigError(f"{where}: {e}") from None
        for key, (value, spelled) in interpreted.items():
            found.values[key], found.spelled[key] = value, spelled
    if from_call or "hidden_act" not in interpreted:
        _understand_activation(network, config, where, from_call, found, read)
    for key, allowed in dict(FIXED, **network.fixed).items():
        if key in names:
            continue
        if key in config and not from_call:
            read.add(key)
            value = config[key]
            if key == "auto_map" and isinstance(value, dict) and not any("AutoModel" in name for name in value):
                continue
            if not any(type(value) is type(other) and value == other for other in allowed):
                _refuse_value(where, network.name, key, value, allowed)
    if "pad_token_id" in config and config["pad_token_id"] is None and not from_call:
        if not network.may_lack_padding:
            raise ConfigError(
                f"{where}: pad_token_id is null, and the network must know which id is padding: say pad_token_id=0, or "
                "the id that your sequences are padded with, or -1 if none is"
            )
        found.values["pad_token_id"] = NO_PADDING
    if "is_decoder" in config and "is_decoder" not in network.ignored:
        read.add("is_decoder")
        found.values["is_decoder"], found.spelled["is_decoder"] = config["is_decoder"], "is_decoder"
    found.unknown = sorted(key for key in config if key not in read | IGNORED | network.ignored)
    found.values.update({k: v for k, v in network.follows(found.values).items() if found.values.get(k) is None})
    return found


def _refuse_contradiction(where: str, config: dict[str, Any], first: str, second: str) -> None:
    """Refuse two keys with the same meaning and different values."""
    if config[first] != config[second]:
        raise ConfigError(
            f"{where}: {first}={short(config[first])} and {second}={short(config[second])} mean the same and have "
            "different values: leave one of them out"
        )


def _refuse_value(where: str, model: str, key: str, value: Any, allowed: Iterable[Any]) -> None:
    """Refuse a value that means another network."""
    usual = " or ".join(repr(other) for other in allowed if other is not None) or "no such key"
    raise ConfigError(
        f"{where}: {key}={short(value)} is another network than model={model!r}, which has {usual}. If the key is "
        f"wrong, insist with {key}=None"
    )


def _understand_activation(
    network: Network, config: dict[str, Any], where: str, from_call: bool, found: Understood, read: set[str]
) -> None:
    """Put the activation of a configuration into `found` as hidden_act, and the keys that name it into `read`."""
    keys = [key for key in network.activation_keys if key in config]
    read.update(keys)
    said = [key for key in keys if config[key] is not None]
    if not said:
        return
    given = said[0]
    for other in said[1:]:
        _refuse_contradiction(where, config, given, other)
    value = config[given]
    if not (from_call and given == "hidden_act"):
        try:
            value = network.activation(given, value)
        except ConfigError as e:
            raise ConfigError(f"{where}: {e}") from None
    found.values["hidden_act"], found.spelled["hidden_act"] = value, given


def validate(config: dict[str, Any], where: str, spelled: dict[str, str] | None = None) -> None:
    """Refuse a configuration that cannot describe a model.

    Arguments:
        config: dict under our names.
        where: str. The source of the configuration, for error messages.
        spelled: dict from our name of a key to its name in the file, for error messages; None if they are equal.

    Raises:
        ConfigError: a required key is missing, a size is not a positive int or is absurdly large, or two sizes
            contradict each other.
    """

    def name(key: str) -> str:
        """Return the name of a key in the file."""
        return (spelled or {}).get(key, key)

    missing = [name(key) for key in REQUIRED if config.get(key) is None]
    if missing:
        verb = "lack" if where.startswith("the shapes") else "lacks"
        raise ConfigError(
            f"{where} {verb} {', '.join(missing)}: give a config file that has them, or keyword arguments"
        )
    for key, limit in LIMITS.items():
        value = config.get(key)
        if value is None and (key in MAY_BE_NONE or key not in config):
            continue
        least = -1 if key in MAY_BE_NO_TOKEN else 0 if key in MAY_BE_ZERO else 1
        if isinstance(value, bool) or not isinstance(value, Integral) or not least <= int(value) <= limit:
            raise ConfigError(f"{where}: {name(key)}={short(value)}, expected an int from {least} to {limit}")
    heads, hidden = config["num_attention_heads"], config["hidden_size"]
    if hidden % heads and config.get("attention_head_size") is None:
        raise ConfigError(
            f"{where}: {name('hidden_size')}={hidden} is no multiple of {name('num_attention_heads')}={heads}, and "
            f"there is no {name('attention_head_size')}"
        )
    for key in ("dropout_rate", "attention_dropout_rate"):
        rate = config.get(key)
        if rate is not None and not (_is_number(rate) and 0 <= rate < 1):
            raise ConfigError(f"{where}: {name(key)}={short(rate)}, expected a number from 0 to below 1")
    epsilon = config.get("layer_norm_eps")
    if epsilon is not None and not (_is_number(epsilon) and 0 <= epsilon < 1):
        raise ConfigError(f"{where}: {name('layer_norm_eps')}={short(epsilon)}, expected a small number")
    for key in SWITCHES:
        if config.get(key) is not None and not isinstance(config[key], bool):
            raise ConfigError(f"{where}: {name(key)}={short(config[key])}, expected true or false")
    try:
        checked_padding_id(config.get("pad_token_id"), config["vocab_size"])
    except ConfigError as e:
        raise ConfigError(f"{where}: {e}") from None


def _is_number(value: Any) -> bool:
    """Tell whether a value is a number. True and False are not."""
    return isinstance(value, Real) and not isinstance(value, bool)


def checked_padding_id(pad_token_id: int | None, vocab_size: int) -> int:
    """Check the padding id of a configuration.

    Arguments:
        pad_token_id: int or None. -1 means that no id is padding, None means 0.
        vocab_size: int. The size of the whole vocabulary, before `keep_tokens`.

    Returns:
        int. The padding id.

    Raises:
        ConfigError: the vocabulary has no such id.
    """
    if pad_token_id is None:
        return 0
    if isinstance(pad_token_id, bool) or not isinstance(pad_token_id, Integral) or not -1 <= pad_token_id < vocab_size:
        raise ConfigError(
            f"pad_token_id={pad_token_id!r}, expected an id of the vocabulary, 0 to {vocab_size - 1}, or -1 if none is "
            "padding: give the id that your sequences are padded with"
        )
    return int(pad_token_id)


def padding_id_after(pad_token_id: int, keep_tokens: Iterable[int] | None) -> int:
    """Find the padding id after `keep_tokens` has left only some rows of the vocabulary.

    Arguments:
        pad_token_id: int. The padding id in the whole vocabulary.
        keep_tokens: list of int, or None. The ids that are kept.

    Returns:
        int. The new id of the same token, or -1, no padding, if its row is not kept. 0 stays 0, because the lists that
        `load_vocab` of b4k3.tokenizers makes begin with the padding token.

    Example:
        >>> from b4k3.models.keys import padding_id_after
        >>> padding_id_after(1, [5, 1, 7]), padding_id_after(1, [5, 7])
        (1, -1)
    """
    if keep_tokens is None or pad_token_id <= 0:
        return pad_token_id
    kept = [int(i) for i in keep_tokens]
    return kept.index(pad_token_id) if pad_token_id in kept else NO_PADDING


def refuse_unknown(given: Iterable[str], known: Collection[str], owner: str) -> None:
    """Refuse keyword arguments that nobody reads.

    Arguments:
        given: list of str. The names of the arguments in the call.
        known: set of str. The names of the arguments that are read.
        owner: str. The function or class that reads them, for the error message.

    Raises:
        ConfigError: an argument is unknown. The message names each such argument and the known name nearest to it.
    """
    problems = []
    for name in given:
        if name not in known:
            near = difflib.get_close_matches(name, sorted(known), 1)
            problems.append(f"{name!r}{f' (did you mean {near[0]!r}?)' if near else ''}")
    if problems:
        raise ConfigError(f"{owner} has no argument {', '.join(problems)}")
