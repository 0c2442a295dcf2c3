"""Digests of a network, its weights and its vocabulary, which tell whether two runs compute the same."""

from __future__ import annotations

import hashlib
import json
import sys
import time
from typing import TYPE_CHECKING, Any

import numpy as np

from ..__about__ import __version__
from ..checkpoints._files import open_regular
from ..errors import ConfigError
from .text_input import tokenizers_version

if TYPE_CHECKING:
    from ..checkpoints import Checkpoint
    from .subject import Subject


def settings(source: Subject, tokenizer_path: str, **others: Any) -> dict[str, Any]:
    """Collect what an interrupted run of `features` must share with a new one that continues it.

    Arguments:
        source: `Subject`. The checkpoint with its configuration.
        tokenizer_path: str. The path of the vocabulary.
        others: further settings that change the numbers.

    Returns:
        dict that JSON can hold; a key is what a message calls the setting.
    """
    arguments = dict(source.arguments["config_path"])
    return dict(
        others,
        config=digest(json.dumps([source.model, arguments], sort_keys=True, default=repr).encode("utf-8")),
        checkpoint=digest_of_weights(source.checkpoint),
        vocabulary=digest_of_file(tokenizer_path),
        version=f"{__version__} {tokenizers_version()}",
    )


def digest(data: bytes) -> str:
    """Return a digest of bytes.

    Arguments:
        data: bytes.

    Returns:
        str of 32 hexadecimal digits.
    """
    return hashlib.blake2b(data, digest_size=16).hexdigest()


def digest_of_file(path: str) -> str:
    """Return a digest of the content of a file.

    Arguments:
        path: str. A regular file.

    Returns:
        str of 32 hexadecimal digits.

    Raises:
        ConfigError: the path leads to no regular file, or the file cannot be read.
    """
    with open_regular(path, ConfigError) as file:
        return digest(file.read())


def digest_of_weights(checkpoint: Checkpoint) -> str:
    """Return a digest of the names, dtypes, shapes and bytes of all variables.

    It reads all of them, before the network is built and reads them again: an interrupted run with other weights is
    refused before Keras starts. 400 MB take a second. It says on standard error how far it is, every five seconds.

    Arguments:
        checkpoint: what `open_checkpoint` returned.

    Returns:
        str of 32 hexadecimal digits.
    """
    found, done, shown = hashlib.blake2b(digest_size=16), 0, time.time()
    total = sum(checkpoint.nbytes(name) for name in checkpoint)
    for name in sorted(checkpoint):
        head = [name, checkpoint.stored_dtype(name), list(checkpoint.shape(name))]
        found.update(json.dumps(head).encode("ascii"))
        found.update(np.ascontiguousarray(checkpoint[name]).reshape(-1).view("uint8"))
        done += checkpoint.nbytes(name)
        if time.time() - shown > 5:
            shown = time.time()
            sys.stderr.write(f"checking which checkpoint it is: {100 * done // max(total, 1)} %\n")
    return found.hexdigest()
