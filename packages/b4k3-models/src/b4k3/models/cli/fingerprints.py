"""What tells whether two runs compute the same: digests of a network, its weights, its vocabulary."""

from __future__ import annotations

import hashlib
import json
import sys
import time

import numpy as np

from ..__about__ import __version__
from ..checkpoints._files import open_regular
from ..errors import ConfigError
from .text import tokenizers_version


def settings(source, tokenizer_path, **others):
    """What an interrupted run of `features` must share to be gone on with.

    Arguments:
        source: `Subject`.
        tokenizer_path: of the vocabulary.
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


def digest(data):
    return hashlib.blake2b(data, digest_size=16).hexdigest()


def digest_of_file(path):
    with open_regular(path, ConfigError) as file:
        return digest(file.read())


def digest_of_weights(checkpoint):
    """A digest of the names, dtypes, shapes and bytes of all variables. It reads all of them, as the build will."""
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
