"""Describe the heads that transformers puts on each network, as data.

A head reads vectors of the network, and has a few steps. For example, this is the classifier of RoBERTa, which reads
the first token; its last step has one unit for each label:

    Head("first", (Drop(CLASSIFIER), Dense("classifier.dense", activation="tanh"), Drop(CLASSIFIER),
                   Dense("classifier.out_proj", LABELS)))

`HEADS` has the heads of each network by the names of their tasks. Nothing here needs a Keras.
"""

from __future__ import annotations

from typing import Any, Mapping, NamedTuple, Union

from b4k3.models import ConfigError

HIDDEN, LABELS = "hidden_size", "labels"
TASKS = ("SequenceClassification", "TokenClassification", "QuestionAnswering", "MultipleChoice")
READS = ("pooler", "first", "mean", "last", "end", "every")
ENCODER = "_encoder"


class Said(NamedTuple):
    """A value that the config file says.

    Attributes:
        key: str. The key in the config file of transformers.
        default: the value of a config file without this key.

    Example:
        >>> from b4k3.tasks.head_descriptions import Said
        >>> Said("classifier_activation", "gelu").key
        'classifier_activation'
    """

    key: str
    default: Any


class Dense(NamedTuple):
    """A Dense layer of a head.

    Attributes:
        name: str. The name of the layer in files of transformers; `.weight` and `.bias` follow it.
        units: str or int. `HIDDEN` for the size of the network's vectors, `LABELS` for the number of labels.
        activation: str or `Said`. A name of transformers.
        bias: bool or `Said`.

    Example:
        >>> from b4k3.tasks.head_descriptions import Dense
        >>> Dense("qa_outputs", 2).activation
        'linear'
    """

    name: str
    units: str | int = HIDDEN
    activation: str | Said = "linear"
    bias: bool | Said = True


class Norm(NamedTuple):
    """A layer normalisation of a head.

    Attributes:
        name: str. The name of the layer in files of transformers.
        epsilon: `Said`.
        bias: `Said`.

    Example:
        >>> from b4k3.tasks.head_descriptions import Norm, Said
        >>> Norm("head.norm", Said("norm_eps", 1e-5), Said("norm_bias", False)).name
        'head.norm'
    """

    name: str
    epsilon: Said
    bias: Said


class Drop(NamedTuple):
    """Dropout in a head.

    Attributes:
        keys: tuple of str. The keys of the config file that may say the rate; the first one that is not null counts.
        default: float. The rate if none of them is there.

    Example:
        >>> from b4k3.tasks.head_descriptions import Drop
        >>> Drop(("classifier_dropout", "hidden_dropout_prob")).default
        0.1
    """

    keys: tuple[str, ...]
    default: float = 0.1


Step = Union[Dense, Norm, Drop]


class Head(NamedTuple):
    """What transformers puts on a network for a task.

    Attributes:
        reads: str or `Said`. Which vectors: "pooler", the pooler of the network; "first", the first token; "mean", the
            mean of the tokens; "last", the last token that is no padding; "end", the decoder at the last end token of
            the text; "every", each token. A `Said` gives one of these words, or "cls" for "first".
        steps: tuple of `Dense`, `Norm` and `Drop`.
        fixed: dict from a key of the config file to its only value that is implemented, which is the default too.
        end: str. What follows on the name of the task in the name of the class, "Simple" for example.
        scope: (str, str). The beginning of the names of the network in files, and what the class has in its place.
        half: str. "_encoder" if only the encoder of the network is used.
        arguments: dict. Further arguments of `build_transformer_model`.
        carried: tuple of str. Variables of the network that the class has and the head does not need, by their
            canonical names; they are written as they were read.

    Example:
        >>> from b4k3.tasks.head_descriptions import head_of
        >>> head_of("bert", "QuestionAnswering").steps
        (Dense(name='qa_outputs', units=2, activation='linear', bias=True),)
    """

    reads: str | Said
    steps: tuple[Step, ...]
    fixed: Mapping[str, Any] = {}
    end: str = ""
    scope: tuple[str, str] = ("", "")
    half: str = ""
    arguments: Mapping[str, Any] = {}
    carried: tuple[str, ...] = ()


CLASSIFIER = ("classifier_dropout", "hidden_dropout_prob")
PROJECTED = Dense("classifier", LABELS)


def _pooled(keys: tuple[str, ...] = CLASSIFIER) -> Head:
    """Return a Dense layer on the pooler."""
    return Head("pooler", (Drop(keys), PROJECTED))


def _two_layers(
    activation: str | Said, keys: tuple[str, ...] = CLASSIFIER, name: str = "classifier", reads: str = "first"
) -> Head:
    """Return two Dense layers on one vector."""
    dense = Dense(f"{name}.dense", activation=activation)
    return Head(reads, (Drop(keys), dense, Drop(keys), Dense(f"{name}.out_proj", LABELS)))


def _tokens(keys: tuple[str, ...] = CLASSIFIER, default: float = 0.1) -> Head:
    """Return a Dense layer on each token."""
    return Head("every", (Drop(keys, default), PROJECTED))


QUESTIONS = Head("every", (Dense("qa_outputs", 2),))


def _of_encoder(classifier: Head, choice: Head, keys: tuple[str, ...] = CLASSIFIER) -> dict[str, Head]:
    """Return the four heads of an encoder."""
    return dict(zip(TASKS, (classifier, _tokens(keys), QUESTIONS, choice)))


