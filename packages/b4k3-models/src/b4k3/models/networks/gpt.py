"""The descriptions of decoders: OpenAI's GPT (CDial-GPT), GPT-2 (CPM-LM) and the network of gpt2-ml."""

from __future__ import annotations

from typing import Any

from ..errors import ConfigError
from ..keys import NO_PADDING
from .bert import BERT, BLOCKS, WITHOUT_OUTPUT, attention, feed_forward, maps_embeddings, segment_embeddings
from .description import HuggingFace, Layer, Network, Part, Variable, dense, norm, spelled_activation, untied

_BLOCK = "gpt/transformer/layer_{i}"
SPELLINGS = {
    "hidden_size": ("n_embd",),
    "num_hidden_layers": ("n_layer",),
    "num_attention_heads": ("n_head",),
    "intermediate_size": ("n_inner",),
    "max_position": ("n_positions",),
    "dropout_rate": ("resid_pdrop",),
    "attention_dropout_rate": ("attn_pdrop",),
    "layer_norm_eps": ("layer_norm_epsilon",),
}
KEYS = [key for key in BERT.keys if not key.startswith("with_")] + ["final_activation"]


def embeddings(words: str, positions: str, segments: str = "") -> list[Layer]:
    """Describe the embeddings of tokens, positions and, if there is a name for them, segments.

    Arguments:
        words: str. The canonical name of the token embeddings.
        positions: str. The canonical name of the position embeddings.
        segments: str. The canonical name of the segment embeddings; "" if there are none.

    Returns:
        list of `Layer`.
    """
    layers = [Layer("Embedding-Token", [Variable(words, ("vocab_size", "embedding_size"))])]
    if segments:
        layers.append(segment_embeddings(segments))
    mapping = dense(words.split("/")[0] + "/transformer/embedding_hidden_mapping_in", "embedding_size", "hidden_size")
    return layers + [
        Layer("Embedding-Position", [Variable(positions, ("max_position", "embedding_size"))]),
        Layer("Embedding-Mapping", mapping, when=maps_embeddings),
    ]


def blocks(first_norm: str, second_norm: str) -> Part:
    """Describe the blocks.

    Arguments:
        first_norm: str. The place of the first normalisation within a block, "/attention/output/LayerNorm" for example.
        second_norm: str. The place of the second normalisation within a block.

    Returns:
        `Part`.
    """
    return Part(
        "blocks",
        [
            Layer("MultiHeadSelfAttention", attention(_BLOCK + "/attention"), BLOCKS),
            Layer("MultiHeadSelfAttention-Norm", norm(_BLOCK + first_norm, "hidden_size"), BLOCKS),
            Layer("FeedForward", feed_forward(_BLOCK + "/intermediate/dense", _BLOCK + "/output/dense"), BLOCKS),
            Layer("FeedForward-Norm", norm(_BLOCK + second_norm, "hidden_size"), BLOCKS),
        ],
    )


def output(words: str, scope: str) -> Part:
    """Describe the output matrix that the network has if the output is not tied to the token embeddings.

    Arguments:
        words: str. The canonical name of the token embeddings.
        scope: str. The beginning of the canonical name of the output matrix.

    Returns:
        `Part`.
    """
    name = scope + "/lm_head/weights"
    table = Variable(name, ("vocab_size", "embedding_size"), transposed=True)
    return Part("output", [Layer("LM-Output", [table], when=untied, copies={name: words}, advice=WITHOUT_OUTPUT)])


def _follows(values: dict[str, Any]) -> dict[str, Any]:
    """Return the intermediate size that a config leaves out: four times the hidden size, as in OpenAI's networks."""
    width = values.get("hidden_size")
    return {"intermediate_size": 4 * width} if isinstance(width, int) and not isinstance(width, bool) else {}


def _openai_activation(key: str, value: Any) -> Any:
    """Translate an activation. OpenAI's code and transformers mean the tanh form by "gelu" under the key `afn`."""
    return "gelu_tanh" if (key, value) == ("afn", "gelu") else spelled_activation(key, value)


def _complete(config: dict[str, Any], ours: dict[str, Any]) -> None:
    """Add the keys that the classes of transformers need for GPT and GPT-2."""
    config.setdefault("embd_pdrop", config.get("resid_pdrop", 0.0))
    config.update(bos_token_id=None, eos_token_id=None)
    config["pad_token_id"] = None if ours.get("pad_token_id") == NO_PADDING else ours.get("pad_token_id", 0)


def _complete_gpt(config: dict[str, Any], ours: dict[str, Any]) -> None:
    """Add the keys that transformers needs for OpenAI's GPT, whose intermediate size cannot be chosen there."""
    _complete(config, ours)
    wanted = 4 * config["n_embd"]
    if ours["intermediate_size"] != wanted:
        raise ConfigError(
            f"intermediate_size={ours['intermediate_size']}, expected {wanted}: the GPT of transformers always has "
            "4 · hidden_size, so it cannot compute this network; convert it to the names of another project"
        )
    config.setdefault("layer_norm_epsilon", 1e-5)
    config["afn"] = "gelu" if config["afn"] == "gelu_new" else config["afn"]


