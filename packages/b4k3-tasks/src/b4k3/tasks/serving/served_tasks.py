"""The tasks as the server uses them: texts become rows for the model thread, and results become JSON."""

from __future__ import annotations

import json
import os
from typing import Any, Iterator, Mapping, NamedTuple, Sequence

import numpy as np

from b4k3.backend import environment
from b4k3.models import ConfigError
from b4k3.models.batching import rounded
from b4k3.models.checkpoints._files import is_regular
from b4k3.models.cli.subject import Subject

from .model_thread import Call, Row
from .refusals import Refusal

TASKS = {  # task of the server -> (module of b4k3.tasks, class)
    "encode": ("text_encoder", "TextEncoder"),
    "classify": ("text_classifier", "TextClassifier"),
    "tag": ("token_tagger", "TokenTagger"),
    "fill-mask": ("fill_mask", "FillMask"),
    "generate": ("text_generator", "TextGenerator"),
}
ENDS = {  # how the name of a class of transformers ends -> task
    "ForSequenceClassification": "classify",
    "ForTokenClassification": "tag",
    "ForMaskedLM": "fill-mask",
    "ForPreTraining": "fill-mask",
    "ForCausalLM": "generate",
    "LMHeadModel": "generate",
    "ForConditionalGeneration": "generate",
}
PREPARED = 64  # the length up to which a network is compiled before the first text of that length comes


class ServedTask:
    """A task of b4k3.tasks, as the server uses it.

    Arguments:
        name: str. One of `TASKS`.
        task: an instance of the class of b4k3.tasks.

    Attributes:
        maxlen: int or None. The number of tokens that a text may have.

    Example:
        >>> from b4k3.tasks.serving.served_tasks import TASKS
        >>> sorted(TASKS)
        ['classify', 'encode', 'fill-mask', 'generate', 'tag']
    """

    def __init__(self, name: str, task: Any) -> None:
        self.name, self.task = name, task
        self.maxlen: int | None = task.maxlen

    def lengths(self, texts: Sequence[Any]) -> list[int]:
        """Count the tokens of texts, special tokens included.

        Arguments:
            texts: list of str and of (str, str).

        Returns:
            list of int.
        """
        lengths = [0] * len(texts)
        for paired in (False, True):
            chosen = [i for i, text in enumerate(texts) if isinstance(text, tuple) == paired]
            if not chosen:
                continue
            first = self._lowered([texts[i][0] if paired else texts[i] for i in chosen])
            second = self._lowered([texts[i][1] for i in chosen]) if paired else None
            ids = self.task.tokenizer.encode_batch(first, second, maxlen=None, padding=False).ids
            for i, row in zip(chosen, ids):
                lengths[i] = len(row)
        return lengths

    def _lowered(self, texts: list[str]) -> list[str]:
        """Lower-case texts if the task does it before its tokenizer."""
        lowercase = getattr(getattr(self.task, "modules", None), "lowercase", False)
        return ["".join(map(str.lower, text)) for text in texts] if lowercase else texts

    def rows(self, texts: Sequence[Any], truncate: bool) -> list[Row]:
        """Count the tokens of texts, and refuse texts that are too long.

        Arguments:
            texts: list of str and of (str, str).
            truncate: bool. Whether long texts are cut; else they are refused, or read in windows by "tag".

        Returns:
            list of `Row`.

        Raises:
            Refusal: a text is too long. The message says which one.
        """
        rows = []
        for i, (text, length) in enumerate(zip(texts, self.lengths(texts))):
            if self.maxlen is not None and length > self.maxlen:
                if not truncate and self.name != "tag":
                    raise Refusal(
                        400,
                        f"text {i} has {length} tokens, and the model takes {self.maxlen}; shorten it, or send "
                        '"truncate": true to have it cut',
                        "context_length_exceeded",
                        "input",
                    )
                length = self.maxlen
            rows.append(Row(length, text))
        return rows

    def preparations(self, call: Call, heights: Sequence[int]) -> list[Any]:
        """Return functions that make the network ready for texts of usual lengths.

        Arguments:
            call: `Call`. What computes texts.
            heights: list of int. The numbers of texts in a batch.

        Returns:
            list of functions without arguments. On JAX and TensorFlow each of them compiles one shape.
        """
        compiles = environment.backend in ("jax", "tensorflow")
        widths = sorted({rounded(n) for n in range(8, min(PREPARED, self.maxlen or PREPARED) + 1)})
        shapes = [(height, width) for width in widths for height in heights] if compiles else [(1, 8)]

        def step(height: int, width: int) -> None:
            """Compute texts of about `width` tokens."""
            call([" ".join("a" * (width - 2))] * height)

        return [lambda shape=shape: step(*shape) for shape in shapes]


# ------------------------------------------------------------------------------------------------- what is computed


def encode(texts: list[str], task: Any, prompt_name: str | None) -> Any:
    """Compute the vectors of a batch of texts.

    Arguments:
        texts: list of str.
        task: `TextEncoder`.
        prompt_name: str or None. The name of a prompt.

    Returns:
        float32 array, [n, d].
    """
    return task.encode(texts, batch_size=len(texts), prompt_name=prompt_name)


def classify(texts: list[Any], task: Any) -> list[dict[str, Any]]:
    """Classify a batch of texts.

    Arguments:
        texts: list of str and of (str, str).
        task: `TextClassifier`.

    Returns:
        list of {"label": …, "scores": {label: score}}.
    """
    scores = np.asarray(task.scores(texts, batch_size=len(texts)), dtype="float64")
    results = []
    for row in scores.tolist():
        named: dict[str, float] = dict(zip(task.labels, row))
        label: Any = max(named, key=lambda name: named[name])
        if "multi" in task.problem:
            label = [name for name, score in named.items() if score >= 0.5]
        elif task.problem == "regression":
            label = row[0] if len(row) == 1 else row
        results.append({"label": label, "scores": named})
    return results