BERT = _of_encoder(_pooled(), _pooled())
DISTILBERT_STEPS = (Dense("pre_classifier", activation="relu"), Drop(("seq_classif_dropout",), 0.2), PROJECTED)
DISTILBERT = {
    "SequenceClassification": Head("first", DISTILBERT_STEPS),
    "TokenClassification": _tokens(("dropout",)),
    "QuestionAnswering": Head("every", (Drop(("qa_dropout",)), Dense("qa_outputs", 2))),
    "MultipleChoice": Head("first", DISTILBERT_STEPS),
}
SUMMARY = Dense("sequence_summary.summary", activation="gelu")
ELECTRA_CHOICE = Head(
    "first",
    (SUMMARY, Drop(("summary_last_dropout",)), PROJECTED),
    {"summary_type": "first", "summary_use_proj": True, "summary_activation": "gelu"},
)
ROFORMER_CHOICE = Head(
    "last", (PROJECTED,), {"summary_type": "last", "summary_use_proj": False, "summary_activation": None}
)
MODERNBERT_STEPS = (
    Dense("head.dense", activation=Said("classifier_activation", "gelu"), bias=Said("classifier_bias", False)),
    Norm("head.norm", Said("norm_eps", 1e-5), Said("norm_bias", False)),
    Drop(("classifier_dropout",), 0.0),
    PROJECTED,
)
MODERNBERT = _of_encoder(
    Head(Said("classifier_pooling", "cls"), MODERNBERT_STEPS), Head(Said("classifier_pooling", "cls"), MODERNBERT_STEPS)
)
MODERNBERT["TokenClassification"] = Head("every", MODERNBERT_STEPS)
MODERNBERT["QuestionAnswering"] = Head("every", MODERNBERT_STEPS)
XLNET_HEAD = Head(
    "last",
    (
        Dense("sequence_summary.summary", activation="tanh"),
        Drop(("summary_last_dropout",)),
        Dense("logits_proj", LABELS),
    ),
    {"summary_type": "last", "summary_use_proj": True, "summary_activation": "tanh"},
)
XLNET = {
    task: head._replace(carried=("model/transformer/mask_emb/mask_emb",))
    for task, head in {
        "SequenceClassification": XLNET_HEAD,
        "TokenClassification": Head("every", (PROJECTED,)),
        "QuestionAnswering": QUESTIONS._replace(end="Simple"),
        "MultipleChoice": XLNET_HEAD,
    }.items()
}
DECODED = _two_layers("tanh", ("classifier_dropout",), "classification_head", "end")
BART = {"SequenceClassification": DECODED, "QuestionAnswering": QUESTIONS}
INSIDE = ("", "transformer.")
UNSCALED = {"logit_scale": 1.0}  # only the projection to the vocabulary scales the vectors
T5 = {
    "SequenceClassification": DECODED._replace(scope=INSIDE, arguments=UNSCALED),
    "TokenClassification": _tokens(("classifier_dropout",), 0.0)._replace(scope=INSIDE, half=ENCODER),
    "QuestionAnswering": QUESTIONS._replace(arguments=UNSCALED),
}
SCORE = Head("last", (Dense("score", LABELS, bias=False),))
GPT2 = {
    "SequenceClassification": SCORE,
    "TokenClassification": _tokens(("classifier_dropout",)),
    "QuestionAnswering": QUESTIONS,
}
LLAMA = {
    "SequenceClassification": SCORE,
    "TokenClassification": Head("every", (Drop(("classifier_dropout",)), Dense("score", LABELS))),
    "QuestionAnswering": QUESTIONS._replace(scope=("model.", "transformer.")),
}

# name of the network for `model=` -> task -> head
HEADS: dict[str, dict[str, Head]] = {
    "bert": BERT,
    "ernie": BERT,
    "megatron_bert": BERT,
    "nezha": BERT,
    "albert": _of_encoder(
        _pooled(("classifier_dropout_prob",)),
        _pooled(("classifier_dropout_prob",)),
        ("classifier_dropout_prob", "hidden_dropout_prob"),
    ),
    "roberta": _of_encoder(_two_layers("tanh"), _pooled(("hidden_dropout_prob",))),
    "electra": _of_encoder(_two_layers("gelu"), ELECTRA_CHOICE),
    "distilbert": DISTILBERT,
    "deberta_v2": _of_encoder(
        _pooled(("cls_dropout", "hidden_dropout_prob")),
        _pooled(("cls_dropout", "hidden_dropout_prob")),
        ("hidden_dropout_prob",),
    ),
    "mpnet": _of_encoder(
        _two_layers("tanh", ("hidden_dropout_prob",)), _pooled(("hidden_dropout_prob",)), ("hidden_dropout_prob",)
    ),
    "roformer": _of_encoder(_two_layers(Said("hidden_act", "gelu"), ("hidden_dropout_prob",)), ROFORMER_CHOICE),
    "modernbert": MODERNBERT,
    "xlnet": XLNET,
    "bart": BART,
    "gpt": {"SequenceClassification": SCORE},
    "gpt2": GPT2,
    "mistral": dict(LLAMA, QuestionAnswering=QUESTIONS),
}
HEADS.update({name: LLAMA for name in ("llama", "qwen2", "qwen3", "smollm3")})
HEADS.update({name: T5 for name in ("t5.1.0", "t5.1.1", "mt5.1.1", "umt5")})
# a file with the encoder alone
HEADS.update(
    {name + ENCODER: {"TokenClassification": T5["TokenClassification"]} for name in HEADS if HEADS[name] is T5}
)


def head_of(network: str, task: str) -> Head:
    """Find the head of a network for a task.

    Arguments:
        network: str. The name of the network for `model=`.
        task: str, from `TASKS`.

    Returns:
        `Head`.

    Raises:
        ConfigError: transformers has no such head, or b4k3 does not have it.
    """
    found = HEADS.get(network, {}).get(task)
    if found is None:
        others = ", ".join(sorted(name for name, heads in HEADS.items() if task in heads))
        raise ConfigError(f"{network} has no head for {task}; these have one: {others}")
    return found
