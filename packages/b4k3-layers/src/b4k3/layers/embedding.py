"""Token embeddings, which are also the output projection of a tied head, and task embeddings."""

from __future__ import annotations

import contextlib
import threading
from typing import Any

from b4k3.backend import Layer, keras, matmul_transposed, ops, register, take_rows

MODES = ("embedding", "dense")


class _Calls(threading.local):
    """The innermost call of an `Embedding` that this thread is in: Keras asks for the mask without its arguments."""

    layer = mode = None

    @contextlib.contextmanager
    def entered(self, layer, mode):
        before = self.layer, self.mode
        self.layer, self.mode = layer, mode
        try:
            yield
        finally:
            self.layer, self.mode = before


_calls = _Calls()


@register
class Embedding(Layer):
    """Rows of a table by their ids; called with `mode='dense'`, the product with the transposed table.

    Mask in: that of the input. Mask out: with `mask_zero`, True at ids that are not the padding id; the first token is
    never masked, because T5 starts with its padding id. In mode 'dense', and for ids of other than two axes, the mask
    of the input.

    An id that is negative, beyond the table, fractional or NaN has no row. Where its value can be seen, in an eager
    call, it is an error; in a compiled graph it gets NaN, and never the row of another id. With `mask_zero`, a padding
    id that has no row, such as -1 where no id of a vocabulary is padding, gets zeros.

    The layer keeps nothing of a call, so that threads may share it. Where Keras asks for a mask or a shape outside of a
    call, an input of three axes or more whose last has the size output_dim counts as mode 'dense', another one as ids.

    Arguments:
        input_dim: number of rows.
        output_dim: size of a row.
        embeddings_initializer, embeddings_regularizer, embeddings_constraint: of the table.
        mask_zero: whether one id is padding; the name comes from Keras, where this id is always 0.
        padding_id: int. The id that is padding, if `mask_zero`.

    Example:
        >>> ids = keras.Input((None,), dtype="int32")
        >>> embedding = Embedding(30, 8, mask_zero=True, padding_id=1)
        >>> x = embedding(ids)  # [batch, n, 8]
        >>> scores = embedding(x, mode="dense")  # [batch, n, 30]
    """

    reads_ids = True
    projects_back = True  # read by last_token of b4k3.snippets

    def __init__(
        self,
        input_dim,
        output_dim,
        embeddings_initializer="uniform",
        embeddings_regularizer=None,
        embeddings_constraint=None,
        mask_zero=False,
        padding_id=0,
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.input_dim = input_dim
        self.output_dim = output_dim
        self.embeddings_initializer = keras.initializers.get(embeddings_initializer)
        self.embeddings_regularizer = keras.regularizers.get(embeddings_regularizer)
        self.embeddings_constraint = keras.constraints.get(embeddings_constraint)
        self.mask_zero = mask_zero
        self.padding_id = padding_id

    def build(self, input_shape):
        self.embeddings = self.add_weight(
            name="embeddings",
            shape=(self.input_dim, self.output_dim),
            initializer=self.embeddings_initializer,
            regularizer=self.embeddings_regularizer,
            constraint=self.embeddings_constraint,
        )
        self.built = True

    def call(self, inputs, mode="embedding"):
        """Look up or project.

        Arguments:
            inputs: ids [batch, n], integers or whole floats; in mode 'dense' float [..., output_dim].
            mode: 'embedding' or 'dense'.

        Returns:
            [batch, n, output_dim]; in mode 'dense' [..., input_dim].

        Raises:
            ValueError: an id has no row, in an eager call; it names the id, its place and the limits.
        """
        if self._checked(mode) == "dense":
            table = ops.cast(ops.convert_to_tensor(self.embeddings), self.compute_dtype)
            return matmul_transposed(ops.cast(inputs, self.compute_dtype), table)
        padding_id = self.padding_id if self.mask_zero else None
        return ops.cast(take_rows(self.embeddings, inputs, self.name, padding_id), self.compute_dtype)

    def __call__(self, inputs, *args, **kwargs):
        mode = args[0] if args else kwargs.get("mode", "embedding")
        with _calls.entered(self, self._checked(mode)):
            return super().__call__(inputs, *args, **kwargs)

    def _checked(self, mode):
        if mode not in MODES:
            raise ValueError(f"{self.name}: mode={mode!r}, expected 'embedding' or 'dense'")
        return mode

    def _mode_for(self, shape):
        """The mode of the call that this thread is in; outside of one, what the shape of the input tells."""
        if _calls.layer is self:
            return _calls.mode
        return "dense" if len(shape) > 2 and shape[-1] == self.output_dim else "embedding"

    def compute_mask(self, inputs, mask=None):
        if len(inputs.shape) != 2 or self._mode_for(inputs.shape) == "dense":
            return mask
        if not self.mask_zero:
            return None
        mask = ops.not_equal(inputs, self.padding_id)
        return ops.concatenate([ops.ones_like(mask[:, :1]), mask[:, 1:]], axis=1)

    def compute_output_spec(self, inputs, mode="embedding"):
        with _calls.entered(self, self._checked(mode)):
            return super().compute_output_spec(inputs, mode=mode)

    def compute_output_shape(self, input_shape):
        if self._mode_for(tuple(input_shape)) == "dense":
            return tuple(input_shape[:-1]) + (self.input_dim,)
        return tuple(input_shape) + (self.output_dim,)

    def get_config(self):
        config = super().get_config()
        config.update(
            input_dim=self.input_dim,
            output_dim=self.output_dim,
            embeddings_initializer=keras.initializers.serialize(self.embeddings_initializer),
            embeddings_regularizer=keras.regularizers.serialize(self.embeddings_regularizer),
            embeddings_constraint=keras.constraints.serialize(self.embeddings_constraint),
            mask_zero=self.mask_zero,
            padding_id=self.padding_id,
        )
        return config


@register
class TaskEmbedding(Layer):
    """Adds a learned vector for the task to every token, as ERNIE does with its task types.

    The mask of x goes in and comes out unchanged. A task id that has no row is an error or gives NaN, as with
    `Embedding`.

    Arguments:
        input_dim: number of tasks.
        output_dim: size of a vector; x has the same size.
        task_id: int. The task of every sequence, unless the task ids are an input.
        embeddings_initializer: the initializer of the table.
        custom_task_ids: whether the inputs are [x, task ids].

    Raises:
        ValueError: there is no task `task_id`.

    Reference: Sun et al., ERNIE 2.0, https://arxiv.org/abs/1907.12412

    Example:
        >>> x = keras.Input((None, 8))
        >>> y = TaskEmbedding(3, 8, task_id=1)(x)  # [batch, n, 8]
    """

    reads_ids = True

    def __init__(
        self,
        input_dim: int,
        output_dim: int,
        task_id: int = 0,
        embeddings_initializer: Any = "zeros",
        custom_task_ids: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        if not 0 <= task_id < input_dim:
            raise ValueError(f"{self.name}: task_id={task_id}, but there are the tasks 0 to {input_dim - 1}")
        self.input_dim = input_dim
        self.output_dim = output_dim
        self.task_id = task_id
        self.embeddings_initializer = keras.initializers.get(embeddings_initializer)
        self.custom_task_ids = custom_task_ids

    def build(self, input_shape: Any) -> None:
        """Make the table, [input_dim, output_dim]."""
        self.embeddings = self.add_weight(
            name="embeddings", shape=(self.input_dim, self.output_dim), initializer=self.embeddings_initializer
        )
        self.built = True

    def call(self, inputs: Any) -> Any:
        """Add the vector of the task to x.

        Arguments:
            inputs: x float [batch, n, output_dim]; with custom_task_ids [x, task ids [batch, n]].

        Returns:
            float [batch, n, output_dim].

        Raises:
            ValueError: there is no such task, in an eager call.
        """
        x, task_ids = inputs if self.custom_task_ids else (inputs, None)
        table = ops.convert_to_tensor(self.embeddings)
        if task_ids is None:
            rows = table[self.task_id]  # [d]
        else:
            rows = take_rows(table, task_ids, self.name)  # [b, n, d]
        return ops.cast(x, self.compute_dtype) + ops.cast(rows, self.compute_dtype)

    def compute_mask(self, inputs: Any, mask: Any = None) -> Any:
        """Return the mask of x."""
        return mask[0] if self.custom_task_ids and mask is not None else mask

    def compute_output_shape(self, input_shape: Any) -> tuple[int | None, ...]:
        """Return the shape of x."""
        return tuple(input_shape[0] if self.custom_task_ids else input_shape)

    def get_config(self) -> dict[str, Any]:
        """Return the arguments that make this layer again."""
        config = super().get_config()
        config.update(
            input_dim=self.input_dim,
            output_dim=self.output_dim,
            task_id=self.task_id,
            embeddings_initializer=keras.initializers.serialize(self.embeddings_initializer),
            custom_task_ids=self.custom_task_ids,
        )
        return config
