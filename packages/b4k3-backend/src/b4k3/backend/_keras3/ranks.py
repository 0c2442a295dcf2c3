"""Several processes that train one model on torch: what they exchange, and the model that lets `fit` exchange it.

Each process, called a rank, is given the same batches. A rank computes its share of the rows; the outputs are gathered,
so that each rank has all of them and computes the loss of the whole batch. For a batch of five rows on two ranks:

    rank 0   rows 0 1     -> outputs 0 1   \\  gather   outputs 0 1 2 3 4, loss of all   -> gradient of outputs 0 1
    rank 1   rows 2 3 4   -> outputs 2 3 4 /           outputs 0 1 2 3 4, the same loss -> gradient of outputs 2 3 4

Let g(r) be the gradient of the loss by the weights through the rows of rank r. One process computes the sum of all
g(r). DistributedDataParallel computes their mean. So `Gather` multiplies the gradient by the number of ranks, and the
mean is the sum. A term that does not depend on the outputs, such as a regularizer, is the same on all ranks, and its
mean too. The result is exact for every loss: with masks, with weights of samples, with contrasts between rows, and with
shares of unequal size.
"""

from __future__ import annotations

import contextlib
import random
import sys
import threading
from typing import TYPE_CHECKING, Any, Callable, Iterable, Iterator

import keras
import numpy as np

from .._missing import BackendError
from .layer import mask_of

if TYPE_CHECKING:
    from ..types import Tensor

BACKEND = keras.config.backend()

if BACKEND == "torch":
    import torch
    import torch.distributed as dist

    HAS_RANKS = dist.is_available()
else:
    HAS_RANKS = False


class Share(threading.local):
    """The part of a batch that this thread's rank computes, while the model of the ranks is called.

    Attributes:
        sizes: list of int, or None. The number of rows of each rank; None at any other time.
    """

    sizes: list[int] | None = None


_share = Share()


def need_torch(name: str) -> None:
    """Refuse what only torch has.

    Arguments:
        name: str. The function that was called.

    Raises:
        BackendError: Keras is not on torch, or torch was built without torch.distributed.
    """
    if not HAS_RANKS:
        raise BackendError(
            f"{name} is for Keras 3 on PyTorch with torch.distributed, and this is Keras on {BACKEND}: use "
            "keras.distribution on JAX and tf.distribute on TensorFlow."
        )


def group_size() -> int:
    """Return the number of processes of torch's default group.

    Returns:
        int. 1 on other backends and where no group was initialised.
    """
    return dist.get_world_size() if HAS_RANKS and dist.is_initialized() else 1


def group_rank() -> int:
    """Return the number of this process in torch's default group.

    Returns:
        int. 0 on other backends and where no group was initialised.
    """
    return dist.get_rank() if HAS_RANKS and dist.is_initialized() else 0


def start_group(backend: str | None, local_rank: int) -> None:
    """Initialise torch's default group from the variables that torchrun sets; do nothing if there is one already.

    Arguments:
        backend: str or None. 'nccl' or 'gloo'; None takes the first one if there is a GPU.
        local_rank: int. The number of this process on its machine, which is the number of its GPU.

    Raises:
        BackendError: Keras is not on torch.
    """
    need_torch("init_process_group")
    if torch.cuda.is_available() and local_rank < torch.cuda.device_count():
        torch.cuda.set_device(local_rank)  # where Keras puts all variables and tensors
    if not dist.is_initialized():
        dist.init_process_group(backend or ("nccl" if torch.cuda.is_available() else "gloo"))


def device() -> Any:
    """Return the device on which Keras computes, and which the backend of the group can reach."""
    return keras.ops.zeros(()).device


def ranks_agree(value: int) -> bool:
    """Return whether all ranks gave the same number, which has at most 62 bits."""
    both = torch.tensor([value, -value], dtype=torch.int64, device=device())
    dist.all_reduce(both, op=dist.ReduceOp.MAX)
    highest, lowest = both.tolist()
    return highest == -lowest


