"""Find the pickle and the storages in a file of `torch.save`, in both of its layouts. The pickle is not read here.

Since PyTorch 1.6 the file is a zip archive without compression, whose members begin at multiples of 64 bytes:

    NAME/data.pkl       the pickle of the state_dict
    NAME/byteorder      "little" or "big": the order of the bytes in the storages; "little" if it is not there
    NAME/data/KEY       the bytes of the storage KEY
    NAME/version, …     more of PyTorch's own

Before it was a stream:

    three pickles       the number 0x1950a86a20f9469cfc6c, the version 1001, a dict that describes the machine
    pickle              of the state_dict
    pickle              the list of the keys of the storages
    for each key        the number of elements, int64, and the elements; both little-endian, whatever the machine

Reference: https://github.com/pytorch/pytorch/blob/main/torch/serialization.py
"""

from __future__ import annotations

import re
import zipfile
from typing import TYPE_CHECKING, Any, NamedTuple

from . import _zip
from ._files import open_regular
from ._pickle_reader import MAX_PICKLE, PickleError, PickleReader, PickleRefusal
from ._torch_names import NAMES, Storage, explain, persistent
from .base import CheckpointError, damaged, shown

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

SAFE = (
    "b4k3 runs no pickle. Take the publisher's safetensors file instead; or, if you trust this one, load it with "
    "PyTorch and save the weights alone, with safetensors"
)
# the pickle of the number that begins a stream, with the frame of protocol 4 and 5 or without
STREAM = re.compile(rb"\x80[\x02-\x05](\x95.{8})?\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19\.", re.S)
_VERSION = 1001
_ORDERS = {b"little": False, b"big": True}
_ROOT = re.compile(r"[^/]+/")


class Bytes(NamedTuple):
    """The bytes of a storage.

    Attributes:
        data: uint8, [n]. A view of the mapped file.
        checksum: int or None. The CRC-32 of the bytes; None if the file has none.
        big: bool. Whether the bytes of each element are in the order of a big-endian machine.
    """

    data: NDArray[np.uint8]
    checksum: int | None
    big: bool


class Layout:
    """A file of PyTorch: the value that its pickle holds, and the way from a storage to its bytes.

    Arguments:
        path: str. The file, for error messages.

    Attributes:
        path: str. The argument.
        value: what the pickle holds.
    """

    value: Any

    def __init__(self, path: str) -> None:
        self.path = path

    def bytes(self, storage: Storage, name: str) -> Bytes:
        """Find the bytes of a storage.

        Arguments:
            storage: `Storage`, as a tensor of the pickle refers to it.
            name: str. The name of the tensor, for error messages.

        Returns:
            `Bytes`.

        Raises:
            CheckpointError: the file does not have it, or it has another size.
        """
        raise NotImplementedError

    def _storage(self, value: Any) -> Storage:
        """Make the reference to a storage of a persistent id."""
        return persistent(value)

    def _unpickled(self, data: bytes, where: str, start: int = 0) -> tuple[Any, int]:
        """Read a pickle, and return the value and the position behind the pickle; `where` says which pickle it is."""
        reader = PickleReader(data, NAMES, self._storage, explain, start)
        try:
            return reader.read(), reader.end
        except PickleRefusal as error:
            raise CheckpointError(f"{self.path}: {where} {error}. {SAFE}") from None
        except PickleError as error:
            raise damaged(self.path, f"{where} {error}") from None


