"""The dialect of the PyTorch models in Hugging Face transformers: 'bert.encoder.layer.0.output.dense.weight'.

https://github.com/huggingface/transformers
"""

from __future__ import annotations

from typing import Any, Callable, Collection

from . import Dialect, Rule, linear, norm

FAMILY = "huggingface"
_WORDS = "embeddings.word_embeddings.weight"


def embeddings(scope: str, prefix: str) -> list[Rule]:
    """Make the rules of the embeddings.

    Arguments:
        scope: str. The beginning of the canonical names, "bert" for example.
        prefix: str. The beginning of the names in the file, "bert." for example.

    Returns:
        list of `Rule`.
    """
    tables = ("word_embeddings", "token_type_embeddings", "position_embeddings")
    rules = [Rule(f"{scope}/embeddings/{table}", f"{prefix}embeddings.{table}.weight") for table in tables]
    return rules + norm(scope + "/embeddings/LayerNorm", prefix + "embeddings.LayerNorm")


def layers(scope: str, prefix: str) -> list[Rule]:
    """Make the rules of the blocks of BERT.

    Arguments:
        scope: str. The beginning of the canonical names, "bert" for example.
        prefix: str. The beginning of the names in the file, "bert." for example.

    Returns:
        list of `Rule`.
    """
    canonical, stored = scope + "/encoder/layer_{i}/", prefix + "encoder.layer.{i}."
    rules: list[Rule] = []
    for dense in ("attention/self/query", "attention/self/key", "attention/self/value", "attention/output/dense"):
        rules += linear(canonical + dense, stored + dense.replace("/", "."))
    rules += norm(canonical + "attention/output/LayerNorm", stored + "attention.output.LayerNorm")
    rules += linear(canonical + "intermediate/dense", stored + "intermediate.dense")
    rules += linear(canonical + "output/dense", stored + "output.dense")
    return rules + norm(canonical + "output/LayerNorm", stored + "output.LayerNorm")


def bert(prefix: str) -> list[Rule]:
    """Make the rules of BERT, or of a similar network that has another prefix.

    Arguments:
        prefix: str. The beginning of the names in the file, "bert." for example.

    Returns:
        list of `Rule`.
    """
    return (
        embeddings("bert", prefix)
        + layers("bert", prefix)
        + linear("bert/pooler/dense", prefix + "pooler.dense")
        + mlm("cls.predictions.transform.dense", "cls.predictions.transform.LayerNorm", "cls.predictions")
        + [
            # Both projects store this matrix as [2, hidden_size].
            Rule("cls/seq_relationship/output_weights", "cls.seq_relationship.weight"),
            Rule("cls/seq_relationship/output_bias", "cls.seq_relationship.bias"),
        ]
    )


def mlm(dense: str, normalisation: str, output: str) -> list[Rule]:
    """Make the rules of a masked-language-model head.

    Arguments:
        dense: str. The name of its Dense layer in the file.
        normalisation: str. The name of its normalisation in the file.
        output: str. The name of its output in the file.

    Returns:
        list of `Rule`.
    """
    return (
        linear("cls/predictions/transform/dense", dense)
        + norm("cls/predictions/transform/LayerNorm", normalisation)
        + [
            Rule("cls/predictions/output_bias", output + ".bias"),
            Rule("cls/predictions/decoder/weights", output + ".decoder.weight"),
            Rule("cls/predictions/decoder/bias", output + ".decoder.bias"),
            # If the output is tied, some files have the bias only under this name.
            Rule("cls/predictions/output_bias", output + ".decoder.bias"),
            # The classes of transformers expect this variable even if they do not use it.
            Rule("cls/predictions/decoder/bias", output + ".bias", also=True),
        ]
    )


def begins_with(*starts: str) -> Callable[[Collection[str]], bool]:
    """Make a `sign` for a `Dialect`.

    Arguments:
        starts: str, one or several beginnings of names.

    Returns:
        Function from names to bool, which tells whether any name begins with one of the given beginnings.

    Example:
        >>> from b4k3.models.dialects.huggingface import begins_with
        >>> begins_with("ernie.")({"ernie.pooler.dense.weight"})
        True
    """
    return lambda names: any(name.startswith(starts) for name in names)


