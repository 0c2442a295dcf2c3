"""Several devices by `keras.distribution`, which Keras 2 does not have: one process and one device."""

from __future__ import annotations

import contextlib
from typing import Any, Iterator, Mapping, NoReturn, Sequence

import numpy as np

from .._missing import BackendError
from ..types import Tensor
from .flavour import keras


def refuse() -> NoReturn:
    """Refuse to make a distribution.

    Raises:
        BackendError: always; the message says what there is instead.
    """
    raise BackendError(
        "keras.distribution needs Keras 3 on JAX, and this is Keras 2: build and compile the model inside "
        "tf.distribute.MirroredStrategy().scope()"
    )


def device_mesh(shape: Sequence[int] | None) -> NoReturn:
    """Refuse to make a mesh of devices.

    Arguments:
        shape: (int, int), or None.

    Raises:
        BackendError: always.
    """
    refuse()


def mesh_axes(mesh: Any) -> dict[str, int]:
    """Return the size of each axis of a mesh, by its name.

    Arguments:
        mesh: an object with `axis_names` and `shape`.

    Returns:
        dict from str to int.
    """
    return dict(zip(mesh.axis_names, map(int, mesh.shape)))


def layout_map(mesh: Any, layouts: Mapping[str, Sequence[str | None]]) -> NoReturn:
    """Refuse to make a layout map.

    Arguments:
        mesh: mesh of devices.
        layouts: dict from the path of a weight to its axes.

    Raises:
        BackendError: always.
    """
    refuse()


def parallel(
    mesh: Any, layouts: Any = None, whole_batches: bool | None = None, limit: float = float("inf")
) -> NoReturn:
    """Refuse to make a distribution.

    Arguments:
        mesh: mesh of devices.
        layouts: layout map.
        whole_batches: bool or None.
        limit: int.

    Raises:
        BackendError: always.
    """
    refuse()


def split_rows(x: Tensor, ids: Tensor | None = None) -> Tensor:
    """Return x, because there is one device.

    Arguments:
        x: [batch, ...].
        ids: int, [batch, ...], or None.

    Returns:
        x.
    """
    return x


def device_bytes(variables: Sequence[Any]) -> dict[str, int]:
    """Count the bytes of variables.

    Arguments:
        variables: list of variables of Keras.

    Returns:
        dict from 'tensorflow' to bytes.
    """
    return {"tensorflow": sum(value.nbytes for value in keras.backend.batch_get_value(list(variables)))}


def process_index() -> int:
    """Return 0, the number of the only process.

    Returns:
        int.
    """
    return 0


def wait_for_processes(name: str) -> None:
    """Return at once, because there is one process.

    Arguments:
        name: str. What the processes wait for.
    """


def gathered(x: Any) -> np.ndarray:
    """Return the values of a tensor or a variable.

    Arguments:
        x: tensor or variable of Keras.

    Returns:
        array.
    """
    return keras.backend.batch_get_value([x])[0]


@contextlib.contextmanager
def gathered_variables(variables: Sequence[Any]) -> Iterator[None]:
    """Do nothing: this process has all of the variables.

    Arguments:
        variables: list of variables of Keras.

    Returns:
        A context manager.
    """
    yield
