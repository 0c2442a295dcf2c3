"""Training in several processes on PyTorch, started by torchrun: each process is a rank."""

from __future__ import annotations

import os
from typing import Any, Callable

from b4k3.backend import group_rank, group_size, on_first, ranks_model, start_group


def init_process_group(backend: str | None = None) -> tuple[int, int]:
    """Join the processes that torchrun started. Call it before the model is built, because each rank has its own GPU.

    Without torchrun there is one rank, and nothing is initialised.

    Arguments:
        backend: str or None. 'nccl' or 'gloo'; None takes 'nccl' if there is a GPU, and 'gloo' if there is none.

    Returns:
        (rank, ranks): the number of this process, and how many there are.

    Raises:
        BackendError: there are several ranks, and Keras is not on PyTorch.

    Example:
        >>> from b4k3.models.distribution import init_process_group
        >>> init_process_group()
        (0, 1)
    """
    if int(os.environ.get("WORLD_SIZE", 1)) > 1:
        start_group(backend, int(os.environ.get("LOCAL_RANK", 0)))
    return group_rank(), group_size()


def distributed_data_parallel(model: Any) -> Any:
    """Make a model that all ranks train together by plain `fit`, with the numbers of one process.

    Each rank gives `fit`, `evaluate` and `predict` the same batches in the same order, as a script does that runs in
    each process. The ranks share the rows of each batch (the last one may be shorter), gather the outputs, and exchange
    the gradients by `torch.nn.parallel.DistributedDataParallel`. So every rank has the losses, metrics, `history` and
    predictions of one process, for losses with masks and weights too, and callbacks act alike on all ranks. When `fit`
    begins, all ranks get the weights, the state of the optimizer and the random generators of rank 0.

    `save` and `save_weights` write the given model on rank 0 while the others wait, also from `ModelCheckpoint`, which
    belongs on all ranks. Give other callbacks that write files to rank 0 alone.

    Arguments:
        model: keras.Model. A model with inputs and outputs, whose outputs have a row for each row of the inputs. The
            returned model has its layers and weights. Compile the returned one.

    Returns:
        keras.Model; with one rank the given model itself.

    Raises:
        BackendError: Keras is not on PyTorch.
        TypeError: it is not a Keras model with inputs and outputs.
        ValueError: it has a `train_step` of its own or another method that would not run, or a BatchNormalization that
            is trained, for which each rank would take its own rows.

    Example:
        >>> from b4k3.models.distribution import distributed_data_parallel
        >>> inputs = keras.Input((4,))
        >>> model = keras.Model(inputs, keras.layers.Dense(1)(inputs))
        >>> if keras.config.backend() == "torch":
        ...     assert distributed_data_parallel(model) is model  # one rank

    Reference: Li et al., PyTorch Distributed, https://arxiv.org/abs/2006.15704
    """
    return ranks_model(model)


def on_first_rank(function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    """Call a function on rank 0, and let the other ranks wait until it is done. All ranks must call this.

    Arguments:
        function: function, such as `transformer.save_weights_as_checkpoint`.
        args: its positional arguments.
        kwargs: its other arguments.

    Returns:
        What the function returned on rank 0; None on the other ranks.

    Raises:
        RuntimeError: on the other ranks, if the function raised an exception on rank 0.

    Example:
        >>> from b4k3.models.distribution import on_first_rank
        >>> on_first_rank(max, 3, 5)
        5
    """
    return on_first(function, *args, **kwargs)
