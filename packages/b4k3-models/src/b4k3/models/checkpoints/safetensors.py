"""Read and write safetensors: a header in JSON, then the bytes of all variables without gaps.

    8 bytes       the length of the header, uint64, little-endian
    header        JSON: {"NAME": {"dtype": "F32", "shape": [2, 3], "data_offsets": [0, 24]}, …}, padded with blanks
    data          the bytes of all variables; data_offsets are counted from the beginning of the data

The key "__metadata__" of the header is no variable, but an object of strings. A large model has several such files and
an index, `model.safetensors.index.json`, whose "weight_map" tells for each variable the file that it is in.

Specification: https://github.com/huggingface/safetensors#format

JSON could hold anything. So the header is limited in size before it is parsed, and checked in full before a variable is
read: the places of the variables must cover the data without holes and overlaps, as the specification demands.
"""

from __future__ import annotations

import json
import os
import re
import struct
from typing import TYPE_CHECKING, Any, Sequence

from . import _dtypes
from ._files import map_file
from ._shards import MAX_HEADER, parse_object, read_index
from ._staging import Staging, already_there
from .base import CLOSED, Checkpoint, CheckpointError, Entry, damaged, shown

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ._plan import Plan, Spec
    from ._shards import Listing
    from .base import Verify

# The dtypes in the order in which the project's own writer stores variables: larger items first, so that all variables
# are aligned.
NAMES = {
    "U64": "uint64", "I64": "int64", "F64": "float64", "C64": "complex64", "F32": "float32", "U32": "uint32",
    "I32": "int32", "BF16": "bfloat16", "F16": "float16", "U16": "uint16", "I16": "int16", "I8": "int8", "U8": "uint8",
    "BOOL": "bool",
}  # fmt: skip
CODES = {name: code for code, name in NAMES.items()}
OTHER = ("F8_E5M2", "F8_E4M3", "F8_E8M0", "F8_E5M2FNUZ", "F8_E4M3FNUZ")  # of one byte; listed, but cannot be read


class Safetensors(Checkpoint):
    """A safetensors file, or several files with an index, as a lazy mapping.

    Arguments:
        path: str. A `.safetensors` file or a `.safetensors.index.json`.
        verify: not used, because the format has no checksums. Other containers have this argument.

    Raises:
        CheckpointError: the header, the index or the data break the format.
        FileNotFoundError: there is no such file.

    Example:
        >>> import os, tempfile
        >>> from b4k3.models.checkpoints import open_checkpoint, save_checkpoint
        >>> path = os.path.join(tempfile.mkdtemp(), "model.safetensors")
        >>> path = save_checkpoint(path, {"weight": np.ones((2, 3), "float32")}, "safetensors", dtype="bfloat16")
        >>> checkpoint = open_checkpoint(path)
        >>> checkpoint.stored_dtype("weight"), checkpoint["weight"].dtype
        ('bfloat16', dtype('float32'))
    """

    format = "safetensors"

    def __init__(self, path: str, verify: Verify = "auto") -> None:
        if path.endswith(".json"):
            entries, skipped = read_index(path, _read_file)
        else:
            entries, skipped = _read_file(path)
        super().__init__(path, entries, skipped)

    def _read(self, name: str, entry: Entry) -> NDArray[Any]:
        if entry.where is None:
            raise self._error(name, CLOSED)
        return self._array(name, entry.where, entry.shape, entry.dtype)

    def close(self) -> None:
        """Let go of the files. Arrays that are views of them stay valid."""
        for entry in self._entries.values():
            entry.where = None


open_ = Safetensors


