"""What stands in the place of the model of the ranks of torch on Keras 2."""

from __future__ import annotations

from typing import Any, NoReturn

from .ranks import need_torch


def ranks_model(model: Any) -> NoReturn:
    """Refuse, because Keras 2 has no ranks of torch.

    Arguments:
        model: keras.Model. It is not read.
    """
    need_torch("distributed_data_parallel")
