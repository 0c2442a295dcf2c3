"""Safetensors: a header in JSON, then the bytes of all variables without gaps. One file, or several with an index.

The format is that of the safetensors project of Hugging Face. Its header could hold anything JSON can; here it is
limited in size before it is parsed, and checked in full before anything is read.
"""

from __future__ import annotations

import json
import os
import re
import struct

from . import _dtypes
from ._files import map_file, read_small
from ._json import JSONError, parse_json
from ._staging import Staging
from .base import Checkpoint, CheckpointError, Entry

# In the order in which the project's own writer puts variables: larger items first, so that all are aligned.
NAMES = {
    "U64": "uint64", "I64": "int64", "F64": "float64", "C64": "complex64", "F32": "float32", "U32": "uint32",
    "I32": "int32", "BF16": "bfloat16", "F16": "float16", "U16": "uint16", "I16": "int16", "I8": "int8", "U8": "uint8",
    "BOOL": "bool",
}  # fmt: skip
CODES = {name: code for code, name in NAMES.items()}
OTHER = ("F8_E5M2", "F8_E4M3", "F8_E8M0", "F8_E5M2FNUZ", "F8_E4M3FNUZ")  # one byte each; listed as skipped
MAX_HEADER = 4 << 20  # some forty thousand variables


class Safetensors(Checkpoint):
    """A safetensors file, or several behind an index, as a lazy mapping.

    Arguments:
        path: str, a `.safetensors` file or a `.safetensors.index.json`.
        verify: for the other containers' sake; the format has no checksums.

    Raises:
        CheckpointError: where header, index or data break the format in any way. FileNotFoundError: without the file.
    """

    format = "safetensors"

    def __init__(self, path, verify="auto"):
        if path.endswith(".json"):
            entries, skipped = _read_index(path)
        else:
            entries, skipped = _read_file(path)
        super().__init__(path, entries, skipped)

    def _read(self, name, entry):
        if entry.where is None:
            raise self._error(name, "cannot be read: the checkpoint is closed")
        array = _dtypes.from_bytes(entry.where, entry.shape, entry.dtype)
        if array is None:
            raise self._error(name, "is bool, but has bytes other than 0 and 1")
        return array

    def close(self):
        for entry in self._entries.values():
            entry.where = None


def open_(path, verify="auto"):
    return Safetensors(path, verify)


def _refuse(path, name, message):
    return CheckpointError(f"{path}: variable {name!r} {message}")


def _parse(path, data):
    try:
        value = parse_json(data)
    except JSONError as error:
        raise CheckpointError(f"{path}: the JSON in it {error}") from None
    if not isinstance(value, dict):
        raise CheckpointError(f"{path}: the JSON in it is of type {type(value).__name__}, expected an object")
    return value


def _read_file(path):
    """(list of (name, Entry) in the order of the file, dict of skipped entries); `where` is the variable's bytes."""
    data = map_file(path)
    if data.size < 8:
        raise CheckpointError(f"{path}: {data.size} bytes, too short for a safetensors file")
    (length,) = struct.unpack("<Q", data[:8].tobytes())
    if length > data.size - 8:
        raise CheckpointError(
            f"{path}: header of {length} bytes in a file of {data.size}; cut short, or no safetensors"
        )
    if length > MAX_HEADER:
        raise CheckpointError(f"{path}: header of {length} bytes, more than {MAX_HEADER}")
    header = data[8 : 8 + length].tobytes()
    if not header.startswith(b"{"):
        raise CheckpointError(f"{path}: header: does not begin with {{")
    specs = _parse(path, header)
    _check_metadata(path, specs.pop("__metadata__", {}))
    places = sorted(_read_spec(path, name, spec) for name, spec in specs.items())
    entries, skipped, end = [], {}, 0
    body = data[8 + length :]
    for begin, stop, name, dtype, shape in places:
        if begin != end:
            wrong = "a hole before it" if begin > end else "an overlap with the variable before it"
            raise _refuse(path, name, f"begins at byte {begin}, expected {end}: {wrong}")
        end = stop
        if stop > body.size:
            raise _refuse(path, name, f"ends at byte {stop}, the data have {body.size}")
        if dtype in OTHER:
            skipped[name] = dtype
        else:
            entries.append((name, Entry(shape, NAMES[dtype], stop - begin, body[begin:stop])))
    if end != body.size:
        raise CheckpointError(f"{path}: {body.size - end} trailing bytes behind the last variable")
    return entries, skipped


