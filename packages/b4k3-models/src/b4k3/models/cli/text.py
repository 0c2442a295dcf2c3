"""Text to ids, with b4k3-tokenizers, which the extra `b4k3-models[cli]` brings."""

from __future__ import annotations

import os
import re

from ..errors import ConfigError


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


def has_capitals(path):
    """Whether a vocab.txt is that of a cased model: more than one in a hundred tokens has a capital of ASCII."""
    with open(path, encoding="utf-8", errors="replace") as f:
        tokens = [line.strip() for line in f]
    capitals = [token for token in tokens if re.search("[A-Z]", token) and not re.match(r"\[.*\]$|<.*>$", token)]
    return 100 * len(capitals) > len(tokens)


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
        raise FileNotFoundError("there is no vocabulary in %s: name it by --vocab" % source.folder)
    if not os.path.exists(path):
        raise FileNotFoundError("there is no vocabulary %s" % path)
    return path
