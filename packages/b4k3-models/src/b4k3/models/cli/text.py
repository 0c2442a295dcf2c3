"""Text to ids, with b4k3-tokenizers, which the extra `b4k3-models[cli]` brings."""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Iterator

from ..checkpoints._files import check_regular, open_regular
from ..errors import ConfigError
from .subject import VOCABULARIES

_MAX_VOCABULARY = 64 << 20  # bytes of a vocab.txt
_MAX_LINE = 16 << 20  # bytes of a line of a text


def open_tokenizer(path, case="auto"):
    """The tokenizer of a vocabulary file.

    Arguments:
        path: vocab.txt, tokenizer.json or a SentencePiece model.
        case: 'lower', 'keep', or 'auto': lower, unless the vocabulary has capitals.

    Raises:
        ImportError: b4k3-tokenizers is not installed.
    """
    try:
        from b4k3.tokenizers.cli import open_tokenizer as opened
    except ImportError as e:
        raise ImportError("reading text needs b4k3-tokenizers: pip install 'b4k3-models[cli]' (%s)" % e) from None
    says_itself = path.endswith((".json", ".model"))
    return opened(path, lower=not says_itself and case != "keep" and (case == "lower" or not has_capitals(path)))


@contextlib.contextmanager
def open_lines(path: str) -> Iterator[Iterator[str]]:
    """Give the lines of a text in UTF-8, as str with their line ends, read as they come.

    Arguments:
        path: str. '-' is standard input, which may be a pipe.

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


def has_capitals(path):
    """Whether a vocab.txt is that of a cased model: more than one in a hundred tokens has a capital of ASCII."""
    with open_regular(path, ConfigError) as file:
        data = file.read(_MAX_VOCABULARY + 1)
    if len(data) > _MAX_VOCABULARY:
        raise ConfigError(f"{path} has more than the {_MAX_VOCABULARY:,} bytes that a vocabulary may have")
    tokens = [line.strip() for line in data.decode("utf-8", "replace").split("\n")]
    capitals = [token for token in tokens if re.search("[A-Z]", token) and not re.match(r"\[.*\]$|<.*>$", token)]
    return 100 * len(capitals) > len(tokens)


def tokenizers_version() -> str:
    """Return the version of b4k3-tokenizers."""
    from b4k3.tokenizers import __version__

    return __version__


def vocabulary_size(tokenizer):
    return tokenizer._vocab_size


def compare_vocabulary(tokenizer, path, source):
    """A note if a vocabulary is smaller than the table of embeddings.

    Raises:
        ConfigError: it is larger: some tokens have no embedding.
    """
    tokens, rows = vocabulary_size(tokenizer), source.sizes.get("vocab_size")
    if rows is None or tokens == rows:
        return None
    counts = "%s has %d tokens, the embedding table of %s %d rows" % (path, tokens, source.checkpoint.path, rows)
    if tokens > rows:
        raise ConfigError("%s: this vocabulary belongs to another checkpoint" % counts)
    return "%s; the last %d rows are never used, if the two belong together" % (counts, rows - tokens)


def need_vocabulary(source, path=None):
    """The path of the vocabulary to use. Raises: FileNotFoundError: none is given and none is beside the checkpoint."""
    path = path or source.vocabulary
    if path is None:
        for usual in (os.path.join(source.folder, name) for name in VOCABULARIES):
            if os.path.lexists(usual):
                check_regular(usual, ConfigError)  # it says what lies there
        raise FileNotFoundError(f"there is no vocabulary in {source.folder}: name it by --vocab")
    try:
        check_regular(path, ConfigError)
    except FileNotFoundError as e:
        raise FileNotFoundError(f"there is no vocabulary {path}: {e}") from None
    return path
