"""Token embeddings, whose table a tied head also projects with, and task embeddings."""

from __future__ import annotations

import contextlib
import threading
from typing import Any, Callable, Iterator

from b4k3.backend import (
    Layer,
    Tensor,
    add_weight_later,
    check_ranks,
    keras,
    low_rank_of,
    matmul_transposed,
    matrix_rows,
    merged_weights,
    ops,
    register,
    reset_lora,
    split_rows,
    take_rows,
    weight_value,
)
from b4k3.backend.types import Initializer

MODES = ("embedding", "dense")


class _Calls(threading.local):
    """The innermost call of an `Embedding` that this thread is in, because Keras asks for a mask without the mode."""

    layer = mode = None
    masks_first = False  # within `first_tokens_masked`

    @contextlib.contextmanager
    def entered(self, layer: Embedding, mode: str) -> Iterator[None]:
        """Note a call while it runs."""
        before = self.layer, self.mode
        self.layer, self.mode = layer, mode
        try:
            yield
        finally:
            self.layer, self.mode = before


_calls = _Calls()


@contextlib.contextmanager
def first_tokens_masked() -> Iterator[None]:
    """Let every `Embedding` that this thread calls mask a first token that is padding, as with `mask_first`.

    A batch that is padded on the left needs it.

    Returns:
        A context manager.

    Example:
        >>> embedding = Embedding(30, 8, mask_zero=True)
        >>> with first_tokens_masked():
        ...     mask = ops.convert_to_numpy(embedding.compute_mask(ops.convert_to_tensor([[0, 5]])))
        >>> mask.tolist()
        [[False, True]]
    """
    before, _calls.masks_first = _calls.masks_first, True
    try:
        yield
    finally:
        _calls.masks_first = before