def _check_metadata(path, metadata):
    if not isinstance(metadata, dict) or not all(isinstance(value, str) for value in metadata.values()):
        raise CheckpointError(f"{path}: header: __metadata__ is not an object of strings")


def _read_spec(path, name, spec):
    """(begin, end, name, dtype code, shape) of one variable."""
    if not isinstance(spec, dict) or set(spec) != {"dtype", "shape", "data_offsets"}:
        raise _refuse(path, name, "needs exactly dtype, shape and data_offsets in the header")
    dtype, shape, offsets = spec["dtype"], spec["shape"], spec["data_offsets"]
    if not isinstance(dtype, str) or (dtype not in NAMES and dtype not in OTHER):
        raise _refuse(path, name, f"has the unknown dtype {str(dtype)[:80]!r}")
    for key, value in (("shape", shape), ("data_offsets", offsets)):
        if not isinstance(value, list) or not all(type(number) is int for number in value):
            raise _refuse(path, name, f"has a {key} that is not a list of integers")
    count = _dtypes.check_shape(shape)
    if isinstance(count, str):
        raise _refuse(path, name, count)
    if len(offsets) != 2 or not 0 <= offsets[0] <= offsets[1]:
        raise _refuse(path, name, f"has data_offsets {offsets[:4]}")
    size = count * (_dtypes.ITEM_SIZE[NAMES[dtype]] if dtype in NAMES else 1)
    if size != offsets[1] - offsets[0]:
        message = f"has {offsets[1] - offsets[0]} bytes, but {dtype}{shape} needs {size}"
        raise _refuse(path, name, message)
    return offsets[0], offsets[1], name, dtype, tuple(shape)


def _read_index(path):
    """The entries of all files that an index names, which must agree with it."""
    index = _parse(path, read_small(path, MAX_HEADER))
    places = index.get("weight_map")
    if not isinstance(places, dict) or not all(isinstance(file, str) for file in places.values()):
        raise CheckpointError(f"{path}: weight_map is missing or not an object of strings")
    entries, skipped, files = [], {}, {}
    for name, file in places.items():
        files.setdefault(file, []).append(name)
    for file, names in sorted(files.items()):
        if os.path.basename(file) != file or file in ("", ".", "..") or "\0" in file or "\\" in file:
            raise _refuse(path, names[0], f"is in {file!r}, which is not a file of the same folder")
        try:
            found, others = _read_file(os.path.join(os.path.dirname(path), file))
        except FileNotFoundError:
            raise _refuse(path, names[0], f"is in {file}, which is missing") from None
        for name in sorted(set(names).symmetric_difference(dict(found)).difference(others)):
            here = "is in %s, but not in the index" if name not in names else "is not in %s, where the index says it is"
            raise _refuse(path, name, here % file)
        entries += found
        skipped.update(others)
    return entries, skipped


def save(path, plan, max_shard_size=None):
    """Writes `path`, or with several shards `name-00001-of-0000n.safetensors` and then the index beside it."""
    path = _file_of(path)
    if not path.endswith(".safetensors"):
        raise CheckpointError(f"{path}: the name of the file should end in .safetensors")
    for spec in plan.specs:
        if spec.name == "__metadata__" or spec.dtype not in CODES:
            raise _refuse(path, spec.name, f"of dtype {spec.dtype} cannot be stored in safetensors")
    order = list(NAMES)
    shards = plan.shards(max_shard_size, key=lambda spec: (order.index(CODES[spec.dtype]), spec.name))
    with Staging(path, plan.replace) as staging:
        temporaries = [_write_file(staging, path, specs, plan) for specs in shards]
        with staging.commit():
            return _place(staging, path, shards, temporaries, plan)


