"""A run of the network in decoding, as its layers see it: which tokens are computed, and the cached keys and values.

Decoding runs the network once on the whole prompts (`Prefill`) and then on one new token of each row at a time
(`TokenStep`). A layer that looks at other tokens than its inputs has a method `decode`, which asks the step for them.
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any, Callable

from b4k3.backend import cache_orders, call_layer, dense_kernel, keras, ops, permute, runs_eagerly, write_at

if TYPE_CHECKING:
    from b4k3.backend import Tensor


class DecodingStep:
    """One run of a Transformer in decoding. It calls the layers in place of `Transformer.apply`.

    A layer whose result depends on positions, or on other tokens than its inputs, has a method
    `decode(inputs, step, **arguments)`, which gets this object. All other layers are simply called.

    Attributes:
        mask: bool, [batch, m], or None. True at the keys that may be seen; None if all may be seen.
        positions: int32, [batch, n]. The positions of the inputs; None if the inputs are whole sequences.
        past: int. The number of keys before the inputs, if they may be several new tokens; None for one new token.
        key_positions: int32, [1 or batch, m]. The positions of the keys that `update_cache` returns.

    Example:
        >>> import numpy as np
        >>> dense = keras.layers.Dense(5, activation="softmax")
        >>> probabilities = dense(np.ones((2, 3)))
        >>> logits = DecodingStep().call(dense, ops.ones((2, 3)), {})  # [2, 5]
        >>> np.allclose(ops.convert_to_numpy(ops.softmax(logits)), ops.convert_to_numpy(probabilities))
        True
    """

    mask: Any = None
    positions: Any = None
    past: Any = None

    def call(self, layer: Any, inputs: Any, arguments: dict[str, Any]) -> Any:
        """Call a layer. Dropout and Masking do nothing, and softmax is left out, because decoding needs logits.

        Arguments:
            layer: Keras layer.
            inputs: tensor or list of tensors. The inputs of the layer.
            arguments: dict. Further arguments of its `call` or `decode`.

        Returns:
            The outputs of the layer.
        """
        treatment = treatment_of(type(layer))
        if treatment == "decode":
            return layer.decode(inputs, self, **arguments)
        if treatment == "skip":
            return inputs
        if treatment == "activate" and getattr(layer.activation, "__name__", "") == "softmax":
            return before_activation(layer, inputs)
        return call_layer(layer, inputs, **arguments)

    def update_cache(self, key: Tensor, value: Tensor) -> tuple[Tensor, Tensor, Tensor | None]:
        """Append the keys and values of a self-attention to the cache, and return all of them.

        The step does not know which layer asks: the layers ask in the same order in each run.

        Arguments:
            key: [batch, n, ..., size]. The keys of the inputs.
            value: [batch, n, ..., size]. The values of the inputs.

        Returns:
            (keys, values, mask): [batch, m, ..., size], all that the inputs may see; bool [batch, m], or None.
        """
        raise NotImplementedError

    def cached_context(self, project: Callable[[], tuple[Tensor, Tensor]]) -> tuple[Tensor, Tensor, Tensor | None]:
        """Return the keys and values of a cross-attention, which are computed once: the encoder's outputs are fixed.

        Arguments:
            project: function without arguments. It computes (keys, values).

        Returns:
            (keys, values, mask), as `update_cache` returns them.
        """
        raise NotImplementedError


@functools.lru_cache(maxsize=1024)
def treatment_of(layer_class: type) -> str:
    """Find out how decoding runs the layers of a class. It is asked for each layer and token.

    Arguments:
        layer_class: type. The class of a Keras layer.

    Returns:
        str. "decode" if the class has such a method, "skip" if its layers do nothing in decoding, "activate" if their
        activation may be the softmax that is left out, and "call" for all others.
    """
    if hasattr(layer_class, "decode"):
        return "decode"
    if issubclass(layer_class, (keras.layers.Dropout, keras.layers.Masking)):
        return "skip"
    return "activate" if issubclass(layer_class, (keras.layers.Dense, keras.layers.Activation)) else "call"


class EncoderStep(DecodingStep):
    """The run of the encoder on whole sequences. It caches nothing.

    Arguments:
        mask: bool, [batch, m]. True at the tokens of the sequences.

    Example:
        >>> keys, values, mask = EncoderStep(ops.ones((2, 3))).update_cache(ops.ones((2, 3, 8)), ops.ones((2, 3, 4)))
        >>> keys.shape[-1], values.shape[-1], mask.shape[-1]
        (8, 4, 3)
    """

    def __init__(self, mask: Tensor) -> None:
        self.mask = mask

    def update_cache(self, key: Tensor, value: Tensor) -> tuple[Tensor, Tensor, Tensor | None]:
        """Return the keys and values as they are.

        Arguments:
            key: [batch, m, ..., size]. The keys.
            value: [batch, m, ..., size]. The values.

        Returns:
            (keys, values, mask).
        """
        return key, value, self.mask


class Prefill(DecodingStep):
    """The first run: it runs the whole prompts once and stores each layer's keys and values.

    Arguments:
        mask: bool, [batch, n]. True at the tokens of the prompts.
        cache_capacity: int. How many tokens after the prompts the cache can hold.
        encoder_mask: bool, [batch, c], or None. The mask of the encoder's outputs.

    Attributes:
        self_cache: list of [keys, values]. The self-attentions' cache, in the order of the layers.
        cross_cache: list of [keys, values]. The cross-attentions' cache.

    Example:
        >>> step = Prefill(ops.ones((2, 3), dtype="bool"), cache_capacity=5)
        >>> keys, values, mask = step.update_cache(ops.ones((2, 3, 8)), ops.ones((2, 3, 8)))
        >>> keys.shape[1], step.self_cache[0][1].shape[1]  # the values of three tokens, and room for five more
        (3, 8)
    """

    def __init__(self, mask: Tensor, cache_capacity: int, encoder_mask: Tensor | None = None) -> None:
        self.mask = mask
        self.cache_capacity = cache_capacity
        self.encoder_mask = encoder_mask
        self.self_cache: list[list[Tensor]] = []
        self.cross_cache: list[list[Tensor]] = []

    def update_cache(self, key: Tensor, value: Tensor) -> tuple[Tensor, Tensor, Tensor | None]:
        """Store the keys and values of the prompts, and return them.

        Arguments:
            key: [batch, n, ..., size]. The keys.
            value: [batch, n, ..., size]. The values.

        Returns:
            (keys, values, mask).
        """
        pair = zip(CACHE_LAYOUTS, (key, value))
        self.self_cache.append([layout.with_capacity(x, self.cache_capacity) for layout, x in pair])
        return key, value, self.mask

    def cached_context(self, project: Callable[[], tuple[Tensor, Tensor]]) -> tuple[Tensor, Tensor, Tensor | None]:
        """Compute the keys and values of the encoder's outputs, store and return them.

        Arguments:
            project: function without arguments. It computes (keys, values).

        Returns:
            (keys, values, mask).
        """
        key, value = project()
        self.cross_cache.append([layout.to_layout(x) for layout, x in zip(CACHE_LAYOUTS, (key, value))])
        return key, value, self.encoder_mask


class TokenStep(DecodingStep):
    """A later run, on one new token of each row.

    Arguments:
        self_cache: list of [keys, values]. The cache of the self-attentions, as `Prefill` or the last step left it.
        cross_cache: list of [keys, values]. The cache of the cross-attentions.
        slot: int32, scalar. The index in the cache where the new token goes.
        mask: bool, [batch, m], or None. True at the tokens that may be seen.
        positions: int32, [batch, 1]. The positions of the new tokens.
        key_positions: function without arguments. It computes the attribute of that name, which few layers need.
        encoder_mask: bool, [batch, c], or None. The mask of the encoder's outputs.

    Attributes:
        self_cache: list of [keys, values]. The cache with the new tokens, for the next step.

    Example:
        >>> first = Prefill(ops.ones((2, 3), dtype="bool"), cache_capacity=5)
        >>> prompts = first.update_cache(ops.ones((2, 3, 8)), ops.ones((2, 3, 8)))
        >>> step = TokenStep(first.self_cache, [], slot=3, mask=None, positions=ops.ones((2, 1)), key_positions=None)
        >>> keys, values, mask = step.update_cache(ops.zeros((2, 1, 8)), ops.zeros((2, 1, 8)))
        >>> [float(x) for x in keys[0, :4, 0]]  # three tokens of the prompt, and the new one
        [1.0, 1.0, 1.0, 0.0]
    """

    def __init__(
        self,
        self_cache: list[list[Tensor]],
        cross_cache: list[list[Tensor]],
        slot: Any,
        mask: Tensor | None,
        positions: Tensor,
        key_positions: Any,
        encoder_mask: Tensor | None = None,
    ) -> None:
        self.slot = slot
        self.mask = mask
        self.positions = positions
        self._key_positions = key_positions
        self.encoder_mask = encoder_mask
        self._before, self._cross_cache = iter(self_cache), iter(cross_cache)
        self.self_cache: list[list[Tensor]] = []

    @property
    def key_positions(self) -> Tensor:
        """int32, [1 or batch, m]. The positions of the keys."""
        return self._key_positions()

    def update_cache(self, key: Tensor, value: Tensor) -> tuple[Tensor, Tensor, Tensor | None]:
        """Write the keys and values of the new tokens into the cache, and return the keys and values of all tokens.

        Arguments:
            key: [batch, 1, ..., size]. The keys of the new tokens.
            value: [batch, 1, ..., size]. Their values.

        Returns:
            (keys, values, mask).
        """
        buffers = next(self._before)
        pair = [layout.write(buffer, self.slot, x) for layout, buffer, x in zip(CACHE_LAYOUTS, buffers, (key, value))]
        self.self_cache.append(pair)
        key, value = (layout.from_layout(x) for layout, x in zip(CACHE_LAYOUTS, pair))
        if runs_eagerly:  # an uncompiled step can leave out the slots that are still empty
            key, value = key[:, : self.slot + 1], value[:, : self.slot + 1]
        return key, value, self.mask

    def cached_context(self, project: Callable[[], tuple[Tensor, Tensor]]) -> tuple[Tensor, Tensor, Tensor | None]:
        """Return the keys and values that `Prefill` computed.

        Arguments:
            project: function. It is not called.

        Returns:
            (keys, values, mask).
        """
        key, value = (layout.from_layout(x) for layout, x in zip(CACHE_LAYOUTS, next(self._cross_cache)))
        return key, value, self.encoder_mask


class CacheLayout:
    """The order of axes in which the cache holds keys, or values: the one that the framework multiplies fastest.

    Arguments:
        order: tuple of int. The axes of [batch, n, heads, size] in the order of the cache. For [batch, n, size], as in
            a gated attention unit, the axis of the heads is left out.

    Example:
        >>> layout = CacheLayout((0, 2, 3, 1))
        >>> keys = ops.ones((2, 7, 4, 8))  # [batch, n, heads, size]
        >>> cached = layout.to_layout(keys)  # [batch, heads, size, n]
        >>> keys = layout.from_layout(cached)  # [batch, n, heads, size]
    """

    def __init__(self, order: tuple[int, ...]) -> None:
        without_heads = tuple(i - (i > 2) for i in order if i != 2)
        self._orders = {len(axes): axes for axes in (order, without_heads)}
        self._inverses = {n: tuple(axes.index(i) for i in range(n)) for n, axes in self._orders.items()}
        self._moves = order != (0, 1, 2, 3)

    def order_for(self, x: Tensor) -> tuple[int, ...]:
        """Return the order for a tensor with or without heads.

        Arguments:
            x: [batch, n, heads, size] or [batch, n, size], in any order.

        Returns:
            tuple of int, as many as the tensor has axes.
        """
        return self._orders[len(x.shape)]

    def to_layout(self, x: Tensor) -> Tensor:
        """Bring a tensor into the order of the cache.

        Arguments:
            x: [batch, n, heads, size] or [batch, n, size].

        Returns:
            The tensor with its axes in the order of the cache.
        """
        return permute(x, self._orders[len(x.shape)]) if self._moves else x

    def from_layout(self, x: Tensor) -> Tensor:
        """Undo `to_layout`.

        Arguments:
            x: tensor in the order of the cache.

        Returns:
            [batch, n, heads, size] or [batch, n, size].
        """
        return permute(x, self._inverses[len(x.shape)]) if self._moves else x

    def with_capacity(self, x: Tensor, capacity: int) -> Tensor:
        """Make a buffer that begins with a tensor and can hold more tokens.

        Arguments:
            x: [batch, n, heads, size] or [batch, n, size].
            capacity: int. The number of further tokens.

        Returns:
            The buffer, of n + capacity tokens, in the order of the cache.
        """
        return ops.pad(self.to_layout(x), [(0, capacity if axis == 1 else 0) for axis in self.order_for(x)])

    def write(self, buffer: Tensor, slot: Any, x: Tensor) -> Tensor:
        """Write a tensor into a buffer.

        Arguments:
            buffer: tensor in the order of the cache.
            slot: int32, scalar. The index of the first token that is written.
            x: [batch, n, heads, size] or [batch, n, size].

        Returns:
            The buffer: use it instead of the one given.
        """
        return write_at(buffer, slot, self.to_layout(x), self.order_for(buffer).index(1))


CACHE_LAYOUTS = tuple(CacheLayout(order) for order in cache_orders)  # of the keys, of the values


def before_activation(layer: Any, x: Tensor) -> Tensor:
    """Compute what a Dense or Activation layer applies its activation to.

    Arguments:
        layer: keras.layers.Dense or keras.layers.Activation.
        x: tensor. The inputs of the layer.

    Returns:
        Tensor. The outputs before the activation.
    """
    if not isinstance(layer, keras.layers.Dense):
        return x
    x = ops.matmul(x, ops.cast(ops.convert_to_tensor(dense_kernel(layer)), x.dtype))
    return x + ops.cast(ops.convert_to_tensor(layer.bias), x.dtype) if layer.use_bias else x
