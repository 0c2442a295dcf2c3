"""Read and write numpy's `.npz`: a zip archive with one `.npy` file for each array, its member.

    local header  "PK\\3\\4", sizes and flags: 30 bytes, then the name of the member and an extra field
    member        `.npy`: "\\x93NUMPY", version, length of the header, header, data
    header        a Python literal: {'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }
    directory     at the end of the archive, the list of members with the places of their local headers

A member that is stored without compression is a view of the mapped file; a compressed member is inflated when it is
read. The literal is parsed by `ast.literal_eval`, which runs no code, and pickled arrays of objects are never read.

Specifications: https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html (.npy),
https://pkware.cachefly.net/webdocs/casestudies/APPNOTE.TXT (zip)
"""

from __future__ import annotations

import ast
import os
import re
import struct
import zipfile
import zlib
from typing import TYPE_CHECKING, Any

import numpy as np

from . import _dtypes, _zip
from ._files import map_open, open_regular
from ._staging import Staging
from .base import CLOSED, Checkpoint, CheckpointError, Entry, damaged, shown

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ._plan import Plan, Spec
    from .base import Verify

_MAX_HEADER = 10000  # bytes of the header of a `.npy` file, the limit of numpy too
_DESCR = re.compile(r"[<>|=]?[?a-zA-Z]\d*$")
_RAW_DEFLATE = -zlib.MAX_WBITS  # deflated data without the header of zlib, as in zip archives


class Npz(Checkpoint):
    """A `.npz` file as a lazy mapping. Arrays of objects, which would have to be unpickled, are listed as skipped.

    Arguments:
        path: str.
        verify: 'auto' checks the CRC-32 of a variable when it is read; True checks all variables at once; False checks
            only the compressed ones.

    Raises:
        CheckpointError: the archive or a member is damaged.
        FileNotFoundError: there is no such file.

    Example:
        >>> import os, tempfile
        >>> from b4k3.models.checkpoints import open_checkpoint
        >>> path = os.path.join(tempfile.mkdtemp(), "weights.npz")
        >>> np.savez_compressed(path, bias=np.zeros(3, "float32"))
        >>> open_checkpoint(path)["bias"]
        array([0., 0., 0.], dtype=float32)
    """

    format = "npz"

    def __init__(self, path: str, verify: Verify = "auto") -> None:
        self._verify = verify is not False
        with open_regular(path) as file:
            self._data: NDArray[np.uint8] | None = map_open(path, file)
            try:
                members = _zip.read_directory(file)
            except _zip.ERRORS as error:
                raise damaged(path, f"is no zip archive, or a damaged one: {error}") from None
        entries: dict[str, Entry] = {}
        skipped: dict[str, str] = {}
        end = 0
        for member in sorted(members, key=lambda member: member.header_offset):
            name = member.filename[:-4] if member.filename.endswith(".npy") else member.filename
            if name in entries or name in skipped:
                raise CheckpointError(f"{path}: variable {shown(name)} occurs twice; remove one from the archive")
            if member.header_offset < end:
                raise damaged(path, "overlaps the one before it", name)
            end = member.header_offset + _zip.LOCAL_HEADER + member.compress_size
            entry: Entry | str = "file"
            if member.filename.endswith(".npy"):
                entry = _read_header(path, name, member, self._bytes(path, name, member, _MAX_HEADER + 12))
            if isinstance(entry, str):
                skipped[name] = entry
            else:
                entries[name] = entry
        super().__init__(path, entries, skipped)
        if verify is True:
            self._check_all()

    def _bytes(self, path: str, name: str, member: zipfile.ZipInfo, size: int | None = None) -> NDArray[np.uint8]:
        """Read the first `size` bytes of a member, or all: a view if the member is stored, else the inflated bytes."""
        if self._data is None:
            raise self._error(name, CLOSED)
        raw = _raw_bytes(path, name, member, self._data)
        size = member.file_size if size is None else min(size, member.file_size)
        if member.compress_type == zipfile.ZIP_STORED:
            return raw[:size]
        try:
            data = zlib.decompressobj(_RAW_DEFLATE).decompress(memoryview(raw), size + 1)
        except zlib.error as error:
            raise damaged(path, f"is damaged: {error}", name) from None
        if len(data) < size or (len(data) > size == member.file_size):
            raise damaged(path, f"is damaged: it does not inflate to {size} bytes", name)
        if size == member.file_size and zlib.crc32(data) != member.CRC:
            raise damaged(path, f"has a wrong checksum: {zlib.crc32(data):08x}, expected {member.CRC:08x}", name)
        return np.frombuffer(data[:size], dtype=np.uint8)

    def _read(self, name: str, entry: Entry) -> NDArray[Any]:
        member, dtype, fortran, begin = entry.where
        data = self._bytes(self.path, name, member)
        if self._verify and zlib.crc32(data) != member.CRC:
            message = f"has a wrong checksum: {zlib.crc32(data):08x}, expected {member.CRC:08x}"
            raise damaged(self.path, message, name)
        if data.size != begin + entry.size:
            raise damaged(self.path, f"has {data.size - begin} bytes, expected {entry.size}", name)
        shape = entry.shape[::-1] if fortran else entry.shape
        data = data[begin:]
        if dtype.byteorder == ">" and data.size:
            data = np.frombuffer(data.view(dtype).astype(dtype.newbyteorder("<")).tobytes(), dtype=np.uint8)
        array = self._array(name, data, shape, entry.dtype)
        return array.T if fortran else array

    def close(self) -> None:
        """Let go of the file. Arrays that are views of it stay valid."""
        self._data = None


