"""What `b4k3 convert` writes: a checkpoint alone, or a folder with checkpoint, config and vocabulary."""

from __future__ import annotations

import json
import os
import re

from ..checkpoints import WRITABLE, CheckpointError, save_checkpoint
from ..checkpoints._files import is_regular, open_regular
from ..checkpoints._staged_folder import StagedFolder
from ..checkpoints._staging import describe_failure, write_file
from ..checkpoints.opening import locate
from ..checkpoints.saving import existing_files
from ..errors import ConfigError
from . import keras_files
from .configs import google_config, huggingface_config
from .text import has_capitals

SUFFIXES = (
    (".safetensors", "safetensors"),
    (".npz", "npz"),
    (".ckpt", "tf"),
    (".weights.h5", "weights.h5"),
    (".keras", "keras"),
    (".h5", "keras"),
)
FORMATS = sorted({format for _, format in SUFFIXES})
KERAS_FORMATS = ("weights.h5", "keras")
USUAL = {"huggingface": "safetensors", "google": "tf"}  # dialect -> container
FILES = {"safetensors": "model.safetensors", "tf": "MODEL_model.ckpt", "npz": "model.npz"}
BESIDE = ("tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "added_tokens.json")
# what looks like the suffix of a file: `.onnx`, `.pt`; not the `.0` or `.v2` of a version
_FOREIGN = re.compile(r"(?!\.v\d+$)\.[a-z]\w*$", re.I)
_STEP = re.compile(r"(?<=\.ckpt)-\d+$")  # `bert_model.ckpt-1000`, as TensorFlow numbers them


def format_of_name(path):
    """The format that the name of a target says, None for a folder.

    Raises:
        ConfigError: a suffix of another kind of file.
    """
    if path.endswith(("/", os.sep)) or os.path.isdir(path):
        return None
    name = _STEP.sub("", os.path.basename(path))
    for suffix, format in SUFFIXES:
        if name.endswith(suffix):
            return format
    if _FOREIGN.search(name) or os.path.lexists(path):
        endings = ", ".join(suffix for suffix, _ in SUFFIXES)
        raise ConfigError(
            f"{path}: such a file cannot be written; TARGET ends in one of {endings}, or is a folder. If a folder of "
            "this name is meant, end it with a slash"
        )
    return None


class Target:
    """Where the converted checkpoint goes, checked before anything is read or written.

    Arguments:
        args: the command line.
        source: `Subject`.

    Attributes:
        format: str. folder: the path of the folder, None if the checkpoint is written alone.
        path: of the checkpoint. notes: list of str, for the reader of the command's output.

    Raises:
        ConfigError: the command line contradicts itself, or something is there that may not be replaced.
    """

    def __init__(self, args, source):
        self.args, self.source, self.notes = args, source, []
        said, path = format_of_name(args.target), args.target.rstrip("/") or args.target
        self.folder = path if said is None else None
        self.format = args.format or said or USUAL.get(args.to) or source.checkpoint.format
        if self.format not in FORMATS:
            raise ConfigError(f"{path}: say a --format, {source.checkpoint.format} cannot be written")
        if self.format not in WRITABLE and (args.dtype or args.max_shard_size or args.to):
            raise ConfigError(f"{path}: --to, --dtype and --max-shard-size are not for files of Keras")
        if said not in (None, self.format):
            raise ConfigError(f"{path}: the name says {said}, --format says {self.format}")
        name = FILES.get(self.format, "model." + self.format)
        self.name = name.replace("MODEL_", f"{source.model}_" if source.model else "")
        self.path = path if self.folder is None else os.path.join(path, self.name)
        self.changes = dict(setting(text) for text in args.set)
        if args.to == "huggingface" and source.network.huggingface is None:
            raise ConfigError(f"transformers has no model for {source.model!r}")
        self.copies = self._vocabularies() if self.folder else {}
        self.makes_tokenizer_config = (
            args.to == "huggingface" and "vocab.txt" in self.copies and "tokenizer_config.json" not in self.copies
        )
        self._check_what_is_there()

    def _check_what_is_there(self):
        """Raise ConfigError if a file would be replaced that may not be."""
        if self.folder and identity(self.folder) == identity(self.source.folder):
            raise ConfigError(
                f"{self.folder} is the folder of SOURCE, whose config would stand beside another; name another folder"
            )
        self.obsolete = existing_files(self.path, self.format) if self.format in WRITABLE else []
        there = self.obsolete or [self.path]
        if self.folder:
            names = [name for name in [self.config_name()] if name] + list(self.copies)
            names += ["tokenizer_config.json"] if self.makes_tokenizer_config else []
            there = there + [os.path.join(self.folder, name) for name in names]
        there = [path for path in there if os.path.lexists(path)]
        own = {identity(path) for path in source_files(self.source, self.args)}
        for path in there:
            if identity(path) in own:
                raise ConfigError(f"{path} is a part of {self.args.source}, which convert never replaces; name another")
        if there and not self.args.force:
            raise ConfigError(f"{there[0]} is there already; --force replaces it")

    def heads(self, parts):
        """The names of the heads of the Keras model that is written; None for other formats."""
        if self.format in WRITABLE:
            return None
        return keras_files.heads_of(self.source.network, parts) if self.args.heads is None else self.args.heads

    # --------------------------------------------------------------------------------------------------- writing

    def write(self, tensors, parts):
        """Write everything, or nothing. Arguments: tensors: mapping; parts: names. Returns: list of the paths."""
        if not self.folder:
            return [self._write_checkpoint(self.path, tensors, parts)]
        try:
            with StagedFolder(self.folder, self.args.force) as staged:
                paths = [self._write_checkpoint(os.path.join(staged.path, self.name), tensors, parts)]
                paths += self._write_config(staged.path, parts) + self._copy_vocabulary(staged.path)
                opened = os.path.basename(paths[0])
                staged.commit([opened, opened + ".index"], map(os.path.basename, self.obsolete))
        except OSError as error:
            raise describe_failure(self.folder, error) from error
        self._note_another()
        return [os.path.join(self.folder, os.path.basename(path)) for path in paths]

    def _write_checkpoint(self, path, tensors, parts):
        if self.format in WRITABLE:
            dtype = self.args.dtype or common_dtype(self.source.checkpoint)
            return save_checkpoint(path, tensors, self.format, dtype, self.args.max_shard_size, self.args.force)
        heads = self.heads(parts)
        keras_files.write(self.source.require(), path, heads, self.args.force)
        self.notes.append(f"built with the heads: {heads or 'none'}")
        return path

    def _note_another(self):
        """Say so if the folder holds another checkpoint, so that one has to name the file."""
        try:
            opened = locate(self.folder)[1]
        except (CheckpointError, OSError):
            opened = "several checkpoints"
        if os.path.basename(opened) not in (self.name, self.name + ".index.json"):
            self.notes.append(f"{self.folder} holds {os.path.basename(opened)} too: name {self.path} to open this one")

    def config_name(self):
        """The name of the config file, None if none is written."""
        if self.args.to == "huggingface":
            return "config.json"
        if self.args.to is None and self.source.where and self.source.file_config:
            return os.path.basename(self.source.where)
        return None if self.source.model is None else f"{self.source.model}_config.json"

    def _write_config(self, folder, parts):
        name = self.config_name()
        if name is None:
            return []
        if self.args.to == "huggingface":
            config = huggingface_config(self.source, parts)
        elif self.args.to is None and self.source.where and self.source.file_config:
            config = dict(self.source.file_config)
        else:
            config = google_config(self.source)
        config.update(self.changes)
        if self.args.to == "huggingface" and self.source.tanh_by_gelu and "hidden_act" not in self.changes:
            self.notes.append(
                "hidden_act is gelu, by which Google's TensorFlow code means the tanh form, transformers the erf form; "
                "--set hidden_act=gelu_new writes the former"
            )
        return [write_json(os.path.join(folder, name), config)]

    def _vocabularies(self):
        """{name in the target: path} of the files to copy."""
        found = {name: os.path.join(self.source.folder, name) for name in BESIDE}
        if self.source.vocabulary:
            end = os.path.splitext(self.source.vocabulary)[1]
            usual = {".txt": "vocab.txt", ".model": "spiece.model"}
            found[usual.get(end, os.path.basename(self.source.vocabulary))] = self.source.vocabulary
        return {name: path for name, path in sorted(found.items()) if is_regular(path)}

    def _copy_vocabulary(self, folder):
        written = [copy_file(path, os.path.join(folder, name)) for name, path in self.copies.items()]
        if not self.source.vocabulary:
            self.notes.append(f"no vocabulary beside {self.source.path} to copy")
        elif self.makes_tokenizer_config:
            config = {"do_lower_case": not has_capitals(self.source.vocabulary)}
            if self.source.network.huggingface.tokenizer is not None:
                config["tokenizer_class"] = self.source.network.huggingface.tokenizer
            written.append(write_json(os.path.join(folder, "tokenizer_config.json"), config))
        return written


# ---------------------------------------------------------------------------------------------------------- files


def identity(path):
    """What tells whether two paths are one file, by whatever name or link; None where there is no file."""
    try:
        status = os.stat(path)
    except OSError:
        return None
    return (status.st_dev, status.st_ino) if status.st_ino else os.path.realpath(path)


def source_files(source, args):
    """The paths of the files that a conversion reads."""
    path, format = source.checkpoint.path, source.checkpoint.format
    found = [args.source, path, args.config, source.where, source.vocabulary]
    found += existing_files(path, format) if format in WRITABLE else []
    found += [os.path.join(source.folder, name) for name in BESIDE]
    return [path for path in found if path is not None and os.path.isfile(path)]


def common_dtype(checkpoint):
    """'bfloat16' if all floating variables are stored so, which reading widens; else None."""
    floats = {checkpoint.stored_dtype(name) for name in checkpoint if "float" in checkpoint.stored_dtype(name)}
    return "bfloat16" if floats == {"bfloat16"} else None


def write_json(path, value):
    """Write a file, whole or not at all. Returns: its path."""
    text = json.dumps(value, indent=2, ensure_ascii=False, sort_keys=True) + "\n"
    return write_file(path, text.encode("utf-8"))


def copy_file(source, target):
    """Copy a file, whole or not at all. Returns: the path of the copy."""
    with open_regular(source, ConfigError) as file:
        return write_file(target, file.read())


def setting(text):
    """'key=value' -> (key, value as JSON, or a str). Raises: ConfigError: there is no '='."""
    key, equals, value = text.partition("=")
    if not equals or not key:
        raise ConfigError(f"--set {text}: expected KEY=VALUE")
    try:
        return key, json.loads(value)
    except ValueError:
        return key, value
