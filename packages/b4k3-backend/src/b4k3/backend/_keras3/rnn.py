"""`K.rnn`, the loop over time of Keras 2's recurrent layers."""

from __future__ import annotations

from typing import Any, Callable, Sequence

from keras import ops

from ..types import Tensor


def rnn(
    step_function: Callable[[Tensor, list[Tensor]], tuple[Tensor, list[Tensor]]],
    inputs: Tensor,
    initial_states: Sequence[Tensor],
    go_backwards: bool = False,
    mask: Tensor | None = None,
    constants: Sequence[Tensor] | None = None,
    unroll: bool = False,
    input_length: Any = None,
) -> tuple[Tensor, Tensor, list[Tensor]]:
    """Run a step over axis 1: `step_function(input, states + constants)` returns (output, states).

    Where the mask is false, the output and the states stay what they were. `unroll` and `input_length` have no effect.

    Returns:
        (last output, outputs [batch, time, ...], states).
    """
    constants = list(constants or [])
    steps = ops.moveaxis(inputs, 1, 0)
    masks = ops.ones(ops.shape(steps)[:2], "bool") if mask is None else ops.transpose(ops.cast(mask, "bool"))
    first, _ = step_function(steps[0], list(initial_states) + constants)

    def keep(seen: Tensor, new: Tensor, old: Tensor) -> Tensor:
        """Take the new value for rows whose step is not masked."""
        return ops.where(ops.reshape(seen, ops.shape(seen)[:1] + (1,) * (len(new.shape) - 1)), new, old)

    def step(carry: Any, x: tuple[Tensor, Tensor]) -> tuple[Any, Any]:
        before, states = carry
        value, seen = x
        output, new = step_function(value, list(states) + constants)
        if mask is not None:
            output = keep(seen, output, before)
            new = [keep(seen, n, o) for n, o in zip(new, states)]
        carry = (output, list(new))
        return carry, carry  # on TensorFlow ops.scan wants results like the carry

    carry = (ops.zeros_like(first), list(initial_states))
    (last, states), (outputs, _) = ops.scan(step, carry, (steps, masks), reverse=go_backwards)
    outputs = ops.moveaxis(ops.flip(outputs, 0) if go_backwards else outputs, 0, 1)
    return last, outputs, states
