"""The descriptions of Llama and the decoders that share its blocks: Qwen2, Qwen3, Mistral and SmolLM3.

Their files have the same names for the same matrices. They differ in these traits:

    llama      biases in attention and feed-forward layers if the config says so (Llama 2 and 3, SmolLM, Yi have none)
    qwen2      biases of queries, keys and values (Qwen1.5, 2 and 2.5)
    qwen3      normalised queries and keys
    mistral    each position sees `sliding_window` positions, unless the config has null there
    smollm3    no rotation in every fourth block
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..errors import ConfigError, short
from ..keys import NO_PADDING
from .bert import BLOCKS, WITHOUT_OUTPUT
from .description import HuggingFace, Layer, Network, Part, Sizes, Variable, dense, norm, untied
from .rotary import ROPE_KEYS, rope_parameters

if TYPE_CHECKING:
    from ..recognition import Evidence

_BLOCK = "llama/transformer/layer_{i}/"
_WORDS, _OUTPUT = "llama/embeddings/word_embeddings", "llama/lm_head/weights"
WINDOW_KEYS = ("sliding_window", "use_sliding_window", "max_window_layers", "layer_types")
UNROTATED_KEYS = ("no_rope_layers", "no_rope_layer_interval")
FULL, SLIDING = "full_attention", "sliding_attention"


# ------------------------------------------------------------------------------------------------------- variables


def _has_attention_bias(sizes: Sizes) -> bool:
    """Ask whether the four Dense layers of attention have biases."""
    return bool(sizes.get("attention_bias"))


def _has_mlp_bias(sizes: Sizes) -> bool:
    """Ask whether the three Dense layers of the feed-forward layer have biases."""
    return bool(sizes.get("mlp_bias"))


def _norm(name: str, scope: str, **kwargs: Any) -> Layer:
    """Describe an RMS normalisation."""
    return Layer(name, norm(scope, "hidden_size", bias=False), **kwargs)


def blocks(bias: Any, output_bias: Any, mlp_bias: Any, normed: bool = False) -> Part:
    """Describe the blocks.

    Arguments:
        bias: bool or function from sizes to bool. Whether queries, keys and values have biases.
        output_bias: bool or function from sizes to bool. Whether the output of attention has a bias.
        mlp_bias: bool or function from sizes to bool. Whether the feed-forward layer has biases.
        normed: bool. Whether queries and keys are normalised.

    Returns:
        `Part`.
    """
    attention = (
        dense(_BLOCK + "attention/self/query", "hidden_size", "query_size", bias)
        + dense(_BLOCK + "attention/self/key", "hidden_size", "group_size", bias)
        + dense(_BLOCK + "attention/self/value", "hidden_size", "group_size", bias)
        + dense(_BLOCK + "attention/output/dense", "query_size", "hidden_size", output_bias)
    )
    if normed:
        for name in ("query", "key"):
            attention.append(Variable(f"{_BLOCK}attention/self/{name}_norm/gamma", ("attention_head_size",)))
    feed_forward = (
        dense(_BLOCK + "gate/dense", "hidden_size", "intermediate_size", mlp_bias)
        + dense(_BLOCK + "intermediate/dense", "hidden_size", "intermediate_size", mlp_bias)
        + dense(_BLOCK + "output/dense", "intermediate_size", "hidden_size", mlp_bias)
    )
    return Part(
        "blocks",
        [
            _norm("MultiHeadSelfAttention-Norm", _BLOCK + "attention/input/LayerNorm", blocks=BLOCKS),
            Layer("MultiHeadSelfAttention", attention, BLOCKS),
            _norm("FeedForward-Norm", _BLOCK + "input/LayerNorm", blocks=BLOCKS),
            Layer("FeedForward", feed_forward, BLOCKS),
        ],
    )


def parts(*biases: Any, normed: bool = False) -> list[Part]:
    """Describe the whole network.

    Arguments:
        biases: the first three arguments of `blocks`.
        normed: bool. Whether queries and keys are normalised.

    Returns:
        list of `Part`.
    """
    output = Layer(
        "LM-Output",
        [Variable(_OUTPUT, ("vocab_size", "hidden_size"), transposed=True)],
        when=untied,
        copies={_OUTPUT: _WORDS},
        advice=WITHOUT_OUTPUT,
    )
    return [
        Part("embeddings", [Layer("Embedding-Token", [Variable(_WORDS, ("vocab_size", "hidden_size"))])]),
        blocks(*biases, normed=normed),
        Part("last normalisation", [_norm("Output-Norm", "llama/output/LayerNorm")]),
        Part("output", [output], argument="with_lm", on=True, advice="the file has no output: build with_lm=False"),
    ]


# --------------------------------------------------------------------------------------------------- configurations


def _windows(config: dict[str, Any], of: str) -> list[int | None]:
    """Find the window of each block: how many positions a position sees, or None for all before it.

    The list is empty if no block has a window.
    """
    window, types = config.get("sliding_window"), config.get("layer_types")
    count = config.get("num_hidden_layers")
    if of == "mistral":
        # transformers takes 4096 for a config without the key
        window = config.get("sliding_window", 4096 if "rms_norm_eps" in config else None)
        types = types or [SLIDING] * _count(count) if window is not None else None
    elif not config.get("use_sliding_window"):
        window = None
    if window is not None and (isinstance(window, bool) or not isinstance(window, int) or window < 1):
        raise ConfigError(f"sliding_window={short(window)}, expected a whole number from 1, or null")
    if types is None:
        types = _usual_types(config, of) if window is not None else []
    if not isinstance(types, list) or any(kind not in (FULL, SLIDING) for kind in types):
        raise ConfigError(f"layer_types={short(types)}, expected a list of {FULL!r} and {SLIDING!r}")
    if SLIDING not in types:
        return []
    if window is None:
        raise ConfigError(f"layer_types has {SLIDING!r}, but no sliding_window is in use: say how wide it is")
    return [window if kind == SLIDING else None for kind in types]


def _usual_types(config: dict[str, Any], of: str) -> list[str]:
    """Choose the kind of each block where the config does not name them."""
    count = _count(config.get("num_hidden_layers"))
    if of == "smollm3":
        unrotated = _unrotated(config)
        return [SLIDING if i in unrotated else FULL for i in range(count)]
    first = config.get("max_window_layers", 28)
    return [SLIDING if i >= first else FULL for i in range(count)]


def _unrotated(config: dict[str, Any]) -> list[int]:
    """List the blocks of SmolLM3 that do not rotate queries and keys."""
    flags, interval = config.get("no_rope_layers"), config.get("no_rope_layer_interval", 4)
    if flags is None:
        if isinstance(interval, bool) or not isinstance(interval, int) or interval < 1:
            raise ConfigError(f"no_rope_layer_interval={short(interval)}, expected a whole number from 1")
        return [i for i in range(_count(config.get("num_hidden_layers"))) if (i + 1) % interval == 0]
    if not isinstance(flags, list) or any(flag not in (0, 1) for flag in flags):
        raise ConfigError(f"no_rope_layers={short(flags)}, expected a list of 0 and 1")
    return [i for i, flag in enumerate(flags) if not flag]


def _count(value: Any) -> int:
    """Return the number of blocks of a config; 0 for what is no such number, which is refused elsewhere."""
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= 10**4 else 0


def reader(of: str, theta: float = 10000.0) -> Any:
    """Make the function that reads the keys of a config which have a meaning only together.

    Arguments:
        of: str. The name of the network.
        theta: float. The base of the rotary frequencies for a config that has none.

    Returns:
        Function from a config file to a dict from our name to (value, the key that says so).
    """

    def interpret(config: dict[str, Any]) -> dict[str, tuple[Any, str]]:
        """Read the rotary positions, the windows and the blocks without rotation."""
        found: dict[str, tuple[Any, str]] = {"rope_parameters": rope_parameters(config, theta)}
        if of != "llama" and config.get("attention_windows") is None:
            found["attention_windows"] = (_windows(config, of), "sliding_window")
        if of == "smollm3" and config.get("unrotated_blocks") is None:
            found["unrotated_blocks"] = (_unrotated(config), "no_rope_layers")
        return found

    return interpret


def _complete(config: dict[str, Any], ours: dict[str, Any], able: Any = ()) -> None:
    """Add the keys that all these classes of transformers need besides the sizes.

    `able` has the keys of ours which the class can express besides.
    """
    for key in ("attention_windows", "unrotated_blocks"):
        if key not in able and ours.get(key):
            raise ConfigError(f"{key}={short(ours[key])}: this class of transformers cannot compute it")
    config.setdefault("num_key_value_heads", config["num_attention_heads"])
    config.setdefault("head_dim", config["hidden_size"] // config["num_attention_heads"])
    config.setdefault("tie_word_embeddings", True)
    rope = dict(ours.get("rope_parameters") or {"rope_type": "default", "rope_theta": 10000.0})
    rope.pop("max_position_embeddings", None)
    config["rope_parameters"] = rope
    config.update(bos_token_id=None, eos_token_id=None)
    config["pad_token_id"] = None if ours.get("pad_token_id", NO_PADDING) == NO_PADDING else ours["pad_token_id"]


def _complete_windows(config: dict[str, Any], ours: dict[str, Any], able: Any = ()) -> None:
    """Add the keys of Qwen2, Qwen3 and SmolLM3 for blocks with a window."""
    _complete(config, ours, ("attention_windows",) + tuple(able))
    windows = list(ours.get("attention_windows") or [])
    widths = sorted({width for width in windows if width is not None})
    if len(widths) > 1:
        raise ConfigError(f"attention_windows={short(windows)}: the classes of transformers have only one width")
    count = config["num_hidden_layers"]
    windows = (windows + [None] * count)[:count]
    config.update(use_sliding_window=bool(widths), sliding_window=widths[0] if widths else None)
    config["layer_types"] = [FULL if width is None else SLIDING for width in windows]


def _complete_mistral(config: dict[str, Any], ours: dict[str, Any]) -> None:
    """Add the keys of Mistral, in which every block has the same window."""
    _complete(config, ours, ("attention_windows",))
    windows = list(ours.get("attention_windows") or [])
    if len(set(windows)) > 1 or (windows and len(windows) < config["num_hidden_layers"]):
        raise ConfigError(
            f"attention_windows={short(windows)}: in the Mistral of transformers every block has the same window"
        )
    config["sliding_window"] = windows[0] if windows else None


def _complete_smollm3(config: dict[str, Any], ours: dict[str, Any]) -> None:
    """Add the keys of SmolLM3."""
    _complete_windows(config, ours, ("unrotated_blocks",))
    unrotated = ours.get("unrotated_blocks") or []
    config["no_rope_layers"] = [int(i not in unrotated) for i in range(config["num_hidden_layers"])]


def _has_biases_of_qwen2(seen: Evidence) -> float:
    """Rate whether a file is of Qwen2: it alone has biases of the queries and none of attention's output."""
    scope = "llama/transformer/layer_0/attention/"
    query, output = (f"{scope}{name}/bias" in seen.names for name in ("self/query", "output/dense"))
    return 1.0 if query and not output else -1.0