def _read_file(path: str) -> Listing:
    """Read the header of a file. `where` of an `Entry` is the view of the bytes of the variable."""
    data = map_file(path)
    if data.size < 8:
        raise damaged(path, f"has {data.size} bytes, too short for a safetensors file")
    (length,) = struct.unpack("<Q", data[:8].tobytes())
    if length > data.size - 8:
        raise damaged(path, f"says it has a header of {length} bytes, but only {data.size - 8} follow")
    if length > MAX_HEADER:
        raise CheckpointError(
            f"{path}: has a header of {length} bytes, more than the {MAX_HEADER} that are allowed; save the variables "
            "in several files with an index"
        )
    header = data[8 : 8 + length].tobytes()
    if not header.startswith(b"{"):
        raise damaged(path, "has a header that does not begin with {")
    specs = parse_object(path, header, "header")
    _check_metadata(path, specs.pop("__metadata__", {}))
    places = sorted(_read_spec(path, name, spec) for name, spec in specs.items())
    entries: list[tuple[str, Entry]] = []
    skipped: dict[str, str] = {}
    end = 0
    body = data[8 + length :]
    for begin, stop, name, dtype, shape in places:
        if begin != end:
            wrong = "a hole before it" if begin > end else "an overlap with the variable before it"
            raise damaged(path, f"begins at byte {begin} of the data, expected {end}: {wrong}", name)
        end = stop
        if stop > body.size:
            raise damaged(path, f"ends at byte {stop}, the data have {body.size}", name)
        if dtype in OTHER:
            skipped[name] = dtype
        else:
            entries.append((name, Entry(shape, NAMES[dtype], stop - begin, body[begin:stop])))
    if end != body.size:
        raise damaged(path, f"has {body.size - end} trailing bytes after the last variable")
    return entries, skipped


def _check_metadata(path: str, metadata: Any) -> None:
    if not isinstance(metadata, dict) or not all(isinstance(value, str) for value in metadata.values()):
        raise damaged(path, "has a __metadata__ in its header that is not an object of strings")


def _read_spec(path: str, name: str, spec: Any) -> tuple[int, int, str, str, tuple[int, ...]]:
    """Check what the header says of one variable, and return (begin, end, name, dtype code, shape)."""
    if not isinstance(spec, dict) or set(spec) != {"dtype", "shape", "data_offsets"}:
        raise damaged(path, "needs exactly dtype, shape and data_offsets in the header", name)
    dtype, shape, offsets = spec["dtype"], spec["shape"], spec["data_offsets"]
    if not isinstance(dtype, str) or (dtype not in NAMES and dtype not in OTHER):
        raise CheckpointError(
            f"{path}: variable {shown(name)} has the unknown dtype {str(dtype)[:80]!r}, expected one of "
            f"{', '.join(NAMES)}; save it in one of these"
        )
    for key, value in (("shape", shape), ("data_offsets", offsets)):
        if not isinstance(value, list) or not all(type(number) is int for number in value):
            raise damaged(path, f"has a {key} that is not a list of integers", name)
    count = _dtypes.check_shape(shape)
    if isinstance(count, str):
        raise damaged(path, count, name)
    if len(offsets) != 2 or not 0 <= offsets[0] <= offsets[1]:
        raise damaged(path, f"has data_offsets {offsets[:4]}, expected [begin, end]", name)
    size = count * (_dtypes.ITEM_SIZE[NAMES[dtype]] if dtype in NAMES else 1)
    if size != offsets[1] - offsets[0]:
        message = f"has {offsets[1] - offsets[0]} bytes, but {dtype}{shape} needs {size}"
        raise damaged(path, message, name)
    return offsets[0], offsets[1], name, dtype, tuple(shape)


def save(path: str, plan: Plan, max_shard_size: int | None = None) -> str:
    """Write one file, or several files `NAME-00001-of-0000N.safetensors` and then their index.

    Arguments:
        path: str. The file, `NAME.safetensors`, or the index beside it.
        plan: `Plan`. What is written.
        max_shard_size: int or None. The number of bytes after which a further file is begun.

    Returns:
        str, the path of the file or of the index.

    Raises:
        CheckpointError: the name does not end in `.safetensors`, a variable cannot be stored, or a file that may not be
            replaced is there.
    """
    path = _file_of(path)
    if not path.endswith(".safetensors"):
        raise CheckpointError(f"{path}: the name of the file should end in .safetensors")
    for spec in plan.specs:
        if spec.name == "__metadata__" or spec.dtype not in CODES:
            message = f"of dtype {spec.dtype} cannot be stored in safetensors; use format='tf' or 'npz'"
            raise CheckpointError(f"{path}: variable {shown(spec.name)} {message}")
    order = list(NAMES)
    shards = plan.shards(max_shard_size, key=lambda spec: (order.index(CODES[spec.dtype]), spec.name))
    with Staging(path, plan.replace) as staging:
        temporaries = [_write_file(staging, path, specs, plan) for specs in shards]
        with staging.commit():
            return _place(staging, path, shards, temporaries, plan)


