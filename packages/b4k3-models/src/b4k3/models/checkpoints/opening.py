"""Open a checkpoint: find out which container a path means.

A path may be a prefix, a file or a folder. `locate` looks at the names of files first, then at their first bytes, and
reads no variable. What is no checkpoint is refused with a message that says what the file is instead.
"""

from __future__ import annotations

import importlib
import os
import re
from types import ModuleType
from typing import TYPE_CHECKING, Mapping, NoReturn, Sequence

from ..errors import shorten
from ..git_lfs import MAX_POINTER
from ._files import (
    check_regular,
    is_dangling,
    is_regular,
    read_head,
    read_small,
    read_tail,
    refuse_pointer,
    special_kind,
)
from ._foreign_files import (
    TORCH_SUFFIXES,
    describe_file,
    foreign_in_folder,
    looks_like_hdf5,
    looks_like_npz,
    looks_like_safetensors,
    looks_like_torch,
)
from ._table import MAGIC
from .base import ArrayCheckpoint, Checkpoint, CheckpointError
from .kinds import OBJECT_MARK

if TYPE_CHECKING:
    from typing import Union

    from numpy.typing import ArrayLike

    from .base import Verify

    Source = Union[str, bytes, os.PathLike[str], Mapping[str, ArrayLike], Checkpoint]

# Container -> module of this package. The module has `open_(path, verify)`, and if the container is in WRITABLE also
# `save(path, plan, max_shard_size)` and `files(path)`.
FORMATS = {
    "tf": "tf_bundle",
    "tf_v1": "tf_v1",
    "safetensors": "safetensors",
    "torch": "torch_file",
    "npz": "npz",
    "h5": "hdf5",
    "keras_h5": "keras_h5",
}
WRITABLE = ("tf", "safetensors", "npz")
_SUFFIXES = [
    (".safetensors", "safetensors"),
    (".safetensors.index.json", "safetensors"),
    (".bin.index.json", "torch"),
    (".npz", "npz"),
    (".h5", "h5"),
    (".hdf5", "h5"),
]
# the names in a folder that count
_OPENED = (".index", "pytorch_model.bin") + tuple(suffix for suffix, _ in _SUFFIXES)
# The names that transformers gives to weights, in the order in which it looks for them.
_USUAL = ("model.safetensors", "model.safetensors.index.json")
_USUAL_OF_TORCH = ("pytorch_model.bin", "pytorch_model.bin.index.json")
_USUAL_OF_KERAS = "model.weights.h5"  # keras-hub writes the weights of a task beside it
# what trainers write beside the weights
_TRAINING = re.compile(r"(training_args|optimizer|scheduler|scaler|rng_state.*|.*_states)\.(bin|pt|pth)$")
# The first bytes of files that are something else, whatever their names are: a web page, a zip archive, a pickle, gzip.
_FOREIGN_HEAD = re.compile(rb"\s*<(!doctype|html|\?xml)|PK\x03\x04|\x80[\x02-\x05]|\x1f\x8b", re.I)
_DATA_SUFFIX = re.compile(r"\.data-\d+-of-\d+$")
_STATE_LINE = re.compile(r'^\s*model_checkpoint_path\s*:\s*"((?:[^"\\\n]|\\.)*)"\s*$', re.M)
_MAX_STATE = 1 << 20


def container(format: str) -> ModuleType:
    """Import the module of a container when it is first asked for.

    Arguments:
        format: str. One of `FORMATS`.

    Returns:
        module.
    """
    return importlib.import_module("." + FORMATS[format], __package__)


