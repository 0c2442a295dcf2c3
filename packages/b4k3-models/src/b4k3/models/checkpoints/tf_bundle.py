"""Read TensorFlow's checkpoints of version 2, tensor bundles: `PREFIX.index` and `PREFIX.data-00000-of-00001` …

The index is a sorted table (`_table`) of Protocol Buffers messages (`_bundle_format`):

    ""                             BundleHeaderProto: the number of data files
    "bert/pooler/dense/bias"       BundleEntryProto: dtype, shape, data file, offset, size, CRC-32C
    "embeddings", partitioned      BundleEntryProto without data, which lists the slices
    "\\0embeddings…"               BundleEntryProto of one slice; `slice_key` makes the key

The data files have the bytes of the variables and nothing else. What the index says is checked when it is opened,
before any memory is allocated for it. `_tf_writer` writes bundles.

Specification: `tensorflow/core/util/tensor_bundle/` and `tensorflow/core/protobuf/tensor_bundle.proto` in
https://github.com/tensorflow/tensorflow
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from . import _bundle_format as _format, _dtypes, _slices
from ._crc32c import masked_crc32c
from ._files import map_file
from ._proto import WireError
from ._table import Table, TableError
from ._tf_writer import data_path, files, save  # noqa: F401  (a container module offers save and files)
from .base import CLOSED, Checkpoint, CheckpointError, Entry, damaged, shown

if TYPE_CHECKING:
    from typing import Dict, List, Optional, Tuple

    from numpy.typing import NDArray

    from ._proto import Buffer
    from ._slices import Extents
    from .base import Verify

    Raw = Dict[bytes, _format.BundleEntry]  # key -> entry, as the index has them
    Pieces = List[Tuple[Optional[Extents], _format.BundleEntry]]  # where each piece lies in the variable, and its entry

MAX_SHARDS = 10000
MAX_INDEX = 16 << 20  # bytes; the indices of the largest models have less than one million
MAX_SLICES = 100000  # of all variables together


class TensorBundle(Checkpoint):
    """A tensor bundle as a lazy mapping.

    Arguments:
        prefix: str. The path without `.index`.
        verify: 'auto' checks the CRC-32C of a variable when it is first read; True checks all variables at once; False
            checks none.

    Raises:
        CheckpointError: the index or the data break the format.
        FileNotFoundError: there is no index.

    Example:
        >>> import os, tempfile
        >>> from b4k3.models.checkpoints import open_checkpoint, save_checkpoint
        >>> prefix = os.path.join(tempfile.mkdtemp(), "bert_model.ckpt")
        >>> prefix = save_checkpoint(prefix, {"bert/pooler/dense/bias": np.ones(2, "float32")}, format="tf")
        >>> open_checkpoint(prefix)["bert/pooler/dense/bias"]
        array([1., 1.], dtype=float32)
    """

    format = "tf"

    def __init__(self, prefix: str, verify: Verify = "auto") -> None:
        self._index = prefix + ".index"
        header, raw = _read_index(self._index)
        self._num_shards = header.num_shards
        self._prefix = prefix
        self._verify = verify is not False
        self._verified: set[tuple[int, int]] = set()  # (data file, offset) of what was checked
        entries, skipped = _resolve(self._index, raw)
        super().__init__(prefix, entries, skipped)
        self._maps: dict[int, NDArray[np.uint8]] | None = self._map_shards(raw)
        if verify is True:
            self._check_all()

    def _shard_path(self, number: int) -> str:
        return data_path(self._prefix, number, self._num_shards)

    def _map_shards(self, raw: Raw) -> dict[int, NDArray[np.uint8]]:
        """Check that each entry lies within its data file and apart from the others, and map the data files.

        All files are mapped now. If they are replaced later, this checkpoint still has the files that fit its index.

        Arguments:
            raw: dict from key to `BundleEntry`.

        Returns:
            dict from the number of a data file to its bytes, uint8, [size].
        """
        places: dict[int, list[tuple[int, int, bytes]]] = {}
        for name, entry in raw.items():
            if not 0 <= entry.shard < self._num_shards:
                raise damaged(self._index, f"is in shard {entry.shard}, there are {self._num_shards}", name)
            if entry.offset < 0 or entry.size < 0:
                message = f"has a negative place: {entry.size} bytes at {entry.offset}"
                raise damaged(self._index, message, name)
            if not entry.slices:
                places.setdefault(entry.shard, []).append((entry.offset, entry.size, name))
        return {shard: self._map_shard(shard, sorted(places[shard])) for shard in sorted(places)}

    def _map_shard(self, shard: int, places: list[tuple[int, int, bytes]]) -> NDArray[np.uint8]:
        """Map a data file and check the places in it, (offset, size, key), which are sorted."""
        path = self._shard_path(shard)
        try:
            data = map_file(path)
        except FileNotFoundError:
            message = f"is in the data file {path}, which is missing; get that file too"
            raise CheckpointError(f"{self._index}: variable {shown(places[0][2])} {message}") from None
        end, before = 0, b""
        for offset, length, name in places:
            if offset + length > data.size:
                message = f"needs bytes {offset} to {offset + length}, beyond the end of the file ({data.size} bytes)"
                raise damaged(path, message, name)
            if length and offset < end:
                raise damaged(path, f"overlaps {shown(before)}", name)
            if length:
                end, before = offset + length, name
        return data

    def _read(self, name: str, entry: Entry) -> NDArray[Any]:
        pieces: Pieces = entry.where
        if len(pieces) == 1:
            return self._read_piece(name, entry.dtype, pieces[0][1])
        array = np.empty(entry.shape, dtype=_dtypes.numpy_dtype(entry.dtype))
        for extents, piece in pieces:
            place = tuple(slice(start, start + length) for start, length in extents or ())
            array[place] = self._read_piece(name, entry.dtype, piece)
        array.flags.writeable = False
        return array

    def _read_piece(self, name: str, dtype: str, piece: _format.BundleEntry) -> NDArray[Any]:
        """Read a variable that is not partitioned, or one slice."""
        if self._maps is None:
            raise self._error(name, CLOSED)
        path = self._shard_path(piece.shard)
        data = self._maps[piece.shard][piece.offset : piece.offset + piece.size]
        place = (piece.shard, piece.offset)
        if self._verify and place not in self._verified:
            found = masked_crc32c(data)
            if found != piece.crc:
                raise damaged(path, f"has checksum {found:08x}, expected {piece.crc:08x}", name)
            self._verified.add(place)
        return self._array(name, data, piece.shape, dtype, path)

    def close(self) -> None:
        """Let go of the files. Arrays that are views of them stay valid."""
        self._maps = None


open_ = TensorBundle


def _read_index(path: str) -> tuple[_format.Header, Raw]:
    """Read the header and all entries of an index."""
    header = None
    raw: Raw = {}
    slices = 0
    try:
        for key, value in Table(memoryview(map_file(path, MAX_INDEX))):
            if header is None:
                header = _read_header(path, key, value)
                continue
            try:
                raw[key] = _format.BundleEntry(value)
            except WireError as error:
                raise damaged(path, f"has a damaged entry: {error}", key) from None
            slices += len(raw[key].slices)
            if slices > MAX_SLICES:
                raise CheckpointError(
                    f"{path}: has more than {MAX_SLICES:,} slices; save the variables in fewer slices"
                )
    except (TableError, WireError) as error:
        raise damaged(path, str(error)) from None
    if header is None:
        raise damaged(path, "the header is missing, the table is empty")
    return header, raw


def _read_header(path: str, key: bytes, value: Buffer) -> _format.Header:
    """Read and check the header, which is the first entry of the index."""
    if key != b"":
        raise damaged(path, f"the header is missing, the first key is {shown(key)}")
    header = _format.Header(value)
    if header.big_endian:
        raise CheckpointError(f"{path}: is big-endian, expected little-endian; save it on a little-endian machine")
    if not 1 <= header.num_shards <= MAX_SHARDS:
        raise damaged(path, f"says it has {header.num_shards} shards, expected 1 to {MAX_SHARDS}")
    if header.min_consumer > 1:
        raise CheckpointError(
            f"{path}: needs a reader of version {header.min_consumer}, this reader has version 1; save it by an older "
            "TensorFlow, or upgrade b4k3"
        )
    return header


def _resolve(path: str, raw: Raw) -> tuple[list[tuple[str, Entry]], dict[str, str]]:
    """Put the slices of partitioned variables together, and check dtypes, shapes and sizes.

    Arguments:
        path: str. The index, for error messages.
        raw: dict from key to `BundleEntry`.

    Returns:
        (list of (name, `Entry`), dict from name to dtype of what is no numeric array). `where` of an `Entry` is a list
        of (extents, `BundleEntry` that has data); the extents are None if the variable is not partitioned.
    """
    entries: list[tuple[str, Entry]] = []
    skipped: dict[str, str] = {}
    used: set[bytes] = set()
    for key, entry in raw.items():
        if key.startswith(b"\0"):
            continue
        try:
            name = key.decode("utf-8")
        except UnicodeDecodeError:
            raise damaged(path, "has a name that is not UTF-8", key) from None
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
            raise damaged(path, "is a slice that belongs to no variable", key)
    return entries, skipped


def _checked_size(path: str, key: bytes, entry: _format.BundleEntry) -> int:
    """Check that dtype, shape and size of an entry with data agree, and return the size in bytes."""
    dtype = _checked_dtype(path, key, entry)
    count = _dtypes.check_shape(entry.shape)
    if isinstance(count, str):
        raise damaged(path, count, key)
    if count * _dtypes.ITEM_SIZE[dtype] != entry.size:
        expected = f"{dtype}{list(entry.shape)} needs {count * _dtypes.ITEM_SIZE[dtype]}"
        raise damaged(path, f"has {entry.size} bytes, but {expected}", key)
    return entry.size


def _checked_dtype(path: str, key: bytes, entry: _format.BundleEntry) -> str:
    """Return the name of the dtype of an entry."""
    if entry.dtype not in _format.NUMERIC:
        raise damaged(path, f"has the unknown dtype {entry.dtype}", key)
    return _format.NUMERIC[entry.dtype]


def _resolve_slices(
    path: str, key: bytes, entry: _format.BundleEntry, raw: Raw
) -> list[tuple[Extents, _format.BundleEntry]]:
    """Find the slices of a partitioned variable, and check that they are the whole of it."""
    _checked_dtype(path, key, entry)
    count = _dtypes.check_shape(entry.shape)
    if isinstance(count, str):
        raise damaged(path, count, key)
    pieces = []
    try:
        for stored in entry.slices:
            extents = _slices.checked_extents(stored, entry.shape)
            pieces.append((extents, _resolve_slice(path, key, entry, raw, extents, stored)))
        _slices.check_tiling([extents for extents, _ in pieces], entry.shape)
    except _slices.SliceError as error:
        raise damaged(path, str(error), key) from None
    return pieces


def _resolve_slice(
    path: str, key: bytes, entry: _format.BundleEntry, raw: Raw, extents: Extents, stored: Extents
) -> _format.BundleEntry:
    """Find the entry of one slice, and check that its dtype and shape fit the variable."""
    piece = raw.get(_format.slice_key(key, stored))
    if piece is None or piece.slices:
        raise damaged(path, f"misses the slice {extents}", key)
    if piece.dtype != entry.dtype or piece.shape != tuple(length for _, length in extents):
        found = f"dtype {piece.dtype} and shape {list(piece.shape)}"
        raise damaged(path, f"has a slice {extents} with {found}, which does not fit it", key)
    _checked_size(path, key, piece)
    return piece
