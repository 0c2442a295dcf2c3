"""Writes tensor bundles, byte for byte as TensorFlow's own writer does."""

from __future__ import annotations

import contextlib
import os
import re

from . import _bundle_format as _format
from ._crc32c import masked_crc32c
from ._files import Staging
from ._table import TableError, write_table
from .base import CheckpointError


def save(path, plan, max_shard_size=None):
    """Writes `path.data-…` and then `path.index`, whose renaming makes the new bundle the current one."""
    prefix = path[: -len(".index")] if path.endswith(".index") else path
    shards = plan.shards(max_shard_size, key=lambda spec: spec.name.encode("utf-8"))
    while os.path.exists(data_path(prefix, 0, len(shards))):
        shards.append([])  # the old data files must stay as they are until the index is replaced
    pairs, files = [], []
    with Staging(prefix) as staging:
        for number, specs in enumerate(shards):
            with staging.open() as file:
                pairs += _write_data(file, number, specs, plan)
                files.append((staging.finish(file), data_path(prefix, number, len(shards))))
        with staging.open() as file:
            file.write(_index(prefix, [(b"", _format.header_bytes(len(shards)))] + sorted(pairs)))
            files.append((staging.finish(file), prefix + ".index"))
        staging.commit(files)
    _remove_others(prefix, len(shards))
    return prefix


def _index(prefix, pairs):
    try:
        return write_table(pairs)
    except TableError as error:
        raise CheckpointError(f"{prefix}.index: {error}") from None


def data_path(prefix, number, count):
    return f"{prefix}.data-{number:05d}-of-{count:05d}"


def _write_data(file, shard, specs, plan):
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


def _remove_others(prefix, count):
    """Removes the data files of the bundle that was replaced."""
    folder, name = os.path.split(prefix)
    pattern = re.compile(re.escape(name) + r"\.data-\d{5}-of-(\d{5})$")
    for other in os.listdir(folder or "."):
        match = pattern.match(other)
        if match and int(match.group(1)) != count:
            with contextlib.suppress(OSError):
                os.unlink(os.path.join(folder, other))
