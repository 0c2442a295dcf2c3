"""A loss that is a layer, for what a function of one target and one output cannot say."""

from __future__ import annotations

from b4k3.backend import MetricLayer, keras, ops, register


@register
class Loss(MetricLayer):
    """Adds a loss to the model and lets its inputs pass. Override `compute_loss`, and compile without a loss.

        class CrossEntropy(Loss):
            def compute_loss(self, inputs, mask=None):
                labels, logits = inputs
                return ops.mean(ops.sparse_categorical_crossentropy(labels, logits, from_logits=True))

        model = keras.Model([tokens, labels], CrossEntropy(output_axis=1)([labels, logits]))
        model.compile(optimizer="adam")

    `self.add_metric(number, name="…")` in `compute_loss` shows a part of the loss in the history of `fit`: its average
    over the steps of an epoch. Keras 3 on JAX knows it at the end of the epoch only.

    Masks in: any, given to `compute_loss`. Masks out: those of the tensors that pass. Inputs are not cast under a mixed
    dtype policy, as they may be ids.

    Arguments:
        output_axis: which of the inputs pass: None for all, an int for one, or a list of ints.
    """

    reads_ids = True

    def __init__(self, output_axis=None, **kwargs):
        super().__init__(**kwargs)
        self.output_axis = output_axis

    def compute_loss(self, inputs, mask=None):
        """The loss: override it.

        Arguments:
            inputs: the tensors that the layer is called on, one or a list.
            mask: their masks in the same form, or None.

        Returns:
            A float tensor; of several numbers the mean counts.
        """
        raise NotImplementedError("%s: override compute_loss(self, inputs, mask=None)" % type(self).__name__)

    def call(self, inputs, mask=None):
        """Arguments: inputs: one tensor or a list of tensors. Returns: those of `output_axis`."""
        self.add_loss(ops.mean(self.compute_loss(inputs, mask)), inputs=inputs)
        return self._pick(inputs)

    def _pick(self, values):
        if self.output_axis is None or values is None:
            return values
        if isinstance(self.output_axis, (list, tuple)):
            return [values[i] for i in self.output_axis]
        return values[self.output_axis]

    def compute_mask(self, inputs, mask=None):
        return self._pick(mask)

    def compute_output_spec(self, inputs, mask=None):
        """For Keras 3, which otherwise takes every output for floats."""
        picked = self._pick(inputs)
        if isinstance(picked, (list, tuple)):
            return [keras.KerasTensor(x.shape, dtype=x.dtype) for x in picked]
        return keras.KerasTensor(picked.shape, dtype=picked.dtype)

    def compute_output_shape(self, input_shape):
        return self._pick(input_shape)

    def get_config(self):
        config = super().get_config()
        config.update(output_axis=self.output_axis)
        return config
