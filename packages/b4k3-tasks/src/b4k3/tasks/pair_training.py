"""Train an encoder on pairs of texts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Iterable, Sequence

import numpy as np

from b4k3.models import ConfigError
from b4k3.optimizers import cosent_loss, multiple_negatives_ranking_loss, simcse_loss

from .batches import ShuffledBatches, fit_batches, padded

if TYPE_CHECKING:
    from .text_encoder import TextEncoder

LOSSES = {"cosent": cosent_loss, "multiple_negatives": multiple_negatives_ranking_loss, "simcse": simcse_loss}


class PairBatches(ShuffledBatches):
    """Batches of pairs, in another order in each epoch. Rows 2i and 2i + 1 of a batch are a pair.

    Arguments:
        inputs: list of int arrays, [2 * pairs, ...] each. The rows of all pairs.
        labels: float array, [2 * pairs, 1].
        batch_size: int. The number of pairs in a batch.
        seed: int. The seed of the orders.

    Example:
        >>> from b4k3.tasks.pair_training import PairBatches
        >>> batches = PairBatches([np.arange(8).reshape(8, 1)], np.zeros((8, 1)), 3, seed=0)
        >>> len(batches), batches[0][0].shape
        (2, (6, 1))
    """

    def __init__(self, inputs: Sequence[np.ndarray], labels: np.ndarray, batch_size: int, seed: int) -> None:
        super().__init__(len(labels) // 2, batch_size, seed)
        self.inputs, self.labels = list(inputs), labels

    def __getitem__(self, index: int) -> tuple[Any, np.ndarray]:
        pairs = self.chosen(index)
        rows = np.stack([2 * pairs, 2 * pairs + 1], axis=1).reshape(-1)
        inputs = tuple(array[rows] for array in self.inputs)
        return inputs if len(inputs) > 1 else inputs[0], self.labels[rows]


def fit_pairs(
    encoder: TextEncoder,
    texts: Iterable[Any],
    labels: Iterable[float] | None,
    loss: str,
    batch_size: int,
    epochs: int,
    optimizer: Any,
    seed: int,
    kwargs: dict[str, Any],
) -> Any:
    """Train an encoder; the arguments are the arguments of `TextEncoder.fit`.

    Arguments:
        encoder: `TextEncoder`.
        texts: iterable of pairs, or of texts.
        labels: iterable of numbers, or None.
        loss: str. A key of `LOSSES`.
        batch_size: int.
        epochs: int.
        optimizer: a Keras optimizer.
        seed: int.
        kwargs: further arguments of the method `fit` of Keras.

    Returns:
        The History of Keras.

    Raises:
        ConfigError: texts, labels and loss do not fit each other.
    """
    sides = _sides(texts, loss)
    numbers = _numbers(labels, len(sides) // 2, loss)
    rows, segments = encoder._rows(sides)
    height = len(rows)
    inputs = [padded(rows, encoder._padding_id, height, encoder.opened.longest)]
    if len(encoder.transformer.inputs) > 1:
        inputs.append(padded(segments, 0, height, encoder.opened.longest))
    if not encoder.modules.include_prompt:
        inputs.append(np.zeros((height, 1), dtype="int32"))
    encoder.model.compile(optimizer=optimizer, loss=LOSSES[loss])
    batches = PairBatches(inputs, np.repeat(numbers, 2).reshape(-1, 1), batch_size, seed)
    return fit_batches(encoder.model, batches, epochs, kwargs)


def _sides(texts: Iterable[Any], loss: str) -> list[str]:
    """Return the texts of all pairs, one after the other."""
    sides: list[str] = []
    for i, pair in enumerate(texts):
        pair = (pair, pair) if isinstance(pair, str) and loss == "simcse" else pair
        if isinstance(pair, str) or len(pair) != 2 or not all(isinstance(text, str) for text in pair):
            raise ConfigError(f"texts[{i}]: expected a pair of texts for the loss {loss!r}, got {pair!r:.80}")
        sides += pair
    if not sides:
        raise ConfigError("texts: there is no pair to train on")
    return sides


def _numbers(labels: Iterable[float] | None, pairs: int, loss: str) -> np.ndarray:
    """Return the labels of the pairs; zeros for a loss that reads none."""
    if (labels is None) == (loss == "cosent"):
        raise ConfigError(f"the loss {loss!r} {'needs labels' if labels is None else 'reads no labels'}")
    numbers = np.zeros(pairs, dtype="float32") if labels is None else np.asarray(list(labels), dtype="float32")
    if numbers.shape != (pairs,) or not np.isfinite(numbers).all():
        raise ConfigError(f"labels: expected {pairs} finite numbers, one for each pair, got {numbers.shape}")
    return numbers
