"""Write tensor bundles, byte for byte as TensorFlow's own writer does."""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING, BinaryIO, Sequence

from . import _bundle_format as _format
from ._crc32c import masked_crc32c
from ._staging import Staging, already_there
from ._table import TableError, write_table
from .base import CheckpointError

if TYPE_CHECKING:
    from ._plan import Plan, Spec


def prefix_of(path: str) -> str:
    """Return the prefix of a bundle, whose index may be given instead."""
    return path[: -len(".index")] if path.endswith(".index") else path


def save(path: str, plan: Plan, max_shard_size: int | None = None) -> str:
    """Write `path.data-…` and then `path.index`, whose renaming makes the new bundle the current one.

    TensorFlow derives the names of the data files from the prefix and from their number, which the index says. A
    bundle never takes the name of a data file that is there, whether the bundle that it replaces or another writer made
    that file: the new bundle gets one more, empty data file instead. So no index ever points to the data of another
    bundle.

    Arguments:
        path: str. The prefix, or the path of the index.
        plan: `Plan`. What is written.
        max_shard_size: int or None. The number of bytes after which a further data file is begun.

    Returns:
        str, the prefix.
    """
    prefix = prefix_of(path)
    shards = plan.shards(max_shard_size, key=lambda spec: spec.name.encode("utf-8"))
    with Staging(prefix, plan.replace) as staging:
        pairs, data = [], []
        for number, specs in enumerate(shards):
            file = staging.open()
            pairs += _write_data(file, number, specs, plan)
            data.append(staging.finish(file))
        pairs.sort()
        _index(prefix, len(data), pairs)  # what cannot be written is refused before anything is renamed
        with staging.commit():
            _place(staging, prefix, data, pairs)
    return prefix


def _place(staging: Staging, prefix: str, data: list[str], pairs: list[tuple[bytes, bytes]]) -> None:
    """Give data and index their names. It runs while no other writer commits, so that the names stay free."""
    old = files(prefix)
    if old and not staging.replace:
        raise already_there(old[0])
    while any(os.path.lexists(data_path(prefix, i, len(data))) for i in range(len(data))):
        data.append(staging.finish(staging.open()))
    file = staging.open()
    file.write(_index(prefix, len(data), pairs))
    index = staging.finish(file)
    for number, temporary in enumerate(data):
        staging.place(temporary, data_path(prefix, number, len(data)))
    staging.sync()
    staging.place(index, prefix + ".index")
    for path in _data_files(prefix) if staging.replace else ():
        if not path.endswith(f"-of-{len(data):05d}"):
            staging.remove(path)


def _index(prefix: str, count: int, pairs: list[tuple[bytes, bytes]]) -> bytes:
    """Make the bytes of the index of a bundle with `count` data files."""
    try:
        return write_table([(b"", _format.header_bytes(count))] + pairs)
    except TableError as error:
        raise CheckpointError(f"{prefix}.index: {error}") from None


def data_path(prefix: str, number: int, count: int) -> str:
    """Return the path of a data file.

    Arguments:
        prefix: str. The prefix of the bundle.
        number: int. The number of the file, from 0.
        count: int. How many data files the bundle has.

    Returns:
        str.
    """
    return f"{prefix}.data-{number:05d}-of-{count:05d}"


def _write_data(file: BinaryIO, shard: int, specs: Sequence[Spec], plan: Plan) -> list[tuple[bytes, bytes]]:
    """Write the bytes of some variables, and return the keys and values for the index."""
    pairs, offset = [], 0
    for spec in specs:
        data = plan.data(spec)
        file.write(memoryview(data))
        entry = _format.entry_bytes(
            _format.NUMBER[spec.dtype], spec.shape, shard, offset, spec.size, masked_crc32c(data)
        )
        pairs.append((spec.name.encode("utf-8"), entry))
        offset += spec.size
    return pairs


def _data_files(prefix: str) -> list[str]:
    """List the data files with a prefix, whatever the number of files in their names is."""
    folder, name = os.path.split(prefix)
    pattern = re.compile(re.escape(name) + r"\.data-\d{5}-of-\d{5}$")
    names = sorted(os.listdir(folder or ".")) if os.path.isdir(folder or ".") else []
    return [os.path.join(folder, other) for other in names if pattern.match(other)]


def files(path: str) -> list[str]:
    """List the files that a new bundle would replace.

    Data files without an index do not count, because only a killed writer leaves them.

    Arguments:
        path: str. The prefix, or the path of the index.

    Returns:
        list of str.
    """
    prefix = prefix_of(path)
    index = prefix + ".index"
    return [index] + _data_files(prefix) if os.path.lexists(index) else []