def tag(texts: list[str], task: Any, windows: str = "merge") -> list[list[dict[str, Any]]]:
    """Find the spans of a batch of texts.

    Arguments:
        texts: list of str.
        task: `TokenTagger`.
        windows: str. "merge" or "cut": what becomes of texts with more tokens than the model takes.

    Returns:
        list of lists of {"start": …, "end": …, "label": …, "score": …, "text": …}.
    """
    return [[plain(span) for span in spans] for spans in task.predict(texts, batch_size=len(texts), windows=windows)]


def fill_mask(texts: list[str], task: Any, top: int) -> list[Any]:
    """Fill the masks of a batch of texts.

    Arguments:
        texts: list of str.
        task: `FillMask`.
        top: int. How many tokens there are for each mask.

    Returns:
        list with a list for each text, of lists for each mask, of {"token": …, "token_id": …, "score": …, "text": …}.
    """
    return [[[plain(one) for one in mask] for mask in masks] for masks in task.predict(texts, top, len(texts))]


def attention(texts: list[str], task: Any, layer: int) -> list[Any]:
    """Compute the attention weights of a layer for texts.

    Arguments:
        texts: list of str.
        task: a task of b4k3.tasks.
        layer: int. The number of the block.

    Returns:
        list of (tokens, float32 array, [heads, n, n]).

    Raises:
        Refusal: the network has no such weights.
    """
    from ..attention import attention_weights

    try:
        return [attention_weights(task, text, layer) for text in texts]
    except ConfigError as error:
        raise Refusal(400, str(error)) from None


def plain(answer: Any) -> dict[str, Any]:
    """Return a NamedTuple as a dict of what JSON has.

    Arguments:
        answer: NamedTuple.

    Returns:
        dict.

    Example:
        >>> from b4k3.tasks.serving.model_thread import Row
        >>> from b4k3.tasks.serving.served_tasks import plain
        >>> plain(Row(np.int64(3), "a cat"))
        {'length': 3, 'payload': 'a cat'}
    """
    fields: Iterator[tuple[str, Any]] = iter(answer._asdict().items())
    return {name: value.item() if isinstance(value, np.generic) else value for name, value in fields}


# ------------------------------------------------------------------------------------------------ opening a folder


class Opening(NamedTuple):
    """How a folder is opened, beside its path.

    Attributes:
        tasks: list of str, of `TASKS`. Empty takes what the folder is for.
        pooling: str or None. The pooling of "encode", for a folder that does not say it.
        application: str or None. The `application` of "generate", for a BERT, RoFormer or NEZHA.
        arguments: dict. Further arguments of each `from_folder`.

    Example:
        >>> from b4k3.tasks.serving.served_tasks import Opening
        >>> Opening(["encode"], "mean").pooling
        'mean'
    """

    tasks: Sequence[str] = ()
    pooling: str | None = None
    application: str | None = None
    arguments: Mapping[str, Any] = {}


def open_tasks(folder: str, opening: Opening) -> dict[str, ServedTask]:
    """Open a folder for each of its tasks.

    Arguments:
        folder: str.
        opening: `Opening`.

    Returns:
        dict from the name of a task to `ServedTask`.

    Raises:
        ConfigError: nothing says what the folder is for, or it cannot be read.
        CheckpointError: the checkpoint cannot be loaded.
        FileNotFoundError: there is no checkpoint or no vocabulary.
    """
    names = list(dict.fromkeys(opening.tasks)) or _tasks_of(folder, opening)
    return {name: ServedTask(name, _opened(folder, name, opening)) for name in names}


def _opened(folder: str, name: str, opening: Opening) -> Any:
    """Open a folder for one task."""
    import importlib

    module, kind = TASKS[name]
    arguments = dict(opening.arguments)
    if name == "encode":
        arguments["pooling"] = opening.pooling
    elif name == "generate" and opening.application is not None:
        arguments["application"] = opening.application
    try:
        found = importlib.import_module(f"b4k3.tasks.{module}")
    except ModuleNotFoundError:
        raise ConfigError(f"the task {name} needs a newer b4k3-tasks") from None
    return getattr(found, kind).from_folder(folder, **arguments)


def _tasks_of(folder: str, opening: Opening) -> list[str]:
    """Find out what a folder is for."""
    if opening.application is not None:
        return ["generate"]
    if opening.pooling is not None or is_regular(os.path.join(folder, "modules.json")):
        return ["encode"]
    said = os.path.join(folder, "config.json")
    names = _architectures(said) if is_regular(said) else []
    found = [task for name in names for end, task in ENDS.items() if name.endswith(end)]
    if not found:
        subject = Subject(os.fspath(folder)).require()
        found = ["generate"] if subject.network.generates else []
        found += ["fill-mask"] if "MLM head" in subject.parts_present() else []
    if not found:
        raise ConfigError(
            f"{folder} does not say what it is for: name --task, one of {', '.join(TASKS)}; for encode also --pooling"
        )
    return found[:1]


def _architectures(path: str) -> list[str]:
    """Return the classes of transformers that a config file names."""
    try:
        with open(path, encoding="utf-8") as file:
            found = json.load(file).get("architectures")
    except (ValueError, AttributeError):
        return []  # what opens the folder says what is wrong with the file
    return [name for name in found if isinstance(name, str)] if isinstance(found, list) else []
