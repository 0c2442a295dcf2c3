"""Texts in, labels out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Iterable, Sequence

import numpy as np

from b4k3.backend import keras
from b4k3.models import ConfigError
from b4k3.models.errors import short

from .batches import checked_validation
from .heads import MULTI, REGRESSION, SINGLE
from .probabilities import sigmoid, softmax
from .task import Rows, Task, checked_rows
from .windows import checked_windows, make_windows, mean_of_windows

if TYPE_CHECKING:
    import os
    from typing import TypeVar

    from numpy.typing import NDArray

    Self = TypeVar("Self", bound="TextClassifier")


class TextClassifier(Task):
    """A model from texts, or pairs of texts, to labels or numbers.

    `from_folder` makes it, from a classifier of transformers, from a checkpoint of Google's run_classifier.py, or with
    a new head from any checkpoint whose network has one. A head gives one label for each text, any number of labels, or
    numbers; `problem_type` in config.json says which, as in transformers.

    Arguments:
        opened: `Opened`. The network, its tokenizer and its files.
        head: `TaskHead`. The description of the head, with its labels and arrays.
        maxlen: int or None. The number of tokens at which texts are cut; None takes what the folder says.

    Attributes (besides the attributes of `Task`):
        problem: str. "single_label_classification", "multi_label_classification" or "regression".

    Example:
        >>> from b4k3.tasks import TextClassifier
        >>> TextClassifier.from_folder("no such folder", labels=["bad", "good"])
        Traceback (most recent call last):
        ...
        FileNotFoundError: ...

    Reference: Devlin et al., BERT, https://arxiv.org/abs/1810.04805, https://github.com/google-research/bert
    """

    task = "SequenceClassification"

    @classmethod
    def from_folder(
        cls: type[Self],
        folder: str | os.PathLike[str],
        labels: Sequence[str] | None = None,
        maxlen: int | None = None,
        vocab: str | None = None,
        case: str = "auto",
        new_head: bool = False,
        multi_label: bool = False,
        regression: bool = False,
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
            multi_label: bool. Whether a text may have any number of labels.
            regression: bool. Whether the head gives numbers: one for each label, or one if there are no labels.
            arguments: further arguments of `build_transformer_model`.

        Returns:
            `TextClassifier`.

        Raises:
            ConfigError: the network has no such head, the folder has none and no labels are given, or something in it
                is not implemented.
            CheckpointError: the checkpoint cannot be loaded, or a variable of the head is missing.
            FileNotFoundError: there is no checkpoint or no vocabulary.
        """
        if multi_label and regression:
            raise ConfigError("give either multi_label=True or regression=True")
        problem = MULTI if multi_label else REGRESSION if regression else None
        return cls._open(folder, labels, maxlen, vocab, case, new_head, problem, arguments)

    @property
    def problem(self) -> str:
        """What the head gives; a config file that does not say it means one label for each text."""
        if self.head.problem is not None:
            return self.head.problem
        return SINGLE if len(self.labels) > 1 else MULTI

    # ------------------------------------------------------------------------------------------------- answers

    def scores(
        self,
        texts: Iterable[Any],
        batch_size: int = 32,
        progress: bool = False,
        windows: str = "cut",
        stride: int | None = None,
    ) -> NDArray[np.float32]:
        """Compute the probability of each label for each text, or the numbers of a regression.

        Arguments:
            texts: iterable of str, or of (str, str).
            batch_size: int. The number of texts that go through the network together.
            progress: bool. Whether a progress bar is shown, on a terminal only.
            windows: str. What becomes of texts with more than `maxlen` tokens: "cut"; or "mean", the mean of the scores
                of windows.
            stride: int or None. How many tokens a window repeats from the window before; None means a quarter of
                `maxlen`.

        Returns:
            float32 array, [n, labels]. Each row adds up to 1 if a text has one label. If texts were cut, one warning
            says how many.

        Raises:
            ConfigError: something is neither a text nor a pair of texts; or windows of pairs are asked for.
        """
        listed, owners = checked_rows(texts), None
        if checked_windows(windows, stride, ("cut", "mean")):
            rows = self.tokenize(listed)
        elif any(not isinstance(text, str) for text in listed):
            raise ConfigError("windows='mean' is for single texts: it is not clear which text of a pair to cut")
        else:
            owners, encoded = make_windows(self.tokenizer, listed, None, self.maxlen, stride)
            rows = Rows.of(encoded)
        logits = np.zeros((len(rows.ids), len(self.labels)), dtype="float32")
        for chosen, result in self.run(rows, batch_size, progress):
            logits[chosen] = result
        activation = {SINGLE: softmax, MULTI: sigmoid}.get(self.problem)
        scores = logits if activation is None else activation(logits)
        return scores if owners is None else mean_of_windows(scores, owners, len(listed))

    def predict(
        self,
        texts: Iterable[Any],
        batch_size: int = 32,
        progress: bool = False,
        threshold: float = 0.5,
        windows: str = "cut",
        stride: int | None = None,
    ) -> Any:
        """Find the labels of texts.

        Arguments:
            texts: iterable of str, or of (str, str).
            batch_size: int. The number of texts that go through the network together.
            progress: bool. Whether a progress bar is shown, on a terminal only.
            threshold: float. If a text may have any number of labels, it has the labels of at least this probability.
            windows: str. "cut" or "mean", as for `scores`.
            stride: int or None. How many tokens a window repeats from the window before.

        Returns:
            list of str, one label for each text; list of lists of str if a text may have any number of labels; float32
            array, [n] or [n, labels], of a regression.

        Raises:
            ConfigError: something is neither a text nor a pair of texts.
        """
        scores = self.scores(texts, batch_size, progress, windows, stride)
        if self.problem == REGRESSION:
            return scores[:, 0] if len(self.labels) == 1 else scores
        if self.problem == MULTI:
            return [[label for label, p in zip(self.labels, row) if p >= threshold] for row in scores.tolist()]
        return [self.labels[i] for i in scores.argmax(axis=1)] if len(scores) else []

    # ------------------------------------------------------------------------------------------------ training

    def fit(
        self,
        texts: Iterable[Any],
        labels: Iterable[Any],
        batch_size: int = 32,
        epochs: int = 1,
        learning_rate: float = 2e-5,
        optimizer: Any = None,
        seed: int = 0,
        **kwargs: Any,
    ) -> Any:
        """Train on texts with labels.

        Arguments:
            texts: iterable of str, or of (str, str).
            labels: iterable. The name of a label, or its number, for each text; a list of these if a text may have any
                number of labels; a number, or a list of numbers, for a regression.
            batch_size: int. The number of texts in a batch.
            epochs: int. How often all texts are seen.
            learning_rate: float. The rate of the optimizer Adam, if no `optimizer` is given.
            optimizer: a Keras optimizer, or None.
            seed: int. The seed of the order of the texts, which differs from epoch to epoch.
            kwargs: further arguments of the method `fit` of Keras: callbacks, verbose and so on. `validation_data` is
                (texts, labels), like the arguments here.

        Returns:
            The History of Keras.

        Raises:
            ConfigError: texts and labels do not fit each other, or a label is not one of the model's.
        """
        data = self._examples(texts, labels, "")
        validation = kwargs.pop("validation_data", None)
        if validation is not None:
            validation = self._examples(*checked_validation(validation), "validation_data: ")
        loss: Any = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
        metrics: list[Any] = ["accuracy"]
        if self.problem == MULTI:
            loss, metrics = keras.losses.BinaryCrossentropy(from_logits=True), []
        elif self.problem == REGRESSION:
            loss, metrics = "mse", []
        return self.train(*data, loss, batch_size, epochs, learning_rate, optimizer, seed, metrics, validation, kwargs)

    def _examples(self, texts: Any, labels: Any, what: str) -> tuple[Any, np.ndarray]:
        """Return the rows and targets of texts with labels."""
        if isinstance(labels, (str, bytes)) or not hasattr(labels, "__iter__"):
            raise ConfigError(f"{what}labels: expected a list, one for each text, got {type(labels).__name__}")
        listed, given = checked_rows(texts, what + "texts"), list(labels)
        if len(listed) != len(given):
            raise ConfigError(f"{what}{len(listed)} texts and {len(given)} labels, expected one for each text")
        return self.tokenize(listed), self._targets(given, what)

    def _targets(self, labels: list[Any], what: str) -> np.ndarray:
        """Return the targets of the loss: int32 [n], or float32 [n, labels]."""
        if self.problem == SINGLE:
            return np.array([self._number(label, what) for label in labels], dtype="int32")
        targets = np.zeros((len(labels), len(self.labels)), dtype="float32")
        for row, label in zip(targets, labels):
            several = isinstance(label, (list, tuple, set, frozenset, np.ndarray))
            if self.problem == MULTI:
                if not several:
                    raise ConfigError(f"{what}labels: expected a list of labels for each text, got {short(label)}")
                row[[self._number(one, what) for one in label]] = 1
                continue
            try:
                numbers = np.asarray(label, dtype="float32").reshape(-1)
            except (TypeError, ValueError):
                raise ConfigError(f"{what}labels: expected numbers, got {short(label)}") from None
            if len(numbers) != len(self.labels) or not np.isfinite(numbers).all():
                raise ConfigError(f"{what}labels: expected {len(self.labels)} finite numbers, got {short(label)}")
            row[:] = numbers
        return targets

    def _number(self, label: Any, what: str) -> int:
        """Return the number of a label."""
        if isinstance(label, str) and label in self.labels:
            return self.labels.index(label)
        whole = isinstance(label, (int, np.integer)) and not isinstance(label, bool)
        if whole and 0 <= label < len(self.labels):
            return int(label)
        raise ConfigError(f"{what}labels: {label!r} is none of {short(self.labels)}")
