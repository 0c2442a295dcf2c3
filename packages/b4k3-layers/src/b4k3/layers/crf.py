"""Labels that depend on their neighbours: conditional random field and maximum entropy Markov model.

Both layers only hide padding from the scores of the labels. The transitions between labels, which they learn, act in
their losses: `model.compile(loss=layer.sparse_loss, metrics=[layer.sparse_accuracy])`.
"""

from __future__ import annotations

from typing import Any

from b4k3.backend import (
    Layer,
    Tensor,
    checked_ids,
    dtype,
    keras,
    logsumexp,
    nan_unless,
    ops,
    register,
    sequence_masking,
    upcast,
)


class _LabelChain(Layer):
    """The base of layers that hand the scores of labels to a loss which knows about neighbours.

    The scores of padding become -inf. Keras gives no mask to a loss, so the losses recognise padding by these scores.
    """

    float_matrices = ("_trans", "_l_trans", "_r_trans")  # scores of labels, which nothing multiplies by

    def __init__(self, lr_multiplier: float = 1, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.lr_multiplier = lr_multiplier

    def _add_transitions(self, name: str, shape: tuple[int | None, ...]) -> Any:
        """Make a weight that is Glorot uniform in its true scale, and is kept smaller by `lr_multiplier`."""
        scale = float(self.lr_multiplier) ** -2
        initializer = keras.initializers.VarianceScaling(scale, mode="fan_avg", distribution="uniform")
        return self.add_weight(name=name, shape=shape, initializer=initializer)

    def _true_scale(self, weight: Any) -> Tensor:
        """Multiply a weight by `lr_multiplier`."""
        return weight if self.lr_multiplier == 1 else weight * self.lr_multiplier

    def call(self, inputs: Tensor, mask: Tensor | None = None) -> Tensor:
        """Hide padding.

        Arguments:
            inputs: float, [batch, n, labels]. The scores of the labels.
            mask: bool, [batch, n], or None. False at padding.

        Returns:
            float, [batch, n, labels]. The scores, -inf at padding.
        """
        return sequence_masking(inputs, mask, "-inf", 1)

    def compute_mask(self, inputs: Tensor, mask: Tensor | None = None) -> None:
        """Return None, because the scores themselves tell what is padding."""
        return None

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        """Return the shape of the inputs."""
        return tuple(input_shape)

    def sparse_loss(self, y_true: Tensor, y_pred: Tensor) -> Tensor:
        """Compute the loss of labels that are given as numbers. Each subclass has its own.

        Arguments:
            y_true: int, [batch, n] or [batch, n, 1]. The labels. Those at padding do not count.
            y_pred: float, [batch, n, labels]. The output of this layer.

        Returns:
            float, [batch] or []. The loss.
        """
        raise NotImplementedError(f"{type(self).__name__}: override sparse_loss(self, y_true, y_pred)")

    def dense_loss(self, y_true: Tensor, y_pred: Tensor) -> Tensor:
        """Compute `sparse_loss` of labels in one-hot form.

        Arguments:
            y_true: [batch, n, labels]. The labels in one-hot form.
            y_pred: float, [batch, n, labels]. The output of this layer.

        Returns:
            The result of `sparse_loss`.
        """
        return self.sparse_loss(ops.argmax(y_true, axis=-1), y_pred)

    def sparse_accuracy(self, y_true: Tensor, y_pred: Tensor) -> Tensor:
        """Compute how often the label with the best score is right. Transitions are left out, which makes it quick.

        Keras 3 on JAX shows no weights to metrics, so this method cannot read the transitions.

        Arguments:
            y_true: int, [batch, n] or [batch, n, 1]. The labels. Those at padding do not count.
            y_pred: float, [batch, n, labels]. The output of this layer.

        Returns:
            float32, []. The mean over the positions of the batch that are not padding.
        """
        best = ops.argmax(y_pred, axis=-1)
        y_true = ops.reshape(y_true, ops.shape(best))
        present = ops.any(y_pred > float("-inf"), axis=-1)
        return _mean(ops.equal(y_true, ops.cast(best, dtype(y_true))), present)

    def dense_accuracy(self, y_true: Tensor, y_pred: Tensor) -> Tensor:
        """Compute `sparse_accuracy` of labels in one-hot form.

        Arguments:
            y_true: [batch, n, labels]. The labels in one-hot form.
            y_pred: float, [batch, n, labels]. The output of this layer.

        Returns:
            float32, []. The accuracy.
        """
        return self.sparse_accuracy(ops.argmax(y_true, axis=-1), y_pred)

    def get_config(self) -> dict[str, Any]:
        """Return the arguments that make this layer again."""
        config = super().get_config()
        config.update(lr_multiplier=self.lr_multiplier)
        return config


def _read(y_true: Tensor, y_pred: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Return labels int32 [b, n], scores float [b, n, labels], and present bool [b, n]. At padding all are 0."""
    scores = upcast(y_pred)
    present = ops.any(scores > float("-inf"), axis=-1)  # [b, n]
    labels = ops.convert_to_tensor(ops.reshape(y_true, ops.shape(scores)[:-1]))
    labels = ops.where(present, labels, ops.zeros_like(labels))  # [b, n]
    labels, known = checked_ids(labels, "y_true", 0, ops.shape(scores)[-1] - 1)
    return labels, nan_unless(known, ops.where(present[..., None], scores, 0.0)), present


def _linked(present: Tensor) -> Tensor:
    """Return True where neither a position nor the one before it is padding: bool [b, n - 1]."""
    return ops.logical_and(present[:, 1:], present[:, :-1])


def _scores_of(labels: Tensor, scores: Tensor) -> Tensor:
    """Return the score of each label: [b, n]."""
    return ops.take_along_axis(scores, labels[..., None], axis=-1)[..., 0]


def _mean(values: Tensor, present: Tensor) -> Tensor:
    """Return the mean over all positions of the batch that are not padding, a scalar."""
    total = ops.sum(ops.where(present, ops.cast(values, "float32"), 0.0))
    return total / ops.maximum(ops.sum(ops.cast(present, "float32")), 1.0)


@register
class ConditionalRandomField(_LabelChain):
    """Learn the transitions between labels as a linear-chain conditional random field.

    The score of a path is the sum of the scores of its labels and of its transitions.

    Mask in: [batch, n], or None. Stretches of positions with padding between them are separate paths. Mask out: None.

    `ViterbiDecoder(K.eval(layer.trans))` of b4k3-snippets finds the best path. A model that was compiled with a method
    of this layer is loaded with `compile=False`, and compiled again.

    Arguments:
        lr_multiplier: float. The transitions learn this many times faster than the rest of the model. The weight is
            kept smaller by this factor.

    Attributes:
        trans: float, [labels, labels]. The score of going from label i to label j, in its true scale.

    Weights: trans.

    Example:
        >>> layer = ConditionalRandomField(lr_multiplier=100)
        >>> scores = layer(ops.ones((2, 4, 5)))  # [2, 4, 5]
        >>> loss = layer.sparse_loss(ops.ones((2, 4)), scores)  # [2]

    Reference: Lafferty et al., Conditional Random Fields, ICML 2001; for lr_multiplier https://kexue.fm/archives/7196
    """

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        """Make the matrix of transitions."""
        labels = input_shape[-1]
        self._trans = self._add_transitions("trans", (labels, labels))
        self.built = True

    @property
    def trans(self) -> Tensor:
        """The transitions in their true scale, [labels, labels]."""
        return self._true_scale(self._trans)

    def sparse_loss(self, y_true: Tensor, y_pred: Tensor) -> Tensor:
        """Compute minus the logarithm of the probability of the right paths, at least in float32.

        Arguments:
            y_true: int, [batch, n] or [batch, n, 1]. The labels. Those at padding do not count.
            y_pred: float, [batch, n, labels]. The output of this layer. -inf forbids a label.

        Returns:
            float, [batch]. 0 for a sequence that is all padding.
        """
        labels, scores, present = _read(y_true, y_pred)
        trans = ops.cast(ops.convert_to_tensor(self.trans), dtype(scores))
        return log_partition(scores, trans, present) - path_score(labels, scores, trans, present)


def path_score(labels: Tensor, scores: Tensor, trans: Tensor, present: Tensor) -> Tensor:
    """Compute the score of one path in each sequence.

    Arguments:
        labels: int32, [batch, n]. The path.
        scores: float, [batch, n, labels]. The scores of the labels, 0 at padding.
        trans: float, [labels, labels]. The scores of the transitions.
        present: bool, [batch, n]. False at padding.

    Returns:
        float, [batch].
    """
    moves = labels[:, :-1] * ops.shape(scores)[-1] + labels[:, 1:]  # [b, n - 1]
    steps = ops.take(ops.reshape(trans, (-1,)), moves, axis=0)  # [b, n - 1]
    steps = ops.where(_linked(present), steps, 0.0)  # [b, n - 1]
    return ops.sum(_scores_of(labels, scores), axis=1) + ops.sum(steps, axis=1)  # [b]


def log_partition(scores: Tensor, trans: Tensor, present: Tensor) -> Tensor:
    """Compute log Σ exp(score) over all paths, by the forward algorithm.

    Arguments:
        scores: float, [batch, n, labels]. The scores of the labels, 0 at padding.
        trans: float, [labels, labels]. The scores of the transitions.
        present: bool, [batch, n]. False at padding.

    Returns:
        float, [batch].
    """
    first = ops.zeros_like(present[:, :1])
    linked = ops.concatenate([first, _linked(present)], axis=1)  # [b, n]
    start = ops.log_softmax(ops.zeros_like(scores[:, 0]), axis=-1)  # [b, labels]; the exponentials sum up to 1

    def step(before: Tensor, position: tuple[Tensor, Tensor, Tensor]) -> tuple[Tensor, Tensor]:
        """Extend the paths by one position."""
        score, here, link = position  # [b, labels], [b], [b]
        paths = before[:, :, None] + ops.where(link[:, None, None], trans, 0.0)  # [b, label before, label]
        after = ops.where(here[:, None], logsumexp(paths, axis=1) + score, before)  # [b, labels]
        return after, after  # on TensorFlow the results of ops.scan must have the structure of the carry

    # The scan runs over axis 0, so the axis of the positions comes first: [n, b, labels], [n, b], [n, b].
    positions = ops.transpose(scores, (1, 0, 2)), ops.transpose(present), ops.transpose(linked)
    last, _ = ops.scan(step, start, positions)  # [b, labels]
    return logsumexp(last, axis=-1)  # [b]


@register
class MaximumEntropyMarkovModel(_LabelChain):
    """Learn the transitions between labels as a maximum entropy Markov model in both directions.

    Each label is classified given its neighbour. It is quicker than a conditional random field, and is used in the same
    way. Label j that follows label i has the logit (scores[j] + trans[i, j]) / 2. Read backwards, label i that precedes
    label j has the logit (scores[i] + trans[i, j]) / 2. A label without a neighbour has its score as logit. The loss is
    the mean of both directions.

    Mask in: [batch, n], or None. Mask out: None. A model that was compiled with a method of this layer is loaded with
    `compile=False`, and compiled again.

    Arguments:
        lr_multiplier: float. The transitions learn this many times faster than the rest of the model; the weights are
            kept smaller by this factor.
        hidden_dim: int, or None. The rank of the transitions, l_trans · r_transᵀ; None makes them a full matrix.

    Attributes:
        trans: float, [labels, labels]. The score of going from label i to label j, in its true scale.

    Weights: trans, or l_trans and r_trans.

    Example:
        >>> layer = MaximumEntropyMarkovModel(hidden_dim=3)
        >>> scores = layer(ops.ones((2, 4, 5)))  # [2, 4, 5]
        >>> loss = layer.sparse_loss(ops.ones((2, 4)), scores)  # []

    Reference: https://kexue.fm/archives/7213
    """

    def __init__(self, lr_multiplier: float = 1, hidden_dim: int | None = None, **kwargs: Any) -> None:
        super().__init__(lr_multiplier, **kwargs)
        self.hidden_dim = hidden_dim

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        """Make the matrix of transitions, or its two factors."""
        labels = input_shape[-1]
        if self.hidden_dim is None:
            self._trans = self._add_transitions("trans", (labels, labels))
        else:
            self._l_trans = self._add_transitions("l_trans", (labels, self.hidden_dim))
            self._r_trans = self._add_transitions("r_trans", (labels, self.hidden_dim))
        self.built = True

    @property
    def trans(self) -> Tensor:
        """The transitions in their true scale, [labels, labels]."""
        if self.hidden_dim is None:
            return self._true_scale(self._trans)
        return ops.matmul(self.l_trans, ops.transpose(self.r_trans))

    @property
    def l_trans(self) -> Tensor:
        """The first factor of the transitions in its true scale, [labels, hidden_dim]."""
        return self._true_scale(self._l_trans)

    @property
    def r_trans(self) -> Tensor:
        """The second factor of the transitions in its true scale, [labels, hidden_dim]."""
        return self._true_scale(self._r_trans)

    def _moves(self, labels: Tensor, dtype: Any) -> tuple[Tensor, Tensor]:
        """Return what each label adds to the scores of the next label and of the previous one: [b, n, labels] each."""
        if self.hidden_dim is None:
            trans = ops.cast(ops.convert_to_tensor(self.trans), dtype)
            return ops.take(trans, labels, axis=0), ops.take(ops.transpose(trans), labels, axis=0)
        left, right = (ops.cast(ops.convert_to_tensor(x), dtype) for x in (self.l_trans, self.r_trans))
        return (
            ops.matmul(ops.take(left, labels, axis=0), ops.transpose(right)),
            ops.matmul(ops.take(right, labels, axis=0), ops.transpose(left)),
        )

    def _directions(self, y_true: Tensor, y_pred: Tensor) -> Any:
        """Return (labels, logits, present) twice: for reading forwards, and for reading backwards."""
        labels, scores, present = _read(y_true, y_pred)
        behind, before = self._moves(labels, dtype(scores))  # [b, n, labels]
        linked = _linked(present)[..., None]  # [b, n - 1, 1]
        forwards = ops.where(linked, (scores[:, 1:] + behind[:, :-1]) / 2, scores[:, 1:])  # [b, n - 1, labels]
        backwards = ops.where(linked, (scores[:, :-1] + before[:, 1:]) / 2, scores[:, :-1])  # [b, n - 1, labels]
        forwards = ops.concatenate([scores[:, :1], forwards], axis=1)  # [b, n, labels]
        backwards = ops.concatenate([backwards, scores[:, -1:]], axis=1)  # [b, n, labels]
        return (labels, forwards, present), (labels, backwards, present)

    def sparse_loss(self, y_true: Tensor, y_pred: Tensor) -> Tensor:
        """Compute the cross-entropy of the labels given their neighbours, at least in float32.

        Arguments:
            y_true: int, [batch, n] or [batch, n, 1]. The labels. Those at padding do not count.
            y_pred: float, [batch, n, labels]. The output of this layer.

        Returns:
            float, []. The mean over both directions and the positions of the batch that are not padding.
        """
        return sum(_cross_entropy(*direction) for direction in self._directions(y_true, y_pred)) / 2

    def get_config(self) -> dict[str, Any]:
        """Return the arguments that make this layer again."""
        config = super().get_config()
        config.update(hidden_dim=self.hidden_dim)
        return config


def _cross_entropy(labels: Tensor, logits: Tensor, present: Tensor) -> Tensor:
    """Return the mean cross-entropy over all positions that are not padding, a scalar."""
    return _mean(logsumexp(logits, axis=-1) - _scores_of(labels, logits), present)
