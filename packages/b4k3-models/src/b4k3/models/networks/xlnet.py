"""The description of XLNet, under the names of its authors' checkpoints.

The authors store what differs between the blocks' attention biases stacked: `model/transformer/r_w_bias` is
[n_layer, n_head, d_head]. Here each block has a name of its own, `model/transformer/layer_{i}/rel_attn/r_w_bias`, and
the dialect in `dialects/xlnet.py` takes the stacks apart.
"""

from __future__ import annotations

from typing import Any

from ..errors import ConfigError, short
from .bert import BLOCKS, WITHOUT_OUTPUT, feed_forward
from .description import HuggingFace, Layer, Network, Part, Variable, norm, spelled_activation, tied, untied

SCOPE = "model/transformer"
BLOCK = SCOPE + "/layer_{i}"
TABLE = SCOPE + "/word_embedding/lookup_table"
STACKED = ("r_w_bias", "r_r_bias", "r_s_bias", "seg_embed")  # what the authors stack, in the order of the weights


def attention() -> list[Variable]:
    """Describe the variables of a RelativeMultiHeadAttention layer.

    Returns:
        list of `Variable`.
    """
    head = ("num_attention_heads", "attention_head_size")
    found = [Variable(f"{BLOCK}/rel_attn/{name}/kernel", ("hidden_size",) + head) for name in "qkvor"]
    found += [Variable(f"{BLOCK}/rel_attn/{name}", head) for name in STACKED[:3]]
    return found + [Variable(f"{BLOCK}/rel_attn/seg_embed", (2,) + head)]


def blocks() -> Part:
    """Describe the blocks.

    Returns:
        `Part`.
    """
    return Part(
        "blocks",
        [
            Layer("MultiHeadSelfAttention", attention(), BLOCKS),
            Layer("MultiHeadSelfAttention-Norm", norm(f"{BLOCK}/rel_attn/LayerNorm", "hidden_size"), BLOCKS),
            Layer("FeedForward", feed_forward(f"{BLOCK}/ff/layer_1", f"{BLOCK}/ff/layer_2"), BLOCKS),
            Layer("FeedForward-Norm", norm(f"{BLOCK}/ff/LayerNorm", "hidden_size"), BLOCKS),
        ],
    )


def query_stream() -> Part:
    """Describe the vector that the query stream begins with, in the place of a token that is not seen.

    Returns:
        `Part`.
    """
    return Part(
        "query stream",
        [Layer("Query-Mask", [Variable(f"{SCOPE}/mask_emb/mask_emb", (1, 1, "hidden_size"))])],
        argument="two_streams",
        option="query",
        advice="the file has no query stream (mask_emb): build with two_streams=False",
        marker="Query-Mask",
    )


def lm_head() -> Part:
    """Describe the head of the language model. Its matrix is the table of token embeddings, unless it is untied.

    Returns:
        `Part`.
    """
    weight, bias = (
        Variable("model/lm_loss/weight", ("vocab_size", "hidden_size"), transposed=True),
        "model/lm_loss/bias",
    )
    return Part(
        "LM head",
        [
            Layer("LM-Bias", [Variable(bias, ("vocab_size",))], when=tied),
            Layer(
                "LM-Decoder",
                [weight, Variable(bias, ("vocab_size",))],
                when=untied,
                advice=WITHOUT_OUTPUT,
                copies={weight.name: TABLE},
            ),
        ],
        argument="with_lm",
        option="lm",
        advice="the file has no LM head (model/lm_loss): build with with_lm=False",
        marker="LM-Bias",
    )


# --------------------------------------------------------------------------------------------------- configurations


def interpret(config: dict[str, Any]) -> dict[str, tuple[Any, str]]:
    """Read the activation. The authors' code means the tanh form by "gelu", and transformers means the erf form.

    Arguments:
        config: dict. The config file. The authors' files have `n_token` and no `model_type`.

    Returns:
        dict from our name to (value, the key that says so).

    Raises:
        ConfigError: the activation is unknown, or attn_type is "uni".
    """
    if config.get("attn_type", "bi") != "bi":
        raise ConfigError(f"attn_type={short(config['attn_type'])}: only the attention of XLNet, 'bi', is computed")
    name = config.get("ff_activation")
    if name is None:
        return {}
    by_authors = "n_token" in config and not {"model_type", "architectures"} & set(config)
    name = "gelu_tanh" if by_authors and name == "gelu" else spelled("ff_activation", name)
    return {"hidden_act": (name, "ff_activation")}


