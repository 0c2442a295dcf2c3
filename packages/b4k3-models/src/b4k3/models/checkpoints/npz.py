"""numpy's `.npz`: a zip archive of `.npy` files. Members that are not compressed are mapped, others inflated."""

from __future__ import annotations

import ast
import os
import re
import struct
import zipfile
import zlib

import numpy as np

from . import _dtypes, _zip
from ._files import map_open, open_regular
from ._staging import Staging
from .base import Checkpoint, CheckpointError, Entry

_MAX_HEADER = 10000
_DESCR = re.compile(r"[<>|=]?[?a-zA-Z]\d*$")
_RAW_DEFLATE = -zlib.MAX_WBITS  # as in zip archives, without a header of its own


class Npz(Checkpoint):
    """A `.npz` file as a lazy mapping. Arrays of objects, which would have to be unpickled, are listed as skipped.

    Arguments:
        path: str.
        verify: 'auto' or True checks the checksum of the zip archive when a variable is read; False does so only for
            members that are compressed.

    Raises:
        CheckpointError: where the archive or a member is damaged. FileNotFoundError: without the file.
    """

    format = "npz"

    def __init__(self, path, verify="auto"):
        self._verify = verify is not False
        with open_regular(path) as file:
            self._data = map_open(path, file)
            try:
                members = _zip.read_directory(file)
            except _zip.ERRORS as error:
                raise CheckpointError(f"{path}: is no zip archive, or a damaged one: {error}") from None
        entries, skipped, end = {}, {}, 0
        for member in sorted(members, key=lambda member: member.header_offset):
            name = member.filename[:-4] if member.filename.endswith(".npy") else member.filename
            if name in entries or name in skipped:
                raise CheckpointError(f"{path}: variable {name!r} is there twice")
            if member.header_offset < end:
                raise CheckpointError(f"{path}: variable {name!r} overlaps the one before it")
            end = member.header_offset + 30 + member.compress_size
            if member.filename.endswith(".npy"):
                entry = _read_header(path, name, member, self._bytes(path, name, member, _MAX_HEADER + 12))
            else:
                entry = "file"
            (skipped if isinstance(entry, str) else entries)[name] = entry
        super().__init__(path, entries, skipped)
        if verify is True:
            for name in self:
                self[name]

    def _bytes(self, path, name, member, size=None):
        """uint8[n], the first bytes of a member, or all of them: a view where it is stored, else inflated."""
        raw = _raw_bytes(path, name, member, self._data)
        size = member.file_size if size is None else min(size, member.file_size)
        if member.compress_type == zipfile.ZIP_STORED:
            return raw[:size]
        try:
            data = zlib.decompressobj(_RAW_DEFLATE).decompress(memoryview(raw), size + 1)
        except zlib.error as error:
            raise CheckpointError(f"{path}: variable {name!r} is damaged: {error}") from None
        if len(data) < size or (len(data) > size == member.file_size):
            raise CheckpointError(f"{path}: variable {name!r} is damaged: it does not inflate to {size} bytes")
        if size == member.file_size and zlib.crc32(data) != member.CRC:
            raise CheckpointError(f"{path}: variable {name!r} is damaged: its checksum is wrong")
        return np.frombuffer(data[:size], dtype=np.uint8)

    def _read(self, name, entry):
        if self._data is None:
            raise self._error(name, "cannot be read: the checkpoint is closed")
        member, dtype, fortran, begin = entry.where
        data = self._bytes(self.path, name, member)
        if self._verify and zlib.crc32(data) != member.CRC:
            raise self._error(name, "has a wrong checksum; the file is damaged")
        if data.size != begin + entry.size:
            raise self._error(name, f"has {data.size - begin} bytes, expected {entry.size}")
        shape = entry.shape[::-1] if fortran else entry.shape
        data = data[begin:]
        if dtype.byteorder == ">" and data.size:
            data = np.frombuffer(data.view(dtype).astype(dtype.newbyteorder("<")).tobytes(), dtype=np.uint8)
        array = _dtypes.from_bytes(data, shape, entry.dtype)
        if array is None:
            raise self._error(name, "is bool, but has bytes other than 0 and 1")
        return array.T if fortran else array

    def close(self):
        self._data = None


def open_(path, verify="auto"):
    return Npz(path, verify)


def _raw_bytes(path, name, member, data):
    """uint8[n], a view of the bytes of a member as they lie in the archive."""
    if member.flag_bits & 1 or member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        how = "encrypted" if member.flag_bits & 1 else f"compressed by method {member.compress_type}"
        raise CheckpointError(f"{path}: variable {name!r} is {how}, which cannot be read; save it by numpy.savez")
    start = member.header_offset
    local = data[start : start + 30].tobytes()
    if len(local) < 30 or not local.startswith(b"PK\3\4"):
        raise CheckpointError(f"{path}: variable {name!r} has no local header; the archive is damaged")
    start += 30 + sum(struct.unpack("<HH", local[26:30]))
    stored = member.compress_type == zipfile.ZIP_STORED
    if (stored and member.compress_size != member.file_size) or start + member.compress_size > data.size:
        raise CheckpointError(f"{path}: variable {name!r} lies beyond the end of the file")
    return data[start : start + member.compress_size]


def _read_header(path, name, member, data):
    """The Entry of a `.npy` file from its first bytes, or the name of a dtype that is not numeric."""
    try:
        begin, header = _parse_header(data.tobytes())
        descr, fortran, shape = header["descr"], header["fortran_order"], header["shape"]
        if not isinstance(descr, str):
            return "record"
        dtype = np.dtype(descr) if _DESCR.match(descr) else None
        if type(fortran) is not bool or not isinstance(shape, tuple) or not all(type(dim) is int for dim in shape):
            raise ValueError("bad fortran_order or shape")
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
        raise CheckpointError(f"{path}: variable {name!r}: bad header of the npy file: {error}") from None
    return Entry(shape, dtype.name, size, (member, dtype, fortran, begin))


def _parse_header(data):
    """(position of the data, header dict) of a `.npy` file."""
    if data[:6] != b"\x93NUMPY" or data[6] not in (1, 2, 3):
        raise ValueError("no npy file of version 1 to 3")
    begin = 10 if data[6] == 1 else 12
    (length,) = struct.unpack("<H" if data[6] == 1 else "<I", data[8:begin])
    if length > min(_MAX_HEADER, len(data) - begin):
        raise ValueError(f"a header of {length} bytes")
    header = ast.literal_eval(data[begin : begin + length].decode("latin1" if data[6] < 3 else "utf-8").strip())
    if not isinstance(header, dict):
        raise ValueError("not a dict")
    return begin + length, header


def save(path, plan, max_shard_size=None):
    """Writes all variables, not compressed."""
    if not path.endswith(".npz"):
        raise CheckpointError(f"{path}: the name of the file should end in .npz")
    if max_shard_size is not None:
        raise CheckpointError(f"{path}: npz has no shards, max_shard_size cannot be used")
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


def _write_member(archive, spec, plan):
    descr = np.lib.format.dtype_to_descr(_dtypes.stored_numpy_dtype(spec.dtype))
    header = {"descr": descr, "fortran_order": False, "shape": spec.shape}
    with archive.open(zipfile.ZipInfo(spec.name + ".npy"), "w", force_zip64=True) as member:
        np.lib.format.write_array_header_1_0(member, header)
        member.write(memoryview(plan.data(spec)))
