"""Read the index of several files: `model.safetensors.index.json` or `pytorch_model.bin.index.json`.

{"metadata": {"total_size": 24}, "weight_map": {"NAME": "model-00001-of-00002.safetensors", …}}
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, Callable

from ._files import read_small
from ._json import JSONError, parse_json
from .base import CheckpointError, damaged, shown

if TYPE_CHECKING:
    from typing import Dict, List, Tuple

    from .base import Entry

    Listing = Tuple[List[Tuple[str, Entry]], Dict[str, str]]  # (name, Entry) of each variable; name -> dtype of others

MAX_HEADER = 4 << 20  # bytes, of a header or an index; enough for forty thousand variables


def parse_object(path: str, data: bytes, what: str) -> dict[str, Any]:
    """Parse a JSON text that must be an object.

    Arguments:
        path: str. The file, for error messages.
        data: bytes.
        what: str. What the text is, 'header' or 'index'.

    Returns:
        dict.

    Raises:
        CheckpointError: the text is not JSON, or no object.
    """
    try:
        value = parse_json(data)
    except JSONError as error:
        raise damaged(path, f"bad {what}: {error}") from None
    if not isinstance(value, dict):
        raise damaged(path, f"bad {what}: it is of type {type(value).__name__}, expected an object")
    return value


def read_index(path: str, read_file: Callable[[str], Listing]) -> Listing:
    """Read what each of the files says that an index names. The files and the index must agree.

    Arguments:
        path: str. The index.
        read_file: function that lists the variables of a file.

    Returns:
        list of (name, `Entry`) of each variable, and a dict from name to dtype of what cannot be read.

    Raises:
        CheckpointError: the index is damaged, names a file outside of its folder or one that is missing, or says other
            variables than a file has.
    """
    index = parse_object(path, read_small(path, MAX_HEADER), "index")
    places = index.get("weight_map")
    if not isinstance(places, dict) or not all(isinstance(file, str) for file in places.values()):
        raise damaged(path, "has no weight_map, or one that is not an object of strings")
    entries: list[tuple[str, Entry]] = []
    skipped: dict[str, str] = {}
    files: dict[str, list[str]] = {}
    for name, file in places.items():
        files.setdefault(file, []).append(name)
    for file, names in sorted(files.items()):
        if os.path.basename(file) != file or file in ("", ".", "..") or "\0" in file or "\\" in file:
            raise damaged(path, f"is in {file!r}, which is not a file of the same folder", names[0])
        try:
            found, others = read_file(os.path.join(os.path.dirname(path), file))
        except FileNotFoundError:
            message = f"is in {file}, which is missing; get that file too"
            raise CheckpointError(f"{path}: variable {shown(names[0])} {message}") from None
        for name in sorted(set(names).symmetric_difference(dict(found)).difference(others)):
            if name in names:
                message = f"is not in {file}, where the index says it is"
            else:
                message = f"is in {file}, but not in the index"
            raise CheckpointError(f"{path}: variable {shown(name)} {message}; get index and files of one checkpoint")
        entries += found
        skipped.update(others)
    return entries, skipped
