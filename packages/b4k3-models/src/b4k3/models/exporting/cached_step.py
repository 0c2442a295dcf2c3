"""Some new tokens of each row after any number of cached ones: prefill and step in one run of a decoder.

A row of the attention mask tells which keys are tokens. In a batch of two prompts, the second one padded on the left:

    attention_mask    1 1 1 1 | 1        0 0 1 1 | 1      four cached keys, one new token
    positions         0 1 2 3   4        0 0 0 1   2      the number of tokens before; padding counts as position 0

With no cached key, this is the first run on the whole prompts.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Callable, Iterable

from b4k3.backend import ops

from ..generation.steps import DecodingStep

if TYPE_CHECKING:
    from b4k3.backend import Tensor


class CachedStep(DecodingStep):
    """One run of a decoder as a function of tensors, whose caches come in and go out.

    Arguments:
        past: list of (keys, values), [batch, heads, past length, size] each. What the self-attentions cached; None in
            the place of a pair if there is nothing.
        past_length: int or scalar. The number of cached keys.
        positions: int, [batch, n]. The positions of the new tokens.
        key_positions: int, [batch, m]. The positions of the cached and of the new tokens.
        mask: bool, [batch, m], or None. True at the tokens among them; None if nothing is padded.
        cross: list of (keys, values), [batch, heads, c, size] each, or None. What the attentions to the encoder
            cached; None computes it.
        encoder_mask: bool, [batch, c], or None. The mask of the encoder's outputs.

    Attributes:
        present: list of (keys, values). `past` with the new tokens.
        cross_present: list of (keys, values). `cross`, or what was computed for it.

    Example:
        >>> cached = ops.ones((1, 2, 3, 4)), ops.ones((1, 2, 3, 4))  # three tokens of two heads
        >>> positions = ops.convert_to_tensor([[0, 1, 2, 3]])
        >>> step = CachedStep([cached], 3, positions[:, 3:], positions)
        >>> keys, values, mask = step.update_cache(ops.zeros((1, 1, 2, 4)), ops.zeros((1, 1, 2, 4)))
        >>> tuple(keys.shape), tuple(step.present[0][0].shape)
        ((1, 4, 2, 4), (1, 2, 4, 4))
    """

    def __init__(
        self,
        past: Iterable[tuple[Tensor, Tensor] | None],
        past_length: Any,
        positions: Tensor,
        key_positions: Tensor,
        mask: Tensor | None = None,
        cross: Iterable[tuple[Tensor, Tensor]] | None = None,
        encoder_mask: Tensor | None = None,
    ) -> None:
        self.past, self.positions, self.key_positions, self.mask = past_length, positions, key_positions, mask
        self.encoder_mask = encoder_mask
        self._past, self._cross = iter(past), None if cross is None else iter(cross)
        self.present: list[tuple[Tensor, Tensor]] = []
        self.cross_present: list[tuple[Tensor, Tensor]] = []

    def update_cache(self, key: Tensor, value: Tensor) -> tuple[Tensor, Tensor, Tensor | None]:
        """Append the keys and values of the new tokens to the cached ones.

        Arguments:
            key: [batch, n, heads, size], or [batch, n, size] of a layer without heads. The keys of the new tokens.
            value: the same of their values.

        Returns:
            (keys, values, mask): of all tokens, with their axes in the same order; bool, [batch, m], or None.
        """
        past, new = next(self._past), [cached(key), cached(value)]
        if past is not None:
            new = [ops.concatenate([old, x], axis=2) for old, x in zip(past, new)]
        self.present.append((new[0], new[1]))
        return uncached(new[0], key), uncached(new[1], value), self.mask

    def cached_context(self, project: Callable[[], tuple[Tensor, Tensor]]) -> tuple[Tensor, Tensor, Tensor | None]:
        """Return the keys and values of the encoder's outputs: what was cached, or computed ones.

        Arguments:
            project: function without arguments. It computes (keys, values), [batch, c, heads, size] each.

        Returns:
            (keys, values, mask).
        """
        if self._cross is None:
            key, value = project()
            self.cross_present.append((cached(key), cached(value)))
            return key, value, self.encoder_mask
        pair = next(self._cross)
        self.cross_present.append(pair)
        return cached(pair[0]), cached(pair[1]), self.encoder_mask


def cached(x: Tensor) -> Tensor:
    """Bring keys or values into the order of the caches that go in and out.

    Arguments:
        x: [batch, n, heads, size], or [batch, n, size] of a layer without heads.

    Returns:
        [batch, heads, n, size], with one head for a layer without heads.
    """
    return ops.transpose(x, (0, 2, 1, 3)) if len(x.shape) == 4 else x[:, None]


def uncached(x: Tensor, like: Tensor) -> Tensor:
    """Undo `cached`.

    Arguments:
        x: [batch, heads, m, size].
        like: [batch, n, heads, size] or [batch, n, size]. It says whether there are heads.

    Returns:
        [batch, m, heads, size] or [batch, m, size].
    """
    return ops.transpose(x, (0, 2, 1, 3)) if len(like.shape) == 4 else x[:, 0]