def _place(staging, path, shards, temporaries, plan):
    """Give the files their names, the one by which they are opened last. Returns the path of that one."""
    old = files(path)
    if old and not staging.replace:
        raise CheckpointError(f"{old[0]} is there already")
    if len(shards) == 1:
        written = [path]
    else:
        while any(os.path.lexists(_shard_path(path, n, len(shards))) for n in range(1, len(shards) + 1)):
            shards = shards + [[]]  # the old files must stay as they are until the index is replaced
            temporaries = temporaries + [_write_file(staging, path, [], plan)]
        written = [_shard_path(path, number, len(shards)) for number in range(1, len(shards) + 1)]
        temporaries = temporaries + [_write_index(staging, written, shards, plan)]
        written.append(path + ".index.json")
    for number, (temporary, final) in enumerate(zip(temporaries, written), 1):
        if number == len(written):
            staging.sync()
        staging.place(temporary, final)
    for other in _all_files(path) if staging.replace else ():
        if other not in written:
            staging.remove(other)
    return written[-1]


def _file_of(path):
    """The name without shards of a checkpoint, which may be given by its index."""
    return path[: -len(".index.json")] if path.endswith(".safetensors.index.json") else path


def _shard_path(path, number, count):
    return f"{path[: -len('.safetensors')]}-{number:05d}-of-{count:05d}.safetensors"


def _all_files(path):
    """The files under the names of a checkpoint: the ones by which it is opened first, then shards."""
    shard = re.compile(re.escape(os.path.basename(path)[: -len(".safetensors")]) + r"-\d{5}-of-\d{5}\.safetensors$")
    folder = os.path.dirname(path)
    names = sorted(os.listdir(folder or ".")) if os.path.isdir(folder or ".") else []
    whole = [other for other in (path + ".index.json", path) if os.path.lexists(other)]
    return whole + [os.path.join(folder, name) for name in names if shard.match(name)]


def files(path: str) -> list[str]:
    """List the files that a new checkpoint of this name replaces.

    Arguments:
        path: str. The file, or the index of shards.

    Returns:
        list of str; empty if only shards are there, which a killed writer left.
    """
    found = _all_files(_file_of(path))
    return found if found and found[0].startswith(_file_of(path)) else []


def _write_file(staging, path, specs, plan):
    """Write some variables into a temporary file. Returns its name."""
    header, offset = {"__metadata__": {"format": "pt"}}, 0  # without it transformers refuses the file
    for spec in specs:
        place = [offset, offset + spec.size]
        header[spec.name] = {"dtype": CODES[spec.dtype], "shape": list(spec.shape), "data_offsets": place}
        offset += spec.size
    text = json.dumps(header, ensure_ascii=False, separators=(",", ":")).encode("utf-8")
    text += b" " * (-len(text) % 8)
    if len(text) > MAX_HEADER:
        raise CheckpointError(f"{path}: a header of {len(text)} bytes, more than {MAX_HEADER}; use max_shard_size")
    file = staging.open()
    file.write(struct.pack("<Q", len(text)) + text)
    for spec in specs:
        file.write(memoryview(plan.data(spec)))
    return staging.finish(file)


def _write_index(staging, names, shards, plan):
    """Write the index of some shards into a temporary file. Returns its name."""
    places = {spec.name: os.path.basename(name) for name, specs in zip(names, shards) for spec in specs}
    size = sum(spec.size for spec in plan.specs)
    index = {"metadata": {"total_size": size}, "weight_map": dict(sorted(places.items()))}
    file = staging.open()
    file.write(json.dumps(index, ensure_ascii=False, indent=2).encode("utf-8"))
    return staging.finish(file)
