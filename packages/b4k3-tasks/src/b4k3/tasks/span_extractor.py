"""Texts in, spans out: a score for each span, so that spans may overlap."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, Iterable, Sequence

import numpy as np

from b4k3.backend import keras
from b4k3.layers import EfficientGlobalPointer, GlobalPointer
from b4k3.models import ConfigError
from b4k3.models.checkpoints import CheckpointError
from b4k3.models.checkpoints._files import is_regular
from b4k3.models.cli.configs import google_config
from b4k3.models.cli.target import write_json
from b4k3.models.errors import short, warn_caller
from b4k3.models.loading import in_dialect
from b4k3.models.quantised import refuse_quantised

from .batches import checked_validation
from .head_descriptions import Head
from .heads import TaskHead, build_arguments, build_head, checked_labels, head_config
from .opening import checked_texts, open_folder
from .probabilities import sigmoid
from .sentence_modules import read_json
from .spans import Span, checked_spans, without_repetitions
from .tagging_schemes import tokens_of
from .task import Rows, Task
from .token_losses import span_crossentropy
from .windows import checked_windows, make_windows

if TYPE_CHECKING:
    from typing import Mapping, TypeVar

    from numpy.typing import NDArray

    from b4k3.models.cli.subject import Subject

    Self = TypeVar("Self", bound="SpanExtractor")

SETTINGS = "span_extractor.json"
SCOPE = "global_pointer."  # the beginning of the names of the head in a file
KEYS = {"labels": list, "efficient": bool, "head_size": int, "rotary": bool}


class SpanExtractor(Task):
    """A model from texts to spans, which may overlap: a GlobalPointer scores every span for every label.

    `from_folder` makes it, with a new head from any checkpoint, or from a folder that `save` wrote.

    Arguments:
        opened: `Opened`. The network, its tokenizer and its files.
        head: `TaskHead`. Its labels, its arrays, and its settings: "efficient", "head_size" and "rotary".
        maxlen: int or None. The number of tokens in a window; None takes what the folder says.

    Attributes (besides the attributes of `Task`):
        labels: list of str. The labels of spans.

    Example:
        >>> from b4k3.tasks import SpanExtractor
        >>> SpanExtractor.from_folder("no such folder", labels=["PER", "LOC"])
        Traceback (most recent call last):
        ...
        FileNotFoundError: ...

    Reference: Su et al., Global Pointer, https://arxiv.org/abs/2208.03054; https://kexue.fm/archives/8877
    """

    task = "SpanExtraction"

    @classmethod
    def from_folder(
        cls: type[Self],
        folder: str | os.PathLike[str],
        labels: Sequence[str] | None = None,
        maxlen: int | None = None,
        vocab: str | None = None,
        case: str = "auto",
        new_head: bool = False,
        efficient: bool = True,
        head_size: int = 64,
        rotary: bool = True,
        **arguments: Any,
    ) -> Self:
        """Load a folder that `save` wrote, or any checkpoint with a new head.

        Arguments:
            folder: path. A folder with checkpoint, config and vocabulary, or a checkpoint with these beside it.
            labels: list of str, or None. The labels of spans. A folder without a head gets a new one for them, which
                must be trained. None takes the head of the folder.
            maxlen: int or None. The number of tokens in a window of a text; None takes what the folder says.
            vocab: str or None. The vocabulary, if it is not in the folder.
            case: str. Whether text is lower-cased for a vocab.txt: "lower", "keep", or "auto", which asks
                tokenizer_config.json, and otherwise lower-cases it unless the vocabulary has capitals.
            new_head: bool. Whether a new head is made although the folder has one.
            efficient: bool. Whether a new head is an `EfficientGlobalPointer`, or else a `GlobalPointer`.
            head_size: int. The size of the queries and keys of a new head.
            rotary: bool. Whether a new head knows how far the ends of a span are apart, by RoPE.
            arguments: further arguments of `build_transformer_model`.

        Returns:
            `SpanExtractor`.

        Raises:
            ConfigError: the folder has no head and no labels are given, or the network has no vector for each token.
            CheckpointError: the checkpoint cannot be loaded, or a variable of the head is missing.
            FileNotFoundError: there is no checkpoint or no vocabulary.
        """
        if maxlen is not None and maxlen < 1:
            raise ConfigError(f"maxlen={maxlen}, expected 1 or more")
        found: list[TaskHead] = []
        new = {"efficient": efficient, "head_size": head_size, "rotary": rotary}

        def with_head(subject: Subject) -> dict[str, Any]:
            """Find the head, and return the arguments for the network below it."""
            found.append(_find_head(subject, labels, new_head, new))
            return build_arguments(subject, found[0], arguments)

        opened = open_folder(os.fspath(folder), with_head, vocab, case)
        return cls(opened, found[0], maxlen)

    def build_model(self) -> Any:
        """Build the model from the inputs of the network to the scores of all spans.

        Returns:
            keras.Model. Its output is [batch, labels, n, n], -inf where there can be no span.
        """
        body = build_head(self.transformer, self.head, self.opened.subject.network.name)
        if isinstance(body.output, list) or len(body.output.shape) != 3:
            raise ConfigError(f"{type(self.transformer).__name__} has not one vector for each token as its output")
        if self.transformer.pad_token_id < 0:
            raise ConfigError("SpanExtractor needs a network that knows padding, and this one has no pad_token_id")
        settings = self.head.settings
        layer = (EfficientGlobalPointer if settings["efficient"] else GlobalPointer)(
            len(self.labels), settings["head_size"], RoPE=settings["rotary"], dtype="float32", name="Head-GlobalPointer"
        )
        model = keras.Model(body.inputs, layer(body.output))
        if self.head.arrays is not None:
            layer.set_weights(_arrays_of(layer, self.head.arrays))
        return model

    # ------------------------------------------------------------------------------------------------- answers

    def predict(
        self,
        texts: Iterable[str],
        batch_size: int = 32,
        progress: bool = False,
        threshold: float = 0.5,
        windows: str = "merge",
        stride: int | None = None,
    ) -> list[list[Span]]:
        """Find the spans of texts.

        Arguments:
            texts: iterable of str.
            batch_size: int. The number of windows that go through the network together.
            progress: bool. Whether a progress bar is shown, on a terminal only.
            threshold: float. The probability that a span must exceed, between 0 and 1.
            windows: str. What becomes of texts with more than `maxlen` tokens: "merge" reads them in windows and merges
                the spans; "cut" cuts them, and warns.
            stride: int or None. How many tokens a window repeats from the one before; None means a quarter of maxlen.

        Returns:
            list of lists of `Span`, one list for each text, by start, end and label. The score of a span is the sigmoid
            of its logit.

        Raises:
            ConfigError: something is no text, or an argument has a value that it cannot have.
        """
        listed = checked_texts(texts)
        cut = checked_windows(windows, stride, ("merge", "cut"))
        if not 0 < threshold < 1:
            raise ConfigError(f"threshold={threshold}, expected a number between 0 and 1")
        found = make_windows(self.tokenizer, listed, None, self.maxlen, stride, cut)
        rows = Rows.of(found.rows)
        spans: list[list[Span]] = [[] for _ in listed]
        for chosen, logits in self.run(rows, batch_size, progress, "windows"):
            for i, scores in zip(chosen, logits):
                text, places = listed[found.owners[i]], found.places(i)
                for label, first, last in np.argwhere(scores > np.log(threshold / (1 - threshold))).tolist():
                    (start, a), (b, end) = places[first], places[last]
                    if start < a and b < end:  # both are tokens of the text
                        score = float(sigmoid(scores[label, first, last]))
                        spans[found.owners[i]].append(Span(start, end, self.labels[label], score, text[start:end]))
        return [without_repetitions(row) for row in spans]

    # ------------------------------------------------------------------------------------------------ training

    def fit(
        self,
        texts: Iterable[str],
        spans: Iterable[Any],
        batch_size: int = 32,
        epochs: int = 1,
        learning_rate: float = 2e-5,
        optimizer: Any = None,
        seed: int = 0,
        **kwargs: Any,
    ) -> Any:
        """Train on texts with spans.

        Arguments:
            texts: iterable of str. A text with more than `maxlen` tokens becomes several windows.
            spans: iterable of lists. The spans of each text, (start, end, label) each, or `Span`. They may overlap.
            batch_size: int. The number of windows in a batch.
            epochs: int. How often all windows are seen.
            learning_rate: float. The rate of the optimizer Adam, if no `optimizer` is given.
            optimizer: a Keras optimizer, or None.
            seed: int. The seed of the order of the windows, which differs from epoch to epoch.
            kwargs: further arguments of the method `fit` of Keras: callbacks, verbose and so on. `validation_data` is
                (texts, spans), like the arguments here.

        Returns:
            The History of Keras.

        Raises:
            ConfigError: texts and spans do not fit each other, or a label is not one of the model's.
        """
        data = self._examples(texts, spans)
        validation = kwargs.pop("validation_data", None)
        validation = None if validation is None else self._examples(*checked_validation(validation))
        return self.train(
            *data, span_crossentropy, batch_size, epochs, learning_rate, optimizer, seed, [], validation, kwargs
        )

    def _examples(self, texts: Any, spans: Any) -> tuple[Rows, Any]:
        """Return the rows of texts with spans, and the function that makes their targets."""
        listed = checked_texts(texts)
        given = checked_spans(spans, listed)
        unknown = {span.label for row in given for span in row} - set(self.labels)
        if unknown:
            raise ConfigError(f"spans: {min(unknown)!r} is none of the labels {short(self.labels)}")
        found = make_windows(self.tokenizer, listed, None, self.maxlen)
        targets: list[list[tuple[int, int, int]]] = []
        learned = set()
        for i, owner in enumerate(found.owners):
            start, end = found.part_of_text(i, len(listed[owner]))
            targets.append([])
            for span in given[owner]:
                tokens = tokens_of(span, found.places(i)) if start <= span.start and span.end <= end else []
                if tokens:
                    targets[-1].append((self.labels.index(span.label), tokens[0], tokens[-1]))
                    learned.add((owner, span))
        lost = sum(len(set(row)) for row in given) - len(learned)
        if lost:
            warn_caller(f"{lost} spans have no tokens, or are in no window whole; they are not learned")

        def dense_targets(chosen: Sequence[int], columns: int) -> NDArray[np.float32]:
            """Return the targets of a batch."""
            array = np.zeros((len(chosen), len(self.labels), columns, columns), dtype="float32")
            for row, i in zip(array, chosen):
                for place in targets[i]:
                    row[place] = 1
            return array

        return Rows.of(found.rows), dense_targets

    # ------------------------------------------------------------------------------------------------- files

    def _write(self, folder: str) -> None:
        """Write all files into a new folder."""
        super()._write(folder)
        settings = {"labels": self.labels, **{key: self.head.settings[key] for key in KEYS if key != "labels"}}
        write_json(os.path.join(folder, SETTINGS), settings)

    def variables(self) -> dict[str, np.ndarray]:
        """Return what `save` writes as the checkpoint.

        Returns:
            dict from name to float array. The names of the head begin with "global_pointer.".
        """
        theirs = self.opened.subject.network.huggingface is not None
        refuse_quantised([self.model], "A folder that is written")
        tensors = self.transformer.checkpoint_variables()
        named = dict(in_dialect(tensors, "huggingface" if theirs else None, self.transformer.description))
        layer = self.model.get_layer("Head-GlobalPointer")
        return dict(named, **{SCOPE + name: np.asarray(w) for name, w in zip(_names_of(layer), layer.get_weights())})

    def config(self) -> dict[str, Any]:
        """Return what `save` writes as config.json.

        Returns:
            dict.
        """
        subject = self.opened.subject
        if subject.network.huggingface is None:
            return google_config(subject)
        return head_config(subject, self.transformer, self.head)


def _find_head(subject: Subject, labels: Any, new_head: bool, new: Mapping[str, Any]) -> TaskHead:
    """Find the head in a folder, or describe a new one."""
    path = os.path.join(subject.folder, SETTINGS)
    names = None if labels is None else checked_labels(labels)
    theirs = subject.network.huggingface
    class_name = "" if theirs is None else next(iter(theirs.types.values())) + "Model"
    said = dict(subject.file_config, **new)
    empty = TaskHead(SpanExtractor.task, Head("every", ()), names or [], None, None, said, class_name)
    if new_head or not is_regular(path):
        if names is None:
            raise ConfigError(
                f"{subject.path} has no {SETTINGS}; give labels= to make a new head, which must be trained"
            )
        return empty
    settings = read_json(path, dict)
    if set(settings) != set(KEYS) or any(type(settings[key]) is not kind for key, kind in KEYS.items()):
        raise ConfigError(f"{path}: {short(settings)}, expected the keys {', '.join(KEYS)} as save writes them")
    own = checked_labels(settings["labels"])
    if names is not None and sorted(names) != sorted(own):
        raise ConfigError(
            f"{subject.path} has a head with the labels {short(own)}; leave labels= out to use it, or say "
            "new_head=True to train another one"
        )
    checkpoint = subject.checkpoint_read
    arrays = {name: np.asarray(checkpoint[name]) for name in checkpoint if name.startswith(SCOPE)}
    return empty._replace(labels=own, arrays=arrays, settings=dict(subject.file_config, **settings))


def _names_of(layer: Any) -> list[str]:
    """Return the names of the weights of a GlobalPointer, in the order of `get_weights`."""
    parts = ("p_dense", "q_dense") if isinstance(layer, EfficientGlobalPointer) else ("dense",)
    return [f"{part}.{kind}" for part in parts for kind in ("kernel", "bias")]


def _arrays_of(layer: Any, arrays: Mapping[str, np.ndarray]) -> list[np.ndarray]:
    """Return the weights of a GlobalPointer from a file."""
    found = []
    for name, weight in zip(_names_of(layer), layer.get_weights()):
        value = arrays.get(SCOPE + name)
        if value is None or value.shape != weight.shape:
            was = "is missing" if value is None else f"is {list(value.shape)}"
            raise CheckpointError(f"{SCOPE}{name} {was} in the file, expected {list(weight.shape)}")
        found.append(np.asarray(value, dtype="float32"))
    return found
