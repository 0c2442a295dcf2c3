"""Writes tensor bundles, byte for byte as TensorFlow's own writer does."""

from __future__ import annotations

import os
import re
from typing import Any

from . import _bundle_format as _format
from ._crc32c import masked_crc32c
from ._staging import Staging
from ._table import TableError, write_table
from .base import CheckpointError


def prefix_of(path: str) -> str:
    """The prefix of a bundle, which may be given by its index."""
    return path[: -len(".index")] if path.endswith(".index") else path


def save(path: str, plan: Any, max_shard_size: int | None = None) -> str:
    """Write `path.data-…` and then `path.index`, whose renaming makes the new bundle the current one.

    TensorFlow derives the names of the data files from the prefix and from their number, which the index says. A
    bundle never takes the name of a data file that is there, be it of the bundle that it replaces or of another writer:
    it gets one more, empty data file instead. So no index ever points to the data of another bundle.
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
        raise CheckpointError(f"{old[0]} is there already")
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


def _write_data(file: Any, shard: int, specs: list[Any], plan: Any) -> list[tuple[bytes, bytes]]:
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
    """The data files of a prefix, of whatever number of files they say that they are part."""
    folder, name = os.path.split(prefix)
    pattern = re.compile(re.escape(name) + r"\.data-\d{5}-of-\d{5}$")
    names = sorted(os.listdir(folder or ".")) if os.path.isdir(folder or ".") else []
    return [os.path.join(folder, other) for other in names if pattern.match(other)]


def files(path: str) -> list[str]:
    """The files that a new bundle of this name would replace. Data without an index are what a killed writer left."""
    prefix = prefix_of(path)
    index = prefix + ".index"
    return [index] + _data_files(prefix) if os.path.lexists(index) else []
