"""Define what every container offers: a lazy, read-only mapping from names of variables to arrays."""

from __future__ import annotations

import difflib
from collections import OrderedDict
from typing import TYPE_CHECKING, Any, Iterable, Iterator, Mapping, Sequence

import numpy as np

from ..errors import shorten
from . import _dtypes

if TYPE_CHECKING:
    from typing import Literal, Tuple, Union

    from numpy.typing import ArrayLike, NDArray

    Verify = Union[bool, Literal["auto"]]
    Entries = Union[Mapping[str, Any], Iterable[Tuple[str, Any]]]

CLOSED = "cannot be read, because the checkpoint is closed; open it again"


class CheckpointError(ValueError):
    """A checkpoint that cannot be trusted, read or written. The message names the file and the variable.

    Arguments:
        message: str. At most 2,000 characters are kept; a longer message is cut in the middle.
    """

    def __init__(self, message: object = "") -> None:
        super().__init__(shorten(str(message)))


def damaged(path: str, message: str, name: str | bytes | None = None) -> CheckpointError:
    """Make the error for a file that breaks its format.

    Arguments:
        path: str. The file.
        message: str. What was found and what was expected, to follow the file or the variable.
        name: str, or bytes in UTF-8. The variable; None if the message is about the whole file.

    Returns:
        `CheckpointError`, whose message also says what to do.
    """
    where = path + ": " + ("" if name is None else f"variable {shown(name)} ")
    return CheckpointError(f"{where}{message}. The file seems damaged or incomplete: download or copy it again")


def shown(name: str | bytes) -> str:
    """Write a name for an error message.

    Arguments:
        name: str, or bytes in UTF-8, of any length.

    Returns:
        str in quotes. A long name is cut, so that a file cannot flood the message.
    """
    return repr((name.decode("utf-8", "backslashreplace") if isinstance(name, bytes) else str(name))[:300])


class Checkpoint(Mapping[str, np.ndarray]):
    """A lazy, read-only mapping from the names of variables to numpy arrays. `open_checkpoint` makes it.

    Opening reads names, shapes and places only; `checkpoint[name]` reads that variable and no other. If its
    bytes need no conversion, the array is a read-only view of the file, which stays mapped as long as the array
    lives. Do not cut a file short in place while it is open; to replace it by another file, as `save_checkpoint`
    does, is safe.

    A container derives a class from this one, which defines `format`, `_read` and, if it holds a file, `close`.

    Arguments:
        path: str. The file or prefix, as error messages name it.
        entries: dict from the name of each variable to its `Entry`, or a list of pairs of them.
        skipped: dict from name to stored dtype, for what is not a numeric array.

    Attributes:
        path: str. The argument.
        format: str. The container: 'tf', 'tf_v1', 'safetensors', 'torch', 'npz', 'h5', 'keras_h5' or 'dict'.
        skipped: dict. The argument. Strings and resources, for example, are listed but cannot be read.

    Example:
        >>> import os, tempfile
        >>> from b4k3.models.checkpoints import open_checkpoint
        >>> path = os.path.join(tempfile.mkdtemp(), "model.npz")
        >>> np.savez(path, kernel=np.ones((2, 3), "float32"), bias=np.zeros(3, "float32"))
        >>> with open_checkpoint(path) as checkpoint:
        ...     list(checkpoint), checkpoint.shape("kernel"), checkpoint["bias"]
        (['kernel', 'bias'], (2, 3), array([0., 0., 0.], dtype=float32))
    """

    format: str | None = None

    def __init__(self, path: str, entries: Entries, skipped: Mapping[str, str] | None = None) -> None:
        self.path = path
        self.skipped = dict(skipped or {})
        self._entries: OrderedDict[str, Any] = OrderedDict(entries)

    def _read(self, name: str, entry: Any) -> NDArray[Any]:
        """Read one variable; each container does it in its own way."""
        raise NotImplementedError

    def _entry(self, name: str) -> Any:
        """Find the entry of a variable, or raise the error for a name that is not there."""
        if name in self._entries:
            return self._entries[name]
        if name in self.skipped:
            raise self._error(name, f"is a {self.skipped[name]} entry, which is not a numeric array and cannot be read")
        near = difflib.get_close_matches(str(name), list(self._entries), n=3, cutoff=0.5)
        hint = f"similar names are {', '.join(map(repr, near))}" if near else "no name is similar to it"
        raise self._error(name, f"is not among the {len(self)} variables; {hint}")

    def _error(self, name: str, message: str) -> CheckpointError:
        return CheckpointError(f"{self.path}: variable {name!r} {message}")

    def _array(
        self, name: str, data: NDArray[np.uint8], shape: Sequence[int], dtype: str, path: str | None = None
    ) -> NDArray[Any]:
        """Make the array of a variable, or of a slice of it, from its bytes in the file `path`."""
        array = _dtypes.from_bytes(data, shape, dtype)
        if array is None:
            raise damaged(path or self.path, "is bool, but has bytes other than 0 and 1", name)
        return array

    def _check_all(self) -> None:
        """Read every variable once, which checks its bytes."""
        for name in self:
            self[name]

    def __getitem__(self, name: str) -> NDArray[Any]:
        return self._read(name, self._entry(name))

    def __iter__(self) -> Iterator[str]:
        return iter(self._entries)

    def __len__(self) -> int:
        return len(self._entries)

    def __contains__(self, name: object) -> bool:
        return name in self._entries

    __eq__ = object.__eq__  # the method of Mapping would read and compare all arrays
    __hash__ = object.__hash__  # type: ignore[assignment]

    def get(self, name: str, default: Any = None) -> Any:
        """Read a variable if it is there.

        Arguments:
            name: str. The name of the variable.
            default: any object.

        Returns:
            The array; `default` if there is no such variable.
        """
        return self[name] if name in self else default

    def shape(self, name: str) -> tuple[int, ...]:
        """Tell the shape of a variable without reading the variable.

        Arguments:
            name: str. The name of the variable.

        Returns:
            tuple of int.
        """
        return self._entry(name).shape

    def dtype(self, name: str) -> np.dtype[Any]:
        """Tell the dtype of the array `self[name]` without reading it.

        Arguments:
            name: str. The name of the variable.

        Returns:
            numpy dtype: the stored one, but float32 for bfloat16.
        """
        return _dtypes.numpy_dtype(self._entry(name).dtype)

    def stored_dtype(self, name: str) -> str:
        """Tell the dtype that a variable has in the file.

        Arguments:
            name: str. The name of the variable.

        Returns:
            str, 'float32', 'bfloat16' or 'int64' for example.
        """
        return self._entry(name).dtype

    def nbytes(self, name: str) -> int:
        """Tell the size of a variable in the file.

        Arguments:
            name: str. The name of the variable.

        Returns:
            int, the number of bytes.
        """
        return self._entry(name).size

    def close(self) -> None:
        """Let go of the file. Arrays that are views of it stay valid."""

    def __enter__(self) -> Checkpoint:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<{self.format} checkpoint {self.path}: {len(self)} variables>"


