"""The description of BART: encoder and decoder together, and each of them alone.

The Chinese BART of Fudan University, fnlp/bart-base-chinese, is this network with a vocabulary of BERT.
"""

from __future__ import annotations

from typing import Any

from ..errors import ConfigError
from .description import Blocks, HuggingFace, Layer, Network, Part, Sizes, Variable, dense, norm, tied, untied

NO_TOKEN = -1  # a forced token that is none
EPSILON = 1e-5  # of all normalisations; no config of BART has a key for it
BEFORE_POSITIONS = 2  # rows of the tables of positions that no position has
DECODER_KEYS = (
    "num_decoder_layers num_decoder_attention_heads decoder_intermediate_size max_position scale_embedding with_lm "
    "final_logits_bias decoder_start_token_id forced_bos_token_id forced_eos_token_id"
).split()
ENCODER_KEYS = DECODER_KEYS[:5]
SPELLINGS = {
    "hidden_size": ("d_model",),
    "num_hidden_layers": ("encoder_layers",),
    "num_decoder_layers": ("decoder_layers",),
    "num_attention_heads": ("encoder_attention_heads",),
    "num_decoder_attention_heads": ("decoder_attention_heads",),
    "intermediate_size": ("encoder_ffn_dim",),
    "decoder_intermediate_size": ("decoder_ffn_dim",),
    "dropout_rate": ("dropout",),
    "attention_dropout_rate": ("attention_dropout",),
}
TABLE = "bart/shared/embeddings"
MATRICES = ("query", "key", "value", "output")


# ------------------------------------------------------------------------------------------------------- variables


def embeddings() -> Part:
    """Describe the token embeddings: one table, or a table for each side if the output is not tied to them.

    Returns:
        `Part`.
    """
    layers = [Layer("Embedding-Token", [Variable(TABLE, ("vocab_size", "embedding_size"))], when=tied)]
    for side in ("encoder", "decoder"):
        layers.append(own_embeddings(side))
    return Part("embeddings", layers)


def own_embeddings(side: str) -> Layer:
    """Describe the token embeddings that one side has if the output is not tied to them.

    Arguments:
        side: str. "encoder" or "decoder".

    Returns:
        `Layer`.
    """
    name = f"bart/{side}/token_embeddings"
    table = Variable(name, ("vocab_size", "embedding_size"))
    return Layer(f"{side.capitalize()}-Embedding-Token", [table], when=untied, copies={name: TABLE})


def stack(side: str, network: str = "bart") -> Part:
    """Describe the table of positions of one side, its first normalisation and its blocks.

    Arguments:
        side: str. "encoder" or "decoder".
        network: str. The beginning of the canonical names.

    Returns:
        `Part`.
    """
    title, scope = side.capitalize(), f"{network}/{side}"
    count = "num_decoder_layers" if side == "decoder" else "num_hidden_layers"
    width = "decoder_intermediate_size" if side == "decoder" else "intermediate_size"
    repeated = Blocks(title + "-Transformer-{i}", i=count)
    block = scope + "/layer_{i}/"
    sublayers = [("MultiHeadSelfAttention", "self_attention")]
    if side == "decoder":
        sublayers.append(("MultiHeadCrossAttention", "cross_attention"))
    table = Variable(
        scope + "/position_embeddings", ("max_position", "hidden_size"), more={"max_position": BEFORE_POSITIONS}
    )
    layers = [
        Layer(title + "-Embedding-Position", [table]),
        Layer(title + "-Embedding-Norm", norm(scope + "/embeddings/LayerNorm", "hidden_size")),
    ]
    for name, stored in sublayers:
        variables: list[Variable] = []
        for matrix in MATRICES:
            variables += projection(f"{block}{stored}/{matrix}", matrix == "output", side)
        layers.append(Layer(name, variables, repeated))
        layers.append(Layer(name + "-Norm", norm(f"{block}{stored}/LayerNorm", "hidden_size"), repeated))
    inner = dense(block + "intermediate/dense", "hidden_size", width)
    layers.append(Layer("FeedForward", inner + dense(block + "output/dense", width, "hidden_size"), repeated))
    layers.append(Layer("FeedForward-Norm", norm(block + "output/LayerNorm", "hidden_size"), repeated))
    return Part(side, layers)


