"""Labels that depend on their neighbours: conditional random field and maximum entropy Markov model.

Both layers only hide padding from the scores of labels. What they know, transitions between labels, acts in their
losses: `model.compile(loss=layer.sparse_loss, metrics=[layer.sparse_accuracy])`.
"""

from __future__ import annotations

from b4k3.backend import Layer, dtype, keras, logsumexp, ops, register, sequence_masking, wide


class _LabelChain(Layer):
    """Scores of labels on their way to a loss that knows about neighbours.

    Where there is no position, the scores are -inf. From that the losses, which Keras gives no mask, tell padding.
    """

    def __init__(self, lr_multiplier=1, **kwargs):
        super().__init__(**kwargs)
        self.lr_multiplier = lr_multiplier

    def _add_transitions(self, name, shape):
        """A weight that is Glorot uniform in its true scale, and kept smaller by `lr_multiplier`."""
        scale = float(self.lr_multiplier) ** -2
        initializer = keras.initializers.VarianceScaling(scale, mode="fan_avg", distribution="uniform")
        return self.add_weight(name=name, shape=shape, initializer=initializer)

    def _true_scale(self, weight):
        return weight if self.lr_multiplier == 1 else weight * self.lr_multiplier

    def call(self, inputs, mask=None):
        """Arguments: inputs: float [batch, n, labels]. Returns: the same, -inf where the mask is false."""
        return sequence_masking(inputs, mask, "-inf", 1)

    def compute_mask(self, inputs, mask=None):
        return None

    def compute_output_shape(self, input_shape):
        return tuple(input_shape)

    def dense_loss(self, y_true, y_pred):
        """`sparse_loss` for y_true in one-hot form, [batch, n, labels]."""
        return self.sparse_loss(ops.argmax(y_true, axis=-1), y_pred)

    def sparse_accuracy(self, y_true, y_pred):
        """How often the label of the best score is right, transitions aside: quick to compute while training.

        It must not read the transitions: Keras 3 on JAX shows no weights to metrics.

        Arguments:
            y_true: [batch, n] or [batch, n, 1], numbers of labels; those of padding do not count.
            y_pred: float [batch, n, labels], the output of this layer.

        Returns:
            A scalar, the mean over the positions of the batch.
        """
        labels, scores, present = _read(y_true, y_pred)
        return _mean(ops.equal(labels, ops.cast(ops.argmax(scores, axis=-1), "int32")), present)

    def dense_accuracy(self, y_true, y_pred):
        """`sparse_accuracy` for y_true in one-hot form, [batch, n, labels]."""
        return self.sparse_accuracy(ops.argmax(y_true, axis=-1), y_pred)

    def get_config(self):
        config = super().get_config()
        config.update(lr_multiplier=self.lr_multiplier)
        return config


def _read(y_true, y_pred):
    """(labels int32 [b, n], scores float32 or float64 [b, n, labels], present bool [b, n]); 0 where nothing is."""
    scores = wide(y_pred)
    present = ops.any(scores > float("-inf"), axis=-1)
    labels = ops.cast(ops.reshape(y_true, ops.shape(scores)[:-1]), "int32")
    return ops.where(present, labels, 0), ops.where(present[..., None], scores, 0.0), present


def _linked(present):
    """Whether a position and the one before it are there: bool [b, n - 1]."""
    return ops.logical_and(present[:, 1:], present[:, :-1])


def _scores_of(labels, scores):
    """The score of each label: [b, n]."""
    return ops.take_along_axis(scores, labels[..., None], axis=-1)[..., 0]


def _mean(values, present):
    """The mean over all positions of the batch that are there, a scalar."""
    total = ops.sum(ops.where(present, ops.cast(values, "float32"), 0.0))
    return total / ops.maximum(ops.sum(ops.cast(present, "float32")), 1.0)


@register
class ConditionalRandomField(_LabelChain):
    """Linear-chain conditional random field: a path of labels scores the sum of its labels' and transitions' scores.

    Mask in: [batch, n] or None; stretches of positions that padding parts from each other are paths of their own.
    Mask out: None.

    `ViterbiDecoder(K.eval(layer.trans))` of b4k3-snippets finds the best path. A model that was compiled with a method
    of this layer is loaded with `compile=False`, and compiled again.

    Arguments:
        lr_multiplier: how many times faster the transitions learn than the rest of the model; the weight is kept
            smaller by this factor.

    Attributes:
        trans: float [labels, labels], the score of going from label i to label j, in its true scale.

    Weights: trans.

    Reference: Lafferty et al., Conditional Random Fields, ICML 2001; for lr_multiplier https://kexue.fm/archives/7196
    """

    def build(self, input_shape):
        labels = input_shape[-1]
        self._trans = self._add_transitions("trans", (labels, labels))
        self.built = True

    @property
    def trans(self):
        return self._true_scale(self._trans)

    def sparse_loss(self, y_true, y_pred):
        """Minus the logarithm of the probability of the right paths, computed at least in float32.

        Arguments:
            y_true: [batch, n] or [batch, n, 1], numbers of labels; those of padding do not count.
            y_pred: float [batch, n, labels], the output of this layer. -inf for some labels forbids these.

        Returns:
            Float [batch]; 0 for a row without any position.
        """
        labels, scores, present = _read(y_true, y_pred)
        trans = ops.cast(ops.convert_to_tensor(self.trans), dtype(scores))
        return log_partition(scores, trans, present) - path_score(labels, scores, trans, present)


