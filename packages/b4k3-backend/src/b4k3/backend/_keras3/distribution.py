"""Several devices on JAX by `keras.distribution`: layouts of weights, batches of any size, values of all processes.

`keras.distribution` puts an equal share of the rows of each batch on every device. A batch that cannot be cut into
equal shares ends in an error, after which the weights of the model are None. The distributions here give every device
all ids of a batch, which are small, and cut the embeddings instead (`split_rows`): XLA fills up what does not divide,
and keeps what it filled in out of every sum.
"""

from __future__ import annotations

import contextlib
import threading
from typing import Any, Iterator, Mapping, Sequence

import keras
import numpy as np

from .._initialization import skipping
from .._missing import BackendError
from ..types import Tensor
from .memory import untouched_zeros
from .same_rows import Values, compare_ids, need_same_rows, need_same_shapes

BACKEND = keras.config.backend()

if BACKEND == "jax":
    import jax

DATA, MODEL = "data", "model"  # the names of the axes of a mesh


def need_jax() -> None:
    """Refuse every backend but JAX.

    Raises:
        BackendError: the backend has no `keras.distribution`; the message says what it has instead.
    """
    instead = {"torch": "torch.distributed", "tensorflow": "tf.distribute"}.get(BACKEND)
    if BACKEND != "jax":
        raise BackendError(
            f"keras.distribution needs Keras 3 on JAX, and this is Keras 3 on {BACKEND}: set KERAS_BACKEND=jax"
            + (f", or use {instead}" if instead else "")
        )


class Asked(threading.local):
    """The variable that Keras is making in this thread, and its layout, while initializers must not draw.

    Keras asks a distribution for the layout of a new variable, calls the initializer, and puts the value on devices:
    a copy of zeros that a checkpoint will overwrite, as large as the model. It does not copy what is on these devices
    already, but it does not tell the initializer where that is. If the answer to its question is None, it calls the
    initializer first and asks once more. Meanwhile `lazy_zeros` finds the layout here.
    """

    variable: Any = None
    layout: Any = None

    def answer(self, variable: Any, layout: Any) -> Any:
        """Return None when Keras asks for the first time, and the layout for the second time."""
        if self.variable is variable or not (ASKS_AGAIN and skipping()):
            self.variable = self.layout = None
            return layout
        left, self.variable, self.layout = self.variable, variable, layout
        if left is not None and left._layout is None and left._value is not None:
            raise RuntimeError(f"Keras did not ask again for the layout of {left.path}: use another version of Keras")
        return None


asked = Asked()
# Older Keras, such as 3.5, calls the initializer first and asks once.
ASKS_AGAIN = BACKEND == "jax" and hasattr(keras.Variable, "_initialize_layout")