def projection(scope: str, outer: bool, side: str) -> list[Variable]:
    """Describe one of the four Dense layers of attention, whose heads several devices share.

    Arguments:
        scope: str. The canonical name of the layer.
        outer: bool. Whether it comes after the heads, and not before them.
        side: str. "encoder" or "decoder".

    Returns:
        list of `Variable`: the kernel and the bias.
    """
    heads = "num_decoder_attention_heads" if side == "decoder" else "num_attention_heads"
    kernel, bias = dense(scope, "hidden_size", "hidden_size")
    kernel.split = (0 if outer else 1, heads)
    bias.split = None if outer else (0, heads)
    return [kernel, bias]


def output(network: str = "bart", table: str = TABLE) -> Part:
    """Describe the output matrix, which the network has if it is not tied, and the bias that some files have.

    Arguments:
        network: str. The beginning of the canonical names.
        table: str. The canonical name of the token embeddings.

    Returns:
        `Part`.
    """
    name = f"{network}/lm_head/kernel"
    matrix = Variable(name, ("embedding_size", "vocab_size"))
    layers = [
        Layer("Decoder-Output-LM", [matrix], when=untied, copies={name: table}),
        Layer("Decoder-Output-LM-Bias", [Variable(f"{network}/final_logits_bias", ("vocab_size",))], when=has_bias),
    ]
    return Part("output", layers, argument="with_lm", on=True, advice="the file has no output: build with_lm=False")


def has_bias(sizes: Sizes) -> bool:
    """Ask whether the output has a bias.

    Arguments:
        sizes: dict. The sizes and settings of the network.

    Returns:
        bool.
    """
    return bool(sizes.get("final_logits_bias"))


# --------------------------------------------------------------------------------------------------- configurations


# The keys of configs from before transformers 4, which mBART and Blenderbot set to another value.
FIXED = {
    "add_final_layer_norm": (None, False),
    "do_blenderbot_90_layernorm": (None, False),
    "extra_pos_embeddings": (None, BEFORE_POSITIONS),
    "is_decoder": (None, False),
    "is_encoder_decoder": (None, True),
    "normalize_before": (None, False),
    "normalize_embedding": (None, True),
    "static_position_embeddings": (None, False),
}
# Dropout in training, initial values, and what the variables in the file tell.
IGNORED = (
    "activation_dropout add_bias_logits classif_dropout decoder_layerdrop encoder_layerdrop "
    "force_bos_token_to_be_generated init_std save_step"
).split()
INTERPRETED = ("forced_bos_token_id", "forced_eos_token_id")
THEIR_KEYS = {
    "vocab_size": "vocab_size",
    "hidden_size": "d_model",
    "hidden_act": "activation_function",
    "num_hidden_layers": "encoder_layers",
    "num_decoder_layers": "decoder_layers",
    "num_attention_heads": "encoder_attention_heads",
    "num_decoder_attention_heads": "decoder_attention_heads",
    "intermediate_size": "encoder_ffn_dim",
    "decoder_intermediate_size": "decoder_ffn_dim",
    "max_position": "max_position_embeddings",
    "scale_embedding": "scale_embedding",
    "dropout_rate": "dropout",
    "attention_dropout_rate": "attention_dropout",
    "tie_word_embeddings": "tie_word_embeddings",
    "pad_token_id": "pad_token_id",
    "decoder_start_token_id": "decoder_start_token_id",
    "forced_bos_token_id": "forced_bos_token_id",
    "forced_eos_token_id": "forced_eos_token_id",
}
THEIR_DEFAULTS = {
    "hidden_act": "gelu",
    "num_attention_heads": 16,
    "num_decoder_attention_heads": 16,
    "pad_token_id": 1,
    "decoder_start_token_id": 2,
    "forced_eos_token_id": 2,
}