open_ = Npz


def _raw_bytes(path: str, name: str, member: zipfile.ZipInfo, data: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Find the bytes of a member in the archive, as a view."""
    if member.flag_bits & 1 or member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        how = "encrypted" if member.flag_bits & 1 else f"compressed by method {member.compress_type}"
        raise CheckpointError(f"{path}: variable {shown(name)} is {how}, which cannot be read; save it by numpy.savez")
    try:
        return _zip.raw_bytes(member, data)
    except ValueError as error:
        raise damaged(path, str(error), name) from None


def _read_header(path: str, name: str, member: zipfile.ZipInfo, data: NDArray[np.uint8]) -> Entry | str:
    """Read the header of a `.npy` file from its first bytes.

    Arguments:
        path: str. The archive, for error messages.
        name: str. The variable, for error messages.
        member: `zipfile.ZipInfo` of the file.
        data: uint8, [n]. The first bytes of the file.

    Returns:
        `Entry`, whose `where` is (member, dtype, whether the order is Fortran's, position of the data); or str, the
        name of a dtype that is not numeric.
    """
    try:
        begin, header = _parse_header(data.tobytes())
        descr, fortran, shape = header["descr"], header["fortran_order"], header["shape"]
        if not isinstance(descr, str):
            return "record"
        dtype = np.dtype(descr) if _DESCR.match(descr) else None
        if type(fortran) is not bool or not isinstance(shape, tuple) or not all(type(dim) is int for dim in shape):
            raise ValueError(f"bad fortran_order or shape: {str(fortran)[:20]}, {str(shape)[:80]}")
        if dtype is None or dtype.name not in _dtypes.ITEM_SIZE:
            return descr if dtype is None else dtype.name
        count = _dtypes.check_shape(shape)
        if isinstance(count, str):
            raise ValueError(count)
        size = count * dtype.itemsize
        if begin + size != member.file_size:
            raise ValueError(f"has {member.file_size - begin} bytes, expected {size}")
    except (
        ValueError,
        KeyError,
        TypeError,
        SyntaxError,
        MemoryError,
        RecursionError,
        IndexError,
        struct.error,
    ) as error:
        raise damaged(path, f"has a bad header of the npy file: {error}", name) from None
    return Entry(shape, dtype.name, size, (member, dtype, fortran, begin))


def _parse_header(data: bytes) -> tuple[int, dict[str, Any]]:
    """Parse the header of a `.npy` file, and return the position of the data and the header."""
    if data[:6] != b"\x93NUMPY" or data[6] not in (1, 2, 3):
        raise ValueError("no npy file of version 1 to 3")
    begin = 10 if data[6] == 1 else 12
    (length,) = struct.unpack("<H" if data[6] == 1 else "<I", data[8:begin])
    if length > min(_MAX_HEADER, len(data) - begin):
        raise ValueError(f"a header of {length} bytes, at most {min(_MAX_HEADER, len(data) - begin)} expected")
    header = ast.literal_eval(data[begin : begin + length].decode("latin1" if data[6] < 3 else "utf-8").strip())
    if not isinstance(header, dict):
        raise ValueError(f"it is of type {type(header).__name__}, not a dict")
    return begin + length, header


def save(path: str, plan: Plan, max_shard_size: int | None = None) -> str:
    """Write all variables, not compressed.

    Arguments:
        path: str. The file, whose name ends in `.npz`.
        plan: `Plan`. What is written.
        max_shard_size: None. The format has no shards.

    Returns:
        str, the path.

    Raises:
        CheckpointError: the name does not end in `.npz`, `max_shard_size` is given, a variable is bfloat16, or the file
            is there and may not be replaced.
    """
    if not path.endswith(".npz"):
        raise CheckpointError(f"{path}: the name of the file should end in .npz")
    if max_shard_size is not None:
        raise CheckpointError(f"{path}: npz has no shards; leave out max_shard_size, or use format='safetensors'")
    for spec in plan.specs:
        if spec.dtype == "bfloat16":
            raise CheckpointError(f"{path}: variable {spec.name!r}: npz has no bfloat16; use dtype='float32'")
    with Staging(path, plan.replace) as staging:
        file = staging.open()
        with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED, allowZip64=True) as archive:
            for spec in plan.specs:
                _write_member(archive, spec, plan)
        temporary = staging.finish(file)
        with staging.commit():
            staging.place(temporary, path)
    return path


def files(path: str) -> list[str]:
    """List the files that a new checkpoint of this name would replace.

    Arguments:
        path: str. The file.

    Returns:
        list of str.
    """
    return [path] if os.path.lexists(path) else []


def _write_member(archive: zipfile.ZipFile, spec: Spec, plan: Plan) -> None:
    """Write one variable as a `.npy` file."""
    descr = np.lib.format.dtype_to_descr(_dtypes.stored_numpy_dtype(spec.dtype))
    header = {"descr": descr, "fortran_order": False, "shape": spec.shape}
    with archive.open(zipfile.ZipInfo(spec.name + ".npy"), "w", force_zip64=True) as member:
        np.lib.format.write_array_header_1_0(member, header)
        member.write(memoryview(plan.data(spec)))