def path_score(labels, scores, trans, present):
    """The score of one path in each row.

    Arguments:
        labels: int32 [batch, n].
        scores: float [batch, n, labels], 0 where nothing is.
        trans: float [labels, labels].
        present: bool [batch, n].

    Returns:
        Float [batch].
    """
    moves = labels[:, :-1] * ops.shape(scores)[-1] + labels[:, 1:]  # [b, n - 1]
    steps = ops.take(ops.reshape(trans, (-1,)), moves, axis=0)
    steps = ops.where(_linked(present), steps, 0.0)
    return ops.sum(_scores_of(labels, scores), axis=1) + ops.sum(steps, axis=1)


def log_partition(scores, trans, present):
    """log Σ exp(score) over all paths, by the forward algorithm.

    Arguments:
        scores, trans, present: as of `path_score`.

    Returns:
        Float [batch].
    """
    first = ops.zeros_like(present[:, :1])
    linked = ops.concatenate([first, _linked(present)], axis=1)  # [b, n]
    start = ops.log_softmax(ops.zeros_like(scores[:, 0]), axis=-1)  # [b, labels]: a sum of 1 before any score

    def step(before, position):
        score, here, link = position  # [b, labels], [b], [b]
        paths = before[:, :, None] + ops.where(link[:, None, None], trans, 0.0)  # [b, label before, label]
        after = ops.where(here[:, None], logsumexp(paths, axis=1) + score, before)
        return after, after  # on TensorFlow ops.scan wants results like the carry

    positions = ops.transpose(scores, (1, 0, 2)), ops.transpose(present), ops.transpose(linked)
    last, _ = ops.scan(step, start, positions)
    return logsumexp(last, axis=-1)


@register
class MaximumEntropyMarkovModel(_LabelChain):
    """Maximum entropy Markov model in both directions: each label is classified given its neighbour.

    Quicker than a conditional random field, and used in the same way. Given the label i before it, label j has the
    logit (score of j + trans[i, j]) / 2; read backwards, given the label j behind it, label i has (score of i +
    trans[i, j]) / 2. Without a neighbour it is the score alone. The loss is the mean of both directions.

    Masks, decoding, loading, lr_multiplier and trans: as of `ConditionalRandomField`.

    Arguments:
        lr_multiplier: see there.
        hidden_dim: rank of the transitions, which are then l_trans · r_transᵀ; None for a full matrix.

    Weights: trans, or l_trans and r_trans.

    Reference: https://kexue.fm/archives/7213
    """

    def __init__(self, lr_multiplier=1, hidden_dim=None, **kwargs):
        super().__init__(lr_multiplier, **kwargs)
        self.hidden_dim = hidden_dim

    def build(self, input_shape):
        labels = input_shape[-1]
        if self.hidden_dim is None:
            self._trans = self._add_transitions("trans", (labels, labels))
        else:
            self._l_trans = self._add_transitions("l_trans", (labels, self.hidden_dim))
            self._r_trans = self._add_transitions("r_trans", (labels, self.hidden_dim))
        self.built = True

    @property
    def trans(self):
        if self.hidden_dim is None:
            return self._true_scale(self._trans)
        return ops.matmul(self.l_trans, ops.transpose(self.r_trans))

    @property
    def l_trans(self):
        return self._true_scale(self._l_trans)

    @property
    def r_trans(self):
        return self._true_scale(self._r_trans)

    def _moves(self, labels, dtype):
        """What a label adds to the scores of the labels behind it, and of those before it: [b, n, labels] each."""
        if self.hidden_dim is None:
            trans = ops.cast(ops.convert_to_tensor(self.trans), dtype)
            return ops.take(trans, labels, axis=0), ops.take(ops.transpose(trans), labels, axis=0)
        left, right = (ops.cast(ops.convert_to_tensor(x), dtype) for x in (self.l_trans, self.r_trans))
        return (
            ops.matmul(ops.take(left, labels, axis=0), ops.transpose(right)),
            ops.matmul(ops.take(right, labels, axis=0), ops.transpose(left)),
        )

    def _directions(self, y_true, y_pred):
        """(labels, logits, present) of reading forwards, and of reading backwards."""
        labels, scores, present = _read(y_true, y_pred)
        behind, before = self._moves(labels, dtype(scores))
        linked = _linked(present)[..., None]
        forwards = ops.where(linked, (scores[:, 1:] + behind[:, :-1]) / 2, scores[:, 1:])
        backwards = ops.where(linked, (scores[:, :-1] + before[:, 1:]) / 2, scores[:, :-1])
        forwards = ops.concatenate([scores[:, :1], forwards], axis=1)  # [b, n, labels]
        backwards = ops.concatenate([backwards, scores[:, -1:]], axis=1)
        return (labels, forwards, present), (labels, backwards, present)

    def sparse_loss(self, y_true, y_pred):
        """Cross-entropy of the labels given their neighbours, computed at least in float32.

        Arguments:
            y_true, y_pred: as of `ConditionalRandomField.sparse_loss`.

        Returns:
            A scalar, the mean over the positions of the batch and both directions.
        """
        return sum(_cross_entropy(*direction) for direction in self._directions(y_true, y_pred)) / 2

    def get_config(self):
        config = super().get_config()
        config.update(hidden_dim=self.hidden_dim)
        return config


def _cross_entropy(labels, logits, present):
    return _mean(logsumexp(logits, axis=-1) - _scores_of(labels, logits), present)
