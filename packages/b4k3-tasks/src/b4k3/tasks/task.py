"""The base of the tasks: a network, its tokenizer and a head, from a folder and back into one."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, Iterable, Iterator, NamedTuple, Sequence

import numpy as np

from b4k3.backend import keras, largest_batch
from b4k3.models import ConfigError, Predictor
from b4k3.models.batching import padded_length
from b4k3.models.checkpoints import save_checkpoint
from b4k3.models.cli.target import write_json
from b4k3.models.errors import short, warn_caller
from b4k3.models.loading import in_dialect

from .batches import fit_batches, padded, run_batches
from .head_training import TaskBatches
from .heads import (
    TaskHead,
    build_arguments,
    build_head,
    find_head,
    head_config,
    head_variables,
    in_scope_of_class,
    special_tokens,
)
from .one_line import one_line, shown_labels
from .opening import Opened, open_folder
from .saving import copy_tokenizer, write_folder
from .task_export import TaskExport

if TYPE_CHECKING:
    from typing import Tuple, TypeVar, Union

    from b4k3.models.cli.subject import Subject

    Text = Union[str, Tuple[str, str]]
    Self = TypeVar("Self", bound="Task")


class Rows(NamedTuple):
    """Texts as the network reads them.

    Attributes:
        ids: list of lists of int.
        segments: list of lists of int.

    Example:
        >>> from b4k3.tasks.task import Rows
        >>> Rows([[2, 5, 3]], [[0, 0, 0]]).ids
        [[2, 5, 3]]
    """

    ids: Sequence[Sequence[int]]
    segments: Sequence[Sequence[int]]

    @classmethod
    def of(cls, encoded: Iterable[Any]) -> Rows:
        """Take the ids and segment ids of rows of an `Encoding`.

        Arguments:
            encoded: iterable of rows of an `Encoding`.

        Returns:
            `Rows`.
        """
        listed = list(encoded)
        return cls([row.ids for row in listed], [row.type_ids for row in listed])


class Task(TaskExport):
    """A network with a tokenizer and a head; the base of `TextClassifier`, `TokenTagger` and others.

    A subclass names its task, and turns logits into answers.

    Arguments:
        opened: `Opened`. The network, its tokenizer and its files.
        head: `TaskHead`. The description of the head, with its labels and arrays.
        maxlen: int or None. The number of tokens at which texts are cut; None takes what the folder says.

    Attributes:
        model: keras.Model. The inputs of the network to logits, float32: [batch, labels], or [batch, n, labels] if the
            head reads each token.
        transformer: `Transformer`. The network below.
        tokenizer: the tokenizer of b4k3-tokenizers.
        opened: `Opened`. The argument.
        head: `TaskHead`. The argument.
        maxlen: int or None. The number of tokens at which texts are cut.
        labels: list of str. The names of the labels, in the order of the logits.

    Example:
        >>> from b4k3.tasks.task import Task
        >>> Task.task
        ''
    """

    task = ""  # of `TASKS` in head_descriptions

    def __init__(self, opened: Opened, head: TaskHead, maxlen: int | None = None) -> None:
        self.opened, self.head = opened, head
        self.transformer, self.tokenizer = opened.transformer, opened.tokenizer
        limits = [limit for limit in (maxlen, opened.longest) if limit is not None]
        self.maxlen: int | None = min(limits) if limits else None
        self.labels: list[str] = list(head.labels)
        self.model = self.build_model()
        self._predictor: Any = None

    @classmethod
    def from_folder(
        cls: type[Self],
        folder: str | os.PathLike[str],
        labels: Sequence[str] | None = None,
        maxlen: int | None = None,
        vocab: str | None = None,
        case: str = "auto",
        new_head: bool = False,
        **arguments: Any,
    ) -> Self:
        """Load a folder of transformers, or of an original checkpoint, with its head or with a new one.

        Arguments:
            folder: path. A folder with checkpoint, config and vocabulary, or a checkpoint with these beside it.
            labels: list of str, or None. The names of the labels. A folder without a head for this task gets a new one
                for them, which must be trained. None takes the head and the labels of the folder.
            maxlen: int or None. Cut texts at so many tokens; None takes what the folder says.
            vocab: str or None. The vocabulary, if it is not in the folder.
            case: str. Whether text is lower-cased for a vocab.txt: "lower", "keep", or "auto", which asks
                tokenizer_config.json, and otherwise lower-cases it unless the vocabulary has capitals.
            new_head: bool. Whether a new head is made although the folder has one.
            arguments: further arguments of `build_transformer_model`.

        Returns:
            An instance of this class.

        Raises:
            ConfigError: the network has no such head, the folder has none and no labels are given, or something in it
                is not implemented.
            CheckpointError: the checkpoint cannot be loaded, or a variable of the head is missing.
            FileNotFoundError: there is no checkpoint or no vocabulary.
        """
        return cls._open(folder, labels, maxlen, vocab, case, new_head, None, arguments)

    @classmethod
    def _open(
        cls: type[Self],
        folder: str | os.PathLike[str],
        labels: Sequence[str] | None,
        maxlen: int | None,
        vocab: str | None,
        case: str,
        new_head: bool,
        problem: str | None,
        arguments: dict[str, Any],
    ) -> Self:
        """Open a folder; `problem` is the problem type of a new head."""
        if maxlen is not None and maxlen < 1:
            raise ConfigError(f"maxlen={maxlen}, expected 1 or more")
        found: list[TaskHead] = []

        def with_head(subject: Subject) -> dict[str, Any]:
            """Find the head, and return the arguments for the network below it."""
            found.append(find_head(subject, cls.task, labels, problem, new_head))
            return build_arguments(subject, found[0], arguments)

        opened = open_folder(os.fspath(folder), with_head, vocab, case)
        return cls(opened, found[0], maxlen)

    def build_model(self) -> Any:
        """Build the model from the inputs of the network to logits.

        Returns:
            keras.Model.
        """
        return build_head(self.transformer, self.head, self.opened.subject.network.name)

    def __repr__(self) -> str:
        return one_line(self, [shown_labels(self.labels)])

    # ------------------------------------------------------------------------------------------------- batches

    def tokenize(self, texts: Sequence[Text], warn: bool = True) -> Rows:
        """Tokenize texts, or pairs of texts.

        Arguments:
            texts: list of str, or of (str, str).
            warn: bool. Whether a warning counts the texts that were cut.

        Returns:
            `Rows`.
        """
        ids: list[Any] = [()] * len(texts)
        segments: list[Any] = [()] * len(texts)
        cut = 0
        for paired in (False, True):
            chosen = [i for i, text in enumerate(texts) if isinstance(text, str) != paired]
            if not chosen:
                continue
            first = [texts[i][0] if paired else texts[i] for i in chosen]
            second = [texts[i][1] for i in chosen] if paired else None
            encoded = self.tokenizer.encode_batch(first, second, maxlen=self.maxlen, stride=0, padding=False)
            for i, row, types in zip(chosen, encoded.ids, encoded.type_ids):
                ids[i], segments[i] = row, types
            if self.maxlen is not None and len(encoded.overflowing):
                cut += len(set(encoded.overflowing.sample_index))
        if cut and warn:
            warn_caller(f"{cut} of {len(texts)} texts have more than {self.maxlen} tokens and were cut")
        return Rows(ids, segments)

    def inputs(self, rows: Rows, chosen: Sequence[int] | None = None, width: int | None = None) -> list[np.ndarray]:
        """Make the inputs of the model: rows of ids, padded to one of few lengths.

        Arguments:
            rows: `Rows`.
            chosen: list of int, or None. The numbers of the rows; None takes all.
            width: int or None. The number of columns; None takes one that is enough.

        Returns:
            list of int32 arrays, [batch, n] each.
        """
        chosen = range(len(rows.ids)) if chosen is None else chosen
        picked = [rows.ids[i] for i in chosen]
        padding = self.transformer.pad_token_id
        longest = max(map(len, picked)) if self.equal_lengths else self.opened.longest
        if width is not None:
            picked = [[*row, *[max(padding, 0)] * (width - len(row))] for row in picked]
            longest = width
        ids = padded(picked, max(padding, 0), longest=longest)
        inputs = [ids]
        if getattr(self.transformer, "has_two_halves", False):
            _, start = special_tokens(self.head.settings, self.opened.subject.network.name)
            inputs.append(np.concatenate([np.full_like(ids[:, :1], start), ids[:, :-1]], axis=1))
        elif len(self.transformer.inputs) > 1:
            segments = np.zeros_like(ids)
            for k, i in enumerate(chosen):
                segments[k, : len(rows.segments[i])] = rows.segments[i]
            inputs.append(segments)
        return inputs

    @property
    def equal_lengths(self) -> bool:
        """Whether a batch needs rows of one length: the network has no padding, and the head reads the last token."""
        return self.transformer.pad_token_id < 0 and self.head.reads == "last"

    def run(
        self, rows: Rows, batch_size: int = 32, progress: bool = False, unit: str = "texts"
    ) -> Iterator[tuple[list[int], np.ndarray]]:
        """Compute the logits of rows, batch after batch, the longest first.

        Arguments:
            rows: `Rows`.
            batch_size: int. The number of rows that go through the network together.
            progress: bool. Whether a progress bar is shown, on a terminal only.
            unit: str. What the progress bar counts.

        Yields:
            (the numbers of the rows, float32 array: what the model gives for them).
        """
        if batch_size < 1:
            raise ConfigError(f"batch_size={batch_size}, expected 1 or more")
        if self._predictor is None or self._predictor.model is not self.model:
            self._predictor = Predictor(self.model)

        def compute(chosen: list[int]) -> np.ndarray:
            """Compute the logits of the rows with these numbers."""
            groups: dict[int, list[int]] = {}
            for k, i in enumerate(chosen):
                groups.setdefault(len(rows.ids[i]) if self.equal_lengths else 0, []).append(k)
            results: list[Any] = [None] * len(chosen)
            for group in groups.values():
                picked = [chosen[k] for k in group]
                longest = max(len(rows.ids[i]) for i in picked)
                width = longest if self.equal_lengths else padded_length(longest, self.opened.longest)
                logits = np.asarray(self._predictor(self.inputs(rows, picked, width)), dtype="float32")
                for k, row in zip(group, logits):
                    results[k] = row
            return np.stack(results)

        lengths = [len(row) for row in rows.ids]
        yield from run_batches(lengths, batch_size, compute, progress, unit, largest_batch())

    # ------------------------------------------------------------------------------------------------- training

    def train(
        self,
        rows: Rows,
        targets: Any,
        loss: Any,
        batch_size: int,
        epochs: int,
        learning_rate: float,
        optimizer: Any,
        seed: int,
        metrics: Sequence[Any],
        validation: tuple[Rows, Any] | None,
        kwargs: dict[str, Any],
        group: int = 1,
    ) -> Any:
        """Train the model.

        Arguments:
            rows: `Rows`.
            targets: array, [n, ...], or function from (numbers of the rows, number of columns) to the targets of a
                batch, or to (targets, weights).
            loss: a loss of Keras on logits.
            batch_size: int.
            epochs: int.
            learning_rate: float. The rate of Adam, if there is no `optimizer`.
            optimizer: a Keras optimizer, or None.
            seed: int. The seed of the order of the rows.
            metrics: list of metrics of Keras.
            validation: (`Rows`, targets) or None.
            kwargs: further arguments of the method `fit` of Keras.
            group: int. So many rows stay together; `batch_size` counts groups.

        Returns:
            The History of Keras.

        Raises:
            ConfigError: there are no rows, or the network has no padding.
        """
        if not rows.ids:
            raise ConfigError("texts: there is nothing to train on")
        if self.equal_lengths:
            raise ConfigError("the network has no padding: give from_folder pad_token_id=, the id of an unused token")
        batches = TaskBatches(self, rows, targets, batch_size, seed, group)
        optimizer = keras.optimizers.Adam(learning_rate) if optimizer is None else optimizer
        self.model.compile(optimizer=optimizer, loss=loss, metrics=list(metrics))
        if validation is not None:
            kwargs = dict(kwargs, validation_data=TaskBatches(self, *validation, batch_size, None, group))
        return fit_batches(self.model, batches, epochs, kwargs)

    # ------------------------------------------------------------------------------------------------- files

    def save(self, folder: str | os.PathLike[str], overwrite: bool = False) -> None:
        """Write a folder that `from_folder` and transformers load.

        Arguments:
            folder: path. It appears whole or not at all.
            overwrite: bool. Whether a folder that is there, and that `save` wrote, is replaced.

        Raises:
            ConfigError: something is there that may not be replaced.
            OSError: the folder cannot be written.
        """
        write_folder(os.fspath(folder), overwrite, self._write)

    def _write(self, folder: str) -> None:
        """Write all files into a new folder."""
        save_checkpoint(os.path.join(folder, "model.safetensors"), self.variables(), format="safetensors")
        self.write_beside(folder)

    def write_beside(self, folder: str) -> None:
        """Write the config and the tokenizer.

        Arguments:
            folder: str.
        """
        write_json(os.path.join(folder, "config.json"), self.config())
        subject = self.opened.subject
        copy_tokenizer(subject.folder, self.opened.vocabulary, folder, self.tokenizer)

    def variables(self) -> dict[str, np.ndarray]:
        """Return what `save` writes as the checkpoint.

        Returns:
            dict from a name of transformers to a float array.
        """
        tensors, view = self.transformer.checkpoint_variables(), self.opened.subject.view
        tensors.update((name, np.asarray(view[name])) for name in self.head.head.carried if name in view)
        named = in_dialect(tensors, "huggingface", self.transformer.description)
        return dict(in_scope_of_class(named, self.head), **head_variables(self.model, self.head))

    def config(self) -> dict[str, Any]:
        """Return what `save` writes as config.json.

        Returns:
            dict.
        """
        return head_config(self.opened.subject, self.transformer, self.head)


def checked_rows(texts: Any, what: str = "texts") -> list[Any]:
    """Make a list of texts and pairs of texts.

    Arguments:
        texts: iterable of str, or of (str, str).
        what: str. The name of the argument, for the message.

    Returns:
        list of str and of (str, str).

    Raises:
        ConfigError: it is one text, or one of its elements is neither a text nor a pair. The message says which one.
    """
    if isinstance(texts, (str, bytes)) or not hasattr(texts, "__iter__"):
        raise ConfigError(f"{what}: expected a list of texts, got {type(texts).__name__}")
    listed = list(texts)
    for i, text in enumerate(listed):
        if isinstance(text, str):
            continue
        if isinstance(text, (tuple, list)) and len(text) == 2 and all(isinstance(side, str) for side in text):
            listed[i] = tuple(text)
            continue
        raise ConfigError(f"{what}[{i}]: expected a text or a pair of texts, got {short(text)}")
    return listed