class AnyRows:
    """The part of a distribution that takes batches of any number of rows. See the beginning of the module.

    Attributes:
        whole_batches: bool. Whether every process gives the same whole batch. False, for several processes, is the rule
            of Keras: each process gives its own rows, which are as many in each, and the batch is all of them.
        rows_mesh: keras.distribution.DeviceMesh. Its axis 'data' has the processes that give rows of their own.
        values: `Values`. The variables that were made for the distribution.
    """

    whole_batches = True
    rows_mesh: Any = None
    values: Any = None

    @property
    def auto_shard_dataset(self) -> bool:
        """False: each process gives the rows that are meant for it.

        With several processes Keras asks for this when `fit`, `evaluate` or `predict` begins, before it takes the
        values of the weights away.
        """
        need_same_rows()
        self.values.hold()
        return False

    @contextlib.contextmanager
    def scope(self) -> Iterator[None]:
        """Make the distribution the one in use in a `with` block.

        Raises:
            BackendError: `predict` of Keras wanted to collect outputs of other processes.
            RuntimeError: the processes gave different rows.
        """
        parent: Any = super()
        with parent.scope():
            try:
                yield
            except RuntimeError as error:
                need_same_rows()
                if "non-addressable" in str(error):
                    raise BackendError(
                        "Keras cannot collect tensors of other processes. For outputs take Predictor(model)(x) of "
                        f"b4k3.models instead of model.predict(x), and to save take distribution.save ({error})"
                    ) from error
                raise
            need_same_rows()

    def get_data_layout(self, data_shape: Sequence[int]) -> Any:
        """Say how the arrays of an epoch are put on the devices, by the shape of the first one.

        Every device of a process gets all rows of the process, and `split_rows` shares them out.

        Arguments:
            data_shape: tuple of int. The shape of the array that this process has.

        Returns:
            keras.distribution.TensorLayout.

        Raises:
            RuntimeError: the processes give arrays of different shapes, or gave different rows before.
        """
        try:
            need_same_rows()
            need_same_shapes(data_shape)
        except RuntimeError as error:
            if self.values.put_back():
                advice = "if this is fit, compile with a new optimizer now: the slots of this one are lost"
                raise RuntimeError(f"{error} ({advice})") from None
            raise
        this: Any = self
        rest = [None] * (len(data_shape) - 1)
        if self.whole_batches:
            return keras.distribution.TensorLayout([None, *rest], this.device_mesh)
        return keras.distribution.TensorLayout([DATA, *rest], self.rows_mesh)


if BACKEND == "jax":

    class DataParallel(AnyRows, keras.distribution.DataParallel):
        """`keras.distribution.DataParallel` for batches of any number of rows."""

        def get_variable_layout(self, variable: Any) -> Any:
            """Say how a new variable is put on the devices.

            Arguments:
                variable: keras.Variable. Its shape and its path are known, its value is not.

            Returns:
                keras.distribution.TensorLayout.
            """
            self.values.add(variable)
            return asked.answer(variable, super().get_variable_layout(variable))

    class ModelParallel(AnyRows, keras.distribution.ModelParallel):
        """`keras.distribution.ModelParallel` for batches of any number of rows, which refuses weights without a layout.

        Attributes:
            largest_unplanned: int. A weight that is not in the layout map must not have more elements than this.
        """

        largest_unplanned: float = float("inf")

        def get_variable_layout(self, variable: Any) -> Any:
            """Say how a new variable is put on the devices.

            Arguments:
                variable: keras.Variable. Its shape and its path are known, its value is not.

            Returns:
                keras.distribution.TensorLayout.

            Raises:
                ValueError: the variable is large, and the layout map does not have it.
            """
            unplanned = getattr(variable, "_layout", None) is None and self._layout_map[variable.path] is None
            if unplanned and np.prod(variable.shape) > self.largest_unplanned:
                raise ValueError(
                    f"{variable.path} {list(variable.shape)} is not in the layout map, so every device would hold all "
                    f"of it. Give its layout: layouts={{{variable.path!r}: {(None,) * len(variable.shape)}}}, with "
                    "'model' in the place of the axis that is to be cut, or as it is to hold it everywhere"
                )
            self.values.add(variable)
            return asked.answer(variable, super().get_variable_layout(variable))


def device_mesh(shape: Sequence[int] | None) -> Any:
    """Make a mesh of all devices of all processes.

    Arguments:
        shape: (int, int), or None. The number of shares of the rows, and the number of shares of the weights. None
            cuts the weights alone.

    Returns:
        keras.distribution.DeviceMesh with the axes 'data' and 'model'.

    Raises:
        BackendError: the backend is not JAX.
        ValueError: the product of the two numbers is not the number of devices.
    """
    need_jax()
    devices = keras.distribution.list_devices()
    shape = (1, len(devices)) if shape is None else tuple(shape)
    if len(shape) != 2 or min(shape) < 1 or shape[0] * shape[1] != len(devices):
        raise ValueError(
            f"mesh_shape={shape}, expected two whole numbers whose product is the number of devices, {len(devices)}"
        )
    return keras.distribution.DeviceMesh(shape, [DATA, MODEL], devices)


