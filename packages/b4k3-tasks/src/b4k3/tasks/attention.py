"""Which token looks at which: the attention weights of one layer of a network, for one text.

A layer computes weights · values. With the identity matrix as the values, its own code returns the weights:

    weights [0.9 0.1]   values [1 0]   output [0.9 0.1]
            [0.3 0.7]          [0 1]          [0.3 0.7]

So scales, masks, biases, windows and positions are those that the layer computes with, whatever they are.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Sequence

import numpy as np

from b4k3.backend import call_layer, ops
from b4k3.layers import MultiHeadAttention
from b4k3.models import ConfigError
from b4k3.models.generation.network import in_step
from b4k3.models.generation.steps import EncoderStep

from .batches import padded
from .opening import NO_LIMIT

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from b4k3.backend import Tensor


def attention_weights(task: Any, text: str | tuple[str, str], layer: int) -> tuple[list[str], NDArray[np.float32]]:
    """Compute the attention weights of a layer for a text.

    Nothing is stored on the model, and the model is not changed. Threads may call this at the same time.

    Arguments:
        task: a task of b4k3.tasks, `TextEncoder` for example. It has the network and the tokenizer.
        text: str, or (str, str). A text, or two texts that the network reads as a pair.
        layer: int. The number of the block, from 0. In a network with an encoder and a decoder it is a block of the
            encoder.

    Returns:
        (tokens, weights): list of n str, special tokens included; float32 array, [heads, n, n]. In `weights[h, i]` are
        the weights of all tokens for token i in head h; their sum is 1.

    Raises:
        ConfigError: the network has no such layer, its attention is of a kind that is not implemented here, or the text
            is longer than the network can read.

    Example:
        >>> from b4k3.tasks import attention_weights
        >>> attention_weights(None, "a text", 0)
        Traceback (most recent call last):
        ...
        b4k3.models.errors.ConfigError: expected a task of b4k3.tasks, got NoneType
    """
    network = attention_network(task)
    count = network.num_hidden_layers
    if isinstance(layer, bool) or not isinstance(layer, (int, np.integer)) or not 0 <= layer < count:
        raise ConfigError(f"layer={layer!r}, expected a whole number from 0 to {count - 1}")
    tokens, ids, segments, longest = _encode(task, text)
    n, padding_id = len(tokens), max(network.pad_token_id, 0)
    if not getattr(network, "conv_kernel_size", 0):  # padding changes nothing else than a convolution
        ids, segments = padded(ids, padding_id, longest=longest), padded(segments, 0, longest=longest)
    positions = np.arange(np.shape(ids)[1], dtype="int32")[None]  # [1, m], m ≥ n
    values = {"Input-Token": ids, "Input-Segment": segments, "Input-Position": positions}
    inputs = [ops.convert_to_tensor(np.asarray(values[name], dtype="int32")) for name in _input_names(network)]
    step = _WeightsStep(ops.convert_to_tensor(positions < n))
    twin = in_step(network, step, inputs)
    x = twin.apply_embeddings(inputs if len(inputs) > 1 else inputs[0])  # [1, m, d]
    for i in range(int(layer) + 1):
        step.wanted = i == layer
        x = twin.apply_main_layers(x, i)  # [1, m, d]
    return tokens, np.asarray(ops.convert_to_numpy(step.weights)[0, :, :n, :n], dtype="float32")


def attention_network(task: Any) -> Any:
    """Find the network whose attention weights `attention_weights` computes.

    Arguments:
        task: a task of b4k3.tasks.

    Returns:
        `Transformer`: the network of the task, or its encoder.

    Raises:
        ConfigError: its attention is of a kind that is not implemented here. The message names it.

    Example:
        >>> from b4k3.tasks.attention import attention_network
        >>> attention_network("no task")
        Traceback (most recent call last):
        ...
        b4k3.models.errors.ConfigError: expected a task of b4k3.tasks, got str
    """
    transformer = getattr(task, "transformer", None)
    if transformer is None or not hasattr(task, "tokenizer"):
        raise ConfigError(f"expected a task of b4k3.tasks, got {type(task).__name__}")
    network = getattr(transformer, "_encoder", transformer)
    name = type(transformer).__name__
    if not any(isinstance(layer, MultiHeadAttention) for layer in network.layers.values()):
        kinds = {type(layer).__name__ for layer in network.layers.values() if "ttention" in type(layer).__name__}
        raise ConfigError(
            f"the attention weights of {name} are not implemented, only those of MultiHeadAttention; its layers are "
            f"{', '.join(sorted(kinds)) or 'of other kinds'}"
        )
    if network.attention_caches or network.layer_norm_conds[0] is not None:
        raise ConfigError(f"the attention weights of {name} are not implemented with attention_caches or conditions")
    _input_names(network)
    return network


def _input_names(network: Any) -> list[str]:
    """Return the names of the inputs of the network, without its prefix."""
    known = ("Input-Token", "Input-Segment", "Input-Position", "Encoder-Input-Token")
    names = []
    for tensor in network.inputs:
        found = [name for name in known if network.layers.get(network.prefixed(name)) is tensor]
        if not found:
            raise ConfigError(
                f"the attention weights of {type(network).__name__} are not implemented: it has other inputs than "
                f"{', '.join(known[:3])}"
            )
        names.append(found[0].replace("Encoder-", ""))
    return names


def _encode(task: Any, text: str | tuple[str, str]) -> tuple[list[str], list[list[int]], list[list[int]], int]:
    """Return the tokens of a text, its ids and its segment ids, [1, n] each, and how many tokens there may be."""
    pair = (text,) if isinstance(text, str) else tuple(text)
    if not 1 <= len(pair) <= 2 or not all(isinstance(part, str) for part in pair):
        raise ConfigError(f"text is {type(text).__name__}, expected str or a pair of them")
    if getattr(getattr(task, "modules", None), "lowercase", False):
        pair = tuple("".join(map(str.lower, part)) for part in pair)
    encoded = task.tokenizer.encode_batch(*([part] for part in pair), maxlen=None, padding=False)
    tokens = list(encoded.tokens[0])
    limits = [getattr(task, "maxlen", None), getattr(getattr(task, "opened", None), "longest", None)]
    longest = min((limit for limit in limits if limit is not None), default=NO_LIMIT)
    if not 0 < len(tokens) <= longest:
        raise ConfigError(f"the text has {len(tokens)} tokens, expected 1 to {longest}")
    return tokens, encoded.ids[:1], encoded.type_ids[:1], longest


class _WeightsStep(EncoderStep):
    """A run of the network that keeps the weights of the attention layer of the block where `wanted` is True."""

    wanted = False
    weights: Any = None

    def call(self, layer: Any, inputs: Any, arguments: dict[str, Any]) -> Any:
        """Call a layer."""
        if not isinstance(layer, MultiHeadAttention):
            return super().call(layer, inputs, arguments)
        if self.wanted:
            self.weights = weights_of(layer, inputs, self.mask, **arguments)  # [b, h, n, n]
        masks = [None, None, self.mask] + [None] * (len(inputs) - 3)
        return call_layer(layer, inputs, mask=masks, training=False, **arguments)


def weights_of(
    layer: MultiHeadAttention,
    inputs: Sequence[Tensor],
    mask: Tensor | None = None,
    a_bias: bool | None = None,
    p_bias: str | None = None,
) -> Tensor:
    """Compute the attention weights of a layer.

    Arguments:
        layer: `MultiHeadAttention`, or a subclass of it. It is built.
        inputs: list of tensors. The inputs of its `call`.
        mask: bool, [batch, m], or None. True at the keys that may be seen.
        a_bias: bool or None. As in its `call`.
        p_bias: str or None. As in its `call`.

    Returns:
        float32, [batch, heads, n, m]. Each row has the sum 1 if the layer normalises by softmax.

    Example:
        >>> from b4k3.backend import ops
        >>> from b4k3.layers import MultiHeadAttention
        >>> from b4k3.tasks.attention import weights_of
        >>> x, layer = ops.ones((1, 4, 16)), MultiHeadAttention(heads=2, head_size=8)
        >>> y = layer([x, x, x])
        >>> round(float(weights_of(layer, [x, x, x])[0, 0, 0, 0]), 6)
        0.25
    """
    query, key, value = inputs[:3]
    rest = [x if "int" in str(x.dtype) else ops.cast(x, "float32") for x in inputs[3:]]
    qw = ops.cast(layer._queries(query), "float32")  # [b, n, h, key_size]
    kw = ops.cast(layer._keys_and_values(key, value)[0], "float32")  # [b, m, kv, key_size]
    if p_bias == "typical_relative":  # it adds vectors of positions to the values, so give it as scores
        position = rest.pop()  # [n, m, key_size] or [b, n, m, key_size]
        distances = "nmd" if len(position.shape) == 3 else "bnmd"
        rest.append(ops.einsum(f"bnhd,{distances}->bnmh", qw, position))  # [b, n, m, h]
        p_bias = "t5_relative"  # scores that are added before the scale
    m = int(kw.shape[1])
    identity = ops.broadcast_to(ops.eye(m)[None, :, None, :], (int(kw.shape[0]), m, int(kw.shape[2]), m))
    output, _ = layer.pay_attention_to([qw, kw, identity] + rest, [None, mask], a_bias, p_bias, training=False)
    return ops.transpose(output, (0, 2, 1, 3))  # [b, h, n, m]
