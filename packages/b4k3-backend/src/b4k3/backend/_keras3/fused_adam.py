"""Adam on torch by its fused kernels, which read and write each value once and need no memory between.

A step of Adam in single operations passes through memory some fourteen times, and starts as many kernels per variable.
"""

from __future__ import annotations

from typing import Sequence

from keras import ops

from ..types import Tensor
from ..updates import FusedAdam

DEVICES = ("cpu", "cuda")  # for which torch has the kernels
NO_CORRECTION = 1e9  # the number of a step at which nothing is left to correct: 0.999^1e9 is 0


def usable(tensors: Sequence[Tensor]) -> bool:
    """Return True if the kernels take a variable, its gradient and its moments.

    Arguments:
        tensors: sequence of tensors. All four.

    Returns:
        bool. The kernels want floats of one dtype, laid out alike, on a device that they know.
    """
    first = tensors[0]
    if first.device.type not in DEVICES or not first.is_floating_point() or any(x.is_sparse for x in tensors):
        return False
    kinds = {(x.dtype, x.device, tuple(x.shape), tuple(x.stride())) for x in tensors}
    return len(kinds) == 1


def update(kind: FusedAdam, group: Sequence[Sequence[Tensor]], rate: Tensor, count: Tensor) -> None:
    """Update variables and their moments in place.

    Arguments:
        kind: FusedAdam. The numbers of Adam.
        group: sequence of (variable, gradient, first moment, second moment).
        rate: float tensor, []. The learning rate of this update.
        count: int tensor, []. The number of updates before this one.
    """
    import torch
    from torch.optim.adamw import adamw

    variables, gradients, m, v = (list(tensors) for tensors in zip(*group))
    device = variables[0].device
    before = ops.convert_to_tensor(count).to(device, torch.float32)
    if not kind.bias_correction:
        before = torch.full_like(before, NO_CORRECTION)
    adamw(
        variables,
        gradients,
        m,
        v,
        max_exp_avg_sqs=[],
        state_steps=list(before.repeat(len(variables)).unbind()),  # the kernels add 1 to each
        fused=True,
        amsgrad=False,
        beta1=kind.beta_1,
        beta2=kind.beta_2,
        lr=ops.convert_to_tensor(rate).to(device, torch.float32),
        weight_decay=kind.weight_decay,
        eps=kind.epsilon,
        maximize=False,
    )