_GROUP = (
    "bert/encoder/transformer/group_{g}/inner_group_{i}/",
    "albert.encoder.albert_layer_groups.{g}.albert_layers.{i}.",
)

ALBERT = Dialect(
    "huggingface-albert",
    embeddings("bert", "albert.")
    + linear("bert/encoder/embedding_hidden_mapping_in", "albert.encoder.embedding_hidden_mapping_in")
    + linear(_GROUP[0] + "attention_1/self/query", _GROUP[1] + "attention.query")
    + linear(_GROUP[0] + "attention_1/self/key", _GROUP[1] + "attention.key")
    + linear(_GROUP[0] + "attention_1/self/value", _GROUP[1] + "attention.value")
    + linear(_GROUP[0] + "attention_1/output/dense", _GROUP[1] + "attention.dense")
    + norm(_GROUP[0] + "LayerNorm", _GROUP[1] + "attention.LayerNorm")
    + linear(_GROUP[0] + "ffn_1/intermediate/dense", _GROUP[1] + "ffn")
    + linear(_GROUP[0] + "ffn_1/intermediate/output/dense", _GROUP[1] + "ffn_output")
    + norm(_GROUP[0] + "LayerNorm_1", _GROUP[1] + "full_layer_layer_norm")
    + linear("bert/pooler/dense", "albert.pooler")
    + mlm("predictions.dense", "predictions.LayerNorm", "predictions")
    + [
        Rule("cls/seq_relationship/output_weights", "sop_classifier.classifier.weight"),
        Rule("cls/seq_relationship/output_bias", "sop_classifier.classifier.bias"),
    ],
    lambda names: any("albert_layer_groups." in name for name in names),
    prefixes=("albert.", ""),
    family=FAMILY,
    models=("albert", "albert_unshared"),
)

ELECTRA = Dialect(
    "huggingface-electra",
    embeddings("electra", "electra.")
    + linear("electra/embeddings_project", "electra.embeddings_project")
    + layers("electra", "electra.")
    + linear("discriminator_predictions/dense", "discriminator_predictions.dense")
    + linear("discriminator_predictions/dense_1", "discriminator_predictions.dense_prediction"),
    begins_with("electra.", "discriminator_predictions."),
    prefixes=("electra.", ""),
    family=FAMILY,
    models=("electra",),
)


class WithErfHead(Dialect):
    """The dialect of classes whose masked-language-model head always has the erf form of gelu.

    Example:
        >>> from b4k3.models.dialects.huggingface import ROBERTA
        >>> ROBERTA.corrections({"hidden_act": "gelu_tanh"})
        {'mlm_act': 'gelu_erf'}
    """

    def corrections(self, config: dict[str, Any]) -> dict[str, Any]:
        """Set the activation of the head to the erf form of gelu, whatever the configuration names.

        Arguments:
            config: dict under our names.

        Returns:
            dict from key to its right value.
        """
        return {"mlm_act": "gelu_erf"}


ELECTRA_GENERATOR = WithErfHead(
    "huggingface-electra-generator",
    embeddings("electra", "electra.")
    + linear("generator/embeddings_project", "electra.embeddings_project")
    + layers("generator", "electra.")
    + linear("generator_predictions/dense", "generator_predictions.dense")
    + norm("generator_predictions/LayerNorm", "generator_predictions.LayerNorm")
    + [
        Rule("generator_predictions/output_bias", "generator_lm_head.bias"),
        Rule("generator_predictions/decoder/weights", "generator_lm_head.weight"),
        Rule("generator_predictions/decoder/bias", "generator_lm_head.bias"),
    ],
    begins_with("generator_predictions.", "generator_lm_head."),
    prefixes=("electra.", ""),
    family=FAMILY,
    models=("electra_generator",),
)

NEZHA = Dialect(
    "huggingface-nezha",
    bert("nezha."),
    begins_with("nezha."),
    prefixes=("nezha.", "bert.", ""),
    family=FAMILY,
    models=("nezha",),
)

