"""Vocabulary files: one token a line, its id is the number of the line."""

from __future__ import annotations

import os
import warnings

from ._reading import read_file
from ._unicode import is_cjk_character, is_punctuation
from ._writing import write_text

MAX_FILE_SIZE = 1 << 28


class VocabError(ValueError):
    """A vocabulary that cannot be used: the message says which file and line, what was found and what to do."""


def load_vocab(dict_path, encoding="utf-8", simplified=False, startswith=None, token_unk="[UNK]"):
    """Read a vocabulary file.

    A line's token is its first word, as in bert4keras; ids are line numbers from 0, whatever the lines hold. A byte
    order mark and CRLF line ends are read right. A token that appears twice gets its last id (as in Google's
    `tokenization.py`) and a warning with both lines; a blank line takes its id and warns. White
    space of any kind is never a token.

    Arguments:
        dict_path: the file.
        encoding: of the file.
        simplified: also drop the tokens that no text gives ("##" before a CJK character, several characters with
            punctuation), and number the rest anew.
        startswith: with `simplified`, the tokens that come first, in this order.
        token_unk: the token that must be there; None for a vocabulary without one.

    Returns:
        dict of token -> id; with `simplified` a pair of that and `keep_tokens`, the list of old ids in the new order,
        which is what `build_transformer_model(keep_tokens=…)` takes.

    Raises:
        FileNotFoundError: no such file.
        VocabError: no regular file; a Git LFS pointer in place of the file, NUL bytes, bytes that the encoding does
            not allow, no token at all, no `token_unk`; with `simplified`, a token of `startswith` that the file lacks.
    """
    path = os.fspath(dict_path)
    data = read_file(path, MAX_FILE_SIZE, VocabError)
    if data.startswith(b"version https://git-lfs.github.com/spec/"):
        raise VocabError(
            "%s is a Git LFS pointer, a small text that stands for the vocabulary; fetch the file itself with "
            "`git lfs pull`" % path
        )
    token_dict = _tokens_of_lines(path, _decode(path, data, encoding))
    if not any(token_dict):
        raise VocabError("%s has no tokens (%d bytes); expected one token a line" % (path, len(data)))
    if token_unk is not None and token_unk not in token_dict:
        raise VocabError(
            "%s: the unknown token %r is not among the %d tokens; is this a WordPiece vocabulary? Give token_unk the "
            "name it has there, or None if it has none" % (path, token_unk, len(token_dict))
        )
    return _simplify(path, token_dict, startswith or []) if simplified else token_dict


def _decode(path, data, encoding):
    if data[:2] in (b"\xff\xfe", b"\xfe\xff") and encoding.replace("-", "").replace("_", "").lower() == "utf8":
        raise VocabError(
            "%s begins with the byte order mark of UTF-16, not %s; give encoding='utf-16'" % (path, encoding)
        )
    try:
        text = data.decode(encoding)
    except UnicodeDecodeError as e:
        raise VocabError(
            "%s, line %d: byte 0x%02x at position %d is not %s; save the file as UTF-8 or give its encoding"
            % (path, data.count(b"\n", 0, e.start) + 1, data[e.start], e.start, encoding)
        ) from e
    nul = text.find("\0")
    if nul >= 0:
        line = text.count("\n", 0, nul) + 1
        raise VocabError("%s, line %d: a NUL character; the file is damaged or no vocabulary" % (path, line))
    return text[1:] if text[:1] == "\ufeff" else text


def _tokens_of_lines(path, text):
    lines = text.split("\n")
    if not lines[-1]:  # what follows the last line end is no line
        lines.pop()
    token_dict = {}
    for i, line in enumerate(lines):
        words = line.split(None, 1)
        token = words[0] if words else ""
        if not line.strip(" \t\r"):  # but the line separator of Google's Chinese vocabulary is no blank line
            _warn("%s, line %d: blank; id %d has no token" % (path, i + 1, i))
        elif words and token in token_dict:
            first = token_dict[token]
            _warn("%s, line %d: %r was on line %d too; it gets id %d" % (path, i + 1, token, first + 1, i))
        token_dict[token] = i
    return token_dict


def _warn(message):
    warnings.warn(message, UserWarning, stacklevel=4)


def _simplify(path, token_dict, startswith):
    missing = [t for t in startswith if t not in token_dict]
    if missing:
        raise VocabError("%s has no token %s, which startswith asks for" % (path, ", ".join(map(repr, missing))))
    keep = dict.fromkeys(startswith)
    keep.update((t, None) for t in sorted(token_dict, key=token_dict.get) if not is_redundant(t))
    return {t: i for i, t in enumerate(keep)}, [token_dict[t] for t in keep]


def is_redundant(token):
    """Does no text give this token: several characters, one of them CJK or punctuation, which stand alone?"""
    return len(token) > 1 and any(is_cjk_character(ch) or is_punctuation(ch) for ch in stem(token))


def stem(token):
    """The token without the "##" that marks the inside of a word."""
    return token[2:] if token[:2] == "##" else token


def save_vocab(dict_path, token_dict, encoding="utf-8"):
    """Write a vocabulary file, one token a line in the order of the ids, so that `load_vocab` gives the ids back.

    Arguments:
        dict_path: the file; it is replaced only when the new one is complete.
        token_dict: token -> id; an id that no token has becomes a blank line.
        encoding: of the file.

    Raises:
        VocabError: an id is no integer from 0, two tokens have one id, or a token would not be read back
            (white space or a line end in it).
    """
    path = os.fspath(dict_path)
    lines = _lines_of_tokens(path, token_dict)
    write_text(path, "".join(line + "\n" for line in lines), encoding)


def _lines_of_tokens(path, token_dict):
    by_id = {}
    for token, i in token_dict.items():
        if not isinstance(token, str) or token.split() not in ([token], []):
            raise VocabError("%s: the token %r would not be read back from a line" % (path, token))
        if int(i) != i or i < 0:
            raise VocabError("%s: the id of %r is %r; expected an integer from 0" % (path, token, i))
        if i in by_id:
            raise VocabError("%s: %r and %r have the same id %d" % (path, by_id[i], token, i))
        by_id[i] = token
    return [by_id.get(i, "") for i in range(max(by_id, default=-1) + 1)]
