"""Whether several processes of JAX give the same rows where they must, and what becomes of a model if they do not.

JAX believes that the copies of an array in all processes are equal. If they are not, each device computes with its own
copy, and the result means nothing. So the devices compare the ids that embeddings are looked up by, in the compiled
step: a number made of the ids, and its minimum and maximum over all devices. What they find is told to each process by
a callback, and `need_same_rows` raises the error where no step runs: there the weights of the model are safe, while an
error in a step, or between two steps of `evaluate`, leaves Keras' models without weights.
"""

from __future__ import annotations

import weakref
from typing import Any

import keras
import numpy as np

from ..types import Tensor

if keras.config.backend() == "jax":
    import jax

ADVICE = "give every process the same batches (the same data, order and seed)"


class Found:
    """What the devices found since the last error.

    Attributes:
        differing: bool. Whether the ids of the processes differed.
    """

    differing = False


found = Found()


def record(same: Any) -> None:
    """Note what a device found. It is called by compiled functions."""
    if not same:
        found.differing = True


def compare_ids(ids: Tensor, mesh: Any) -> None:
    """Let the devices compare the copies of ids that the processes gave, while a compiled function runs.

    Arguments:
        ids: int or whole float, [batch, ...]. A tensor that is traced.
        mesh: jax.sharding.Mesh. All devices.
    """

    def compare(ids: Tensor) -> None:
        """Compare the copy of this device with the others."""
        numbers = ids.ravel().astype("uint32") + 1
        factors = np.uint32(2654435761) * jax.numpy.arange(numbers.size, dtype="uint32") | 1
        own = (numbers * factors).sum(dtype="uint32")
        same = jax.lax.pmin(own, mesh.axis_names) == jax.lax.pmax(own, mesh.axis_names)
        jax.debug.callback(record, same)

    whole = jax.sharding.PartitionSpec()
    # Without check_vma=False JAX takes the copies for equal, and leaves the comparison out.
    jax.shard_map(compare, mesh=mesh, in_specs=whole, out_specs=None, check_vma=False)(jax.lax.stop_gradient(ids))


def need_same_rows() -> None:
    """Refuse to go on if the processes gave different rows. All processes find the same, and raise alike.

    Raises:
        RuntimeError: they did.
    """
    if jax.process_count() == 1:
        return
    jax.effects_barrier()  # the callbacks of the steps that run have been called
    if found.differing:
        found.differing = False
        raise RuntimeError(f"the processes gave different rows, so what was computed from them is wrong: {ADVICE}")


def need_same_shapes(shape: tuple[int, ...]) -> None:
    """Refuse arrays of different shapes in different processes, which would wait for each other without end.

    Arguments:
        shape: tuple of int. The shape of the array of this process.

    Raises:
        RuntimeError: the shapes differ.
    """
    if jax.process_count() == 1:
        return
    from jax.experimental import multihost_utils

    padded = (tuple(shape) + (-1,) * 8)[:8]
    shapes = multihost_utils.process_allgather(np.array(padded, dtype="int32"))  # [processes, 8]
    if (shapes != shapes[0]).any():
        told = [[int(size) for size in row if size >= 0] for row in shapes]
        raise RuntimeError(f"the processes gave arrays of the shapes {told}: every process must give equally many rows")


class Values:
    """The variables of a distribution, and the values that they had when Keras began to train or to predict.

    Keras takes the values away before it looks at the first batch. If that is refused, they are put back. Holding them
    takes no memory, because the first step gives their memory to the new values. The slots of an optimizer are not
    among them, because Keras makes them without asking the distribution.
    """

    def __init__(self) -> None:
        self._variables: list[weakref.ref[Any]] = []
        self._held: list[tuple[Any, Any]] = []

    def add(self, variable: Any) -> None:
        """Remember a new variable.

        Arguments:
            variable: keras.Variable.
        """
        if not self._variables or self._variables[-1]() is not variable:  # Keras asks twice for its layout
            self._variables.append(weakref.ref(variable))

    def hold(self) -> None:
        """Hold the values of now."""
        self._variables = [ref for ref in self._variables if ref() is not None]
        variables = [ref() for ref in self._variables]
        self._held = [(v, v._value) for v in variables if v is not None and v._value is not None]

    def put_back(self) -> bool:
        """Give the values back to the variables that have none.

        Returns:
            bool. Whether there were such variables.
        """
        missing = [(variable, value) for variable, value in self._held if variable._value is None]
        for variable, value in missing:
            if not value.is_deleted():
                variable._value = value
        self._held = []
        return bool(missing)