ROFORMER = Dialect(
    "huggingface-roformer",
    bert("roformer.") + linear("bert/encoder/embedding_hidden_mapping_in", "roformer.embeddings_project"),
    begins_with("roformer.", "encoder.embed_positions."),
    prefixes=("roformer.", "bert.", ""),
    family=FAMILY,
    models=("roformer", "roformer_v2"),
)


ROBERTA = WithErfHead(
    "huggingface-roberta",
    embeddings("bert", "roberta.")
    + layers("bert", "roberta.")
    + linear("bert/pooler/dense", "roberta.pooler.dense")
    + mlm("lm_head.dense", "lm_head.layer_norm", "lm_head"),
    begins_with("roberta.", "lm_head.dense"),
    prefixes=("roberta.", ""),
    family=FAMILY,
    models=("roberta",),
)

ERNIE = Dialect(
    "huggingface-ernie",
    bert("ernie.")
    + [Rule("bert/embeddings/task_type_embeddings", "ernie.embeddings.task_type_embeddings.weight")]
    + linear("linear_start", "linear_start")
    + linear("linear_end", "linear_end"),
    begins_with(
        "ernie.", "embeddings.task_type_embeddings.", "encoder.embeddings.task_type_embeddings.", "linear_start."
    ),
    prefixes=("ernie.", "bert.", "", "encoder."),  # the last one in PyTorch's files of UIE
    family=FAMILY,
    models=("ernie",),
)

_DISTILBERT = ("bert/encoder/layer_{i}/", "distilbert.transformer.layer.{i}.")


class DistilBert(Dialect):
    """The dialect of DistilBERT, whose classes read neither an epsilon nor a number of segments from the config.

    Example:
        >>> from b4k3.models.dialects.huggingface import DISTILBERT
        >>> DISTILBERT.corrections({})
        {'layer_norm_eps': 1e-12, 'segment_vocab_size': 0}
    """

    def corrections(self, config: dict[str, Any]) -> dict[str, Any]:
        """Set the epsilon to 1e-12 and leave out the segments, whatever the configuration says.

        Arguments:
            config: dict under our names.

        Returns:
            dict from key to its right value.
        """
        return {"layer_norm_eps": 1e-12, "segment_vocab_size": 0}


DISTILBERT = DistilBert(
    "huggingface-distilbert",
    embeddings("bert", "distilbert.")
    + linear(_DISTILBERT[0] + "attention/self/query", _DISTILBERT[1] + "attention.q_lin")
    + linear(_DISTILBERT[0] + "attention/self/key", _DISTILBERT[1] + "attention.k_lin")
    + linear(_DISTILBERT[0] + "attention/self/value", _DISTILBERT[1] + "attention.v_lin")
    + linear(_DISTILBERT[0] + "attention/output/dense", _DISTILBERT[1] + "attention.out_lin")
    + norm(_DISTILBERT[0] + "attention/output/LayerNorm", _DISTILBERT[1] + "sa_layer_norm")
    + linear(_DISTILBERT[0] + "intermediate/dense", _DISTILBERT[1] + "ffn.lin1")
    + linear(_DISTILBERT[0] + "output/dense", _DISTILBERT[1] + "ffn.lin2")
    + norm(_DISTILBERT[0] + "output/LayerNorm", _DISTILBERT[1] + "output_layer_norm")
    + linear("cls/predictions/transform/dense", "vocab_transform")
    + norm("cls/predictions/transform/LayerNorm", "vocab_layer_norm")
    + [
        Rule("cls/predictions/output_bias", "vocab_projector.bias"),
        Rule("cls/predictions/decoder/weights", "vocab_projector.weight"),
        Rule("cls/predictions/decoder/bias", "vocab_projector.bias"),
    ],
    lambda names: any(".attention.q_lin." in name for name in names),
    prefixes=("distilbert.", ""),
    family=FAMILY,
    models=("distilbert",),
)

# This dialect is asked last: names without a prefix are taken for BERT's.
HUGGINGFACE = Dialect(
    "huggingface",
    bert("bert."),
    lambda names: any(name.endswith(_WORDS) for name in names),
    prefixes=("bert.", ""),
    family=FAMILY,
    models=("bert",),
)
