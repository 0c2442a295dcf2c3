"""A context and several choices in, the best choice out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Iterable

import numpy as np

from b4k3.backend import keras, ops
from b4k3.models import ConfigError
from b4k3.models.errors import short

from .batches import checked_validation
from .probabilities import softmax
from .task import Rows, Task

if TYPE_CHECKING:
    from numpy.typing import NDArray


class MultipleChoice(Task):
    """A model that says which of several choices continues or answers a text.

    Each pair of the context and one choice gives a number; the numbers of a context are compared. Contexts may have
    different numbers of choices. `from_folder` makes it from a folder of transformers with such a head, or with
    `new_head=True` from any checkpoint whose network has one.

    Arguments:
        opened: `Opened`. The network, its tokenizer and its files.
        head: `TaskHead`. The description of the head, with its arrays.
        maxlen: int or None. The number of tokens at which texts are cut; None takes what the folder says.

    Example:
        >>> from b4k3.tasks import MultipleChoice
        >>> MultipleChoice.from_folder("no such folder")
        Traceback (most recent call last):
        ...
        FileNotFoundError: ...

    Reference: Zellers et al., SWAG, https://arxiv.org/abs/1808.05326
    """

    task = "MultipleChoice"

    # ------------------------------------------------------------------------------------------------- answers

    def scores(self, texts: Iterable[Any], batch_size: int = 32, progress: bool = False) -> list[NDArray[np.float32]]:
        """Compute the probability of each choice.

        Arguments:
            texts: iterable of (str, list of str). A context and its choices.
            batch_size: int. The number of pairs that go through the network together.
            progress: bool. Whether a progress bar is shown, on a terminal only.

        Returns:
            list of float32 arrays, [choices] each, which add up to 1. If pairs were cut, one warning says how many.

        Raises:
            ConfigError: something is no context with choices.
        """
        rows, counts = self._pairs(texts)
        logits = np.zeros(len(rows.ids), dtype="float32")
        for chosen, result in self.run(rows, batch_size, progress, "choices"):
            logits[chosen] = result[:, 0]
        return [softmax(part) for part in np.split(logits, np.cumsum(counts)[:-1])] if counts else []

    def predict(self, texts: Iterable[Any], batch_size: int = 32, progress: bool = False) -> list[int]:
        """Find the best choice of each context.

        Arguments:
            texts: iterable of (str, list of str). A context and its choices.
            batch_size: int. The number of pairs that go through the network together.
            progress: bool. Whether a progress bar is shown, on a terminal only.

        Returns:
            list of int. The number of the best choice, counted from 0.

        Raises:
            ConfigError: something is no context with choices.
        """
        return [int(row.argmax()) for row in self.scores(texts, batch_size, progress)]

    # ------------------------------------------------------------------------------------------------ training

    def fit(
        self,
        texts: Iterable[Any],
        labels: Iterable[int],
        batch_size: int = 8,
        epochs: int = 1,
        learning_rate: float = 2e-5,
        optimizer: Any = None,
        seed: int = 0,
        **kwargs: Any,
    ) -> Any:
        """Train on contexts with the numbers of their right choices.

        Arguments:
            texts: iterable of (str, list of str). Contexts and choices, the same number of choices for each context.
            labels: iterable of int. The number of the right choice of each context, counted from 0.
            batch_size: int. The number of contexts in a batch.
            epochs: int. How often all contexts are seen.
            learning_rate: float. The rate of the optimizer Adam, if no `optimizer` is given.
            optimizer: a Keras optimizer, or None.
            seed: int. The seed of the order of the contexts, which differs from epoch to epoch.
            kwargs: further arguments of the method `fit` of Keras: callbacks, verbose and so on. `validation_data` is
                (texts, labels), like the arguments here.

        Returns:
            The History of Keras.

        Raises:
            ConfigError: contexts differ in the number of choices, or a label is the number of no choice.
        """
        rows, targets, choices = self._examples(texts, labels)
        validation = kwargs.pop("validation_data", None)
        if validation is not None:
            *validation, others = self._examples(*checked_validation(validation))
            if others != choices:
                raise ConfigError(f"validation_data has {others} choices for each context, the other texts {choices}")
        return self.train(
            *(rows, targets, choice_loss(choices), batch_size, epochs, learning_rate, optimizer, seed),
            *([], validation, kwargs, choices),
        )

    # ------------------------------------------------------------------------------------------------- helpers

    def _pairs(self, texts: Iterable[Any]) -> tuple[Rows, list[int]]:
        """Return the rows of all pairs, and the number of choices of each context."""
        pairs: list[tuple[str, str]] = []
        counts = []
        for i, text in enumerate(texts):
            fits = isinstance(text, (tuple, list)) and len(text) == 2 and isinstance(text[0], str)
            choices = list(text[1]) if fits and isinstance(text[1], (tuple, list)) else []
            if not choices or not all(isinstance(choice, str) for choice in choices):
                raise ConfigError(f"texts[{i}]: expected (context, list of choices), got {short(text)}")
            pairs += [(text[0], choice) for choice in choices]
            counts.append(len(choices))
        return self.tokenize(pairs), counts

    def _examples(self, texts: Iterable[Any], labels: Iterable[int]) -> tuple[Rows, np.ndarray, int]:
        """Return the rows, the targets, float32 [contexts * choices, 1], and the number of choices of each context."""
        rows, counts = self._pairs(texts)
        given = list(labels)
        if not counts or len(given) != len(counts):
            raise ConfigError(f"{len(counts)} contexts and {len(given)} labels, expected one for each context")
        if len(set(counts)) > 1:
            raise ConfigError(f"contexts have {min(counts)} to {max(counts)} choices; training needs equal numbers")
        for label in given:
            whole = isinstance(label, (int, np.integer)) and not isinstance(label, bool)
            if not whole or not 0 <= label < counts[0]:
                raise ConfigError(f"labels: {label!r} is the number of no choice; there are {counts[0]}")
        targets = np.eye(counts[0], dtype="float32")[[int(label) for label in given]]
        return rows, targets.reshape(-1, 1), counts[0]


def choice_loss(choices: int) -> Any:
    """Make the cross-entropy over the choices of each context.

    Arguments:
        choices: int. The number of choices; so many rows after each other belong to one context.

    Returns:
        function from (1 at the right choice, logits), float, [contexts * choices, 1] each, to float, [contexts].
    """

    def loss(y_true: Any, y_pred: Any) -> Any:
        """Compute the cross-entropy of each context."""
        logits = ops.reshape(ops.cast(y_pred, "float32"), (-1, choices))  # [contexts, choices]
        right = ops.reshape(ops.cast(y_true, "float32"), (-1, choices))  # [contexts, choices]
        return keras.losses.categorical_crossentropy(right, logits, from_logits=True)

    return loss
