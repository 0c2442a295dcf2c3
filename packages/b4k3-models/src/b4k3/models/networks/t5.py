"""The descriptions of T5, T5.1.1, mT5, umT5 and T5-PEGASUS: encoder and decoder together, and each of them alone."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Callable

from ..errors import ConfigError, short
from ..keys import THEIR_ACTIVATIONS
from .description import Blocks, HuggingFace, Layer, Network, Part, Variable, dense, spelled_activation, untied

if TYPE_CHECKING:
    from ..recognition import Evidence

TABLE = ("num_attention_heads", "relative_attention_num_buckets")
ENCODER_KEYS = ("version num_decoder_layers relative_attention_num_buckets relative_attention_max_distance").split()
KEYS = ENCODER_KEYS + "with_lm cross_position_bias logit_scale decoder_start_token_id".split()
SPELLINGS = {
    "hidden_size": ("d_model",),
    "intermediate_size": ("d_ff",),
    "attention_head_size": ("d_kv",),
    "num_hidden_layers": ("num_layers",),
    "num_attention_heads": ("num_heads",),
    "layer_norm_eps": ("layer_norm_epsilon",),
}


class Version:
    """The traits by which the published versions differ.

    Arguments:
        gated: bool. Whether the feed-forward layer is gated; the output is then not tied to the token embeddings.
        norm: str. The name of a block's normalisation in the files.
        final_norm: str. The name of the normalisation after the last block in the files.
        cross_position_bias: bool. Whether the attention to the encoder has a position bias.
        logit_scale: bool. Whether the logits are multiplied by hidden_size ** -0.5.
        tanh: bool. Whether "gelu" in a config file means the tanh form.
        table_per_block: bool. Whether every block has a table of relative positions, or the first one for all.

    Example:
        >>> from b4k3.models.networks.t5 import VERSIONS
        >>> VERSIONS["mt5.1.1"].gated
        True
    """

    def __init__(
        self,
        gated: bool,
        norm: str,
        final_norm: str,
        cross_position_bias: bool,
        logit_scale: bool,
        tanh: bool,
        table_per_block: bool = False,
    ) -> None:
        self.gated = gated
        self.norm = norm
        self.final_norm = final_norm
        self.cross_position_bias = cross_position_bias
        self.logit_scale = logit_scale
        self.tanh = tanh
        self.table_per_block = table_per_block


VERSIONS = {
    "t5.1.0": Version(False, "layer_norm", "final_layer_norm", False, True, True),
    "t5.1.1": Version(True, "layer_norm", "final_layer_norm", False, False, True),
    "mt5.1.1": Version(True, "rms_norm", "rms_norm", False, False, True),
    "umt5": Version(True, "rms_norm", "rms_norm", False, False, True, table_per_block=True),
    "t5_pegasus": Version(True, "rms_norm", "rms_norm", True, True, False),
}


# ------------------------------------------------------------------------------------------------------- variables


def embeddings() -> Part:
    """Describe the token embeddings, which encoder and decoder share.

    Returns:
        `Part`.
    """
    return Part(
        "embeddings", [Layer("Embedding-Token", [Variable("shared/embedding", ("vocab_size", "embedding_size"))])]
    )


def stack(side: str, version: Version) -> Part:
    """Describe the blocks of one side, its tables of relative positions and its last normalisation.

    Arguments:
        side: str. "encoder" or "decoder".
        version: `Version`.

    Returns:
        `Part`.
    """
    count = "num_decoder_layers" if side == "decoder" else "num_hidden_layers"
    repeated = Blocks(side.capitalize() + "-Transformer-{i}", i=count)
    sublayers = [("MultiHeadSelfAttention", attention("SelfAttention"))]
    if side == "decoder":
        sublayers.append(("MultiHeadCrossAttention", attention("EncDecAttention")))
    sublayers.append(("FeedForward", feed_forward(version)))
    block = "block_{i:03d}" if version.table_per_block else "block_000"
    table = Variable(f"{side}/{block}/layer_000/SelfAttention/relative_attention_bias", TABLE, transposed=True)
    layers = [Layer(side.capitalize() + "-Embedding-Relative-Position", [table])]
    if version.table_per_block:
        layers = [Layer("Relative-Position", [table], repeated)]
    for j, (name, variables) in enumerate(sublayers):
        scope = f"{side}/block_{{i:03d}}/layer_{j:03d}/"
        inside = [Variable(scope + variable.name, variable.axes) for variable in variables]
        layers.append(Layer(name, inside, repeated))
        layers.append(Layer(name + "-Norm", [Variable(scope + version.norm + "/scale", ("hidden_size",))], repeated))
    last = Variable(f"{side}/{version.final_norm}/scale", ("hidden_size",))
    return Part(side, layers + [Layer(side.capitalize() + "-Output-Norm", [last])])


def attention(name: str) -> list[Variable]:
    """Describe the four matrices of an attention layer.

    Arguments:
        name: str. "SelfAttention" or "EncDecAttention".

    Returns:
        list of `Variable`, whose names begin within the sublayer.
    """
    return [Variable(f"{name}/{matrix}", ("hidden_size", "value_size")) for matrix in "qkv"] + [
        Variable(f"{name}/o", ("value_size", "hidden_size"))
    ]


def feed_forward(version: Version) -> list[Variable]:
    """Describe the matrices of a feed-forward layer.

    Arguments:
        version: `Version`.

    Returns:
        list of `Variable`, whose names begin within the sublayer.
    """
    inner = ("wi_0", "wi_1") if version.gated else ("wi",)
    variables: list[Variable] = []
    for name in inner:
        variables += dense("DenseReluDense/" + name, "hidden_size", "intermediate_size", bias=False)
    return variables + dense("DenseReluDense/wo", "intermediate_size", "hidden_size", bias=False)


def output() -> Part:
    """Describe the output matrix that the network has if the output is not tied to the token embeddings.

    Returns:
        `Part`.
    """
    name = "decoder/logits/kernel"
    layer = Layer(
        "Decoder-Output-LM",
        [Variable(name, ("embedding_size", "vocab_size"))],
        when=untied,
        copies={name: "shared/embedding"},
    )
    return Part("output", [layer], argument="with_lm", on=True, advice="the file has no output: build with_lm=False")


# --------------------------------------------------------------------------------------------------- configurations


def _tanh(name: str) -> str:
    """Return the name of the tanh form for "gelu", and any other name as it is."""
    return "gelu_tanh" if name == "gelu" else name


def meaning(version: Version) -> Callable[[str, Any], Any]:
    """Make the function that translates an activation under `hidden_act`. "gelu" is the tanh form in Google's code.

    Arguments:
        version: `Version`.

    Returns:
        Function of (key, value), as `spelled_activation`.
    """

    def activation(key: str, value: Any) -> Any:
        """Translate an activation of a config file to our name."""
        names = spelled_activation(key, value)
        if not version.tanh:
            return names
        return [_tanh(name) for name in names] if isinstance(names, list) else _tanh(names)

    return activation


# The keys of a transformers config that have a meaning only together.
INTERPRETED = ("feed_forward_proj", "dense_act_fn", "is_gated_act", "scale_decoder_outputs")


def interpret(config: dict[str, Any]) -> dict[str, tuple[Any, str]]:
    """Read the activation and the scale of the logits. Several keys of a transformers config determine each of them.

    "gated-gelu" means the tanh form, "gelu" alone the erf form; `dense_act_fn` replaces both. transformers 4 scales the
    logits of T5 if the output is tied; transformers 5 asks `scale_decoder_outputs`, if the config has it.

    Arguments:
        config: dict. The config file.

    Returns:
        dict from our name to (value, the key that says so).

    Raises:
        ConfigError: a switch is neither true nor false, or the activation is unknown.
    """
    found: dict[str, tuple[Any, str]] = {}
    name = config.get("feed_forward_proj")
    if name is None and isinstance(config.get("dense_act_fn"), str):
        name = ("gated-" if config.get("is_gated_act") else "") + config["dense_act_fn"]
    for key in ("is_gated_act", "scale_decoder_outputs"):
        if not isinstance(config.get(key), (bool, type(None))):
            raise ConfigError(f"{key}={short(config[key])}, expected true or false")
    if name is not None:
        gated = str(name).startswith("gated-")
        plain = str(name)[len("gated-") :] if gated else name
        plain = "gelu_new" if gated and plain == "gelu" else plain
        if config.get("dense_act_fn") is not None:
            plain = config["dense_act_fn"]
        gated = gated if config.get("is_gated_act") is None else config["is_gated_act"]
        key = "feed_forward_proj" if config.get("dense_act_fn") is None else "dense_act_fn"
        plain = "gelu_erf" if plain == "gelu" else spelled_activation(key, plain)
        found["hidden_act"] = ([plain, "linear"] if gated else plain, key)
    if "d_model" in config and "logit_scale" not in config and config.get("model_type") in ("t5", "umt5"):
        if "scale_decoder_outputs" in config and config["model_type"] == "t5":
            found["logit_scale"] = (bool(config["scale_decoder_outputs"]), "scale_decoder_outputs")
        else:
            found["logit_scale"] = (config.get("tie_word_embeddings") is not False, "tie_word_embeddings")
    return found


def interpret_umt5(config: dict[str, Any]) -> dict[str, tuple[Any, str]]:
    """Do what `interpret` does, for a config of umT5 that may lack its model_type.

    Arguments:
        config: dict. The config file.

    Returns:
        dict from our name to (value, the key that says so).

    Raises:
        ConfigError: a switch is neither true nor false, or the activation is unknown.
    """
    return interpret(dict({"model_type": "umt5"}, **config))


def _follows(values: dict[str, Any]) -> dict[str, Any]:
    """Return the dropout rate of the attention: T5 has one rate for everything."""
    return {"attention_dropout_rate": values.get("dropout_rate")}


def _complete(config: dict[str, Any], ours: dict[str, Any]) -> None:
    """Add the keys that the classes of transformers need besides the sizes."""
    hidden_act = ours["hidden_act"]
    config.setdefault("d_kv", ours["hidden_size"] // ours["num_attention_heads"])  # transformers takes 64 without it
    gated = isinstance(hidden_act, (list, tuple))
    name = hidden_act[0] if gated else hidden_act
    theirs: Any = THEIR_ACTIVATIONS.get(name, name)
    if gated:
        config["feed_forward_proj"] = "gated-" + ("gelu" if theirs == "gelu_new" else theirs)
        if theirs == "gelu":  # "gated-gelu" alone would mean the tanh form
            config.update(dense_act_fn="gelu", is_gated_act=True)
    else:
        config["feed_forward_proj"] = theirs
    config.setdefault("tie_word_embeddings", not gated)
    if ours.get("logit_scale") is not None and bool(ours["logit_scale"]) != config["tie_word_embeddings"]:
        config["scale_decoder_outputs"] = bool(ours["logit_scale"])
    config.update(is_encoder_decoder=True, eos_token_id=1)
    config.setdefault("pad_token_id", 0)
    config.setdefault("decoder_start_token_id", config["pad_token_id"])


def _complete_umt5(config: dict[str, Any], ours: dict[str, Any]) -> None:
    """Do what `_complete` does. In a config of umT5 the scale of the logits has no key of its own."""
    _complete(config, ours)
    if config.pop("scale_decoder_outputs", None) is not None:
        raise ConfigError(
            f"logit_scale={short(ours['logit_scale'])}: transformers scales the logits of umT5 if, and only if, the "
            "output is tied to the token embeddings"
        )


THEIR_KEYS = {
    "vocab_size": "vocab_size",
    "hidden_size": "d_model",
    "intermediate_size": "d_ff",
    "attention_head_size": "d_kv",
    "num_hidden_layers": "num_layers",
    "num_decoder_layers": "num_decoder_layers",
    "num_attention_heads": "num_heads",
    "relative_attention_num_buckets": "relative_attention_num_buckets",
    "relative_attention_max_distance": "relative_attention_max_distance",
    "dropout_rate": "dropout_rate",
    "layer_norm_eps": "layer_norm_epsilon",
    "tie_word_embeddings": "tie_word_embeddings",
    "pad_token_id": "pad_token_id",
    "decoder_start_token_id": "decoder_start_token_id",
}


# ----------------------------------------------------------------------------------------------------------- networks


TABLE_OF_A_LATER_BLOCK = r"block[/_.]0*[1-9]\d*[/.].*relative_attention_bias"
OF_UMT5 = "every block has relative positions of its own: build it with model='umt5'"
OF_OTHERS = "only the first block has relative positions: build it with model='mt5.1.1' or 't5.1.1'"


def _has_table_per_block(seen: Evidence) -> float:
    """Weigh what speaks for umT5 and not for mT5, whose variables have the same names in the first block."""
    return 2.0 if any(re.search(TABLE_OF_A_LATER_BLOCK, name) for name in seen.names) else -2.0


def _looks_like_pegasus(seen: Evidence) -> bool:
    """Ask whether a file with the variables of mT5 has T5-PEGASUS, whose training started from mT5.

    The vocabulary of the published T5-PEGASUS is like BERT's and has 50,000 tokens. The file lacks the training state
    that all of Google's files have.
    """
    shape = seen.shape("shared/embedding")
    rows = shape[0] if shape else None
    if rows == 50000 or "pegasus" in seen.place:
        return True
    if rows is None or rows % 128 == 0 or seen.by_google is False:  # Google fills the table up to a multiple of 128
        return False
    if seen.model_type is not None:  # `b4k3 convert` writes the model_type, and no training state for any network
        return seen.model_type == "t5_pegasus"
    return "encoder/rms_norm/scale" in seen.stored and "global_step" not in seen.stored


def _doubt(seen: Evidence) -> str | None:
    """Write a sentence for the user if mT5 or T5.1.1 was asked for and the file looks like T5-PEGASUS."""
    if not _looks_like_pegasus(seen):
        return None
    return (
        "the file looks like T5-PEGASUS, which was trained with a position bias in the attention to the encoder, "
        "scaled logits and the erf form of gelu: build it with model='t5_pegasus'"
    )


def _doubt_pegasus(seen: Evidence) -> str | None:
    """Write a sentence for the user if T5-PEGASUS was asked for and the file looks like one of Google's."""
    if _looks_like_pegasus(seen) or "global_step" not in seen.stored:
        return None
    return (
        "the file has Google's training state, as the files of mT5 and T5.1.1 have. Their attention to the encoder has "
        "no position bias and their logits are not scaled: build it with model='mt5.1.1' or 't5.1.1'"
    )


