"""The description of BERT, and the parts that similar networks share with it.

Chinese publishers give BERT's network many names: RoBERTa, RoBERTa-wwm, MacBERT, LERT, PERT, MiniRBT, BGE, GTE, M3E ….
These models differ only in their training. `docs/models.md` lists them.
"""

from __future__ import annotations

from typing import Any

from .description import Bias, Blocks, HuggingFace, Layer, Network, Part, Sizes, Variable, dense, norm, tied, untied

BLOCKS = Blocks()
# What to do if a checkpoint lacks a layer; error messages say it.
WITHOUT_SEGMENTS = (
    "the file has no segment embeddings: build with segment_vocab_size=0, or, if segments are ids of tokens, with "
    "shared_segment_embeddings=True"
)
WITHOUT_OUTPUT = "the file has no output of its own: build with tie_word_embeddings=True"
HEADS_OF_PRETRAINING = ("pooler", "NSP head", "MLM head")


def embeddings(scope: str = "bert", mapping: str = "bert/encoder/embedding_hidden_mapping_in") -> Part:
    """Describe the token, segment and position embeddings, their normalisation and the mapping to the blocks' width.

    Arguments:
        scope: str. The beginning of the canonical names.
        mapping: str. The canonical name of the Dense layer that maps the embeddings to the width of the blocks.

    Returns:
        `Part`.
    """
    tables = [
        Layer("Embedding-Token", [Variable(f"{scope}/embeddings/word_embeddings", ("vocab_size", "embedding_size"))]),
        segment_embeddings(f"{scope}/embeddings/token_type_embeddings"),
        Layer(
            "Embedding-Position",
            [Variable(f"{scope}/embeddings/position_embeddings", ("max_position", "embedding_size"))],
        ),
        Layer("Embedding-Norm", norm(f"{scope}/embeddings/LayerNorm", "embedding_size")),
        Layer("Embedding-Mapping", dense(mapping, "embedding_size", "hidden_size"), when=maps_embeddings),
    ]
    return Part("embeddings", tables)


def segment_embeddings(name: str) -> Layer:
    """Describe the table of segments, which a network without segments, or with segments that are tokens, lacks.

    Arguments:
        name: str. The canonical name of the table.

    Returns:
        `Layer`.
    """
    return Layer(
        "Embedding-Segment",
        [Variable(name, ("segment_vocab_size", "embedding_size"))],
        when=_has_segments,
        needs=("segment_vocab_size", "shared_segment_embeddings"),
        advice=WITHOUT_SEGMENTS,
    )


def _has_segments(sizes: Sizes) -> bool:
    """Ask whether the segments have their own table of embeddings."""
    return bool(sizes.get("segment_vocab_size")) and not sizes.get("shared_segment_embeddings")


def maps_embeddings(sizes: Sizes) -> bool:
    """Ask whether a Dense layer stands between the embeddings and the blocks.

    Arguments:
        sizes: dict. The sizes and settings of the network.

    Returns:
        bool.
    """
    return bool(sizes.get("embedding_mapping")) or sizes.get("embedding_size") != sizes.get("hidden_size")


def attention(scope: str, bias: Bias = True) -> list[Variable]:
    """Describe the variables of a MultiHeadAttention layer under Google's names.

    Arguments:
        scope: str. The beginning of the canonical names.
        bias: bool, or function from sizes to bool. Whether the four Dense layers have biases.

    Returns:
        list of `Variable`.
    """
    return (
        dense(scope + "/self/query", "hidden_size", "query_size", bias)
        + dense(scope + "/self/key", "hidden_size", "query_size", bias)
        + dense(scope + "/self/value", "hidden_size", "value_size", bias)
        + dense(scope + "/output/dense", "value_size", "hidden_size", bias)
    )


def feed_forward(inner: str, outer: str, bias: bool = True) -> list[Variable]:
    """Describe the variables of a FeedForward layer.

    Arguments:
        inner: str. The canonical name of the first Dense layer.
        outer: str. The canonical name of the second Dense layer.
        bias: bool. Whether the two Dense layers have biases.

    Returns:
        list of `Variable`.
    """
    return dense(inner, "hidden_size", "intermediate_size", bias) + dense(
        outer, "intermediate_size", "hidden_size", bias
    )


def blocks(scope: str = "bert/encoder/layer_{i}", repeated: Blocks = BLOCKS) -> Part:
    """Describe the blocks of BERT.

    Arguments:
        scope: str. The template of the beginning of the canonical names.
        repeated: `Blocks`. How many blocks there are and how their layers are named.

    Returns:
        `Part`.
    """
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
    """Describe the pooler, a Dense layer on the first token.

    Arguments:
        scope: str. The beginning of the canonical names.

    Returns:
        `Part`.
    """
    return Part(
        "pooler",
        [Layer("Pooler-Dense", dense(f"{scope}/pooler/dense", "hidden_size", "hidden_size"))],
        argument="with_pool",
        option="pool",
        advice="the file has no pooler: build with with_pool=False and with_nsp=False",
        marker="Pooler-Dense",
    )


def nsp_head() -> Part:
    """Describe the next-sentence head, whose matrix is stored transposed.

    Returns:
        `Part`.
    """
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


def mlm_head(
    scope: str = "cls/predictions",
    transform: str | None = None,
    table: str = "bert/embeddings/word_embeddings",
) -> Part:
    """Describe the masked-language-model head. Its last matrix is the table of token embeddings, unless it is untied.

    Arguments:
        scope: str. The beginning of the canonical names.
        transform: str or None. The scope of the Dense layer and the normalisation; None is `scope`/transform.
        table: str. The canonical name of the table of token embeddings.

    Returns:
        `Part`.
    """
    transform = scope + "/transform" if transform is None else transform
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


def padding_of_vocabulary(config: dict[str, Any]) -> dict[str, tuple[Any, str]]:
    """Find out that the padding id is 1 where the vocabulary is the one of XLM-R.

    The config of multilingual-e5-small says pad_token_id=0, like all of BERT, but 0 is `<s>` there. transformers does
    not notice, because its tokenizer makes the mask.

    Arguments:
        config: dict. The config file.

    Returns:
        dict from our name to (value, the key that says it).
    """
    shifted = config.get("tokenizer_class") in ("XLMRobertaTokenizer", "XLMRobertaTokenizerFast")
    return {"pad_token_id": (1, "tokenizer_class")} if shifted and not config.get("pad_token_id") else {}


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
    interprets=("tokenizer_class",),
    interpret=padding_of_vocabulary,
)