def spelled(key: str, value: Any) -> Any:
    """Translate an activation of a config file to our name. "gelu" is the erf form.

    Arguments:
        key: str. The key of the config file.
        value: str. The name of the activation.

    Returns:
        str.

    Raises:
        ConfigError: the activation is unknown.
    """
    name = spelled_activation(key, value)
    return "gelu_erf" if name == "gelu" else name


def _follows(values: dict[str, Any]) -> dict[str, Any]:
    """Return the dropout rate of the attention: transformers has one rate for everything."""
    return {"attention_dropout_rate": values.get("dropout_rate")}


def _complete(config: dict[str, Any], ours: dict[str, Any]) -> None:
    """Add the keys that the classes of transformers need besides the sizes."""
    size = ours["hidden_size"] // ours["num_attention_heads"]
    if ours.get("attention_head_size") not in (None, size):
        raise ConfigError(
            f"attention_head_size={ours['attention_head_size']}, expected {size}: the XLNet of transformers always has "
            "hidden_size // num_attention_heads, so it cannot compute this network"
        )
    config.update(d_head=size, attn_type="bi", mem_len=None, untie_r=True)


THEIR_KEYS = {
    "vocab_size": "vocab_size",
    "hidden_size": "d_model",
    "num_hidden_layers": "n_layer",
    "num_attention_heads": "n_head",
    "intermediate_size": "d_inner",
    "hidden_act": "ff_activation",
    "clamp_len": "clamp_len",
    "dropout_rate": "dropout",
    "layer_norm_eps": "layer_norm_eps",
    "tie_word_embeddings": "tie_word_embeddings",
    "pad_token_id": "pad_token_id",
}
# What changes no number of a forward pass without memories. `untie_r` follows from the shapes; `same_length` counts for
# attn_type "uni" alone.
IGNORED = (
    "untie_r mem_len reuse_len use_mems_eval use_mems_train use_mems same_length start_n_top end_n_top dropatt "
    "max_position_embeddings max_position end_of_sequence init init_range init_std"
).split()

XLNET = Network(
    "xlnet",
    "b4k3.models.architectures.xlnet:XLNet",
    "an XLNet checkpoint",
    [
        Part("embeddings", [Layer("Embedding-Token", [Variable(TABLE, ("vocab_size", "hidden_size"))])]),
        blocks(),
        query_stream(),
        lm_head(),
    ],
    keys=["segment_vocab_size", "with_lm", "two_streams", "clamp_len"],
    spellings={
        "vocab_size": ("n_token",),
        "hidden_size": ("d_model",),
        "intermediate_size": ("d_inner",),
        "attention_head_size": ("d_head",),
        "num_hidden_layers": ("n_layer",),
        "num_attention_heads": ("n_head",),
        "dropout_rate": ("dropout",),
    },
    ignored=IGNORED,
    fixed={"bi_data": (None, False)},
    interprets=("ff_activation", "attn_type"),
    interpret=interpret,
    activation_keys=("ff_activation", "hidden_act"),
    activation=spelled,
    default_activation="gelu_erf",
    follows=_follows,
    settings={"pad_token_id": 5},
    huggingface=HuggingFace(
        {"xlnet": "XLNet"},
        (("LMHeadModel", ("LM head",)), ("Model", ())),
        keys=THEIR_KEYS,
        defaults={"layer_norm_eps": 1e-12, "hidden_act": "gelu_erf", "pad_token_id": 5},
        complete=_complete,
        tokenizer=None,
    ),
    stacks={f"{BLOCK}/rel_attn/{name}": f"{SCOPE}/{name}" for name in STACKED},
)
