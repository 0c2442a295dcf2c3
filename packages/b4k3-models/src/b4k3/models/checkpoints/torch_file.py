"""Read the files of `torch.save`, `pytorch_model.bin`, `.pt` and `.pth`, without torch and without unpickling.

Such a file holds a pickle, which is a program and could do anything. Here it is read by `_pickle_reader.py`, which
knows the few operations and names that a state_dict needs, and refuses all others by name. What comes out are records:
the name, the shape, the strides and the place of each tensor, which are checked before a number is read. The numbers
lie outside of the pickle, so the file is mapped into memory and a tensor is a view of it.

A file may hold more than the weights: {"state_dict": {…}, "epoch": 3}. If exactly one dict in it has tensors, the file
itself or one of its values, these are the variables. The other entries of that dict, numbers for example, are listed
as skipped.

Specification: https://github.com/pytorch/pytorch/blob/main/torch/serialization.py
"""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING, Any, NamedTuple

from . import _dtypes
from ._files import map_file
from ._shards import read_index
from ._torch_layout import SAFE, STREAM, Archive, Bytes, Layout, Stream
from ._torch_names import DType, Tensor
from .base import CLOSED, Checkpoint, CheckpointError, Entry, damaged, shown

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ._shards import Listing
    from .base import Verify

_COMPLEX = ("complex64", "complex128")
# A tensor made by expand() has more elements than its storage. A few are common, as the positions of old models are.
_MAX_REPEATED = 4 << 20  # bytes


class TorchFile(Checkpoint):
    """A file of `torch.save`, or several files with an index, as a lazy mapping.

    Arguments:
        path: str. A `pytorch_model.bin`, `.pt` or `.pth`, or a `pytorch_model.bin.index.json`.
        verify: 'auto' checks the CRC-32 of a storage when a tensor of it is first read; True checks all of them at
            once; False checks none. Files from before PyTorch 1.6 have no checksums.

    Raises:
        CheckpointError: the file is damaged, or its pickle asks for anything but tensors and plain values.
        FileNotFoundError: there is no such file.

    Example:
        >>> import os, tempfile, zipfile
        >>> from b4k3.models.checkpoints import open_checkpoint
        >>> pickle = b"\\x80\\x02}\\x8c\\x04biasctorch._utils\\n_rebuild_tensor_v2\\n((\\x8c\\x07storage"
        >>> pickle += b"ctorch\\nFloatStorage\\n\\x8c\\x010\\x8c\\x03cpuK\\x02tQK\\x00K\\x02\\x85K\\x01\\x85\\x89}tRs."
        >>> path = os.path.join(tempfile.mkdtemp(), "pytorch_model.bin")
        >>> with zipfile.ZipFile(path, "w") as archive:
        ...     archive.writestr("archive/data.pkl", pickle)
        ...     archive.writestr("archive/data/0", np.arange(2, dtype="float32").tobytes())
        >>> open_checkpoint(path)["bias"]
        array([0., 1.], dtype=float32)
    """

    format = "torch"

    def __init__(self, path: str, verify: Verify = "auto") -> None:
        self._verify = verify is not False
        self._verified: set[int] = set()
        entries, skipped = read_index(path, read_file) if path.endswith(".json") else read_file(path)
        super().__init__(path, entries, skipped)
        if verify is True:
            self._check_all()

    def _read(self, name: str, entry: Entry) -> NDArray[Any]:
        place = entry.where
        if place is None:
            raise self._error(name, CLOSED)
        self._check(name, place.path, place.storage)
        array = _dtypes.from_strided(
            place.storage.data[place.begin : place.end], entry.shape, place.strides, entry.dtype, place.storage.big
        )
        if array is None:
            raise damaged(place.path, "is bool, but has bytes other than 0 and 1", name)
        return array

    def _check(self, name: str, path: str, storage: Bytes) -> None:
        """Check the checksum of a storage, once."""
        at = storage.data.ctypes.data
        if not self._verify or storage.checksum is None or at in self._verified:
            return
        found = zlib.crc32(storage.data)
        if found != storage.checksum:
            raise damaged(path, f"has a wrong checksum: {found:08x}, expected {storage.checksum:08x}", name)
        self._verified.add(at)

    def close(self) -> None:
        """Let go of the files. Arrays that are views of them stay valid."""
        for entry in self._entries.values():
            entry.where = None


open_ = TorchFile


