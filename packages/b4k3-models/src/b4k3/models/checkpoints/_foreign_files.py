"""Describe files that are not checkpoints which b4k3 reads, so that an error can say what a file is and what to do.

Nothing is unpickled or unpacked here. The first bytes of a file decide, then the list of names in a zip archive, then
the end of its name.
"""

from __future__ import annotations

import json
import os
import re

from ..git_lfs import describe_pointer
from . import _zip
from ._files import is_regular, open_regular, read_head
from ._hdf5_heaps import PLACES, SIGNATURE
from ._json import JSONError, parse_json
from ._torch_layout import STREAM

_HEAD = 4096  # bytes at the beginning of a file that are examined
_MAX_JSON = 1 << 22  # bytes

_SAFETENSORS = (
    "give the model's safetensors file instead; transformers writes it with "
    "`save_pretrained(folder, safe_serialization=True)`"
)
_PICKLE = f"is a Python pickle, and no file of `torch.save`. b4k3 does not unpickle files: {_SAFETENSORS}"
_TRAINING = "is a file of PyTorch, by its name the state of a trainer and no weights; give its path if it is meant"
_ARCHIVE = "is {}. Unpack it and give the checkpoint that is in it"
_CONFIG = "is a configuration, not a checkpoint: give it as config_path, and as checkpoint_path the weights beside it"

# first bytes -> what the file is and what to do
_MAGIC = (
    (b"\x1f\x8b", _ARCHIVE.format("compressed with gzip")),
    (b"BZh", _ARCHIVE.format("compressed with bzip2")),
    (b"\xfd7zXZ\0", _ARCHIVE.format("compressed with xz")),
    (b"\x28\xb5\x2f\xfd", _ARCHIVE.format("compressed with zstandard")),
    (b"7z\xbc\xaf\x27\x1c", _ARCHIVE.format("a 7-Zip archive")),
    (b"Rar!\x1a\x07", _ARCHIVE.format("a RAR archive")),
    (b"GGUF", f"is a GGUF file of llama.cpp, which b4k3 does not read: {_SAFETENSORS}"),
    (b"\x93NUMPY", "is a single array of numpy (.npy). Give a .npz, in which every array has its name"),
)
# end of the name -> what the file is and what to do, if the first bytes do not tell it
_SUFFIXES = (
    (".onnx", f"is a model in ONNX, whose variables have lost their names: {_SAFETENSORS}"),
    (".msgpack", f"is a file of Flax (MessagePack), which b4k3 does not read: {_SAFETENSORS}"),
    (".tflite", "is a model of TensorFlow Lite, whose variables have lost their names; give the checkpoint it is from"),
    (".pb", "is a graph of TensorFlow; give the checkpoint it was made from, by its prefix or its .index file"),
    (".pbtxt", "is a graph of TensorFlow; give the checkpoint it was made from, by its prefix or its .index file"),
    (
        ".pdparams",
        f"is a file of PaddlePaddle, which holds a Python pickle. b4k3 does not unpickle files: {_SAFETENSORS}",
    ),
    (".gin", _CONFIG),
)
TORCH_SUFFIXES = (".bin", ".pt", ".pth", ".ckpt")


def describe_file(path: str) -> str | None:
    """Tell what a regular file is, if it is none of the containers, and what to do.

    Arguments:
        path: str.

    Returns:
        str, one or two sentences without the last full stop, to follow the path in an error message; None if it is not
        known what the file is.
    """
    head = read_head(path, _HEAD)
    if not head:
        return "is empty (0 bytes); it was not written or downloaded to its end. Get the file again"
    pointer = describe_pointer(head)
    if pointer is not None:
        return pointer
    if looks_like_torch(path):
        return _TRAINING  # anything else of this kind is opened
    if head.startswith((b"PK\3\4", b"PK\5\6")):
        return _describe_zip(path)
    if re.match(rb"\x80[\x02-\x05]", head):
        paddle = path.endswith((".pdparams", ".pdopt"))
        return next(text for suffix, text in _SUFFIXES if suffix == ".pdparams") if paddle else _PICKLE
    for magic, text in _MAGIC:
        if head.startswith(magic):
            return text
    if head[257:262] == b"ustar":
        return _ARCHIVE.format("a tar archive")
    if head[4:8] == b"TFL3":
        return next(text for suffix, text in _SUFFIXES if suffix == ".tflite")
    if re.match(rb"\s*<(!doctype|html|\?xml)", head, re.I):
        return "is a web page (HTML), not a checkpoint: the download went wrong. Download the file again"
    if re.match(rb"(\xef\xbb\xbf)?\s*[{\[]", head):
        return _describe_json(path)
    for suffix, text in _SUFFIXES:
        if path.endswith(suffix):
            return text
    if path.endswith(TORCH_SUFFIXES[:3]):
        return (
            f"is of no kind that b4k3 knows. If it is a file of PyTorch: b4k3 does not unpickle files; {_SAFETENSORS}"
        )
    return "is a text file, not a checkpoint" if _is_text(head) else None