# ----------------------------------------------------------------------------------------------------------- networks

BIASES = ("attention_bias", "mlp_bias")
KEYS = ("max_position", "with_lm", "num_key_value_heads", "rope_parameters", "attention_windows", "unrotated_blocks")
SPELLINGS = {
    "layer_norm_eps": ("rms_norm_eps",),
    "attention_head_size": ("head_dim",),
    "attention_dropout_rate": ("attention_dropout",),
}
THEIR_KEYS = {
    "vocab_size": "vocab_size",
    "hidden_size": "hidden_size",
    "num_hidden_layers": "num_hidden_layers",
    "num_attention_heads": "num_attention_heads",
    "num_key_value_heads": "num_key_value_heads",
    "attention_head_size": "head_dim",
    "intermediate_size": "intermediate_size",
    "hidden_act": "hidden_act",
    "max_position": "max_position_embeddings",
    "attention_dropout_rate": "attention_dropout",
    "layer_norm_eps": "rms_norm_eps",
    "tie_word_embeddings": "tie_word_embeddings",
}
CLASSES = (("ForCausalLM", ("output",)), ("Model", ()))
DEFAULTS = {"layer_norm_eps": 1e-6, "hidden_act": "silu", "pad_token_id": NO_PADDING}
# What other decoders with these names of variables have: they are refused.
FIXED = {
    "partial_rotary_factor": (None, 1, 1.0),
    "rope_interleaved": (None, False),
    "use_mrope": (None, False),
}