def open_checkpoint(path: Source, verify: Verify = "auto") -> Checkpoint:
    """Open a checkpoint in any of the containers, without any framework.

    Arguments:
        path: str or path-like. One of:
            a tensor bundle of TensorFlow by its prefix (`bert_model.ckpt`), its `.index`, one of its `.data-…` files,
            its `.meta` or a file `checkpoint`; a file of TensorFlow's old version 1;
            a `.safetensors` file, or the `.safetensors.index.json` of several files; a `.npz`;
            a `pytorch_model.bin`, `.pt` or `.pth` of PyTorch, or the `.bin.index.json` of several files;
            a `.weights.h5` or `.h5`, or HDF5 under any other name (this needs h5py), where the variables that Keras 2
            wrote layer by layer are called `LAYER:INDEX`;
            a SavedModel folder of TensorFlow 1; a folder that has exactly one of these.
            It may also be a mapping from name to array, or an open checkpoint, which is returned.
        verify: 'auto' checks the checksum of a variable when it is first read; True checks all variables at once; False
            checks none. The containers safetensors and h5, and old files of PyTorch, have no checksums.

    Returns:
        `Checkpoint`, a lazy mapping from name to array.

    Raises:
        FileNotFoundError: nothing is there.
        CheckpointError: the file is damaged; or it is not clear which checkpoint is meant; or the file is of another
            kind (a pickle, an archive, ONNX, a configuration, a Git LFS pointer, a pipe …), and the message says what
            it is and what to do.
        ImportError: the file is HDF5 and h5py is not installed.

    Example:
        >>> import os, tempfile
        >>> from b4k3.models.checkpoints import open_checkpoint, save_checkpoint
        >>> prefix = os.path.join(tempfile.mkdtemp(), "bert_model.ckpt")
        >>> prefix = save_checkpoint(prefix, {"bert/pooler/dense/bias": np.ones(2, "float32")})
        >>> with open_checkpoint(os.path.dirname(prefix)) as checkpoint:  # the folder does as well as the prefix
        ...     for name in checkpoint:
        ...         print(name, checkpoint.shape(name), checkpoint[name])
        bert/pooler/dense/bias (2,) [1. 1.]
    """
    if verify not in ("auto", True, False):
        raise CheckpointError(f"verify is {verify!r}, expected 'auto', True or False")
    if isinstance(path, Checkpoint):
        return path
    if isinstance(path, Mapping):
        return ArrayCheckpoint(path)
    format, path = locate(os.fsdecode(path))
    return container(format).open_(path, verify)


def locate(path: str) -> tuple[str, str]:
    """Find out which container a path means.

    Arguments:
        path: str. A path as `open_checkpoint` takes it.

    Returns:
        (format, path for the container). The format is one of `FORMATS`.

    Raises:
        FileNotFoundError: nothing is there.
        CheckpointError: see `open_checkpoint`.
    """
    if "\0" in path:
        raise CheckpointError(f"{path!r}: a path cannot contain a NUL character")
    if is_regular(path + ".index"):
        return "tf", path
    special = special_kind(path)
    if is_dangling(path):
        raise FileNotFoundError(f"no checkpoint at {path}: it is {special}")
    if special is not None:
        raise CheckpointError(f"{path}: is not a regular file, but {special}; give the path of a checkpoint")
    if os.path.isdir(path):
        return _locate_in_folder(path)
    if _DATA_SUFFIX.search(path):
        prefix = _DATA_SUFFIX.sub("", path)
        return ("tf", prefix) if is_regular(prefix + ".index") else _refuse_missing(prefix)
    if not os.path.exists(path):
        _refuse_missing(path)
    return _locate_file(path)


def _locate_file(path: str) -> tuple[str, str]:
    """Find the container of a regular file, by its name and then by its first bytes."""
    name = os.path.basename(path)
    refuse_pointer(path, read_head(path, MAX_POINTER))
    if name == "checkpoint":
        return _follow_state(path)
    if name.endswith(".index"):
        return "tf", path[: -len(".index")]
    if name.endswith(".meta"):
        return _locate_beside_meta(path)
    if name == "saved_model.pb":
        return _locate_saved_model(os.path.dirname(path) or ".")
    for suffix, format in _SUFFIXES:
        if name.endswith(suffix) and not _is_foreign(path, format):
            return (_hdf5_format(path), path) if format == "h5" else (format, path)
    format = _format_of_content(path)
    if format is not None:
        return format, path
    description = describe_file(path)
    if description is None:
        endings = ", ".join((".index",) + tuple(suffix for suffix, _ in _SUFFIXES) + TORCH_SUFFIXES[:3])
        description = f"is not a known kind of checkpoint; the name should end in one of {endings}"
    raise CheckpointError(f"{path}: {description}.")


def _is_foreign(path: str, format: str) -> bool:
    """Check whether a file with the suffix of a container is plainly something else, a web page for example."""
    if format in ("safetensors", "h5") or path.endswith(".npz"):
        head = read_head(path, 16)
        return bool(head) and _FOREIGN_HEAD.match(head) is not None and not (format == "npz" and head[:2] == b"PK")
    return False