def interpret(config: dict[str, Any]) -> dict[str, tuple[Any, str]]:
    """Read a null as no forced token; a config without the key has the one of `THEIR_DEFAULTS`.

    Arguments:
        config: dict. The config file.

    Returns:
        dict from our name to (value, the key that says so).
    """
    return {key: (NO_TOKEN, key) for key in INTERPRETED if key in config and config[key] is None}


def complete(config: dict[str, Any], ours: dict[str, Any]) -> None:
    """Add the keys that the classes of transformers need besides the sizes, and refuse what they cannot compute.

    Arguments:
        config: dict under the keys of transformers, which is changed.
        ours: dict under our names.

    Raises:
        ConfigError: the epsilon of the normalisations is not 1e-5.
    """
    epsilon = ours.get("layer_norm_eps")
    if epsilon not in (None, EPSILON):
        raise ConfigError(
            f"layer_norm_eps={epsilon}, expected {EPSILON}: the BART of transformers always has this, so it cannot "
            "compute this network; convert it to the names of another project"
        )
    for theirs, of_encoder in (
        ("decoder_layers", "encoder_layers"),
        ("decoder_attention_heads", "encoder_attention_heads"),
        ("decoder_ffn_dim", "encoder_ffn_dim"),
    ):
        config.setdefault(theirs, config[of_encoder])
    config.setdefault("pad_token_id", THEIR_DEFAULTS["pad_token_id"])
    config.setdefault("decoder_start_token_id", THEIR_DEFAULTS["decoder_start_token_id"])
    for key in INTERPRETED:
        config[key] = None if config.get(key) in (None, NO_TOKEN) else config[key]
    end = config["forced_eos_token_id"]
    config.update(is_encoder_decoder=True, eos_token_id=config["decoder_start_token_id"] if end is None else end)


# ----------------------------------------------------------------------------------------------------------- networks


RELATIVES = (
    (
        r"(en|de)coder\.layer_norm\.",
        "a normalisation follows on the last block, as in mBART and Pegasus: b4k3 does not have these networks",
    ),
)
BART = Network(
    "bart",
    "b4k3.models.architectures.bart:BART",
    "a BART checkpoint",
    [embeddings(), stack("encoder"), stack("decoder"), output()],
    keys=DECODER_KEYS,
    spellings=SPELLINGS,
    ignored=IGNORED,
    fixed=FIXED,
    activation_keys=("activation_function", "hidden_act"),
    interprets=INTERPRETED,
    interpret=interpret,
    marks={"final_logits_bias": "bart/final_logits_bias"},
    settings={"pad_token_id": 1},
    huggingface=HuggingFace(
        {"bart": "Bart"},
        (("ForConditionalGeneration", ("output",)), ("Model", ())),
        keys=THEIR_KEYS,
        defaults=THEIR_DEFAULTS,
        complete=complete,
    ),
    kin=("bart",),
    generates=True,
    relatives=RELATIVES,
)
BART_ENCODER = BART.but(
    "bart_encoder",
    "b4k3.models.architectures.bart:BART_Encoder",
    what="a BART checkpoint, for one half of the network",
    parts=[Part("embeddings", [embeddings().layers[0], own_embeddings("encoder")]), stack("encoder")],
    keys=ENCODER_KEYS,
    marks={},
    ignored=frozenset(IGNORED) | frozenset(DECODER_KEYS),
    model_types=("bart",),
    huggingface=None,
    beside=("bart",),
    generates=False,
)
BART_DECODER = BART.but(
    "bart_decoder",
    "b4k3.models.architectures.bart:BART_Decoder",
    what="a BART checkpoint, for one half of the network",
    parts=[Part("embeddings", [embeddings().layers[0], own_embeddings("decoder")]), stack("decoder"), output()],
    model_types=("bart",),
    huggingface=None,
    beside=("bart",),
)
