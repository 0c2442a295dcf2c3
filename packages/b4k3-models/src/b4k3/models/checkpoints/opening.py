"""`open_checkpoint`: finds out which container a path means."""

from __future__ import annotations

import importlib
import os
import re
from collections.abc import Mapping

from ._files import read_small, read_tail
from ._table import MAGIC
from .base import ArrayCheckpoint, Checkpoint, CheckpointError

# container -> module of this package with `open_(path, verify)`; if in WRITABLE `save(path, plan, max_shard_size)`
FORMATS = {
    "tf": "tf_bundle",
    "tf_v1": "tf_v1",
    "safetensors": "safetensors",
    "npz": "npz",
    "h5": "hdf5",
}
WRITABLE = ("tf", "safetensors", "npz")
_SUFFIXES = [
    (".safetensors", "safetensors"),
    (".safetensors.index.json", "safetensors"),
    (".npz", "npz"),
    (".h5", "h5"),
    (".hdf5", "h5"),
]
_DATA_SUFFIX = re.compile(r"\.data-\d+-of-\d+$")
_STATE_LINE = re.compile(r'^\s*model_checkpoint_path\s*:\s*"((?:[^"\\\n]|\\.)*)"\s*$', re.M)
_MAX_STATE = 1 << 20


def container(format):
    """The module of a container, imported when it is first asked for."""
    return importlib.import_module("." + FORMATS[format], __package__)


def open_checkpoint(path, verify="auto"):
    """Opens a checkpoint in any of the containers, without any framework.

    Arguments:
        path: str or path, one of
            a tensor bundle of TensorFlow by its prefix (`bert_model.ckpt`), by its `.index`, by one of its `.data-…`
            files or by a `checkpoint` file; a file of TensorFlow's old version 1;
            a `.safetensors` file or the `.safetensors.index.json` of several; a `.npz`;
            a `.weights.h5` or `.h5` (needs h5py); a folder that holds one of these.
            Or a mapping: name -> array. Or an open checkpoint, which is returned.
        verify: 'auto' checks a variable's checksum when it is first read, True all of them at once, False none. The
            containers safetensors and h5 have no checksums.

    Returns:
        Checkpoint, a lazy mapping: name -> array.

    Raises:
        FileNotFoundError: nothing is there.
        CheckpointError: the file is damaged, of an unknown kind, or one cannot tell which is meant.
    """
    if verify not in ("auto", True, False):
        raise CheckpointError(f"verify is {verify!r}; choose 'auto', True or False")
    if isinstance(path, Checkpoint):
        return path
    if isinstance(path, Mapping):
        return ArrayCheckpoint(path)
    format, path = locate(os.fspath(path))
    return container(format).open_(path, verify)


def locate(path):
    """(format, path that its container opens) of any path form. Raises as `open_checkpoint` does."""
    if os.path.exists(path + ".index"):
        return "tf", path
    if os.path.isdir(path):
        return _locate_in_folder(path)
    name = os.path.basename(path)
    if _DATA_SUFFIX.search(path):
        return "tf", _DATA_SUFFIX.sub("", path)
    if not os.path.exists(path):
        raise FileNotFoundError(f"no checkpoint at {path}: there is neither such a file or folder nor {name}.index")
    if name == "checkpoint":
        return _follow_state(path)
    if name.endswith(".index"):
        return "tf", path[: -len(".index")]
    for suffix, format in _SUFFIXES:
        if name.endswith(suffix):
            return format, path
    if _is_table(path):
        return "tf_v1", path
    endings = ", ".join([".index"] + [suffix for suffix, _ in _SUFFIXES])
    raise CheckpointError(f"{path}: not a known kind of checkpoint; the name should end in one of {endings}")


def _is_table(path):
    """Whether a file ends as a sorted table does, and so is a checkpoint of version 1."""
    return read_tail(path, 8) == MAGIC.to_bytes(8, "little")


def _locate_in_folder(folder):
    """A `checkpoint` file first, then the kinds in the order of FORMATS; of the first kind there must be one only."""
    state = os.path.join(folder, "checkpoint")
    if os.path.exists(state) and not os.path.isdir(state):
        return _follow_state(state)
    names = sorted(os.listdir(folder))
    prefixes = [name[: -len(".index")] for name in names if name.endswith(".index")]
    if prefixes:
        return "tf", os.path.join(folder, _only(folder, prefixes))
    for usual in ("model.safetensors", "model.safetensors.index.json"):
        if usual in names:
            return "safetensors", os.path.join(folder, usual)
    indices = [name for name in names if name.endswith(".safetensors.index.json")]
    if indices:
        return "safetensors", os.path.join(folder, _only(folder, indices))
    for suffix, format in _SUFFIXES:
        found = [name for name in names if name.endswith(suffix)]
        if found:
            return format, os.path.join(folder, _only(folder, found))
    raise FileNotFoundError(
        "no checkpoint in the folder {}: it holds {}".format(folder, ", ".join(names[:20]) or "nothing")
    )


def _only(folder, names):
    if len(names) > 1:
        raise CheckpointError(
            "{}: holds several checkpoints, name one of them: {}".format(folder, ", ".join(names[:20]))
        )
    return names[0]


def _follow_state(path):
    """(format, path) of what a `checkpoint` file names, which must lie in the same folder."""
    try:
        text = read_small(path, _MAX_STATE).decode("utf-8")
    except UnicodeDecodeError:
        raise CheckpointError(f"{path}: is not UTF-8; expected the text file of tf.train.Saver") from None
    match = _STATE_LINE.search(text)
    if not match:
        raise CheckpointError(f'{path}: no line model_checkpoint_path: "…"')
    target = _unescape(match.group(1))
    folder = os.path.dirname(os.path.abspath(path))
    prefix = os.path.normpath(os.path.join(folder, target))
    if "\0" in target or os.path.realpath(os.path.dirname(prefix)) != os.path.realpath(folder):
        beside = os.path.join(folder, os.path.basename(target.replace("\0", "")))
        hint = f"name {beside} itself" if os.path.exists(beside + ".index") else "name the checkpoint itself"
        raise CheckpointError(f"{path}: points outside its folder, to {target!r}; {hint}")
    if os.path.exists(prefix + ".index"):
        return "tf", prefix
    if os.path.isfile(prefix):
        return "tf_v1", prefix
    raise FileNotFoundError(f"no checkpoint at {prefix}, where {path} points: there is no such .index")


def _unescape(text):
    """The string that a quoted string of Protocol Buffers' text format stands for."""
    simple = {b"n": b"\n", b"r": b"\r", b"t": b"\t"}

    def replace(match):
        code = match.group(1)
        return bytes([int(code, 8) & 0xFF]) if code[:1] in b"01234567" else simple.get(code, code)

    return re.sub(rb"\\([0-7]{1,3}|.)", replace, text.encode("utf-8")).decode("utf-8", "replace")