def networks(
    version: str,
    class_name: str,
    what: str,
    model_types: tuple[str, ...],
    theirs: str | None,
    complete: Callable[[dict[str, Any], dict[str, Any]], None] = _complete,
    **traits: Any,
) -> list[Network]:
    """Describe the three networks of a version: encoder and decoder, the encoder alone, and the decoder alone.

    Arguments:
        version: str. The name for `model=`, a key of `VERSIONS`.
        class_name: str. The name of the class of encoder and decoder.
        what: str. What messages call a file of the version.
        model_types: the values of `model_type` in a config file that mean the version.
        theirs: str or None. The beginning of the names of the classes in transformers; None if it has none.
        complete: function of two configs. An argument of `HuggingFace`.
        traits: further arguments of `Network`.

    Returns:
        list of three `Network`s.
    """
    of = VERSIONS[version]
    defaults = {"layer_norm_eps": 1e-6}
    if of.table_per_block:
        defaults["tie_word_embeddings"] = True  # UMT5Config has it so, other than the configs of the published files
    found = []
    sides = {
        "": [embeddings(), stack("encoder", of), stack("decoder", of), output()],
        "_encoder": [embeddings(), stack("encoder", of)],
        "_decoder": [embeddings(), stack("decoder", of), output()],
    }
    for side, parts in sides.items():
        huggingface = None
        if theirs is not None and side != "_decoder":
            both = (("ForConditionalGeneration", ("output",)), ("Model", ()))
            huggingface = HuggingFace(
                {model_types[0]: theirs},
                both if not side else (("EncoderModel", ()),),
                keys=THEIR_KEYS,
                defaults=defaults,
                complete=complete,
            )
        found.append(
            Network(
                version + side,
                f"b4k3.models.architectures.t5:{class_name}{side.title()}",
                what if not side else f"{what}, for one half of the network",
                parts,
                keys=ENCODER_KEYS if side == "_encoder" else KEYS,
                spellings=SPELLINGS,
                interprets=INTERPRETED,
                activation_keys=("hidden_act",) + INTERPRETED[:2],
                interpret=interpret_umt5 if of.table_per_block else interpret,
                ignored=frozenset(("n_positions", "d_inner")) | frozenset(KEYS),
                follows=_follows,
                activation=meaning(of),
                default_activation=["gelu_tanh" if of.tanh else "gelu", "linear"] if of.gated else "relu",
                settings={"tie_word_embeddings": not of.gated},
                model_types=model_types,
                huggingface=huggingface,
                kin=(version,),
                beside=() if not side else (version,),
                generates=side != "_encoder",
                relatives=((TABLE_OF_A_LATER_BLOCK, OF_OTHERS if of.table_per_block else OF_UMT5),),
                **traits,
            )
        )
    return found


T5_1_0, T5_1_0_ENCODER, T5_1_0_DECODER = networks("t5.1.0", "T5", "a T5 checkpoint", ("t5",), "T5")
T5_1_1, T5_1_1_ENCODER, T5_1_1_DECODER = networks(
    "t5.1.1", "T5_1_1", "a T5.1.1 checkpoint", ("t5",), "T5", doubt=_doubt
)
MT5, MT5_ENCODER, MT5_DECODER = networks(
    "mt5.1.1", "MT5", "an mT5 or T5-PEGASUS checkpoint", ("mt5",), "MT5", doubt=_doubt
)
UMT5, UMT5_ENCODER, UMT5_DECODER = networks(
    "umt5", "UMT5", "a umT5 checkpoint", ("umt5",), "UMT5", _complete_umt5, evidence=_has_table_per_block
)
T5_PEGASUS, T5_PEGASUS_ENCODER, T5_PEGASUS_DECODER = networks(
    "t5_pegasus",
    "T5_Pegasus",
    "a T5-PEGASUS checkpoint",
    ("mt5", "t5"),
    None,
    evidence=lambda seen: 1.0 if _looks_like_pegasus(seen) else -1.0,
    doubt=_doubt_pegasus,
)