def _place(staging: Staging, path: str, shards: list[list[Spec]], temporaries: list[str], plan: Plan) -> str:
    """Give the files their names, last the file by which the checkpoint is opened, and return the path of that one."""
    old = files(path)
    if old and not staging.replace:
        raise already_there(old[0])
    if len(shards) == 1:
        written = [path]
    else:
        while any(os.path.lexists(_shard_path(path, n, len(shards))) for n in range(1, len(shards) + 1)):
            shards = shards + [[]]  # no old file changes before the index is replaced
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


def _file_of(path: str) -> str:
    """Return the path of the single file, `NAME.safetensors`, also if the index is given."""
    return path[: -len(".index.json")] if path.endswith(".safetensors.index.json") else path


def _shard_path(path: str, number: int, count: int) -> str:
    return f"{path[: -len('.safetensors')]}-{number:05d}-of-{count:05d}.safetensors"


def _all_files(path: str) -> list[str]:
    """List the files that belong to the name of a checkpoint: first those by which it is opened, then the shards."""
    shard = re.compile(re.escape(os.path.basename(path)[: -len(".safetensors")]) + r"-\d{5}-of-\d{5}\.safetensors$")
    folder = os.path.dirname(path)
    names = sorted(os.listdir(folder or ".")) if os.path.isdir(folder or ".") else []
    whole = [other for other in (path + ".index.json", path) if os.path.lexists(other)]
    return whole + [os.path.join(folder, name) for name in names if shard.match(name)]


def files(path: str) -> list[str]:
    """List the files that a new checkpoint of this name replaces.

    Arguments:
        path: str. The file, or the index.

    Returns:
        list of str. It is empty if only shards are there, because only a killed writer leaves shards without an index.
    """
    found = _all_files(_file_of(path))
    return found if found and found[0].startswith(_file_of(path)) else []


def _write_file(staging: Staging, path: str, specs: Sequence[Spec], plan: Plan) -> str:
    """Write some variables into a temporary file, and return its name."""
    header: dict[str, Any] = {"__metadata__": {"format": "pt"}}  # transformers refuses a file without it
    offset = 0
    for spec in specs:
        place = [offset, offset + spec.size]
        header[spec.name] = {"dtype": CODES[spec.dtype], "shape": list(spec.shape), "data_offsets": place}
        offset += spec.size
    text = json.dumps(header, ensure_ascii=False, separators=(",", ":")).encode("utf-8")
    text += b" " * (-len(text) % 8)
    if len(text) > MAX_HEADER:
        raise CheckpointError(
            f"{path}: the header would have {len(text)} bytes, more than {MAX_HEADER}; use max_shard_size"
        )
    file = staging.open()
    file.write(struct.pack("<Q", len(text)) + text)
    for spec in specs:
        file.write(memoryview(plan.data(spec)))
    return staging.finish(file)


def _write_index(staging: Staging, names: Sequence[str], shards: Sequence[Sequence[Spec]], plan: Plan) -> str:
    """Write the index of several files into a temporary file, and return its name."""
    places = {spec.name: os.path.basename(name) for name, specs in zip(names, shards) for spec in specs}
    size = sum(spec.size for spec in plan.specs)
    index = {"metadata": {"total_size": size}, "weight_map": dict(sorted(places.items()))}
    file = staging.open()
    file.write(json.dumps(index, ensure_ascii=False, indent=2).encode("utf-8"))
    return staging.finish(file)
