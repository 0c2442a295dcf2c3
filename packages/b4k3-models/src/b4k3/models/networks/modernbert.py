"""The description of ModernBERT: an encoder with rotary positions, in which most blocks see a window of neighbours.

The names of the variables are ours, after Google's: the files have the names of transformers.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Callable

from ..errors import ConfigError, short
from ..keys import THEIR_ACTIVATIONS
from .bert import BERT, BLOCKS, WITHOUT_OUTPUT, attention, maps_embeddings
from .description import (
    Blocks,
    HuggingFace,
    Layer,
    Part,
    Sizes,
    Variable,
    dense,
    norm,
    spelled_activation,
    tied,
    untied,
)

if TYPE_CHECKING:
    from .description import Sizes

GLOBAL, LOCAL = "full_attention", "sliding_attention"
THETAS = {GLOBAL: "global_rope_theta", LOCAL: "local_rope_theta"}  # kind of attention -> our key
DEFAULT_THETAS = {GLOBAL: 160000.0, LOCAL: 10000.0}
EVERY = 3  # each third block sees everything, beginning with the first
_BODY, _BLOCK, _HEAD = "modernbert", "modernbert/encoder/layer_{i}", "cls/predictions"


def flag(key: str, default: bool = False) -> Callable[[Sizes], bool]:
    """Make a function from sizes to bool that reads a switch.

    Arguments:
        key: str. Our name of the switch.
        default: bool. The value of the switch if it is missing.

    Returns:
        Function of sizes.
    """
    return lambda sizes: bool(sizes.get(key, default))


_attention_bias, _mlp_bias, _norm_bias = flag("use_attention_bias"), flag("mlp_bias"), flag("norm_bias")
_decoder_bias = flag("decoder_bias", True)


def embeddings() -> Part:
    """Describe the token embeddings, their normalisation and the mapping to the blocks' width.

    Returns:
        `Part`.
    """
    words = Variable(f"{_BODY}/embeddings/word_embeddings", ("vocab_size", "embedding_size"))
    scope = f"{_BODY}/encoder/embedding_hidden_mapping_in"
    mapping = dense(scope, "embedding_size", "hidden_size", _attention_bias)
    return Part(
        "embeddings",
        [
            Layer("Embedding-Token", [words]),
            Layer("Embedding-Norm", norm(f"{_BODY}/embeddings/LayerNorm", "embedding_size", _norm_bias)),
            Layer("Embedding-Mapping", mapping, when=maps_embeddings),
        ],
    )


def blocks() -> Part:
    """Describe the blocks. The first one has no normalisation before its attention.

    Returns:
        `Part`.
    """
    feed_forward = (
        dense(_BLOCK + "/intermediate/dense", "hidden_size", "intermediate_size", _mlp_bias)
        + dense(_BLOCK + "/intermediate/gate", "hidden_size", "intermediate_size", _mlp_bias)
        + dense(_BLOCK + "/output/dense", "intermediate_size", "hidden_size", _mlp_bias)
    )
    first_norm = norm(_BLOCK + "/attention/input/LayerNorm", "hidden_size", _norm_bias)
    return Part(
        "blocks",
        [
            Layer("MultiHeadSelfAttention-Norm", first_norm, Blocks(start=1)),
            Layer("MultiHeadSelfAttention", attention(_BLOCK + "/attention", _attention_bias), BLOCKS),
            Layer("FeedForward-Norm", norm(_BLOCK + "/input/LayerNorm", "hidden_size", _norm_bias), BLOCKS),
            Layer("FeedForward", feed_forward, BLOCKS),
        ],
    )


def last_norm() -> Part:
    """Describe the normalisation after the last block.

    Returns:
        `Part`.
    """
    variables = norm(f"{_BODY}/output/LayerNorm", "hidden_size", _norm_bias)
    return Part("last normalisation", [Layer("Output-Norm", variables)])


def mlm_head() -> Part:
    """Describe the masked-language-model head. Its last matrix is the table of token embeddings, unless it is untied.

    Returns:
        `Part`.
    """
    inner = dense(_HEAD + "/transform/dense", "hidden_size", "embedding_size", flag("classifier_bias"))
    matrix, bias = f"{_HEAD}/decoder/weights", f"{_HEAD}/decoder/bias"
    return Part(
        "MLM head",
        [
            Layer("MLM-Dense", inner),
            Layer("MLM-Norm", norm(_HEAD + "/transform/LayerNorm", "embedding_size", _norm_bias)),
            Layer(
                "MLM-Bias",
                [Variable(_HEAD + "/output_bias", ("vocab_size",))],
                when=lambda sizes: tied(sizes) and _decoder_bias(sizes),
            ),
            Layer(
                "MLM-Decoder",
                [
                    Variable(matrix, ("vocab_size", "embedding_size"), transposed=True),
                    Variable(bias, ("vocab_size",), when=_decoder_bias),
                ],
                when=untied,
                advice=WITHOUT_OUTPUT,
                copies={matrix: f"{_BODY}/embeddings/word_embeddings", bias: f"{_HEAD}/output_bias"},
            ),
        ],
        argument="with_mlm",
        option="mlm",
        advice="the file has no MLM head (head and decoder): build with with_mlm=False",
        marker="MLM-Dense",
    )


# --------------------------------------------------------------------------------------------------- configurations


def interpret(config: dict[str, Any]) -> dict[str, tuple[Any, str]]:
    """Read the thetas, the activation of the head and the epsilon.

    transformers 5 writes the thetas as `rope_parameters`, one dict for each kind of attention; transformers 4 wrote
    `global_rope_theta` and `local_rope_theta`. The published configs also have a `layer_norm_eps`, which nobody reads.

    Arguments:
        config: dict. The config file.

    Returns:
        dict from our name to (value, the key that says so).

    Raises:
        ConfigError: the rotary positions are of a kind that b4k3 does not have, or the activation is unknown.
    """
    found: dict[str, tuple[Any, str]] = {}
    if config.get("norm_eps") is not None:
        found["layer_norm_eps"] = (config["norm_eps"], "norm_eps")
    if config.get("classifier_activation") is not None:
        name = spelled_activation("classifier_activation", config["classifier_activation"])
        found["mlm_act"] = (name, "classifier_activation")
    rope = config.get("rope_parameters")
    if rope is None:
        return found
    if not isinstance(rope, dict) or set(rope) - set(THETAS):
        raise ConfigError(f"rope_parameters={short(rope)}, expected a dict with a dict for each of {', '.join(THETAS)}")
    for kind, of_kind in rope.items():
        of_kind = {} if of_kind is None else of_kind
        others = set(of_kind) - {"rope_theta", "rope_type", "type"} if isinstance(of_kind, dict) else {kind}
        if others or any(of_kind.get(key) not in (None, "default") for key in ("rope_type", "type")):
            raise ConfigError(
                f"rope_parameters: {kind} is {short(of_kind)}; b4k3 has only the rope_type 'default' here"
            )
        if of_kind.get("rope_theta") is not None:
            found[THETAS[kind]] = (of_kind["rope_theta"], "rope_parameters")
    return found


def kinds_of(layer_types: Any, every: int, count: int) -> list[str]:
    """List the kind of attention of each block.

    Arguments:
        layer_types: list of str, or None. The kinds, if the config says them.
        every: int. Without `layer_types` each block whose number is a multiple of it sees everything.
        count: int. The number of blocks.

    Returns:
        list of str, "full_attention" or "sliding_attention".

    Raises:
        ConfigError: a kind is unknown, or there are fewer kinds than blocks.

    Example:
        >>> from b4k3.models.networks.modernbert import kinds_of
        >>> kinds_of(None, 2, 3)
        ['full_attention', 'sliding_attention', 'full_attention']
    """
    if layer_types is None:
        if isinstance(every, bool) or not isinstance(every, int) or every < 1:
            raise ConfigError(f"global_attn_every_n_layers={short(every)}, expected an int from 1")
        return [LOCAL if i % every else GLOBAL for i in range(count)]
    if not isinstance(layer_types, (list, tuple)) or any(kind not in THETAS for kind in layer_types):
        raise ConfigError(f"layer_types={short(layer_types)}, expected a list of {' and '.join(map(repr, THETAS))}")
    if len(layer_types) < count:
        raise ConfigError(f"layer_types has {len(layer_types)} kinds of attention, and there are {count} blocks")
    return list(layer_types[:count])


def _complete(config: dict[str, Any], ours: dict[str, Any]) -> None:
    """Add the kinds of attention and the thetas, in the words of transformers 4 and 5, and ids that are in range."""
    every = ours.get("global_attn_every_n_layers", EVERY)
    kinds = kinds_of(ours.get("layer_types"), every, ours["num_hidden_layers"])
    for n in range(1, len(kinds) + 1):
        if kinds == kinds_of(None, n, len(kinds)):
            config["global_attn_every_n_layers"] = n
            break
    thetas = {kind: ours.get(key, DEFAULT_THETAS[kind]) for kind, key in THETAS.items()}
    thetas[LOCAL] = thetas[GLOBAL] if thetas[LOCAL] is None else thetas[LOCAL]
    config.update({THETAS[kind]: theta for kind, theta in thetas.items()}, layer_types=kinds)
    config["rope_parameters"] = {kind: {"rope_theta": t, "rope_type": "default"} for kind, t in thetas.items()}
    act = config.get("hidden_activation")
    if isinstance(act, (list, tuple)):
        if len(act) != 2 or act[1] != "linear":
            raise ConfigError(f"hidden_act={short(act)}: the gate of ModernBERT in transformers is linear")
        config["hidden_activation"] = THEIR_ACTIVATIONS.get(act[0], act[0])
    name = ours.get("mlm_act") or "gelu"
    config["classifier_activation"] = THEIR_ACTIVATIONS.get(name, name)
    config.update(dict.fromkeys(("bos_token_id", "cls_token_id", "eos_token_id", "sep_token_id")))


_SAME = (
    "vocab_size hidden_size num_hidden_layers num_attention_heads intermediate_size tie_word_embeddings pad_token_id "
    "mlp_bias norm_bias decoder_bias classifier_bias local_attention"
).split()
OWN_KEYS = (
    "use_attention_bias mlp_bias norm_bias decoder_bias classifier_bias layer_types global_attn_every_n_layers "
    "local_attention global_rope_theta local_rope_theta"
).split()
# transformers reads these only in training, only with labels, only in other heads, or not at all
IGNORED = (
    "classifier_pooling deterministic_flash_attn initializer_cutoff_factor reference_compile repad_logits_with_grad "
    "sparse_prediction sparse_pred_ignore_index"
).split()

MODERNBERT = BERT.but(
    "modernbert",
    "b4k3.models.architectures.modernbert:ModernBERT",
    what="a ModernBERT checkpoint",
    parts=[embeddings(), blocks(), last_norm(), mlm_head()],
    keys=tuple(key for key in BERT.keys if key not in ("with_pool", "with_nsp")) + tuple(OWN_KEYS),
    spellings={
        "dropout_rate": ("embedding_dropout",),
        "attention_dropout_rate": ("attention_dropout",),
        "use_attention_bias": ("attention_bias",),
    },
    ignored=frozenset(IGNORED),
    fixed={
        "head_dim": (None,),
        "mlp_dropout": (None, 0, 0.0),
        "position_embedding_type": (None, "absolute", "sans_pos"),  # the published configs have it, and nobody reads it
        "rope_scaling": (None,),
    },
    activation_keys=("hidden_activation", "hidden_act"),
    interprets=("norm_eps", "classifier_activation", "rope_parameters"),
    interpret=interpret,
    huggingface=HuggingFace(
        {"modernbert": "ModernBert"},
        (("ForMaskedLM", ("MLM head",)), ("Model", ())),
        keys=dict(
            {key: key for key in _SAME},
            max_position="max_position_embeddings",
            hidden_act="hidden_activation",
            layer_norm_eps="norm_eps",
            dropout_rate="embedding_dropout",
            attention_dropout_rate="attention_dropout",
            use_attention_bias="attention_bias",
        ),
        defaults={"layer_norm_eps": 1e-5, "hidden_act": "gelu", "pad_token_id": 50283},
        complete=_complete,
        tokenizer=None,
    ),
    trained_with_tanh=False,
    kin=("modernbert",),
    absent=(),
    relatives=(
        (
            r"attn[/.][qkv]_proj",
            "queries, keys and values are apart, as in ModernBERT-decoder (Ettin): b4k3 does not have that network",
        ),
    ),
)
