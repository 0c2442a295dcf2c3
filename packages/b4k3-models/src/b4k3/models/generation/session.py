"""What layers learn in decoding: which tokens they are called on, and the keys and values of those before."""

from __future__ import annotations

import numpy as np

from b4k3.backend import cache_orders, call_layer, keras, ops, runs_eagerly, write_at


class Session:
    """One run of a Transformer in decoding. It calls the layers in the place of `Transformer.apply`.

    A layer whose result depends on positions, or on other tokens than it is called on, has a method
    `decode(inputs, session, **arguments)`; others are simply called.

    Attributes:
        positions: int32 [batch, n], those of the tokens that the layers are called on; None: they are whole prompts.
        key_positions: int32 [1 or batch, m], those of the keys that `remember` gives.
    """

    positions = None

    def call(self, layer, inputs, arguments):
        """Call a layer. Dropout does nothing, masks are the session's, softmax is left out: decoding wants logits."""
        if hasattr(type(layer), "decode"):
            return layer.decode(inputs, self, **arguments)
        if isinstance(layer, (keras.layers.Dropout, keras.layers.Masking)):
            return inputs
        if isinstance(layer, (keras.layers.Dense, keras.layers.Activation)):
            if getattr(layer.activation, "__name__", "") == "softmax":
                return before_activation(layer, inputs)
        return call_layer(layer, inputs, **arguments)

    def remember(self, key, value):
        """Keep the keys and values of a self-attention, which come in the same order in each run.

        Arguments:
            key, value: [batch, n, …, size], those of the tokens of this run.

        Returns:
            (keys, values, mask): [batch, m, …, size], all that these tokens may see; bool [batch, m], or None.
        """
        raise NotImplementedError

    def remember_context(self, project):
        """The same for an attention to the encoder's outputs, which never change.

        Arguments:
            project: function that computes (keys, values).
        """
        raise NotImplementedError


class Prefill(Session):
    """The first run, on whole prompts: the network as it is built, but that keys and values are kept.

    Arguments:
        mask: bool [batch, n], True at the tokens of the prompts.
        room: for how many tokens more there shall be room.
        context_mask: bool [batch, c], that of the encoder's outputs, or None.
    """

    def __init__(self, mask, room, context_mask=None):
        self.mask = mask
        self.room = room
        self.context_mask = context_mask
        self.own, self.context = [], []

    def remember(self, key, value):
        self.own.append([keep.with_room(x, self.room) for keep, x in zip(KEPT, (key, value))])
        return key, value, self.mask

    def remember_context(self, project):
        pair = project()
        self.context.append([keep.turned(x) for keep, x in zip(KEPT, pair)])
        return (*pair, self.context_mask)


class Step(Session):
    """A later run, on one new token of each row.

    Arguments:
        own: list of [keys, values] of the self-attentions, as `Prefill` kept them.
        context: likewise for the attentions to the context.
        slot: scalar int, where in them the new tokens go.
        mask: bool [batch, m], True at the tokens that may be seen; or None.
        positions: int32 [batch, 1].
        key_positions: function that computes the attribute of that name, which few layers ask for.
        context_mask: bool [batch, c] or None.
    """

    def __init__(self, own, context, slot, mask, positions, key_positions, context_mask=None):
        self.slot = slot
        self.mask = mask
        self.positions = positions
        self._key_positions = key_positions
        self.context_mask = context_mask
        self.before, self.context = iter(own), iter(context)
        self.own = []

    @property
    def key_positions(self):
        return self._key_positions()

    def remember(self, key, value):
        pair = [keep.written(buffer, self.slot, x) for keep, buffer, x in zip(KEPT, next(self.before), (key, value))]
        self.own.append(pair)
        key, value = (keep.restored(x) for keep, x in zip(KEPT, pair))
        if runs_eagerly:  # the slots after this one need not be looked at
            key, value = key[:, : self.slot + 1], value[:, : self.slot + 1]
        return key, value, self.mask

    def remember_context(self, project):
        key, value = (keep.restored(x) for keep, x in zip(KEPT, next(self.context)))
        return key, value, self.context_mask


class Kept:
    """How the keys, or the values, of former tokens are kept: with their axes as the framework's products read them.

    Arguments:
        order: which axes of [batch, n, heads, size] they are; of [batch, n, size] likewise.
    """

    def __init__(self, order):
        self.order = order

    def order_of(self, x):
        return self.order if len(x.shape) == 4 else tuple(i - (i > 2) for i in self.order if i != 2)

    def turned(self, x):
        """[batch, n, (heads,) size] as it is kept."""
        order = self.order_of(x)
        return x if order == tuple(range(len(order))) else ops.transpose(x, order)

    def restored(self, x):
        """The contrary of `turned`."""
        order = self.order_of(x)
        return x if order == tuple(range(len(order))) else ops.transpose(x, np.argsort(order).tolist())

    def with_room(self, x, room):
        """The buffer that begins with x and has room for so many tokens more."""
        return ops.pad(self.turned(x), [(0, room if axis == 1 else 0) for axis in self.order_of(x)])

    def written(self, buffer, slot, x):
        """The buffer with x in it from `slot` on."""
        return write_at(buffer, slot, self.turned(x), self.order_of(buffer).index(1))


KEPT = tuple(Kept(order) for order in cache_orders)  # keys, values


def before_activation(layer, x):
    """What a Dense or Activation layer applies its activation to."""
    if not isinstance(layer, keras.layers.Dense):
        return x
    x = ops.matmul(x, ops.cast(ops.convert_to_tensor(layer.kernel), x.dtype))
    return x + ops.cast(ops.convert_to_tensor(layer.bias), x.dtype) if layer.use_bias else x
