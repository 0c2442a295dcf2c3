"""A loss that is a layer, for losses that are no function of one target and one output."""

from __future__ import annotations

from typing import Any, Sequence

from b4k3.backend import MetricLayer, Tensor, all_rows, keras, ops, register


@register
class Loss(MetricLayer):
    """Add a loss to the model, and return inputs unchanged.

    A subclass overrides `compute_loss`, and the model is compiled without a loss. `self.add_metric(number, name="…")`
    in `compute_loss` shows a part of the loss in the history of `fit`, as the average over the steps of an epoch.
    Keras 3 on JAX knows it only at the end of the epoch. Several ranks of torch compute the loss of the whole batch.

    Masks in: any; `compute_loss` gets them. Masks out: the masks of the tensors that are returned. Inputs are not cast
    under a mixed dtype policy, because they may be ids.

    Arguments:
        output_axis: int, list of int, or None. Which of the inputs are returned: one of them, several, or all for None.

    Example:
        >>> class CrossEntropy(Loss):
        ...     def compute_loss(self, inputs, mask=None):
        ...         labels, logits = inputs
        ...         return ops.sparse_categorical_crossentropy(labels, logits, from_logits=True)
        >>> x, labels = keras.Input((8,)), keras.Input((), dtype="int32")
        >>> logits = keras.layers.Dense(3)(x)
        >>> outputs = CrossEntropy(output_axis=1)([labels, logits])  # [batch, 3]
        >>> model = keras.Model([x, labels], outputs)
        >>> model.compile(optimizer="adam")
        >>> history = model.fit([np.ones((4, 8)), np.zeros(4)], verbose=0)
    """

    reads_ids = True
    loss_of_all_rows = True  # read by the ranks of torch

    def __init__(self, output_axis: int | Sequence[int] | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.output_axis = output_axis

    def compute_loss(self, inputs: Any, mask: Any = None) -> Tensor:
        """Compute the loss. A subclass overrides this method.

        Arguments:
            inputs: tensor, or list of tensors. What the layer is called on.
            mask: bool, list of masks, or None. The masks of the inputs.

        Returns:
            float, [...]. The mean of these numbers is the loss.

        Raises:
            NotImplementedError: a subclass does not override this method.
        """
        raise NotImplementedError(f"{type(self).__name__}: override compute_loss(self, inputs, mask=None)")

    def call(self, inputs: Any, mask: Any = None) -> Any:
        """Add the loss.

        Arguments:
            inputs: tensor, or list of tensors. What the loss is computed from.
            mask: bool, list of masks, or None. The masks of the inputs.

        Returns:
            The inputs that `output_axis` names: a tensor, or a list of tensors.
        """
        self.add_loss(ops.mean(self.compute_loss(all_rows(inputs), all_rows(mask))), inputs=inputs)
        return self._pick(inputs)

    def _pick(self, values: Any) -> Any:
        """Return what `output_axis` names of a list that has an element for each input."""
        if self.output_axis is None or values is None:
            return values
        if isinstance(self.output_axis, (list, tuple)):
            return [values[i] for i in self.output_axis]
        return values[self.output_axis]

    def compute_mask(self, inputs: Any, mask: Any = None) -> Any:
        """Return the masks of the tensors that are returned."""
        return self._pick(mask)

    def compute_output_spec(self, inputs: Any, mask: Any = None) -> Any:
        """Return symbolic tensors like the inputs that are returned; Keras 3 would take ids for floats."""
        picked = self._pick(inputs)
        if isinstance(picked, (list, tuple)):
            return [keras.KerasTensor(x.shape, dtype=x.dtype) for x in picked]
        return keras.KerasTensor(picked.shape, dtype=picked.dtype)

    def compute_output_shape(self, input_shape: Any) -> Any:
        """Return the shapes of the tensors that are returned."""
        return self._pick(input_shape)

    def get_config(self) -> dict[str, Any]:
        """Return the arguments that make this layer again."""
        config = super().get_config()
        config.update(output_axis=self.output_axis)
        return config