def _format_of_content(path: str) -> str | None:
    """Find the container of a file whose name does not tell it."""
    if looks_like_hdf5(path):
        return _hdf5_format(path)
    if _is_table(path):
        return "tf_v1"
    if looks_like_safetensors(path):
        return "safetensors"
    if looks_like_torch(path):
        return "torch"
    return "npz" if looks_like_npz(path) else None


def _hdf5_format(path: str) -> str:
    """Return 'keras_h5' if Keras wrote the HDF5 file layer by layer, else 'h5'."""
    return "keras_h5" if container("keras_h5").has_layers(path) else "h5"


def _is_table(path: str) -> bool:
    """Check whether a file ends with the magic number of sorted tables, as a checkpoint of version 1 does."""
    return read_tail(path, 8) == MAGIC.to_bytes(8, "little")


def _refuse_missing(path: str) -> NoReturn:
    """Raise the error for a prefix or file that is not there, and say which of its files are there."""
    if os.path.lexists(path + ".index"):
        check_regular(path + ".index")  # a folder, a pipe …
    folder, name = os.path.split(path)
    try:
        names = sorted(os.listdir(folder or "."))
    except OSError:
        names = []
    beside = [other for other in names if other.startswith(name) and name]
    data = [other for other in beside if _DATA_SUFFIX.search(other) and _DATA_SUFFIX.sub("", other) == name]
    reason = f"there is neither such a file or folder nor {name}.index"
    if data:
        reason = f"{data[0]} is there, but its index is missing: there is no {name}.index. Get that file too"
    elif name + ".meta" in beside:
        reason = f"{name}.meta is there, but it has no weights; {name}.index and {name}.data-… are missing"
    elif beside:
        reason += f"; did you mean {', '.join(beside[:3])}?"
    raise FileNotFoundError(shorten(f"no checkpoint at {path}: {reason}"))


def _locate_beside_meta(path: str) -> tuple[str, str]:
    """Find the checkpoint to which the graph in a `.meta` file belongs."""
    prefix = path[: -len(".meta")]
    if is_regular(prefix + ".index"):
        return "tf", prefix
    if is_regular(prefix) and _is_table(prefix):
        return "tf_v1", prefix
    name = os.path.basename(prefix)
    raise CheckpointError(
        f"{path}: is the graph of TensorFlow's checkpoint {name}, and holds no weights. The files {name}.index and "
        f"{name}.data-… should lie beside it; get them and give the prefix {prefix}."
    )


def _locate_saved_model(folder: str) -> tuple[str, str]:
    """Find the variables in a SavedModel of TensorFlow 1. In one of TensorFlow 2 they have no names of their own."""
    prefix = os.path.join(folder, "variables", "variables")
    if not is_regular(prefix + ".index"):
        raise CheckpointError(
            f"{folder}: is a SavedModel of TensorFlow without {os.path.join('variables', 'variables.index')}, so it "
            "has no weights. Give the checkpoint from which it was exported."
        )
    names = list(container("tf").open_(prefix, False))
    if any(name.endswith(OBJECT_MARK) for name in names):
        raise CheckpointError(
            f"{folder}: is a SavedModel of TensorFlow 2; its variables are named after Python objects "
            f"({names[0]}, …), so b4k3 cannot tell which is which. Load it where it was made, with "
            "`tf.keras.models.load_model(folder)`, and write the weights with `model.save_weights('weights.h5')`; then "
            "build the model here without checkpoint_path and call `model.load_weights('weights.h5')`."
        )
    return "tf", prefix


def _locate_in_folder(folder: str) -> tuple[str, str]:
    """Find the checkpoint in a folder.

    A file `checkpoint` decides. If there is none, the containers count in the order of `FORMATS`, and of the first
    container that is there the folder must have only one checkpoint. So safetensors are taken where `pytorch_model.bin`
    lies beside them, as transformers does it; other files of PyTorch count only if there is nothing else. What is not
    a regular file (a pipe, a device, a link that leads nowhere) does not count.
    """
    try:
        listed = sorted(os.listdir(folder))
    except OSError as error:
        raise CheckpointError(f"{folder}: the folder cannot be read: {error.strerror or error}") from None
    if "checkpoint" in listed and is_regular(os.path.join(folder, "checkpoint")):
        return _follow_state(os.path.join(folder, "checkpoint"))
    names = [name for name in listed if name.endswith(_OPENED) and is_regular(os.path.join(folder, name))]
    prefixes = [name[: -len(".index")] for name in names if name.endswith(".index")]
    if prefixes:
        return "tf", os.path.join(folder, _only(folder, prefixes))
    for usual in _USUAL:
        if usual in names:
            return "safetensors", os.path.join(folder, usual)
    indices = [name for name in names if name.endswith(".safetensors.index.json")]
    if indices:
        return "safetensors", os.path.join(folder, _only(folder, indices))
    for suffix in [".safetensors", *_USUAL_OF_TORCH, _USUAL_OF_KERAS] + [suffix for suffix, _ in _SUFFIXES]:
        found = [name for name in names if name.endswith(suffix)]
        if found:
            return _locate_file(os.path.join(folder, _only(folder, found)))
    found = [name for name in listed if _is_torch(folder, name)]
    if found:
        return "torch", os.path.join(folder, _only(folder, found))
    if {"saved_model.pb", "saved_model.pbtxt"} & set(listed):
        return _locate_saved_model(folder)
    return _refuse_folder(folder, listed)