def looks_like_safetensors(path: str) -> bool:
    """Check whether a file begins as safetensors do, with the length of a header and the header."""
    head = read_head(path, 9)
    return head[8:9] == b"{" and int.from_bytes(head[:8], "little") + 8 <= os.path.getsize(path)


def looks_like_hdf5(path: str) -> bool:
    """Check whether a file has the signature of HDF5."""
    head = read_head(path, _HEAD)
    return any(head[place : place + 8] == SIGNATURE for place in PLACES)


def looks_like_torch(path: str) -> bool:
    """Check whether `torch.save` wrote a file, in either layout. What is damaged goes by the end of its name."""
    head = read_head(path, _HEAD)
    named = path.endswith(TORCH_SUFFIXES[:3])
    if head.startswith(b"PK\3\4"):
        names = zip_names(path)
        return named if names is None else any(re.match(r"[^/]+/data\.pkl$", name) for name in names)
    return STREAM.match(head) is not None or (named and re.match(rb"\x80[\x02-\x05]", head) is not None)


def looks_like_npz(path: str) -> bool:
    """Check whether a file is a zip archive of `.npy` files."""
    names = zip_names(path) if read_head(path, 4) == b"PK\3\4" else None
    return bool(names) and all(name.endswith(".npy") for name in names)


def zip_names(path: str) -> list[str] | None:
    """List the names in a zip archive; None if it is damaged."""
    try:
        with open_regular(path) as file:
            return [member.filename for member in _zip.read_directory(file)]
    except _zip.ERRORS:
        return None


def _describe_zip(path: str) -> str:
    names = zip_names(path)
    if names is None:
        return "is a damaged zip archive. Get the file again, unpack it and give the checkpoint that is in it"
    if "model.weights.h5" in names and "config.json" in names:
        return (
            "is a whole model of Keras 3 (.keras). If b4k3 made the model, `b4k3 convert FILE TARGET --config CONFIG "
            "--model MODEL` makes a checkpoint of it; any other one is loaded with `keras.models.load_model`"
        )
    prefixes = _prefixes(names)
    if prefixes:
        return f"is a zip archive: unpack it and give the checkpoint in it, {' or '.join(prefixes[:5])}"
    shown = ", ".join(names[:8]) + (", …" if len(names) > 8 else "")
    return f"is a zip archive: unpack it and give the checkpoint in it. It holds {shown or 'nothing'}"


def _prefixes(names: list[str]) -> list[str]:
    """List the prefixes of TensorFlow's checkpoints among names of files."""
    return [name[: -len(".index")] for name in names if name.endswith(".index")]


def _describe_json(path: str) -> str:
    if os.path.getsize(path) > _MAX_JSON:
        return "is a JSON file, not a checkpoint"
    try:
        value = parse_json(read_head(path, _MAX_JSON).lstrip(b"\xef\xbb\xbf"))
    except JSONError:
        return "is a text file, not a checkpoint"
    if isinstance(value, dict) and isinstance(value.get("weight_map"), dict):
        files = sorted({file for file in value["weight_map"].values() if isinstance(file, str)})
        if any(file.endswith(".bin") for file in files):
            return "is the index of several files of PyTorch; its name should end in .bin.index.json"
        return "is an index of several files; its name should end in .safetensors.index.json"
    if isinstance(value, dict):
        return _CONFIG if _is_config(path, value) else f"is a JSON file, not a checkpoint; its keys are {_shown(value)}"
    return "is a JSON file, not a checkpoint"


def _is_config(path: str, value: dict) -> bool:
    known = ("vocab_size", "hidden_size", "d_model", "n_embd", "model_type", "architectures", "num_hidden_layers")
    return "config" in os.path.basename(path) or any(key in value for key in known)


def _shown(value: dict) -> str:
    keys = [json.dumps(key, ensure_ascii=False)[:40] for key in list(value)[:6]]
    return ", ".join(keys) + (", …" if len(value) > 6 else "")


def _is_text(head: bytes) -> bool:
    """Check whether bytes are UTF-8 without control characters. The last character may be cut off."""
    try:
        text = head[: max(len(head) - 3, 1)].decode("utf-8", "ignore" if len(head) >= _HEAD else "strict")
    except UnicodeDecodeError:
        return False
    return not re.search(r"[\0-\x08\x0e-\x1f]", text)


def foreign_in_folder(folder: str, names: list[str]) -> str | None:
    """Describe the first file of a folder that would be a checkpoint if b4k3 read files of its kind.

    Arguments:
        folder: str.
        names: list of str. The names in the folder.

    Returns:
        str, a sentence without the full stop; None if there is no such file.
    """
    suffixes = TORCH_SUFFIXES + (".zip", ".gz", ".tar", ".tgz", ".bz2", ".xz", ".7z", ".rar", ".keras")
    suffixes += (".gguf", ".onnx", ".msgpack", ".tflite", ".pb", ".pdparams", ".bin.index.json")
    for suffix in suffixes:
        for name in names:
            path = os.path.join(folder, name)
            if name.endswith(suffix) and is_regular(path):
                description = describe_file(path)
                if description is not None:
                    return f"{name} {description}"
    return None
