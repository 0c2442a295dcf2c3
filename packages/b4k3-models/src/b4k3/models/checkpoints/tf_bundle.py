"""TensorFlow's checkpoints, version 2 ("tensor bundles"): `prefix.index` and `prefix.data-00000-of-00001` …

The index is a sorted table, name -> BundleEntryProto, with the header under the empty name. A partitioned variable has
an entry without data, which lists its slices; each slice is stored under a key of its own. Whatever the index says is
checked when it is opened, before anything is allocated.
"""

from __future__ import annotations

import numpy as np

from . import _bundle_format as _format, _dtypes, _slices
from ._crc32c import masked_crc32c
from ._files import map_file
from ._proto import WireError
from ._table import Table, TableError
from ._tf_writer import data_path, files, save  # noqa: F401  (a container module offers save and files)
from .base import Checkpoint, CheckpointError, Entry

MAX_SHARDS = 10000
MAX_INDEX = 16 << 20  # bytes; the indices of the largest models have less than one million
MAX_SLICES = 100000  # of all variables


class TensorBundle(Checkpoint):
    """A tensor bundle as a lazy mapping.

    Arguments:
        prefix: str, the path without `.index`.
        verify: 'auto' checks the checksum of a variable when it is first read; True checks all now; False none.

    Raises:
        CheckpointError: where index or data break the format in any way. FileNotFoundError: without an index.
    """

    format = "tf"

    def __init__(self, prefix, verify="auto"):
        self._index = prefix + ".index"
        header, raw = _read_index(self._index)
        self._num_shards = header.num_shards
        self._prefix = prefix
        self._verify = verify is not False
        self._verified = set()
        entries, skipped = _resolve(self._index, raw)
        super().__init__(prefix, entries, skipped)
        self._maps = self._map_shards(raw)
        if verify is True:
            for name in self:
                self[name]

    def _shard_path(self, number):
        return data_path(self._prefix, number, self._num_shards)

    def _map_shards(self, raw):
        """shard number -> uint8[size], once every entry is known to lie within its file and apart from the others.

        All files are mapped now: should they be replaced later, this checkpoint still has those that fit its index.
        """
        places = {}
        for name, entry in raw.items():
            if not 0 <= entry.shard < self._num_shards:
                raise _refuse(self._index, name, f"is in shard {entry.shard}, there are {self._num_shards}")
            if entry.offset < 0 or entry.size < 0:
                message = f"has a negative place: {entry.size} bytes at {entry.offset}"
                raise _refuse(self._index, name, message)
            if not entry.slices:
                places.setdefault(entry.shard, []).append((entry.offset, entry.size, name))
        return {shard: self._map_shard(shard, sorted(places[shard])) for shard in sorted(places)}

    def _map_shard(self, shard, places):
        path = self._shard_path(shard)
        try:
            data = map_file(path)
        except FileNotFoundError:
            raise _refuse(self._index, places[0][2], f"is in the data file {path}, which is missing") from None
        end, before = 0, None
        for offset, length, name in places:
            if offset + length > data.size:
                message = f"needs bytes {offset} to {offset + length}, beyond the end of the file ({data.size} bytes)"
                raise _refuse(path, name, message)
            if length and offset < end:
                raise _refuse(path, name, f"overlaps {_text(before)}")
            if length:
                end, before = offset + length, name
        return data

    def _read(self, name, entry):
        if self._maps is None:
            raise self._error(name, "cannot be read: the checkpoint is closed")
        pieces = entry.where
        if len(pieces) == 1:
            return self._read_piece(name, entry.dtype, pieces[0][1])
        array = np.empty(entry.shape, dtype=_dtypes.numpy_dtype(entry.dtype))
        for extents, piece in pieces:
            place = tuple(slice(start, start + length) for start, length in extents)
            array[place] = self._read_piece(name, entry.dtype, piece)
        array.flags.writeable = False
        return array

    def _read_piece(self, name, dtype, piece):
        path = self._shard_path(piece.shard)
        data = self._maps[piece.shard][piece.offset : piece.offset + piece.size]
        place = (piece.shard, piece.offset)
        if self._verify and place not in self._verified:
            found = masked_crc32c(data)
            if found != piece.crc:
                message = f"has checksum {found:08x}, expected {piece.crc:08x}; the file is damaged"
                raise _refuse(path, name, message)
            self._verified.add(place)
        array = _dtypes.from_bytes(data, piece.shape, dtype)
        if array is None:
            raise _refuse(path, name, "is bool, but has bytes other than 0 and 1")
        return array

    def close(self):
        self._maps = None


def open_(path, verify="auto"):
    return TensorBundle(path, verify)


def _text(key):
    """A key or name for a message, which a file must not be able to flood."""
    return repr((key.decode("utf-8", "backslashreplace") if isinstance(key, bytes) else key)[:300])


