"""Write folders of tasks, whole or not at all."""

from __future__ import annotations

import os
import shutil
import tempfile
from typing import TYPE_CHECKING, Any, Callable, Sequence

from b4k3.models import ConfigError
from b4k3.models.checkpoints import save_checkpoint
from b4k3.models.checkpoints._files import is_regular
from b4k3.models.checkpoints._staged_folder import exchange
from b4k3.models.checkpoints._staging import sync_folder
from b4k3.models.cli.configs import google_config, huggingface_config
from b4k3.models.cli.target import copy_file, vocabulary_files, write_json
from b4k3.models.cli.text_input import has_capitals
from b4k3.models.loading import in_dialect

if TYPE_CHECKING:
    from .opening import Opened


def write_folder(folder: str, overwrite: bool, write: Callable[[str], Any]) -> None:
    """Let a function fill a temporary folder, which then takes the name of the target.

    Arguments:
        folder: str. The target.
        overwrite: bool. Whether a target that is there is replaced, if it has no file or folder that the new one does
            not have.
        write: function that gets the path of an empty folder and writes into it.

    Raises:
        ConfigError: the target is there and may not be replaced; it stays as it is.
        OSError: something cannot be written; the target stays as it is.

    Example:
        >>> import os, tempfile
        >>> from b4k3.tasks.saving import write_folder
        >>> target = os.path.join(tempfile.mkdtemp(), "model")
        >>> write_folder(target, False, lambda path: os.mkdir(os.path.join(path, "1_Pooling")))
        >>> os.listdir(target)
        ['1_Pooling']
    """
    target = os.path.realpath(folder)
    if os.path.lexists(target) and not (overwrite and os.path.isdir(target)):
        raise ConfigError(f"{folder} is there already; overwrite=True replaces a folder that save has written")
    parent = os.path.dirname(target)
    os.makedirs(parent, exist_ok=True)
    temporary = tempfile.mkdtemp(prefix=f".{os.path.basename(target)}-", dir=parent)
    new = os.path.join(temporary, "new")
    try:
        os.mkdir(new)
        write(new)
        _refuse_foreign(folder, target, new)
        sync_folder(new)
        if not os.path.lexists(target):
            os.rename(new, target)
        elif not exchange(new, target):  # where the system cannot exchange two names in one step
            os.rename(target, os.path.join(temporary, "old"))
            os.rename(new, target)
        sync_folder(parent)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _refuse_foreign(folder: str, target: str, new: str) -> None:
    """Raise ConfigError if the target has something that the new folder has not, which would be lost."""
    for path, _, names in os.walk(target):
        inside = os.path.relpath(path, target)
        for name in names:
            if not os.path.lexists(os.path.join(new, inside, name)):
                lost = os.path.normpath(os.path.join(inside, name))
                raise ConfigError(f"{folder} has {lost}, which save did not write and would delete; name another")


def write_network(opened: Opened, folder: str, parts: Sequence[str] | None = None) -> None:
    """Write checkpoint, config and vocabulary of a network into a folder, under the names of transformers if it can.

    Arguments:
        opened: `Opened`.
        folder: str.
        parts: list of str, or None. The parts that the config names, heads for example; None takes the parts that the
            checkpoint had.

    Raises:
        ConfigError: a file of the tokenizer cannot be read.
        CheckpointError: a variable cannot be stored.
        OSError: a file cannot be written.
    """
    transformer, subject = opened.transformer, opened.subject
    theirs = subject.network.huggingface is not None
    tensors = transformer.checkpoint_variables()
    named = in_dialect(tensors, "huggingface" if theirs else None, transformer.description)
    save_checkpoint(os.path.join(folder, "model.safetensors"), named, format="safetensors")
    write_config(opened, folder, parts)


def write_config(opened: Opened, folder: str, parts: Sequence[str] | None = None) -> None:
    """Write config and vocabulary of a network into a folder.

    Arguments:
        opened: `Opened`.
        folder: str.
        parts: list of str, or None. The parts that the config names, as for `write_network`.

    Raises:
        ConfigError: a file of the tokenizer cannot be read.
    """
    subject = opened.subject
    if parts is None:
        parts = [part.name for part in subject.network.parts if part.name in subject.parts_present()]
    theirs = subject.network.huggingface is not None
    config = huggingface_config(subject, parts) if theirs else google_config(subject)
    write_json(os.path.join(folder, "config.json"), config)
    copy_tokenizer(subject.folder, opened.vocabulary, folder, opened.tokenizer)


def copy_tokenizer(source: str, vocabulary: str, target: str, tokenizer: Any) -> None:
    """Copy the files of a tokenizer, and say for a vocab.txt whether it lower-cases.

    Arguments:
        source: str. The folder of the files.
        vocabulary: str. The path of the vocabulary.
        target: str. The folder of the copies.
        tokenizer: the tokenizer of b4k3-tokenizers that is in use.

    Raises:
        ConfigError: a file is no regular file, or cannot be read.
    """
    files = vocabulary_files(source, vocabulary)
    beside = os.path.join(source, "vocab.txt")
    if is_regular(beside):
        files.setdefault("vocab.txt", beside)
    for name, path in files.items():
        copy_file(path, os.path.join(target, name))
    own = os.path.join(target, "tokenizer_config.json")
    if vocabulary.endswith(".txt") and not os.path.exists(own):
        lower = getattr(tokenizer, "_do_lower_case", not has_capitals(vocabulary))
        write_json(own, {"do_lower_case": bool(lower), "tokenizer_class": "BertTokenizer"})