def mesh_axes(mesh: Any) -> dict[str, int]:
    """Return the size of each axis of a mesh, by its name.

    Arguments:
        mesh: keras.distribution.DeviceMesh.

    Returns:
        dict from str to int.

    Example:
        >>> class Mesh:
        ...     axis_names, shape = ["data", "model"], (1, 4)
        >>> mesh_axes(Mesh)
        {'data': 1, 'model': 4}
    """
    return dict(zip(mesh.axis_names, map(int, mesh.shape)))


def layout_map(mesh: Any, layouts: Mapping[str, Sequence[str | None]]) -> Any:
    """Make a `keras.distribution.LayoutMap`.

    Arguments:
        mesh: keras.distribution.DeviceMesh.
        layouts: dict from the path of a weight to a tuple with the name of a mesh axis, or None, for each of its axes.

    Returns:
        keras.distribution.LayoutMap.

    Raises:
        BackendError: the backend is not JAX.
    """
    need_jax()
    made = keras.distribution.LayoutMap(mesh)
    for path, axes in layouts.items():
        made[path] = tuple(axes)
    return made


def parallel(mesh: Any, layouts: Any = None, whole_batches: bool | None = None, limit: float = float("inf")) -> Any:
    """Make a distribution for batches of any number of rows.

    Arguments:
        mesh: keras.distribution.DeviceMesh, or None for all devices in one axis.
        layouts: keras.distribution.LayoutMap, or None if every device holds all weights.
        whole_batches: bool or None. See `AnyRows`. None is True in one process, or if the rows are not cut.
        limit: int. `largest_unplanned` of `ModelParallel`.

    Returns:
        keras.distribution.DataParallel or ModelParallel.

    Raises:
        BackendError: the backend is not JAX.
    """
    need_jax()
    # Keras can share out data sets of TensorFlow alone, and refuses to share out others.
    own: dict[str, Any] = {"auto_shard_dataset": False}
    if layouts is None:
        made: Any = DataParallel(device_mesh=mesh, **own)
    else:
        made = ModelParallel(layout_map=layouts, batch_dim_name=DATA, **own)
        made.largest_unplanned = limit
    made.values, made.rows_mesh = Values(), rows_mesh(made)
    alone = jax.process_count() == 1 or made.num_model_replicas == 1
    made.whole_batches = alone if whole_batches is None else bool(whole_batches)
    if made.rows_mesh is None and not made.whole_batches:
        raise ValueError(
            f"{jax.process_count()} processes cannot give rows of their own for {made.num_model_replicas} shares of "
            "the rows, as neither divides by the other: another mesh_shape, or whole_batches=True"
        )
    return made