def _refuse(path, name, message):
    return CheckpointError(f"{path}: variable {_text(name)} {message}")


def _read_index(path):
    """(header, dict: key in bytes -> BundleEntry) of an index file."""
    header, raw, slices = None, {}, 0
    try:
        for key, value in Table(memoryview(map_file(path, MAX_INDEX))):
            if header is None:
                header = _read_header(path, key, value)
                continue
            try:
                raw[key] = _format.BundleEntry(value)
            except WireError as error:
                raise _refuse(path, key, f"has a damaged entry: {error}") from None
            slices += len(raw[key].slices)
            if slices > MAX_SLICES:
                raise CheckpointError(f"{path}: more than {MAX_SLICES:,} slices of variables")
    except (TableError, WireError) as error:
        raise CheckpointError(f"{path}: {error}") from None
    if header is None:
        raise CheckpointError(f"{path}: the header is missing, the table is empty")
    return header, raw


def _read_header(path, key, value):
    if key != b"":
        raise CheckpointError(f"{path}: the header is missing, the first key is {_text(key)}")
    header = _format.Header(value)
    if header.big_endian:
        raise CheckpointError(f"{path}: is big-endian, which is not supported")
    if not 1 <= header.num_shards <= MAX_SHARDS:
        raise CheckpointError(f"{path}: {header.num_shards} shards, expected 1 to {MAX_SHARDS}")
    if header.min_consumer > 1:
        raise CheckpointError(f"{path}: needs a reader of version {header.min_consumer}, this is 1")
    return header


def _resolve(path, raw):
    """(list of (name, Entry), dict of skipped entries); `where` is a list of (extents, BundleEntry with data)."""
    entries, skipped, used = [], {}, set()
    for key, entry in raw.items():
        if key.startswith(b"\0"):
            continue
        try:
            name = key.decode("utf-8")
        except UnicodeDecodeError:
            raise _refuse(path, key, "has a name that is not UTF-8") from None
        if entry.dtype in _format.OTHER:
            skipped[name] = _format.OTHER[entry.dtype]
            used.update(_format.slice_key(key, extents) for extents in entry.slices)
            continue
        if not entry.slices:
            size = _checked_size(path, key, entry)
            entries.append((name, Entry(entry.shape, _format.NUMERIC[entry.dtype], size, [(None, entry)])))
            continue
        pieces = _resolve_slices(path, key, entry, raw)
        used.update(_format.slice_key(key, extents) for extents in entry.slices)
        size = sum(piece.size for _, piece in pieces)
        entries.append((name, Entry(entry.shape, _format.NUMERIC[entry.dtype], size, pieces)))
    for key in raw:
        if key.startswith(b"\0") and key not in used:
            raise _refuse(path, key, "is a slice that belongs to no variable")
    return entries, skipped


def _checked_size(path, key, entry):
    """The size in bytes of an entry with data, if dtype, shape and size agree."""
    dtype = _checked_dtype(path, key, entry)
    count = _dtypes.check_shape(entry.shape)
    if isinstance(count, str):
        raise _refuse(path, key, count)
    if count * _dtypes.ITEM_SIZE[dtype] != entry.size:
        expected = f"{dtype}{list(entry.shape)} needs {count * _dtypes.ITEM_SIZE[dtype]}"
        raise _refuse(path, key, f"has {entry.size} bytes, but {expected}")
    return entry.size


def _checked_dtype(path, key, entry):
    if entry.dtype not in _format.NUMERIC:
        raise _refuse(path, key, f"has the unknown dtype {entry.dtype}")
    return _format.NUMERIC[entry.dtype]


def _resolve_slices(path, key, entry, raw):
    """[(extents, BundleEntry)] of a partitioned variable, once its slices are known to tile it."""
    _checked_dtype(path, key, entry)
    count = _dtypes.check_shape(entry.shape)
    if isinstance(count, str):
        raise _refuse(path, key, count)
    pieces = []
    try:
        for stored in entry.slices:
            extents = _slices.checked_extents(stored, entry.shape)
            pieces.append((extents, _resolve_slice(path, key, entry, raw, extents, stored)))
        _slices.check_tiling([extents for extents, _ in pieces], entry.shape)
    except _slices.SliceError as error:
        raise _refuse(path, key, str(error)) from None
    return pieces


def _resolve_slice(path, key, entry, raw, extents, stored):
    piece = raw.get(_format.slice_key(key, stored))
    if piece is None or piece.slices:
        raise _refuse(path, key, f"misses the slice {extents}")
    if piece.dtype != entry.dtype or piece.shape != tuple(length for _, length in extents):
        found = f"dtype {piece.dtype} and shape {list(piece.shape)}"
        raise _refuse(path, key, f"has a slice {extents} with {found}, which does not fit it")
    _checked_size(path, key, piece)
    return piece