class Archive(Layout):
    """The layout since PyTorch 1.6, a zip archive.

    Arguments:
        path: str. The file.
        data: uint8, [n]. The mapped file.

    Raises:
        CheckpointError: the archive is damaged, compressed, or holds a program of TorchScript.
    """

    def __init__(self, path: str, data: NDArray[np.uint8]) -> None:
        super().__init__(path)
        self._data = data
        self._members = self._listed()
        names = sorted(name for name in self._members if name.endswith("/data.pkl") and name.count("/") == 1)
        if len(names) != 1:
            raise damaged(path, f"holds {len(names)} files NAME/data.pkl, expected one")
        self._root = names[0][: -len("data.pkl")]
        if any(name.startswith(self._root + "code/") for name in self._members):
            raise CheckpointError(f"{path}: is a program of TorchScript, and no state_dict. {SAFE}")
        order = self._root + "byteorder"
        self._big = order in self._members and self._order(self._small(order, 16).strip())
        text = self._small(names[0], MAX_PICKLE)
        self.value, end = self._unpickled(text, "data.pkl")
        if end != len(text):
            raise damaged(path, f"has {len(text) - end} bytes behind the pickle in data.pkl")

    def _listed(self) -> dict[str, zipfile.ZipInfo]:
        """List the members by their names. No two have the same name or the same bytes."""
        with open_regular(self.path) as file:
            try:
                members = _zip.read_directory(file)
            except _zip.ERRORS as error:
                raise damaged(self.path, f"is no zip archive, or a damaged one: {error}") from None
        found: dict[str, zipfile.ZipInfo] = {}
        end = 0
        for member in sorted(members, key=lambda member: member.header_offset):
            name = member.orig_filename
            if name in found or not _ROOT.match(name) or "\0" in name:
                wrong = "occurs twice" if name in found else "is not in a folder of the archive"
                raise damaged(self.path, f"has a member {shown(name)}, which {wrong}")
            if member.header_offset < end or (not found and member.header_offset):
                raise damaged(self.path, f"has a member {shown(name)} that does not begin behind the one before it")
            end = member.header_offset + _zip.LOCAL_HEADER + member.compress_size
            found[name] = member
        return found

    def _order(self, text: bytes) -> bool:
        """Return whether the bytes are in the order of a big-endian machine."""
        if text not in _ORDERS:
            raise damaged(self.path, f"has the byteorder {text[:20]!r}, expected 'little' or 'big'")
        return _ORDERS[text]

    def _member(self, member: str, name: str | None = None) -> NDArray[np.uint8]:
        """Find the bytes of a member. `name` is the tensor in it, for error messages."""
        found = self._members[member]
        if found.compress_type != zipfile.ZIP_STORED or found.flag_bits & 1:
            raise CheckpointError(
                f"{self.path}: the member {shown(member)} is compressed or encrypted, which PyTorch never does. "
                "Load it with PyTorch if you trust it, and save it again"
            )
        try:
            return _zip.raw_bytes(found, self._data)
        except ValueError as error:
            raise damaged(self.path, f"is in the member {shown(member)}, which {error}", name) from None

    def _small(self, member: str, limit: int) -> bytes:
        """Read a small member."""
        data = self._member(member)
        if data.size > limit:
            raise CheckpointError(
                f"{self.path}: the member {shown(member)} has {data.size:,} bytes, more than the {limit:,} that are "
                "allowed; save the weights alone, in several files with an index if there are very many"
            )
        return data.tobytes()

    def bytes(self, storage: Storage, name: str) -> Bytes:
        """Find the bytes of a storage, which is a member; see `Layout.bytes`."""
        member = f"{self._root}data/{storage.key}"
        if member not in self._members:
            raise damaged(self.path, f"is in the member {shown(member)}, which is not in the archive", name)
        data, expected = self._member(member, name), storage.count * storage.dtype.size
        if data.size != expected:
            raise damaged(self.path, f"is in the member {shown(member)} of {data.size} bytes, not {expected}", name)
        return Bytes(data, self._members[member].CRC or None, self._big)


class Stream(Layout):
    """The layout before PyTorch 1.6, several pickles and then the storages.

    Arguments:
        path: str. The file.
        data: uint8, [n]. The mapped file.

    Raises:
        CheckpointError: a pickle is damaged, or the storages do not fill the rest of the file.
    """

    def __init__(self, path: str, data: NDArray[np.uint8]) -> None:
        super().__init__(path)
        self._data, self._at = data, 0
        self._storages: dict[str, Storage] = {}
        self._next("the pickle of the magic number")
        version = self._next("the pickle of the version")
        if version != _VERSION:
            raise CheckpointError(f"{path}: has the version {str(version)[:20]}, expected {_VERSION}. {SAFE}")
        self._next("the pickle of the machine")
        self.value = self._next("the pickle of the weights")
        keys = self._next("the list of storages")
        if not isinstance(keys, list) or not all(isinstance(key, str) for key in keys) or len(set(keys)) != len(keys):
            raise damaged(path, "has a list of storages that is no list of different names")
        self._places = {key: self._place(key) for key in keys}
        if self._at != data.size:
            raise damaged(path, f"has {data.size - self._at} trailing bytes after the last storage")

    def _next(self, where: str) -> Any:
        """Read the next pickle."""
        text = self._data[self._at : self._at + MAX_PICKLE].tobytes()
        value, end = self._unpickled(text, where, self._at)
        self._at += end
        return value

    def _storage(self, value: Any) -> Storage:
        """Make the reference to a storage, and remember it: the storage itself does not say its dtype."""
        storage = persistent(value)
        if self._storages.setdefault(storage.key, storage) != storage:
            raise ValueError(f"the storage {shown(storage.key)} has two dtypes or sizes")
        return storage

    def _place(self, key: str) -> NDArray[np.uint8]:
        """Find the bytes of the next storage."""
        if key not in self._storages:
            raise damaged(self.path, f"has a storage {shown(key)} that no tensor refers to")
        head = self._data[self._at : self._at + 8].tobytes()
        storage = self._storages[key]
        count, size = int.from_bytes(head, "little", signed=True), storage.count * storage.dtype.size
        if len(head) < 8 or count != storage.count:
            found = f"{count} elements" if len(head) == 8 else "no length"
            raise damaged(self.path, f"has a storage {shown(key)} of {found}, expected {storage.count} elements")
        begin, self._at = self._at + 8, self._at + 8 + size
        if self._at > self._data.size:
            raise damaged(
                self.path, f"has a storage {shown(key)} that ends at byte {self._at}, the file has {self._data.size}"
            )
        return self._data[begin : self._at]

    def bytes(self, storage: Storage, name: str) -> Bytes:
        """Find the bytes of a storage; see `Layout.bytes`."""
        if storage.key not in self._places:
            raise damaged(self.path, f"is in the storage {shown(storage.key)}, which is not in the file", name)
        return Bytes(self._places[storage.key], None, False)