def rows_mesh(distribution: Any) -> Any:
    """Make the mesh by which processes give rows of their own.

    For example two processes have two devices each. If the rows are cut into four shares, the mesh is [[0, 1], [2, 3]],
    and an array that is cut along its first axis has the rows of the first process on the devices 0 and 1. If four
    processes with one device each cut the rows into two shares, two processes hold the same share, and give the same
    rows.

    Arguments:
        distribution: keras.distribution.Distribution. Its mesh has the devices in the order of the processes.

    Returns:
        keras.distribution.DeviceMesh with the axes 'data' and 'copy'; None if the shares do not fit the processes.
    """
    devices, replicas = distribution.device_mesh.devices, distribution.num_model_replicas
    givers = min(jax.process_count(), replicas)
    if max(jax.process_count(), replicas) % givers or devices.size % givers:
        return None
    shape = (givers, devices.size // givers)
    return keras.distribution.DeviceMesh(shape, [DATA, "copy"], devices.ravel().tolist())


def split_rows(x: Tensor, ids: Tensor | None = None) -> Tensor:
    """Cut a tensor along its first axis, so that each device computes its share of the rows.

    It does nothing outside of compiled functions, and without a distribution of this module.

    Arguments:
        x: [batch, ...]. A tensor in the forward pass of a model.
        ids: int, [batch, ...], or None. The ids that x was looked up by. If there are several processes, the devices
            compare what each was given; `need_same_rows` tells what they found.

    Returns:
        The same numbers.

    Example:
        >>> y = split_rows(ops.ones((2, 3)))  # [2, 3]
    """
    if BACKEND != "jax" or not isinstance(x, jax.core.Tracer):
        return x
    distribution = keras.distribution.distribution()
    if not isinstance(distribution, AnyRows):
        return x
    mesh = distribution.device_mesh.backend_mesh
    if ids is not None and jax.process_count() > 1:
        compare_ids(ids, mesh)
    if distribution.num_model_replicas > x.shape[0]:
        return x
    cut = jax.sharding.NamedSharding(mesh, jax.sharding.PartitionSpec(distribution.batch_dim_name))
    if x.shape[0] % distribution.num_model_replicas == 0:
        return jax.lax.with_sharding_constraint(x, cut)
    return cut_forwards(x, cut, jax.sharding.NamedSharding(mesh, jax.sharding.PartitionSpec()))


def cut_forwards(x: Tensor, cut: Any, whole: Any) -> Tensor:
    """Cut a tensor whose rows do not divide; its gradient comes back to every device whole.

    If the gradient were cut too, XLA would add what it filled in to the gradient of the first id of a table whose rows
    are cut by another axis of the mesh: 5 rows on a mesh of 2 by 2 changed it by a tenth.

    Arguments:
        x: [batch, ...]. A tensor that is traced.
        cut: jax.sharding.Sharding. The one of x.
        whole: jax.sharding.Sharding. The one of its gradient.

    Returns:
        The same numbers.
    """
    constrain = jax.lax.with_sharding_constraint

    @jax.custom_vjp
    def cut_rows(x: Tensor) -> Tensor:
        """Return x."""
        return constrain(x, cut)

    cut_rows.defvjp(lambda x: (constrain(x, cut), None), lambda _, gradient: (constrain(gradient, whole),))
    return cut_rows(x)


# ------------------------------------------------------------------------------------------ weights on several devices


def sharding_of(layout: Any) -> Any:
    """Return the `jax.sharding.Sharding` that a layout of Keras stands for; None for None."""
    return getattr(layout, "backend_layout", layout)


def put_slices(variable: Any, value: np.ndarray) -> bool:
    """Assign an array to a variable that lies on several devices, from which each device reads its slice alone.

    Arguments:
        variable: keras.Variable.
        value: array of the same shape, such as a view of a mapped file. Slices of it are copied and cast.

    Returns:
        bool. False if the variable lies on one device, and nothing was done.
    """
    sharding = sharding_of(getattr(variable, "_layout", None))
    if sharding is None or tuple(value.shape) != tuple(variable.shape):
        return False
    dtype = jax.numpy.dtype(variable.dtype)

    def slice_of(index: Any) -> np.ndarray:
        """Copy the slice of one device into memory that XLA takes over, or there would be a second copy."""
        part = value[index]
        held = untouched_zeros(part.shape, dtype.name)
        np.copyto(held, part, casting="unsafe")
        return held

    variable.assign(jax.make_array_from_callback(tuple(value.shape), sharding, slice_of))
    return True


def on_devices_asked_for(shape: tuple[int, ...], slice_of: Any) -> Tensor | None:
    """Make the first value of the variable that Keras is making, if it will lie on several devices. See `Asked`.

    Arguments:
        shape: tuple of int. The shape of the variable.
        slice_of: function from the index of a device's slice, a tuple of `slice`, to its array.

    Returns:
        The tensor; None if the variable will lie on one device.
    """
    if asked.variable is None or tuple(asked.variable.shape) != tuple(shape):
        return None
    return jax.make_array_from_callback(tuple(shape), sharding_of(asked.layout), slice_of)


def device_bytes(variables: Sequence[Any]) -> dict[str, int]:
    """Count the bytes of variables on each device of this process.

    Arguments:
        variables: list of keras.Variable.

    Returns:
        dict from the name of a device to bytes. On other backends than JAX the only name is the backend's.

    Example:
        >>> layer = Dense(8)
        >>> layer.build((None, 4))
        >>> sum(device_bytes(layer.weights).values())
        160
    """
    found: dict[str, int] = {}
    for variable in variables:
        if BACKEND != "jax":
            found[BACKEND] = found.get(BACKEND, 0) + keras.ops.convert_to_numpy(variable).nbytes
            continue
        for shard in variable.value.addressable_shards:
            name = f"{shard.device.platform}:{shard.device.id}"
            found[name] = found.get(name, 0) + shard.data.nbytes
    return found


# --------------------------------------------------------------------------------------------------- several processes


def process_index() -> int:
    """Return the number that `keras.distribution.initialize` gave to this process; 0 if it is the only one.

    Returns:
        int.

    Example:
        >>> process_index()
        0
    """
    return jax.process_index() if BACKEND == "jax" else 0


def wait_for_processes(name: str) -> None:
    """Wait until every process has called this function with the name. A single process does not wait.

    Arguments:
        name: str. What they wait for.

    Example:
        >>> wait_for_processes("the file is written")
    """
    if BACKEND == "jax" and jax.process_count() > 1:
        from jax.experimental import multihost_utils

        multihost_utils.sync_global_devices(name)


def is_scattered(x: Any) -> bool:
    """Return whether a part of a tensor lies on devices of other processes alone."""
    return BACKEND == "jax" and isinstance(x, jax.Array) and not (x.is_fully_addressable or x.is_fully_replicated)


def gathered(x: Any) -> np.ndarray:
    """Return the values of a tensor or a variable, from the devices of all processes.

    Every process must call it, for the same tensors in the same order.

    Arguments:
        x: tensor or keras.Variable.

    Returns:
        array.

    Example:
        >>> gathered(ops.ones((2, 3))).shape
        (2, 3)
    """
    value = x.value if isinstance(x, keras.Variable) else x
    if not is_scattered(value):
        return keras.ops.convert_to_numpy(value)
    from jax.experimental import multihost_utils

    return np.asarray(multihost_utils.process_allgather(value, tiled=True))


def everywhere(variables: Sequence[Any]) -> Any:
    """Return the sharding by which every process has a whole tensor, if variables lie on several processes.

    Arguments:
        variables: list of keras.Variable.

    Returns:
        jax.sharding.NamedSharding; None if this process has all of the variables.
    """
    for variable in variables:
        value = variable.value
        if isinstance(value, jax.Array) and not value.is_fully_addressable:
            return jax.sharding.NamedSharding(value.sharding.mesh, jax.sharding.PartitionSpec())
    return None


@contextlib.contextmanager
def gathered_variables(variables: Sequence[Any]) -> Iterator[None]:
    """Let process 0 read whole variables in a `with` block, although other processes hold parts of them.

    Every process must enter the block.

    Arguments:
        variables: list of keras.Variable.

    Returns:
        A context manager.

    Example:
        >>> layer = Dense(8)
        >>> layer.build((None, 4))
        >>> with gathered_variables(layer.weights):
        ...     kernel = ops.convert_to_numpy(layer.kernel)  # [4, 8]
    """
    scattered = [(v, v.value) for v in variables if BACKEND == "jax" and is_scattered(v.value)]
    distribution = keras.distribution.distribution()
    try:
        for variable, value in scattered:
            whole = gathered(value)
            if process_index() == 0:
                variable._value = jax.numpy.asarray(whole)  # as Keras' own `fit` does; `assign` would cut it again
        keras.distribution.set_distribution(None)  # a variable that saving makes would wait for the other processes
        yield
    finally:
        keras.distribution.set_distribution(distribution)
        for variable, value in scattered:
            variable._value = value
