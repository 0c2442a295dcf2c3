"""What `b4k3 convert` writes: a checkpoint alone, or a folder with checkpoint, config and vocabulary."""

from __future__ import annotations

import json
import os
import re
from typing import TYPE_CHECKING, Any, Mapping, Sequence

from ..checkpoints import WRITABLE, CheckpointError, save_checkpoint
from ..checkpoints._files import is_regular, open_regular
from ..checkpoints._staged_folder import StagedFolder
from ..checkpoints._staging import describe_failure, write_file
from ..checkpoints.opening import locate
from ..checkpoints.saving import existing_files
from ..errors import ConfigError
from . import keras_files
from .configs import google_config, huggingface_config
from .subject import FAIRSEQ
from .text_input import has_capitals

if TYPE_CHECKING:
    import argparse

    from ..checkpoints import Checkpoint
    from .subject import Subject

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
BESIDE = ("tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "added_tokens.json", "merges.txt")
# what looks like the suffix of a file: `.onnx`, `.pt`; not the `.0` or `.v2` of a version
_FOREIGN = re.compile(r"(?!\.v\d+$)\.[a-z]\w*$", re.I)
_STEP = re.compile(r"(?<=\.ckpt)-\d+$")  # `bert_model.ckpt-1000`, as TensorFlow numbers them


def format_of_name(path: str) -> str | None:
    """Find the format that the name of a target says.

    Arguments:
        path: str. The target.

    Returns:
        str, one of `FORMATS`; None for a folder.

    Raises:
        ConfigError: the name has the suffix of another kind of file.
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
    """The place of the converted checkpoint, checked before anything is read or written.

    Arguments:
        args: the parsed command line of `b4k3 convert`.
        source: `Subject`. What is converted.

    Attributes:
        format: str. The format of the checkpoint, one of `FORMATS`.
        folder: str. The path of the folder; None if the checkpoint is written alone.
        path: str. The path of the checkpoint.
        notes: list of str. What the command says when it is done.

    Raises:
        ConfigError: the command line contradicts itself, or something is there that may not be replaced.

    Example:
        >>> import os, tempfile
        >>> from argparse import Namespace
        >>> from b4k3.models.cli.subject import Subject
        >>> from b4k3.models.cli.target import Target
        >>> path = os.path.join(tempfile.mkdtemp(), "half.npz")
        >>> args = Namespace(source="<dict>", target=path, to=None, format=None, config=None, set=[], heads=None,
        ...                  dtype="float16", max_shard_size=None, force=False)
        >>> source = Subject({"kernel": np.ones((2, 3), dtype="float32")})
        >>> target = Target(args, source)
        >>> target.format, target.folder, target.write(source.checkpoint, []) == [path]
        ('npz', None, True)
    """

    def __init__(self, args: argparse.Namespace, source: Subject) -> None:
        self.args, self.source, self.notes = args, source, []
        said, path = format_of_name(args.target), args.target.rstrip("/") or args.target
        self.folder = path if said is None else None
        self.format = args.format or said or USUAL.get(args.to) or source.checkpoint.format
        if self.format not in FORMATS:
            raise ConfigError(
                f"{path}: {source.checkpoint.format} cannot be written: say a --format, safetensors for instance"
            )
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
        self.copies = vocabulary_files(self.source.folder, self.source.vocabulary) if self.folder else {}
        known = "vocab.txt" in self.copies or FAIRSEQ in self.copies
        self.makes_tokenizer_config = args.to == "huggingface" and known and "tokenizer_config.json" not in self.copies
        self._check_what_is_there()

    def _check_what_is_there(self) -> None:
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

    def heads(self, parts: Sequence[str]) -> str | None:
        """Return the names of the heads of the Keras model that is written.

        Arguments:
            parts: names of the parts that the checkpoint has.

        Returns:
            str, 'mlm,nsp' for instance; None if another format is written.
        """
        if self.format in WRITABLE:
            return None
        return keras_files.heads_of(self.source.network, parts) if self.args.heads is None else self.args.heads

    # --------------------------------------------------------------------------------------------------- writing

    def write(self, tensors: Mapping[str, Any], parts: Sequence[str]) -> list[str]:
        """Write everything, or nothing.

        Arguments:
            tensors: mapping from name to array. The variables; a Keras model is built from the source instead.
            parts: names of the parts that the checkpoint has.

        Returns:
            list of str, the paths of the files.

        Raises:
            OSError: something cannot be written; nothing was.
            CheckpointError: a variable cannot be stored, or a file is there that may not be replaced.
        """
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

    def _write_checkpoint(self, path: str, tensors: Mapping[str, Any], parts: Sequence[str]) -> str:
        """Write the checkpoint, or a Keras model, and return the path by which it is opened."""
        if self.format in WRITABLE:
            dtype = self.args.dtype or common_dtype(self.source.checkpoint)
            return save_checkpoint(path, tensors, self.format, dtype, self.args.max_shard_size, self.args.force)
        heads = self.heads(parts)
        keras_files.write(self.source.require(), path, heads, self.args.force)
        self.notes.append(f"built with the heads: {heads or 'none'}")
        return path

    def _note_another(self) -> None:
        """Say so if the folder holds another checkpoint, so that one has to name the file."""
        try:
            opened = locate(self.folder)[1]
        except (CheckpointError, OSError):
            opened = "several checkpoints"
        if os.path.basename(opened) not in (self.name, self.name + ".index.json"):
            self.notes.append(f"{self.folder} holds {os.path.basename(opened)} too: name {self.path} to open this one")

    @property
    def _keeps_config(self) -> bool:
        """Return whether the config file of the source is written again, under its own name."""
        return bool(self.args.to is None and self.source.where and self.source.file_config)

    def config_name(self) -> str | None:
        """Choose the name of the config file.

        Returns:
            str, or None if no config file is written.
        """
        if self.args.to == "huggingface":
            return "config.json"
        if self._keeps_config:
            return os.path.basename(self.source.where)
        return None if self.source.model is None else f"{self.source.model}_config.json"

    def _write_config(self, folder: str, parts: Sequence[str]) -> list[str]:
        """Write the config file and return the list of its path, which is empty if there is none."""
        name = self.config_name()
        if name is None:
            return []
        if self.args.to == "huggingface":
            config = huggingface_config(self.source, parts)
        elif self._keeps_config:
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

    def _copy_vocabulary(self, folder: str) -> list[str]:
        """Copy the files of the vocabulary, add a tokenizer_config.json if it lacks, and return the paths."""
        written = [copy_file(path, os.path.join(folder, name)) for name, path in self.copies.items()]
        if not self.source.vocabulary:
            self.notes.append(f"no vocabulary beside {self.source.path} to copy")
        elif self.makes_tokenizer_config:
            if FAIRSEQ in self.copies:
                config: dict[str, Any] = {"tokenizer_class": "XLMRobertaTokenizer"}
            else:
                config = {"do_lower_case": not has_capitals(self.source.vocabulary)}
                if self.source.network.huggingface.tokenizer is not None:
                    config["tokenizer_class"] = self.source.network.huggingface.tokenizer
            written.append(write_json(os.path.join(folder, "tokenizer_config.json"), config))
        return written


# ---------------------------------------------------------------------------------------------------------- files


def vocabulary_files(folder: str, vocabulary: str | None) -> dict[str, str]:
    """Find the files of a vocabulary.

    Arguments:
        folder: str. The folder in which they are.
        vocabulary: str or None. The path of the vocabulary itself.

    Returns:
        dict from the name that a file has in a copy of the folder to its path. The name of a SentencePiece model stays
        where it says which ids its pieces have.
    """
    found = {name: os.path.join(folder, name) for name in BESIDE}
    if vocabulary:
        name = os.path.basename(vocabulary)
        usual = {".txt": "vocab.txt", ".model": name if name in (FAIRSEQ, "spm.model") else "spiece.model"}
        found[usual.get(os.path.splitext(name)[1], name)] = vocabulary
    return {name: path for name, path in sorted(found.items()) if is_regular(path)}


def identity(path: str) -> tuple[int, int] | str | None:
    """Return a value that is equal for two paths if they lead to one file, by whatever name or link.

    Arguments:
        path: str. A path.

    Returns:
        (device, number of the file), or the real path where files have no numbers; None where there is no file.
    """
    try:
        status = os.stat(path)
    except OSError:
        return None
    return (status.st_dev, status.st_ino) if status.st_ino else os.path.realpath(path)


def source_files(source: Subject, args: argparse.Namespace) -> list[str]:
    """List the files that a conversion reads.

    Arguments:
        source: `Subject`. What is converted.
        args: the parsed command line of `b4k3 convert`.

    Returns:
        list of str, the paths.
    """
    path, format = source.checkpoint.path, source.checkpoint.format
    found = [args.source, path, args.config, source.where, source.vocabulary]
    found += existing_files(path, format) if format in WRITABLE else []
    found += [os.path.join(source.folder, name) for name in BESIDE]
    return [path for path in found if path is not None and os.path.isfile(path)]


def common_dtype(checkpoint: Checkpoint) -> str | None:
    """Find out whether all floating variables are stored as bfloat16, which becomes float32 when it is read.

    Arguments:
        checkpoint: what `open_checkpoint` returned.

    Returns:
        'bfloat16' if they are, else None.
    """
    floats = {checkpoint.stored_dtype(name) for name in checkpoint if "float" in checkpoint.stored_dtype(name)}
    return "bfloat16" if floats == {"bfloat16"} else None


def write_json(path: str, value: Any) -> str:
    """Write a JSON file, whole or not at all.

    Arguments:
        path: str. The file.
        value: what JSON can hold.

    Returns:
        str, the path.
    """
    text = json.dumps(value, indent=2, ensure_ascii=False, sort_keys=True) + "\n"
    return write_file(path, text.encode("utf-8"))


def copy_file(source: str, target: str) -> str:
    """Copy a file, whole or not at all.

    Arguments:
        source: str. The file.
        target: str. The path of the copy.

    Returns:
        str, the path of the copy.

    Raises:
        ConfigError: the source is no regular file, or cannot be read.
    """
    with open_regular(source, ConfigError) as file:
        return write_file(target, file.read())


def setting(text: str) -> tuple[str, Any]:
    """Read a value of `--set`.

    Arguments:
        text: str. 'key=value'.

    Returns:
        (key, value). The value is read as JSON; if it is no JSON, it is the str itself.

    Raises:
        ConfigError: the text has no key or no '='.
    """
    key, equals, value = text.partition("=")
    if not equals or not key:
        raise ConfigError(f"--set {text}: expected KEY=VALUE")
    try:
        return key, json.loads(value)
    except ValueError:
        return key, value
