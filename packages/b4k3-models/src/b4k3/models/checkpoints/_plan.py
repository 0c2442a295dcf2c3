"""Plan what is written into a checkpoint. Names, dtypes and shapes are checked before a file is begun."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Callable, Mapping, Sequence

import numpy as np

from . import _dtypes
from .base import CheckpointError

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray


class Spec:
    """A variable that is to be written.

    Arguments:
        name: str.
        dtype: str. The name of the dtype that it will have in the file.
        shape: tuple of int.

    Attributes:
        name: str. The argument.
        dtype: str. The argument.
        shape: tuple of int. The argument.
        size: int. The number of bytes in the file.
    """

    __slots__ = ("name", "dtype", "shape", "size")

    def __init__(self, name: str, dtype: str, shape: Sequence[int]) -> None:
        self.name, self.dtype, self.shape = name, dtype, tuple(int(dim) for dim in shape)
        self.size = int(np.prod(self.shape, dtype=np.int64)) * _dtypes.ITEM_SIZE[dtype]


class Plan:
    """The variables that are to be written, and the way to the bytes of each.

    Arguments:
        path: str. The checkpoint, for error messages.
        tensors: mapping from name to array. It may be lazy: an array is asked for when its bytes are written.
        dtype: str or None. The dtype in which floating variables are stored; None keeps theirs.
        replace: bool. Whether files that are there may be replaced.

    Attributes:
        path: str. The argument.
        replace: bool. The argument.
        specs: list of `Spec`, in the order of the mapping.

    Raises:
        CheckpointError: a name or an array cannot be stored.

    Example:
        >>> from b4k3.models.checkpoints._plan import Plan
        >>> plan = Plan("model.npz", {"bias": np.zeros(3, "float32")}, dtype="float16")
        >>> plan.specs[0].size, plan.data(plan.specs[0])
        (6, array([0, 0, 0, 0, 0, 0], dtype=uint8))
    """

    def __init__(
        self, path: str, tensors: Mapping[str, ArrayLike], dtype: str | None = None, replace: bool = True
    ) -> None:
        self.path, self._tensors, self._dtype, self.replace = path, tensors, dtype, replace
        self.specs = [self._spec(name) for name in tensors]

    def _spec(self, name: Any) -> Spec:
        """Check the name, the dtype and the shape of a variable."""
        if not isinstance(name, str) or not name or "\0" in name:
            raise CheckpointError(f"{self.path}: the name {name!r} is not a non-empty str without NUL")
        try:
            name.encode("utf-8")
        except UnicodeEncodeError:
            raise CheckpointError(f"{self.path}: the name {name!r} cannot be written in UTF-8") from None
        tensors: Any = self._tensors
        if hasattr(tensors, "shape") and hasattr(tensors, "dtype"):  # a `Checkpoint` tells them without reading
            shape, dtype = tensors.shape(name), tensors.dtype(name).name
        else:
            array = np.asarray(tensors[name])
            shape, dtype = array.shape, array.dtype.name
        if dtype not in _dtypes.ITEM_SIZE:
            raise CheckpointError(f"{self.path}: variable {name!r} has dtype {dtype}, {_dtypes.NOT_NUMERIC}")
        if self._dtype and dtype in _dtypes.FLOATS:
            dtype = self._dtype
        return Spec(name, dtype, shape)

    def data(self, spec: Spec) -> NDArray[np.uint8]:
        """Read a variable and convert it.

        Arguments:
            spec: `Spec`, one of `specs`.

        Returns:
            uint8, [spec.size]. The bytes that are written.

        Raises:
            CheckpointError: a finite number is too large for the dtype, or the array is not the one that was planned.
        """
        try:
            dtype, array = _dtypes.to_bytes(self._tensors[spec.name], self._dtype)
        except CheckpointError:
            raise
        except ValueError as error:
            raise CheckpointError(f"{self.path}: variable {spec.name!r} {error}") from None
        if (dtype, array.shape) != (spec.dtype, spec.shape):
            found, expected = f"{dtype}{list(array.shape)}", f"{spec.dtype}{list(spec.shape)}"
            message = f"changed while the checkpoint was written: {found}, expected {expected}"
            raise CheckpointError(f"{self.path}: variable {spec.name!r} {message}")
        return array.reshape(-1).view(np.uint8)

    def shards(self, max_size: int | None, key: Callable[[Spec], Any]) -> list[list[Spec]]:
        """Distribute the variables over data files.

        Arguments:
            max_size: int or None. The greatest number of bytes of variables in a file. A larger variable gets a file of
                its own. None puts all variables into one file.
            key: function from a `Spec` to a sort key, which gives the order of the variables.

        Returns:
            list of lists of `Spec`, one list for each file.
        """
        shards: list[list[Spec]] = [[]]
        left = max_size
        for spec in sorted(self.specs, key=key):
            if max_size is not None and left is not None and spec.size > left and shards[-1]:
                shards.append([])
                left = max_size
            shards[-1].append(spec)
            left = None if left is None else left - spec.size
        return shards