def on_first(function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    """Call a function on rank 0 while the other ranks wait.

    Arguments:
        function: function.
        args: its positional arguments.
        kwargs: its other arguments.

    Returns:
        What the function returned on rank 0, and None elsewhere.

    Raises:
        RuntimeError: on the other ranks, if the function raised an exception on rank 0.
    """
    if group_size() == 1:
        return function(*args, **kwargs)
    failed, result = torch.ones((), dtype=torch.int64, device=device()), None
    try:
        if group_rank() == 0:
            result = function(*args, **kwargs)
            failed.zero_()
    finally:
        dist.broadcast(failed, 0)
    if group_rank() and failed.item():
        raise RuntimeError(f"{getattr(function, '__name__', function)} failed on rank 0, whose output says why")
    return result


# ------------------------------------------------------------------------------------------------------------- rows


def shares(rows: int, ranks: int) -> list[int]:
    """Split rows among ranks.

    Arguments:
        rows: int. The number of rows of a batch.
        ranks: int. The number of ranks.

    Returns:
        list of int. The number of rows of each rank; two ranks differ by one row at most.
    """
    return [rows * (rank + 1) // ranks - rows * rank // ranks for rank in range(ranks)]


if HAS_RANKS:

    class Gather(torch.autograd.Function):
        """Put the rows of all ranks together. The gradient of the rank's rows is multiplied by the number of ranks."""

        @staticmethod
        def forward(ctx: Any, rows: Tensor, sizes: list[int]) -> Tensor:
            """Return the rows of all ranks, in their order.

            Arguments:
                ctx: Any. What torch keeps for `backward`.
                rows: [sizes[rank], ...]. The rows of this rank.
                sizes: list of int. The number of rows of each rank.

            Returns:
                Tensor, [sum(sizes), ...].
            """
            ctx.sizes, longest = sizes, max(sizes)
            sent = rows.contiguous()
            sent = sent.view(torch.uint8) if sent.dtype == torch.bool else sent
            if len(rows) < longest:
                sent = torch.cat([sent, sent.new_zeros((longest - len(rows), *rows.shape[1:]))])
            received = [torch.empty_like(sent) for _ in sizes]
            dist.all_gather(received, sent)
            whole = torch.cat([part[:size] for part, size in zip(received, sizes)])
            return whole.view(torch.bool) if rows.dtype == torch.bool else whole

        @staticmethod
        def backward(ctx: Any, gradient: Tensor) -> Any:
            """Return the gradient of this rank's rows times the number of ranks, because DDP takes the mean."""
            rank, sizes = group_rank(), ctx.sizes
            start = sum(sizes[:rank])
            return gradient[start : start + sizes[rank]] * len(sizes), None


def all_rows(nested: Any) -> Any:
    """Return the rows of all ranks of what a layer computed for its rank's share; outside of `RanksModel` do nothing.

    Arguments:
        nested: Any. A tensor, [rows, ...], or a nested structure of tensors and None.

    Returns:
        The same structure with tensors of all rows. Gradients flow to this rank's rows alone.
    """
    sizes = _share.sizes
    if sizes is None or nested is None:
        return nested
    return keras.tree.map_structure(lambda x: x if x is None else gathered_rows(x, sizes), nested, none_is_leaf=True)


def gathered_rows(x: Tensor, sizes: list[int]) -> Tensor:
    """Return the rows of all ranks. A rank without a row of its own computes one, which does not count."""
    own = sizes[group_rank()]
    if x.dim() == 0 or len(x) != max(own, 1):
        raise ValueError(
            f"a rank computes {own} of {sum(sizes)} rows, and got an output of shape {tuple(x.shape)}: outputs and "
            "what a Loss layer takes must have one row for each row of the batch"
        )
    return Gather.apply(x[:own], sizes)


class Pass(torch.nn.Module if HAS_RANKS else object):
    """The computation of a rank's rows, for DistributedDataParallel: it sees the weights, the outputs and the losses.

    Arguments:
        model: keras.Model. The model.
    """

    def __init__(self, model: Any) -> None:
        super().__init__()
        self.weights = torch.nn.ParameterList([v._value for v in model.variables])
        self.hidden = (model,)  # in a tuple, so that torch does not count the same parameters again

    def forward(self, inputs: Any, sizes: list[int], training: bool) -> Any:
        """Compute outputs.

        Arguments:
            inputs: nested tensors, [rows, ...]. The rows of this rank.
            sizes: list of int. The number of rows of each rank.
            training: bool.

        Returns:
            A list of the flat outputs, a list of their masks or None, and a list of the losses that layers added.

        Raises:
            ValueError: a layer adds a loss of its rank's rows.
        """
        (model,) = self.hidden
        _share.sizes = sizes
        try:
            outputs = keras.tree.flatten(model(inputs, training=training))
        finally:
            _share.sizes = None
        for layer in model._flatten_layers():
            if layer._losses and not getattr(layer, "loss_of_all_rows", False):
                raise ValueError(
                    f"{layer.name} adds a loss that is computed from a part of the batch on each rank, which the mean "
                    "over ranks would weigh wrongly: use a loss of compile, or a subclass of b4k3.layers.Loss"
                )
        return outputs, [mask_of(x) for x in outputs], list(model.losses)


def weights_behind(tensors: Iterable[Tensor]) -> set[Tensor]:
    """Return the weights that tensors depend on by their gradients.

    Arguments:
        tensors: iterable of tensors.

    Returns:
        set of torch.nn.Parameter.
    """
    nodes = {x.grad_fn for x in tensors} - {None}
    pending, found = list(nodes), set()
    while pending:
        node = pending.pop()
        if hasattr(node, "variable"):  # a leaf
            found.add(node.variable)
        following = {after for after, _ in node.next_functions} - nodes - {None}
        nodes |= following
        pending += following
    return found


# --------------------------------------------------------------------------------------------------- the same state


def send_variables(variables: Iterable[Any]) -> None:
    """Give all ranks the values that rank 0 has."""
    for variable in variables:
        dist.broadcast(variable._value.detach(), 0)


def send_generators() -> None:
    """Give all ranks the random generators of rank 0 (Python, numpy and torch), so that they shuffle alike."""
    states = [(random.getstate(), np.random.get_state(), torch.get_rng_state())]
    dist.broadcast_object_list(states, 0)
    python, numpy_, torch_ = states[0]
    random.setstate(python)
    np.random.set_state(numpy_)
    torch.set_rng_state(torch_)


def checksum(nested: Any) -> int:
    """Return a number of 62 bits that tells batches of different rows, or of another order of rows, apart."""
    total = 1
    for x in keras.tree.flatten(nested):
        if x is None:
            continue
        x = keras.ops.convert_to_tensor(x).detach().contiguous()
        if x.dtype == torch.bool:
            x = x.view(torch.uint8)
        bits = {1: torch.uint8, 2: torch.int16, 4: torch.int32, 8: torch.int64}[x.element_size()]
        numbers = x.view(bits).reshape(-1).to(torch.int64)
        weights = torch.arange(numbers.numel(), device=x.device) * 2654435761 + 97  # integers wrap, on every machine
        total = total * 1000003 + int((numbers * weights).sum()) + hash(tuple(x.shape))
    return total % 2**62


class Dice:
    """The generator that a rank draws dropout from, so that ranks drop different numbers and data stays the same.

    Arguments:
        rank: int. The number of the rank.
    """

    def __init__(self, rank: int) -> None:
        self.state = torch.Generator().manual_seed(torch.initial_seed() + 1 + rank).get_state()
        if torch.cuda.is_available():
            torch.cuda.manual_seed(torch.cuda.initial_seed() + 1 + rank)

    @contextlib.contextmanager
    def rolled(self) -> Iterator[None]:
        """Draw from this generator in a block, and then go on with the one before."""
        before = torch.get_rng_state()
        torch.set_rng_state(self.state)
        try:
            yield
        finally:
            self.state = torch.get_rng_state()
            torch.set_rng_state(before)


# --------------------------------------------------------------------------------------------------------- refusals


def check_ranks(layer: Any) -> None:
    """Refuse what torch would do wrong without a word: training each rank by itself in `fit`, and FSDP2.

    `Embedding` calls it. Without a process group this is two questions to torch.

    Arguments:
        layer: Keras layer. It is being called.

    Raises:
        RuntimeError: the model is trained by `fit` or `train_on_batch` on several ranks that exchange no gradients, or
            `fully_shard` replaced its parameters.
    """
    if not (HAS_RANKS and dist.is_initialized()):
        return
    context = layer._get_call_context()
    root = context.entry_layer
    if root is layer:
        layer._maybe_reset_call_context()  # it is called by itself, and asking made a context if there was none
    refuse_sharded(layer, root)
    if (
        dist.get_world_size() > 1
        and _share.sizes is None
        and getattr(context, "training", False)
        and getattr(root, "train_function", None) is not None
        and torch.nn.parallel.DistributedDataParallel._get_active_ddp_module() is None
    ):
        raise RuntimeError(
            f"fit of {root.name}: torch.distributed has {dist.get_world_size()} ranks, and each of them would train a "
            "model of its own, because Keras exchanges no gradients. Train distributed_data_parallel(model) of "
            "b4k3.models.distribution, or call torch.distributed.destroy_process_group() first if the models shall be "
            "different ones"
        )


def refuse_sharded(*layers: Any) -> None:
    """Refuse layers whose parameters `fully_shard` of FSDP2 replaced.

    Arguments:
        layers: Keras layers.

    Raises:
        RuntimeError: the parameters that torch knows are not the variables that Keras computes with.
    """
    fsdp = sys.modules.get("torch.distributed.fsdp")  # a user of FSDP2 has imported it
    sharded = getattr(fsdp, "FSDPModule", ())
    for layer in layers:
        known = {id(v._value) for v in layer.variables}  # `value` is another tensor under mixed precision
        registered = getattr(layer, "_torch_params", {})
        if isinstance(layer, sharded) or any(id(x) not in known for x in registered.values()):
            raise RuntimeError(
                f"{layer.name}: fully_shard of FSDP2 replaced its registered parameters, but Keras goes on with its "
                "own variables, which are whole on every rank and get no gradients from FSDP2: no memory is saved, and "
                "ranks drift apart. Use distributed_data_parallel(model) of b4k3.models.distribution for a model "
                "that fits on one device; on JAX, keras.distribution.ModelParallel splits a larger one"
            )
