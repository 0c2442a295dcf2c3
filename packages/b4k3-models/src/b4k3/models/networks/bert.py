"""BERT and the networks that differ from it in little: the parts that they share, and BERT itself.

Chinese publishers call BERT's network RoBERTa, RoBERTa-wwm, MacBERT, LERT, PERT, MiniRBT, BGE, GTE, M3E …: what tells
them apart is how they were trained. `docs/models.md` lists them.
"""

from __future__ import annotations

from typing import Any

from .description import Blocks, HuggingFace, Layer, Network, Part, Variable, dense, norm, tied, untied

BLOCKS = Blocks()
# what to do if a checkpoint lacks a layer
WITHOUT_SEGMENTS = (
    "the file has no segment embeddings: build with segment_vocab_size=0, or, if segments are ids of tokens, with "
    "shared_segment_embeddings=True"
)
WITHOUT_OUTPUT = "the file has no output of its own: build with tie_word_embeddings=True"
HEADS_OF_PRETRAINING = ("pooler", "NSP head", "MLM head")


def embeddings(scope: str = "bert", mapping: str = "bert/encoder/embedding_hidden_mapping_in") -> Part:
    """Token, segment and position embeddings, their normalisation, and the mapping to the network's width."""
    tables = [
        Layer("Embedding-Token", [Variable(f"{scope}/embeddings/word_embeddings", ("vocab_size", "embedding_size"))]),
        Layer(
            "Embedding-Segment",
            [Variable(f"{scope}/embeddings/token_type_embeddings", ("segment_vocab_size", "embedding_size"))],
            when=has_segments,
            needs=("segment_vocab_size", "shared_segment_embeddings"),
            advice=WITHOUT_SEGMENTS,
        ),
        Layer(
            "Embedding-Position",
            [Variable(f"{scope}/embeddings/position_embeddings", ("max_position", "embedding_size"))],
        ),
        Layer("Embedding-Norm", norm(f"{scope}/embeddings/LayerNorm", "embedding_size")),
        Layer("Embedding-Mapping", dense(mapping, "embedding_size", "hidden_size"), when=maps_embeddings),
    ]
    return Part("embeddings", tables)


def has_segments(sizes: dict[str, Any]) -> bool:
    """Whether segments have a table of their own."""
    return bool(sizes.get("segment_vocab_size")) and not sizes.get("shared_segment_embeddings")


def maps_embeddings(sizes: dict[str, Any]) -> bool:
    """Whether a Dense layer stands between embeddings and blocks."""
    return bool(sizes.get("embedding_mapping")) or sizes.get("embedding_size") != sizes.get("hidden_size")


def attention(scope: str, bias: bool = True) -> list[Variable]:
    """The variables of a MultiHeadAttention under Google's names."""
    return (
        dense(scope + "/self/query", "hidden_size", "query_size", bias)
        + dense(scope + "/self/key", "hidden_size", "query_size", bias)
        + dense(scope + "/self/value", "hidden_size", "value_size", bias)
        + dense(scope + "/output/dense", "value_size", "hidden_size", bias)
    )


def feed_forward(inner: str, outer: str, bias: bool = True) -> list[Variable]:
    """The variables of a FeedForward layer."""
    return dense(inner, "hidden_size", "intermediate_size", bias) + dense(
        outer, "intermediate_size", "hidden_size", bias
    )


def blocks(scope: str = "bert/encoder/layer_{i}", repeated: Blocks = BLOCKS) -> Part:
    """The blocks of BERT."""
    return Part(
        "blocks",
        [
            Layer("MultiHeadSelfAttention", attention(scope + "/attention"), repeated),
            Layer("MultiHeadSelfAttention-Norm", norm(scope + "/attention/output/LayerNorm", "hidden_size"), repeated),
            Layer("FeedForward", feed_forward(scope + "/intermediate/dense", scope + "/output/dense"), repeated),
            Layer("FeedForward-Norm", norm(scope + "/output/LayerNorm", "hidden_size"), repeated),
        ],
    )


def pooler(scope: str = "bert") -> Part:
    """The Dense layer on the first token."""
    return Part(
        "pooler",
        [Layer("Pooler-Dense", dense(f"{scope}/pooler/dense", "hidden_size", "hidden_size"))],
        argument="with_pool",
        option="pool",
        advice="the file has no pooler: build with with_pool=False and with_nsp=False",
        marker="Pooler-Dense",
    )


def nsp_head() -> Part:
    """The next-sentence head, whose matrix is stored transposed."""
    scope = "cls/seq_relationship/output_"
    return Part(
        "NSP head",
        [
            Layer(
                "NSP-Proba",
                [Variable(scope + "weights", (2, "hidden_size"), transposed=True), Variable(scope + "bias", (2,))],
            )
        ],
        argument="with_nsp",
        option="nsp",
        implies=("with_pool",),
        advice="the file has no NSP head (cls/seq_relationship): build with with_nsp=False",
        marker="NSP-Proba",
    )


def mlm_head(scope: str = "cls/predictions", transform: str | None = None) -> Part:
    """The masked-language-model head: its output is the token embeddings, unless it is untied."""
    transform = scope + "/transform" if transform is None else transform
    table = "electra/embeddings/word_embeddings" if scope.startswith("generator") else "bert/embeddings/word_embeddings"
    decoder = f"{scope}/decoder"
    return Part(
        "MLM head",
        [
            Layer("MLM-Dense", dense(f"{transform}/dense", "hidden_size", "embedding_size")),
            Layer("MLM-Norm", norm(f"{transform}/LayerNorm", "embedding_size")),
            Layer("MLM-Bias", [Variable(f"{scope}/output_bias", ("vocab_size",))], when=tied),
            Layer(
                "MLM-Decoder",
                [
                    Variable(f"{decoder}/weights", ("vocab_size", "embedding_size"), transposed=True),
                    Variable(f"{decoder}/bias", ("vocab_size",)),
                ],
                when=untied,
                advice=WITHOUT_OUTPUT,
                copies={f"{decoder}/weights": table, f"{decoder}/bias": f"{scope}/output_bias"},
            ),
        ],
        argument="with_mlm",
        option="mlm",
        advice=f"the file has no MLM head ({scope}): build with with_mlm=False",
        marker="MLM-Dense",
    )


KEYS = (
    "max_position segment_vocab_size with_pool with_nsp with_mlm hierarchical_position custom_position_ids "
    "shared_segment_embeddings mlm_act embedding_mapping"
).split()
CLASSES = (("ForPreTraining", HEADS_OF_PRETRAINING), ("ForMaskedLM", ("MLM head",)), ("Model", ()))

BERT = Network(
    "bert",
    "b4k3.models.architectures.bert:BERT",
    "a BERT checkpoint",
    [embeddings(), blocks(), pooler(), nsp_head(), mlm_head()],
    keys=KEYS,
    absent=("segment_vocab_size",),
    huggingface=HuggingFace({"bert": "Bert"}, CLASSES, defaults={"layer_norm_eps": 1e-12, "hidden_act": "gelu"}),
    trained_with_tanh=True,
)