@register
class Embedding(Layer):
    """Look up rows of a table by their ids; with `mode="dense"` multiply by the transposed table instead.

    Mask in: the mask of the input, or None. Mask out: with `mask_zero` bool, [batch, n], False at the padding id. The
    first token is never masked unless `mask_first`, because T5 starts with its padding id. In mode 'dense', and for ids
    of one axis or more than two, the mask of the input comes out unchanged.

    An id that is negative, beyond the table, fractional or NaN has no row. If its value can be seen, as in an eager
    call, it is an error; in a compiled graph it gets NaN, and never the row of another id. With `mask_zero`, a padding
    id that has no row gets zeros; -1 says that no id of a vocabulary is padding.

    The layer keeps nothing of a call, so threads may share it. If Keras asks for a mask or a shape outside of a call,
    an input of three axes or more, the last of size output_dim, counts as mode 'dense', and every other one as ids.

    Arguments:
        input_dim: int. The number of rows.
        output_dim: int. The size of a row.
        embeddings_initializer: str or initializer. It is used for the table.
        embeddings_regularizer: str, regularizer or None. It is used for the table.
        embeddings_constraint: str, constraint or None. It is used for the table.
        mask_zero: bool. Whether one id is padding. The name comes from Keras, where this id is always 0.
        padding_id: int. The id that is padding, if `mask_zero`.
        mask_first: bool. Whether the first token can be masked too, for padding that stands on the left.

    Weights: embeddings, [input_dim, output_dim].

    Example:
        >>> ids = keras.Input((None,), dtype="int32")
        >>> embedding = Embedding(30, 8, mask_zero=True, padding_id=1)
        >>> x = embedding(ids)  # [batch, n, 8]
        >>> scores = embedding(x, mode="dense")  # [batch, n, 30]

    Reference: for mode 'dense' Press and Wolf, Using the Output Embedding, https://arxiv.org/abs/1608.05859
    """

    reads_ids = True
    matrix_axes = {"embeddings": (-1,)}
    projects_back = True  # read by last_token of b4k3.snippets
    lora_enabled = False  # whether `enable_lora` was called
    lora_rank: int | None = None
    lora_alpha: float | None = None

    def __init__(
        self,
        input_dim: int,
        output_dim: int,
        embeddings_initializer: Initializer = "uniform",
        embeddings_regularizer: Any = None,
        embeddings_constraint: Any = None,
        mask_zero: bool = False,
        padding_id: int = 0,
        mask_first: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.input_dim = input_dim
        self.output_dim = output_dim
        self.embeddings_initializer = keras.initializers.get(embeddings_initializer)
        self.embeddings_regularizer = keras.regularizers.get(embeddings_regularizer)
        self.embeddings_constraint = keras.constraints.get(embeddings_constraint)
        self.mask_zero = mask_zero
        self.padding_id = padding_id
        self.mask_first = mask_first

    def build(self, input_shape: Any) -> None:
        """Make the table, [input_dim, output_dim]."""
        self.add_matrix(
            "embeddings",
            (self.input_dim, self.output_dim),
            initializer=self.embeddings_initializer,
            regularizer=self.embeddings_regularizer,
            constraint=self.embeddings_constraint,
        )
        self.built = True

    def call(self, inputs: Tensor, mode: str = "embedding") -> Tensor:
        """Look up rows, or project to scores of the rows.

        Arguments:
            inputs: int or whole float, [...]. The ids; in mode 'dense' float, [..., output_dim].
            mode: str. 'embedding' or 'dense'.

        Returns:
            float, [..., output_dim]; in mode 'dense' [..., input_dim].

        Raises:
            ValueError: an id has no row, in an eager call. The message names the id, its place and the limits.
            RuntimeError: several ranks of torch train the model without exchanging gradients, or FSDP2 split it.
        """
        check_ranks(self)
        if self._checked(mode) == "dense":
            inputs = ops.cast(inputs, self.compute_dtype)  # [..., output_dim]
            scores = matmul_transposed(inputs, self._cast(weight_value(self.matrix("embeddings"))))  # [..., input_dim]
            low = low_rank_of(self)
            if low is None:
                return scores
            inner = matmul_transposed(inputs, self._cast(low.b))  # [..., rank]
            return scores + matmul_transposed(inner, self._cast(low.a)) * low.scale  # [..., input_dim]
        padding_id = self.padding_id if self.mask_zero else None
        rows = ops.cast(matrix_rows(self, "embeddings", inputs, padding_id), self.compute_dtype)
        rows = split_rows(rows, inputs)  # among several devices
        low = low_rank_of(self)
        if low is None:
            return rows
        inner = ops.cast(take_rows(low.a, inputs, self.name, padding_id), self.compute_dtype)  # [..., rank]
        return rows + ops.matmul(inner, self._cast(low.b)) * low.scale  # [..., output_dim]

    def bound_call(self) -> Callable[..., Tensor]:
        """Bind the weights, which `call_layer` of b4k3.backend asks for where nothing has a gradient.

        Returns:
            function. It computes `call` with the weights that the layer has now.
        """
        if low_rank_of(self) is not None:
            return self.call
        table = self._cast(weight_value(self.embeddings))  # [input_dim, output_dim]

        def bound(inputs: Tensor, mode: str = "embedding") -> Tensor:
            """Look up rows, or project to scores of the rows."""
            if mode == "dense" and inputs.dtype == table.dtype:
                return matmul_transposed(inputs, table)  # [..., input_dim]
            return self.call(inputs, mode)

        return bound

    def _cast(self, weight: Any) -> Tensor:
        """Return the tensor of a weight in the dtype that the layer computes in."""
        return ops.cast(ops.convert_to_tensor(weight), self.compute_dtype)

    def enable_lora(
        self,
        rank: int,
        lora_alpha: float | None = None,
        a_initializer: Initializer = "zeros",
        b_initializer: Initializer = "normal",
    ) -> None:
        """Add the product of two small matrices to the table, in both modes. The table is not trained any more.

        Arguments:
            rank: int. The number of columns of a, [input_dim, rank], and of rows of b, [rank, output_dim].
            lora_alpha: float or None. The product is multiplied by lora_alpha / rank; None means rank.
            a_initializer: str or initializer. It is used for a.
            b_initializer: str or initializer. It is used for b.

        Raises:
            ValueError: the layer is not built, is quantised, has LoRA already, or has a constraint on its table.
            BackendError: the environment has Keras 2.
        """
        quantised = self.quantization_mode is not None
        if not self.built or self.lora_enabled or quantised or self.embeddings_constraint is not None:
            problem = "is not built" if not self.built else "has LoRA already" if self.lora_enabled else None
            problem = "is quantised: add LoRA to Dense layers alone" if quantised else problem
            raise ValueError(f"{self.name} {problem or 'has embeddings_constraint, which LoRA cannot keep'}")
        self.lora_embeddings_a = add_weight_later(self, "lora_embeddings_a", (self.input_dim, rank), a_initializer)
        self.lora_embeddings_b = add_weight_later(self, "lora_embeddings_b", (rank, self.output_dim), b_initializer)
        self.embeddings.trainable = False
        self.lora_enabled, self.lora_rank = True, rank
        self.lora_alpha = rank if lora_alpha is None else lora_alpha

    def save_own_variables(self, store: Any) -> None:
        """Save the table as Keras does; with LoRA, the table with its product added.

        Arguments:
            store: dict from a number to an array, which is filled.
        """
        if not self.lora_enabled:
            super().save_own_variables(store)
            return
        store["0"] = merged_weights(self)[0]

    def load_own_variables(self, store: Any) -> None:
        """Load the table as Keras does. LoRA starts anew, because the saved table has its product added.

        Arguments:
            store: dict from a number to an array. What Keras saved.
        """
        if not self.lora_enabled:
            super().load_own_variables(store)
            return
        self.embeddings.assign(store["0"])
        reset_lora(self)

    def __call__(self, inputs: Tensor, *args: Any, **kwargs: Any) -> Tensor:
        mode = args[0] if args else kwargs.get("mode", "embedding")
        with _calls.entered(self, self._checked(mode)):
            return super().__call__(inputs, *args, **kwargs)

    def _checked(self, mode: str) -> str:
        """Return the mode, if there is such a mode."""
        if mode not in MODES:
            raise ValueError(f"{self.name}: mode={mode!r}, expected 'embedding' or 'dense'")
        return mode

    def _mode_for(self, shape: Any) -> str:
        """Return the mode of the call that this thread is in; outside of a call the shape of the input tells it."""
        if _calls.layer is self:
            return _calls.mode
        return "dense" if len(shape) > 2 and shape[-1] == self.output_dim else "embedding"

    def compute_mask(self, inputs: Tensor, mask: Tensor | None = None) -> Tensor | None:
        """Return where the ids are not padding; in mode 'dense' the mask of the inputs."""
        if len(inputs.shape) != 2 or self._mode_for(inputs.shape) == "dense":
            return mask
        if not self.mask_zero:
            return None
        mask = ops.not_equal(inputs, self.padding_id)
        if self.mask_first or _calls.masks_first:
            return mask
        return ops.concatenate([ops.ones_like(mask[:, :1]), mask[:, 1:]], axis=1)

    def compute_output_spec(self, inputs: Any, mode: str = "embedding") -> Any:
        """Return a symbolic tensor of the shape that the mode gives."""
        with _calls.entered(self, self._checked(mode)):
            return super().compute_output_spec(inputs, mode=mode)

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        """Return the shape of the rows; in mode 'dense' the shape of the scores."""
        if self._mode_for(tuple(input_shape)) == "dense":
            return tuple(input_shape[:-1]) + (self.input_dim,)
        return tuple(input_shape) + (self.output_dim,)

    def get_config(self) -> dict[str, Any]:
        """Return the arguments that make this layer again."""
        config = super().get_config()
        config.update(
            input_dim=self.input_dim,
            output_dim=self.output_dim,
            embeddings_initializer=keras.initializers.serialize(self.embeddings_initializer),
            embeddings_regularizer=keras.regularizers.serialize(self.embeddings_regularizer),
            embeddings_constraint=keras.constraints.serialize(self.embeddings_constraint),
            mask_zero=self.mask_zero,
            padding_id=self.padding_id,
            mask_first=self.mask_first,
        )
        return config


@register
class TaskEmbedding(Layer):
    """Add a learned vector for the task to every token, as ERNIE does with its task types.

    Mask in: the mask of x. Mask out: the mask of x. A task id that has no row is an error or gives NaN, as with
    `Embedding`.

    Arguments:
        input_dim: int. The number of tasks.
        output_dim: int. The size of a vector; x has the same size.
        task_id: int. The task of every sequence, unless the task ids are an input.
        embeddings_initializer: str or initializer. It is used for the table.
        custom_task_ids: bool. Whether the inputs are [x, task ids].

    Raises:
        ValueError: there is no task `task_id`.

    Weights: embeddings, [input_dim, output_dim].

    Example:
        >>> x = keras.Input((None, 8))
        >>> y = TaskEmbedding(3, 8, task_id=1)(x)  # [batch, n, 8]

    Reference: Sun et al., ERNIE 2.0, https://arxiv.org/abs/1907.12412
    """

    reads_ids = True
    matrix_axes = {"embeddings": (-1,)}

    def __init__(
        self,
        input_dim: int,
        output_dim: int,
        task_id: int = 0,
        embeddings_initializer: Initializer = "zeros",
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
        self.add_matrix("embeddings", (self.input_dim, self.output_dim), initializer=self.embeddings_initializer)
        self.built = True

    def call(self, inputs: Any) -> Tensor:
        """Add the vector of the task to x.

        Arguments:
            inputs: float, [batch, n, output_dim], or a list. x; with `custom_task_ids` a list of x and the task ids,
                [batch, n].

        Returns:
            float, [batch, n, output_dim].

        Raises:
            ValueError: there is no such task, in an eager call.
        """
        x, task_ids = inputs if self.custom_task_ids else (inputs, None)
        if task_ids is None:
            rows = ops.convert_to_tensor(self.matrix("embeddings"))[self.task_id]  # [output_dim]
        else:
            rows = matrix_rows(self, "embeddings", task_ids)  # [b, n, output_dim]
        return ops.cast(x, self.compute_dtype) + ops.cast(rows, self.compute_dtype)

    def compute_mask(self, inputs: Any, mask: Any = None) -> Tensor | None:
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