def theirs(model_type: str, name: str, complete: Any = _complete, own: Any = (), **defaults: Any) -> HuggingFace:
    """Describe the classes of transformers.

    Arguments:
        model_type: str. The `model_type` of their configs.
        name: str. The beginning of the names of the classes.
        complete: function that adds the keys that the classes need besides.
        own: further keys that are written as they are.
        defaults: further values that transformers takes for keys that a config lacks.

    Returns:
        `HuggingFace`.
    """
    keys = dict(THEIR_KEYS, **{key: key for key in own})
    defaults = dict(DEFAULTS, **defaults)
    return HuggingFace({model_type: name}, CLASSES, keys, defaults=defaults, complete=complete, tokenizer=None)


LLAMA = Network(
    "llama",
    "b4k3.models.architectures.llama:Llama",
    "a Llama checkpoint",
    parts(_has_attention_bias, _has_attention_bias, _has_mlp_bias),
    keys=KEYS + BIASES,
    spellings=SPELLINGS,
    ignored=("pretraining_tp", "is_llama_config"),
    fixed=dict(FIXED, sliding_window=(None,), use_sliding_window=(None, False), layer_types=(None,)),
    interprets=ROPE_KEYS,
    interpret=reader("llama"),
    default_activation="swish",
    settings={"pad_token_id": NO_PADDING, "tie_word_embeddings": False},
    huggingface=theirs("llama", "Llama", own=BIASES),
    generates=True,
    may_lack_padding=True,
    constants=(("rotary_emb.inv_freq", None),),
)
QWEN2 = LLAMA.but(
    "qwen2",
    "b4k3.models.architectures.llama:Qwen2",
    what="a Qwen2 or Qwen2.5 checkpoint",
    parts=parts(True, False, False),
    fixed=FIXED,
    ignored=frozenset(),
    interprets=ROPE_KEYS + WINDOW_KEYS,
    interpret=reader("qwen2"),
    huggingface=theirs("qwen2", "Qwen2", _complete_windows, num_key_value_heads=32),
    kin=("qwen2",),
    evidence=_has_biases_of_qwen2,
)
QWEN3 = QWEN2.but(
    "qwen3",
    "b4k3.models.architectures.llama:Qwen3",
    what="a Qwen3 checkpoint",
    parts=parts(_has_attention_bias, _has_attention_bias, False, normed=True),
    interpret=reader("qwen3"),
    huggingface=theirs(
        "qwen3", "Qwen3", _complete_windows, BIASES[:1], num_key_value_heads=32, attention_head_size=128
    ),
    kin=("qwen3",),
    evidence=None,
)
MISTRAL = QWEN2.but(
    "mistral",
    "b4k3.models.architectures.llama:Mistral",
    what="a Mistral checkpoint",
    parts=parts(False, False, False),
    interpret=reader("mistral"),
    huggingface=theirs("mistral", "Mistral", _complete_mistral, num_key_value_heads=8),
    kin=("mistral",),
    evidence=None,
)
SMOLLM3 = QWEN2.but(
    "smollm3",
    "b4k3.models.architectures.llama:SmolLM3",
    what="a SmolLM3 checkpoint",
    parts=LLAMA.parts,
    interprets=ROPE_KEYS + WINDOW_KEYS + UNROTATED_KEYS,
    interpret=reader("smollm3", 2000000.0),
    settings={"pad_token_id": NO_PADDING, "tie_word_embeddings": True},
    huggingface=theirs("smollm3", "SmolLM3", _complete_smollm3, BIASES, num_key_value_heads=4),
    kin=("smollm3",),
    evidence=None,
)