class Entry:
    """What a container knows of a variable before it is read.

    Arguments:
        shape: tuple of int.
        dtype: str. The name of the stored dtype.
        size: int. The number of bytes in the file.
        where: anything by which the container finds the bytes.

    Example:
        >>> Entry((2, 3), "float32", 24).shape
        (2, 3)
    """

    __slots__ = ("shape", "dtype", "size", "where")

    def __init__(self, shape: tuple[int, ...], dtype: str, size: int, where: Any = None) -> None:
        self.shape, self.dtype, self.size, self.where = shape, dtype, size, where


class ArrayCheckpoint(Checkpoint):
    """A plain mapping of arrays as a checkpoint. It gives out read-only views of the arrays.

    Arguments:
        arrays: dict from name to array.

    Raises:
        CheckpointError: a name is not a str, or an array is not numeric.

    Example:
        >>> from b4k3.models.checkpoints import open_checkpoint
        >>> open_checkpoint({"bias": np.zeros(3, "float32")})
        <dict checkpoint <dict>: 1 variables>
    """

    format = "dict"

    def __init__(self, arrays: Mapping[str, ArrayLike]) -> None:
        entries = []
        for name, value in arrays.items():
            if not isinstance(name, str):
                raise CheckpointError(f"<dict>: the name {name!r} is of type {type(name).__name__}, expected str")
            array = np.asarray(value)
            dtype = array.dtype.name
            if dtype not in _dtypes.ITEM_SIZE:
                raise CheckpointError(f"<dict>: variable {name!r} has dtype {array.dtype}, {_dtypes.NOT_NUMERIC}")
            entries.append((name, Entry(array.shape, dtype, array.nbytes, array)))
        super().__init__("<dict>", entries)

    def _read(self, name: str, entry: Entry) -> NDArray[Any]:
        array = entry.where
        if entry.dtype == "bfloat16":
            array = _dtypes.widen_bfloat16(array.view(np.uint16))
        array = array.view()
        array.flags.writeable = False
        return array