class _Place(NamedTuple):
    """Where the elements of a tensor lie.

    Attributes:
        path: str. The file.
        storage: `Bytes` of the whole storage.
        begin: int. The position of the first element in the storage, in bytes.
        end: int. The position behind the last element.
        strides: tuple of int. The steps along each axis, in bytes.
    """

    path: str
    storage: Bytes
    begin: int
    end: int
    strides: tuple[int, ...]


def read_file(path: str) -> Listing:
    """List the tensors of one file.

    Arguments:
        path: str.

    Returns:
        list of (name, `Entry`) of each tensor, and a dict from name to dtype or type of the other entries.

    Raises:
        CheckpointError: see `TorchFile`.
        FileNotFoundError: there is no such file.
    """
    data = map_file(path)
    head = data[:64].tobytes()
    if head.startswith(b"PK\3\4"):
        layout: Layout = Archive(path, data)
    elif STREAM.match(head) or len(head) < 32:
        layout = Stream(path, data)
    else:
        raise CheckpointError(f"{path}: is no file of `torch.save`, though it may be another pickle. {SAFE}")
    entries: list[tuple[str, Entry]] = []
    skipped: dict[str, str] = {}
    for name, value in _state_of(path, layout.value).items():
        if not isinstance(value, Tensor):
            skipped[str(name)] = _kind(value)
        elif not isinstance(name, str):
            raise CheckpointError(f"{path}: has a tensor under the number {str(name)[:20]}, which is no name. {SAFE}")
        elif value.dtype.name in _COMPLEX or value.dtype.name not in _dtypes.ITEM_SIZE:
            skipped[name] = value.dtype.name
        else:
            entries.append((name, _entry(layout, name, value)))
    return entries, skipped


def _kind(value: Any) -> str:
    """Name the type of an entry that is no tensor."""
    return "torch.dtype" if isinstance(value, DType) else type(value).__name__


def _has_tensors(value: Any) -> bool:
    """Check whether a value is a dict with tensors."""
    return isinstance(value, dict) and any(isinstance(item, Tensor) for item in value.values())


def _state_of(path: str, value: Any) -> dict[Any, Any]:
    """Find the dict of the weights: the value of the file, or the only one of its values that has tensors."""
    if not isinstance(value, dict):
        what = "one tensor without a name" if isinstance(value, Tensor) else f"a value of type {_kind(value)}"
        raise CheckpointError(f"{path}: holds {what}, expected a dict of tensors. {SAFE}")
    inner = [key for key, item in value.items() if _has_tensors(item)]
    outer = _has_tensors(value)
    if len(inner) + outer == 1:
        return value if outer else value[inner[0]]
    names = ", ".join(repr(key)[:80] for key in (inner or list(value))[:8])
    if not inner and value:
        raise CheckpointError(f"{path}: has no tensors, and none of its values has: {names}. {SAFE}")
    if not inner:
        raise damaged(path, "is an empty dict, without any tensor")
    beside = " beside tensors of its own" if outer else ""
    raise CheckpointError(
        f"{path}: has several dicts of tensors{beside}: {names}. If you trust the file, load it with PyTorch and "
        f"save the part that is meant alone, {inner[0]!r:.80} for example"
    )


def _entry(layout: Layout, name: str, tensor: Tensor) -> Entry:
    """Check that a tensor lies within its storage."""
    path, size = layout.path, tensor.dtype.size
    count = _dtypes.check_shape(tensor.size)
    if isinstance(count, str):
        raise damaged(path, count, name)
    if len(tensor.stride) != len(tensor.size):
        raise damaged(path, f"has {len(tensor.stride)} strides for {len(tensor.size)} dimensions", name)
    if tensor.offset < 0 or any(stride < 0 for stride in tensor.stride):
        raise damaged(path, f"has a negative offset or stride: {tensor.offset}, {list(tensor.stride)}"[:300], name)
    storage = layout.bytes(tensor.storage, name)
    begin = end = 0
    if count:
        begin = tensor.offset * size
        end = begin + size * (1 + sum((n - 1) * stride for n, stride in zip(tensor.size, tensor.stride)))
    if end > storage.data.size:
        raise damaged(path, f"ends at byte {end} of its storage, which has {storage.data.size}", name)
    if count * size > max(storage.data.size, _MAX_REPEATED):
        raise CheckpointError(
            f"{path}: variable {shown(name)} repeats {storage.data.size} bytes to {count * size}, more than the "
            f"{_MAX_REPEATED} that are allowed; save a contiguous() copy of it"
        )
    strides = tuple(stride * size if n > 1 else 0 for n, stride in zip(tensor.size, tensor.stride))
    return Entry(tensor.size, tensor.dtype.name, count * size, _Place(path, storage, begin, end, strides))
