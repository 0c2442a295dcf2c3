"""Train on labels of tokens: batches of rows of ids, and the loss at the tokens that count."""

from __future__ import annotations

from typing import Any, Callable, Sequence

from b4k3.backend import Tensor, keras, register
from b4k3.layers import Loss

from .batches import ShuffledBatches, fit_batches, padded
from .token_losses import token_crossentropy


@register
class TokenLoss(Loss):
    """Add the mean cross entropy at the tokens that have a label, and return the logits.

    Masks in: any, not read. Masks out: the mask of the logits.

    Arguments:
        output_axis: int. Which of the inputs is returned; 1 is the logits.

    Example:
        >>> from b4k3.tasks.token_training import TokenLoss
        >>> labels, logits = keras.Input((2,), dtype="int32"), keras.Input((2, 5))
        >>> model = keras.Model([labels, logits], TokenLoss()([labels, logits]))
        >>> model.compile(optimizer="sgd")
        >>> round(float(model.evaluate([np.array([[3, -1]]), np.zeros((1, 2, 5))], verbose=0)), 4)
        1.6094
    """

    def __init__(self, output_axis: Any = 1, **kwargs: Any) -> None:
        super().__init__(output_axis, **kwargs)

    def compute_loss(self, inputs: Any, mask: Any = None) -> Tensor:
        """Compute the loss.

        Arguments:
            inputs: (labels, int [batch, n], -1 where a token does not count; logits, float [batch, n, vocabulary]).
            mask: not read.

        Returns:
            float32, scalar.
        """
        return token_crossentropy(*inputs)


class RowBatches(ShuffledBatches):
    """Batches of rows of ids, in another order in each epoch.

    Arguments:
        columns: list of (rows, what they are padded with, largest number of ids or None). A column is an input of the
            model; the last one has the labels.
        batch_size: int. The number of rows in a batch.
        seed: int. The seed of the orders.
        change: function from a `RandomState` to columns, or None. It makes the columns of each epoch anew.

    Example:
        >>> from b4k3.tasks.token_training import RowBatches
        >>> batches = RowBatches([([[2, 5, 3], [2, 3]], 0, None), ([[5, 3, -1], [3, -1]], -1, None)], 2, seed=0)
        >>> [array.shape for array in batches[0][0]]
        [(2, 8), (2, 8)]
    """

    def __init__(
        self, columns: Sequence[Any], batch_size: int, seed: int, change: Callable[[Any], Sequence[Any]] | None = None
    ) -> None:
        self.columns, self.change = list(columns), change
        super().__init__(len(self.columns[0][0]), batch_size, seed)

    def __getitem__(self, index: int) -> tuple[Any]:
        chosen = self.chosen(index)
        arrays = [padded([rows[i] for i in chosen], value, longest=limit) for rows, value, limit in self.columns]
        return (tuple(arrays),)

    def _next_order(self) -> None:
        """Choose the order of an epoch, and make its columns."""
        if self.change is not None:
            self.columns = list(self.change(self.random))
        super()._next_order()


def fit_rows(model: Any, batches: RowBatches, epochs: int, optimizer: Any, kwargs: dict[str, Any]) -> Any:
    """Train a model by the method `fit` of Keras.

    Arguments:
        model: keras.Model. Its output is logits, [batch, n, vocabulary].
        batches: `RowBatches`. Its columns are the inputs of the model and the labels.
        epochs: int.
        optimizer: a Keras optimizer.
        kwargs: further arguments of the method `fit` of Keras. `validation_data` is a `RowBatches`.

    Returns:
        The History of Keras.
    """
    labels = keras.layers.Input((None,), dtype="int32", name="Input-Label")
    outputs = TokenLoss(name="Token-Loss")([labels, model.outputs[0]])
    trained = keras.Model([*model.inputs, labels], outputs)
    trained.compile(optimizer=optimizer)
    return fit_batches(trained, batches, epochs, kwargs)