THEIR_KEYS = {
    "vocab_size": "vocab_size",
    "hidden_size": "n_embd",
    "num_hidden_layers": "n_layer",
    "num_attention_heads": "n_head",
    "max_position": "n_positions",
    "dropout_rate": "resid_pdrop",
    "attention_dropout_rate": "attn_pdrop",
    "layer_norm_eps": "layer_norm_epsilon",
    "tie_word_embeddings": "tie_word_embeddings",
    "pad_token_id": "pad_token_id",
}
_WORDS = "gpt/embeddings/word_embeddings"
_TABLES = (_WORDS, "gpt/embeddings/position_embeddings")

GPT = Network(
    "gpt",
    "b4k3.models.architectures.gpt:GPT",
    "a GPT checkpoint",
    [
        Part("embeddings", embeddings(*_TABLES, segments="gpt/embeddings/token_type_embeddings")),
        blocks("/attention/output/LayerNorm", "/output/LayerNorm"),
        output(_WORDS, "gpt"),
    ],
    keys=KEYS,
    spellings=SPELLINGS,
    activation_keys=("afn", "hidden_act"),
    activation=_openai_activation,
    follows=_follows,
    model_types=("openai-gpt",),
    huggingface=HuggingFace(
        {"openai-gpt": "OpenAIGPT"},
        (("LMHeadModel", ()),),
        keys=dict(THEIR_KEYS, hidden_act="afn"),
        defaults={"layer_norm_eps": 1e-5, "hidden_act": "gelu_tanh", "pad_token_id": NO_PADDING},
        complete=_complete_gpt,
    ),
    trained_with_tanh=True,
    generates=True,
    may_lack_padding=True,
)
GPT2 = GPT.but(
    "gpt2",
    "b4k3.models.architectures.gpt:GPT2",
    what="a GPT2 (CPM) checkpoint",
    parts=[
        Part("embeddings", embeddings(*_TABLES)),
        blocks("/attention/input/LayerNorm", "/input/LayerNorm"),
        Part("last normalisation", [Layer("Output-Norm", norm("gpt/output/LayerNorm", "hidden_size"))]),
        output(_WORDS, "gpt"),
    ],
    keys=KEYS + ["scale_attn_weights", "scale_attn_by_inverse_layer_idx"],
    activation_keys=("activation_function", "hidden_act"),
    activation=spelled_activation,
    huggingface=HuggingFace(
        {"gpt2": "GPT2"},
        (("LMHeadModel", ()),),
        keys=dict(
            THEIR_KEYS,
            intermediate_size="n_inner",
            hidden_act="activation_function",
            scale_attn_weights="scale_attn_weights",
            scale_attn_by_inverse_layer_idx="scale_attn_by_inverse_layer_idx",
        ),
        defaults={"layer_norm_eps": 1e-5, "hidden_act": "gelu_tanh", "pad_token_id": NO_PADDING},
        complete=_complete,
    ),
    kin=("gpt2",),
)

_NEWSLM = "newslm/layer{i:02d}"
GPT2_ML = GPT.but(
    "gpt2_ml",
    "b4k3.models.architectures.gpt:GPT2_ML",
    what="a GPT2-ML checkpoint",
    parts=[
        Part(
            "embeddings",
            embeddings("newslm/embeddings/word_embed", "newslm/embeddings/pos_embed")
            + [Layer("Embedding-Norm", norm("newslm/embeddings/LayerNorm_embed_norm", "embedding_size"))],
        ),
        Part(
            "blocks",
            [
                Layer(
                    "MultiHeadSelfAttention",
                    dense(_NEWSLM + "/query_layer", "hidden_size", "query_size")
                    + dense(_NEWSLM + "/key_layer", "hidden_size", "query_size")
                    + dense(_NEWSLM + "/value_layer", "hidden_size", "value_size")
                    + dense(_NEWSLM + "/context_projection_layer", "value_size", "hidden_size"),
                    BLOCKS,
                ),
                Layer("FeedForward", feed_forward(_NEWSLM + "/intermediate", _NEWSLM + "/output"), BLOCKS),
                Layer("FeedForward-Norm-0", norm(_NEWSLM + "/LayerNorm_mlp_ln0", "hidden_size"), BLOCKS),
                Layer("FeedForward-Norm-1", norm(_NEWSLM + "/LayerNorm_mlp_ln1", "hidden_size"), BLOCKS),
            ],
        ),
        output("newslm/embeddings/word_embed", "newslm"),
    ],
    activation_keys=("hidden_act",),
    activation=spelled_activation,
    huggingface=None,
    trained_with_tanh=False,
    kin=("gpt2_ml",),
)
