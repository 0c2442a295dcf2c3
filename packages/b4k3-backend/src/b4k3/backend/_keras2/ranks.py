"""What stands in the place of the ranks of torch on Keras 2, where a strategy of tf.distribute does their work."""

from __future__ import annotations

from typing import Any, Callable, NoReturn

from .._missing import BackendError


def need_torch(name: str) -> NoReturn:
    """Refuse what only torch has.

    Arguments:
        name: str. The function that was called.

    Raises:
        BackendError: always.
    """
    raise BackendError(
        f"{name} is for Keras 3 on PyTorch, and this is Keras 2: build and compile the model in the scope of "
        "tf.distribute.MirroredStrategy, or of MultiWorkerMirroredStrategy for several processes."
    )


def group_size() -> int:
    """Return 1: no ranks of torch.

    Returns:
        int.
    """
    return 1


def group_rank() -> int:
    """Return 0: no ranks of torch.

    Returns:
        int.
    """
    return 0


def start_group(backend: str | None, local_rank: int) -> NoReturn:
    """Refuse, because Keras 2 has no ranks of torch.

    Arguments:
        backend: str or None. It is not read.
        local_rank: int. It is not read.
    """
    need_torch("init_process_group")


def on_first(function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    """Call a function.

    Arguments:
        function: function.
        args: its positional arguments.
        kwargs: its other arguments.

    Returns:
        What the function returns.
    """
    return function(*args, **kwargs)


def all_rows(nested: Any) -> Any:
    """Return what is given: a strategy of TensorFlow knows the losses of layers itself.

    Arguments:
        nested: Any. A tensor, or a nested structure of tensors.

    Returns:
        The same.
    """
    return nested


def check_ranks(layer: Any) -> None:
    """Do nothing: there are no ranks of torch.

    Arguments:
        layer: Keras layer. It is being called.
    """
