"""A convolution over the tokens of a sequence that knows padding."""

from __future__ import annotations

from typing import Any, Sequence

from b4k3.backend import Layer, Tensor, keras, ops, register, sequence_masking
from b4k3.backend.types import Initializer


@register
class TokenConvolution(Layer):
    """Map each token together with its neighbours to a vector. Beyond the ends of a sequence and at padding are zeros.

    Mask in: bool, [batch, n], or None. A token that it hides counts as zeros, and gets zeros. Mask out: the mask in.

    Arguments:
        units: int. The size of the output.
        kernel_size: int. The number of neighbours, the token itself among them, which is odd.
        kernel_initializer: str or initializer. It is used for the kernel.

    Weights: kernel, [kernel_size, d, units]; bias, [units].

    Raises:
        ValueError: kernel_size is even, so that a token has no middle among its neighbours.

    Example:
        >>> x = keras.Input((None, 8))
        >>> y = TokenConvolution(units=16, kernel_size=3)(x)  # [batch, n, 16]

    Reference: He et al., DeBERTa, https://arxiv.org/abs/2006.03654, https://github.com/microsoft/DeBERTa
    """

    matrix_axes = {"kernel": (0, 1)}

    def __init__(
        self, units: int, kernel_size: int = 3, kernel_initializer: Initializer = "glorot_uniform", **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        if kernel_size < 1 or kernel_size % 2 == 0:
            raise ValueError(f"{self.name}: kernel_size={kernel_size}, expected an odd number")
        self.units = units
        self.kernel_size = kernel_size
        self.kernel_initializer = keras.initializers.get(kernel_initializer)

    def build(self, input_shape: Sequence[int | None]) -> None:
        """Make the kernel, [kernel_size, d, units], and the bias, [units]."""
        shape = (self.kernel_size, input_shape[-1], self.units)
        self.add_matrix("kernel", shape, initializer=self.kernel_initializer)
        self.bias = self.add_weight(name="bias", shape=(self.units,), initializer="zeros")
        self.built = True

    def call(self, inputs: Tensor, mask: Tensor | None = None) -> Tensor:
        """Compute the convolution as one product: each token's neighbours side by side, times the kernel.

        Arguments:
            inputs: float, [batch, n, d]. The sequences.
            mask: bool, [batch, n], or None. True where there is a token.

        Returns:
            float, [batch, n, units].
        """
        side, n, d = self.kernel_size // 2, ops.shape(inputs)[1], inputs.shape[-1]
        x = ops.pad(sequence_masking(inputs, mask), [[0, 0], [side, side], [0, 0]])  # [b, side + n + side, d]
        x = ops.concatenate([x[:, i : i + n] for i in range(self.kernel_size)], axis=-1)  # [b, n, kernel_size · d]
        kernel = ops.cast(ops.convert_to_tensor(self.matrix("kernel")), self.compute_dtype)
        x = ops.matmul(x, ops.reshape(kernel, (self.kernel_size * d, self.units)))  # [b, n, units]
        return sequence_masking(x + ops.cast(ops.convert_to_tensor(self.bias), self.compute_dtype), mask)

    def compute_output_shape(self, input_shape: Sequence[int | None]) -> tuple[int | None, ...]:
        """Return the shape of the inputs, with `units` as the last axis."""
        return tuple(input_shape[:-1]) + (self.units,)

    def get_config(self) -> dict[str, Any]:
        """Return the arguments that make this layer again."""
        config = super().get_config()
        config.update(
            units=self.units,
            kernel_size=self.kernel_size,
            kernel_initializer=keras.initializers.serialize(self.kernel_initializer),
        )
        return config
