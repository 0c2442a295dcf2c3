"""What the commands do with text: lines, vocabularies and tokenizers.

The tokenizers are in b4k3-tokenizers, which the extra `b4k3-models[cli]` installs.
"""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from ..checkpoints._files import check_regular, open_regular
from ..errors import ConfigError
from .subject import VOCABULARIES

if TYPE_CHECKING:
    from .subject import Subject

_MAX_VOCABULARY = 64 << 20  # bytes of a vocab.txt
_MAX_LINE = 16 << 20  # bytes of a line of a text


def open_tokenizer(path: str, case: str = "auto") -> Any:
    """Make the tokenizer of a vocabulary.

    Arguments:
        path: str. A vocab.txt, a tokenizer.json, a vocab.json beside its merges.txt, or a SentencePiece model.
        case: str. Whether text is lower-cased for a vocab.txt: "lower", "keep", or "auto", which lower-cases it unless
            the vocabulary has capitals. The other files say it themselves.

    Returns:
        A tokenizer of b4k3-tokenizers.

    Raises:
        ImportError: b4k3-tokenizers is not installed.
        ConfigError: the file is not a regular file, or is too large.
        ValueError: the file is no vocabulary.
    """
    try:
        from b4k3.tokenizers import load_tokenizer
    except ImportError as error:
        raise ImportError(f"reading text needs b4k3-tokenizers: pip install 'b4k3-models[cli]' ({error})") from None
    says_itself = path.endswith((".json", ".model"))
    return load_tokenizer(
        path, lower=not says_itself and case != "keep" and (case == "lower" or not has_capitals(path))
    )


@contextlib.contextmanager
def open_lines(path: str) -> Iterator[Iterator[str]]:
    """Open a text in UTF-8, whose lines are read as they come.

    Arguments:
        path: str. The file; '-' is standard input, which may be a pipe.

    Yields:
        Iterator of str: the lines with their line ends.

    Raises:
        ConfigError: the path is no regular file, or a line is not UTF-8 or has no end; it names the file and the line.
    """
    from b4k3.tokenizers.cli import decoded

    try:
        file = open(0, "rb", closefd=False) if path == "-" else open_regular(path, ConfigError)
    except ConfigError as error:
        raise ConfigError(f"{error}; - reads standard input") from None
    with file:
        yield decoded(file, "standard input" if path == "-" else path, ConfigError, _MAX_LINE)


def has_capitals(path: str) -> bool:
    """Ask whether a vocab.txt belongs to a cased model: more than one in a hundred tokens has a capital of ASCII.

    Arguments:
        path: str. The vocab.txt.

    Returns:
        bool.

    Raises:
        ConfigError: the file is not a regular file, or is too large.
    """
    with open_regular(path, ConfigError) as file:
        data = file.read(_MAX_VOCABULARY + 1)
    if len(data) > _MAX_VOCABULARY:
        raise ConfigError(f"{path} has more than the {_MAX_VOCABULARY:,} bytes that a vocabulary may have")
    tokens = [line.strip() for line in data.decode("utf-8", "replace").split("\n")]
    capitals = [token for token in tokens if re.search("[A-Z]", token) and not re.match(r"\[.*\]$|<.*>$", token)]
    return 100 * len(capitals) > len(tokens)


def tokenizers_version() -> str:
    """Find the version of b4k3-tokenizers.

    Returns:
        str.
    """
    from b4k3.tokenizers.__about__ import __version__

    return __version__


def compare_vocabulary(tokenizer: Any, path: str, source: Subject) -> str | None:
    """Compare the number of tokens with the number of embeddings.

    Arguments:
        tokenizer: what `open_tokenizer` returned.
        path: str. The vocabulary, as messages name it.
        source: `Subject`. The checkpoint.

    Returns:
        str, a note for the user if some embeddings have no token; None if the two numbers are equal, or if the
        checkpoint has no table of embeddings.

    Raises:
        ConfigError: some tokens have no embedding.
    """
    tokens, rows = tokenizer._vocab_size, source.sizes.get("vocab_size")
    if rows is None or tokens == rows:
        return None
    counts = f"{path} has {tokens} tokens, the embedding table of {source.checkpoint.path} {rows} rows"
    if tokens > rows:
        raise ConfigError(f"{counts}: this vocabulary belongs to another checkpoint")
    return f"{counts}; the last {rows - tokens} rows are never used, if the two belong together"


def need_vocabulary(source: Subject, path: str | None = None) -> str:
    """Find the vocabulary that a command uses.

    Arguments:
        source: `Subject`. The checkpoint.
        path: str or None. What `--vocab` says; None takes the vocabulary beside the checkpoint.

    Returns:
        str, the path of a regular file.

    Raises:
        FileNotFoundError: there is no such file, or none beside the checkpoint.
        ConfigError: the path leads to something that is no regular file.
    """
    path = path or source.vocabulary
    if path is None:
        for usual in (os.path.join(source.folder, name) for name in VOCABULARIES):
            if os.path.lexists(usual):
                check_regular(usual, ConfigError)  # its error says what is there instead of a file
        raise FileNotFoundError(f"there is no vocabulary in {source.folder}: name it by --vocab")
    try:
        check_regular(path, ConfigError)
    except FileNotFoundError as error:
        raise FileNotFoundError(f"there is no vocabulary {path}: {error}") from None
    return path