def _is_torch(folder: str, name: str) -> bool:
    """Check whether a file of a folder may be weights of PyTorch under another name than transformers gives."""
    path = os.path.join(folder, name)
    if not name.endswith(TORCH_SUFFIXES) or _TRAINING.match(name):
        return False
    return is_regular(path) and looks_like_torch(path)


def _refuse_folder(folder: str, names: list[str]) -> NoReturn:
    """Raise the error for a folder without a checkpoint, and say what is there instead."""
    data = [name for name in names if _DATA_SUFFIX.search(name)]
    if data:
        _refuse_missing(os.path.join(folder, _DATA_SUFFIX.sub("", data[0])))
    foreign = foreign_in_folder(folder, names)
    if foreign is not None:
        raise CheckpointError(f"{folder}: the folder holds no checkpoint that b4k3 reads. {foreign}.")
    shown = ", ".join(names[:20]) or "nothing"
    for name in names:
        special = special_kind(os.path.join(folder, name)) if name.endswith(_OPENED + ("checkpoint",)) else None
        if special is not None:
            shown += f"; {name} is {special}"
    raise FileNotFoundError(shorten(f"no checkpoint in the folder {folder}: it holds {shown}"))


def _only(folder: str, names: Sequence[str]) -> str:
    """Return the only name, or raise an error."""
    if len(names) > 1:
        raise CheckpointError(f"{folder}: holds several checkpoints, give the path of one: {', '.join(names[:20])}")
    return names[0]


def _follow_state(path: str) -> tuple[str, str]:
    """Find the checkpoint that a file `checkpoint` names. It must be in the same folder.

    `tf.train.Saver` writes this file, in the text format of Protocol Buffers:

        model_checkpoint_path: "model.ckpt-1000"
    """
    try:
        text = read_small(path, _MAX_STATE).decode("utf-8")
    except UnicodeDecodeError:
        raise CheckpointError(f"{path}: is not UTF-8; expected the text file of tf.train.Saver") from None
    match = _STATE_LINE.search(text)
    if not match:
        raise CheckpointError(
            f'{path}: has no line model_checkpoint_path: "…", expected the text file of tf.train.Saver; give the path '
            "of the checkpoint itself"
        )
    target = _unescape(match.group(1))
    folder = os.path.dirname(os.path.abspath(path))
    prefix = os.path.normpath(os.path.join(folder, target))
    if "\0" in target or os.path.realpath(os.path.dirname(prefix)) != os.path.realpath(folder):
        beside = os.path.join(folder, os.path.basename(target.replace("\0", "")))
        itself = beside if os.path.exists(beside + ".index") else "the path of the checkpoint itself"
        raise CheckpointError(f"{path}: points outside its folder, to {target!r}; give {itself}")
    if os.path.exists(prefix + ".index"):
        return "tf", prefix
    if os.path.isfile(prefix):
        return "tf_v1", prefix
    raise FileNotFoundError(f"no checkpoint at {prefix}, where {path} points: there is no {prefix}.index")


def _unescape(text: str) -> str:
    """Read the escapes of a quoted string in the text format of Protocol Buffers."""
    simple = {b"n": b"\n", b"r": b"\r", b"t": b"\t"}

    def replace(match: re.Match[bytes]) -> bytes:
        """Turn one escape into a byte."""
        code = match.group(1)
        return bytes([int(code, 8) & 0xFF]) if code[:1] in b"01234567" else simple.get(code, code)

    return re.sub(rb"\\([0-7]{1,3}|.)", replace, text.encode("utf-8")).decode("utf-8", "replace")
