"""A Dense layer that leaves product and bias to one kernel of the framework."""

from __future__ import annotations

from typing import Any, Callable

import keras

from ..types import Tensor
from .compiling import found_once
from .fused import BACKEND, activated, bound_linear, cast, fused_linear, value_of
from .lora import effective, low_rank_of, reset_lora, weights_changed
from .quantising import check_mode, saved_config


class Dense(keras.layers.Dense):
    """Compute `keras.layers.Dense` faster on torch and TensorFlow, with the same quantisation and LoRA.

    On JAX and numpy it is Keras' own layer; on Keras 2 it is one matrix product.

    This class is for layers that own it. They save their own configuration, so Keras never looks this class up.

    With LoRA it multiplies the inputs by the two small matrices, one after the other. Keras adds their product to the
    kernel in each call: that takes the memory of a second kernel for the gradient, and in bfloat16 the sum loses small
    changes of large weights.

    The mask of the inputs goes in and comes out unchanged.

    The arguments are the same as for `keras.layers.Dense`.

    Example:
        >>> y = Dense(8)(keras.Input((4,)))  # [batch, 8]
    """

    reads_saved_config = True  # its owner saves how it was quantised

    def build(self, input_shape: Any) -> None:
        """Make the kernel and the bias; integers if a model is loaded that was quantised.

        Arguments:
            input_shape: tuple of int and None. The shape of the inputs.
        """
        if self.quantization_mode is not None and self.quantization_config is None:
            self.quantization_config = saved_config(self)
        super().build(input_shape)

    def quantize(self, mode: Any = None, type_check: bool = True, config: Any = None) -> None:
        """Make the kernel integers, as `keras.layers.Dense` does.

        Arguments:
            mode: str. 'int8', 'int4' or 'float8'.
            type_check: bool. It is not read: this class computes what `keras.layers.Dense` does.
            config: keras.quantizers.QuantizationConfig, or None. As for `keras.layers.Dense`.

        Raises:
            BackendError: this Keras is older than 3.15.
            ValueError: another mode.
        """
        check_mode(self, mode)
        super().quantize(mode, type_check=False, config=config)
        weights_changed()

    def call(self, inputs: Tensor, training: bool | None = None) -> Tensor:
        """Compute activation(inputs · kernel + bias).

        Arguments:
            inputs: float, [..., d]. The features.
            training: bool, or None. It is handed to `keras.layers.Dense` where no kernel of ours fits.

        Returns:
            float, [..., units].
        """
        if self.lora_enabled:
            x = self._adapted(inputs)  # [..., units]
        else:
            x = fused_linear(inputs, *kernel_and_bias(self))  # [..., units]
        if x is None:
            return super().call(inputs, training=training)
        return x if self.activation is None else activated(x, self.activation)

    def bound_call(self) -> Callable[..., Tensor]:
        """Bind the weights, which `call_layer` asks for where nothing has a gradient.

        Returns:
            function. It computes `call` with the weights that the layer has now.
        """
        if BACKEND != "torch" or self.lora_enabled:
            return self.call
        activation = None if self.activation is keras.activations.linear else self.activation
        return bound_linear(*kernel_and_bias(self), activation)

    def _adapted(self, inputs: Tensor) -> Tensor:
        """Compute inputs · kernel + bias + scale · inputs · a · b."""
        kernel, bias, a, b, scale = adapted_weights(self)
        dtype = keras.backend.standardize_dtype(kernel.dtype)
        low = product(product(inputs, cast(a, dtype)), cast(b, dtype))  # [..., units]
        return product(inputs, kernel, bias) + low * scale  # [..., units]

    @property
    def kernel(self) -> Any:
        """The kernel, [d, units]. With LoRA it is a tensor: the kernel plus the scaled product of the two matrices."""
        low = low_rank_of(self) if self.quantization_mode is None else None
        return super().kernel if low is None else effective(low)

    def enable_lora(
        self,
        rank: int,
        lora_alpha: float | None = None,
        a_initializer: Any = "he_uniform",
        b_initializer: Any = "zeros",
    ) -> None:
        """Add LoRA, as `keras.layers.Dense` does; Keras 3.5 has no `lora_alpha`, this class has.

        Arguments:
            rank: int. The number of columns of a.
            lora_alpha: float or None. The product is multiplied by lora_alpha / rank; None means rank.
            a_initializer: str or initializer. It is used for a.
            b_initializer: str or initializer. It is used for b.
        """
        super().enable_lora(rank, a_initializer=a_initializer, b_initializer=b_initializer)
        self.lora_alpha = rank if lora_alpha is None else lora_alpha

    def load_own_variables(self, store: Any) -> None:
        """Load the kernel and the bias. LoRA starts anew, because Keras saves the kernel with its product added.

        Arguments:
            store: dict from a number to an array. What Keras saved.
        """
        super().load_own_variables(store)
        reset_lora(self)


@found_once
def kernel_and_bias(layer: keras.layers.Dense) -> tuple[Tensor, Tensor | None]:
    """Return the weights of a Dense layer as tensors.

    Arguments:
        layer: keras.layers.Dense. A built layer.

    Returns:
        The kernel [d, units], and the bias [units] or None.
    """
    return value_of(layer.kernel), value_of(layer.bias)


@found_once
def adapted_weights(layer: keras.layers.Dense) -> tuple[Tensor, Tensor | None, Tensor, Tensor, float]:
    """Return the weights of a Dense layer with LoRA as tensors.

    Arguments:
        layer: keras.layers.Dense. A built layer with LoRA.

    Returns:
        The kernel [d, units], the bias [units] or None, a [d, rank], b [rank, units], and the factor on their product.
    """
    low = low_rank_of(layer)
    assert low is not None, layer.name
    return value_of(low.base), value_of(layer.bias), value_of(low.a), value_of(low.b), low.scale


def product(x: Tensor, kernel: Tensor, bias: Tensor | None = None) -> Tensor:
    """Compute x · kernel + bias.

    Arguments:
        x: float, [..., d]. The features.
        kernel: float, [d, units]. The kernel.
        bias: float, [units], or None. The bias.

    Returns:
        float, [..., units].
    """
    y = fused_linear(x, kernel, bias)  # [..., units]
    if y is not None:
        return y
    y = keras.ops.matmul(x, kernel)  # [..., units]
    return y if bias is None else y + bias
