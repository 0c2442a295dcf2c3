"""Read and write vocabulary files, which have one token on each line. The id of a token is the number of its line."""

from __future__ import annotations

import os
import warnings
from typing import TYPE_CHECKING, Mapping, Sequence, overload

from ._reading import read_file
from ._unicode import is_cjk_character, is_punctuation
from ._writing import write_text

if TYPE_CHECKING:
    from os import PathLike
    from typing import Literal

MAX_FILE_SIZE = 1 << 28


class VocabError(ValueError):
    """A vocabulary cannot be used. The message says which file and line, what was found and what to do."""


@overload
def load_vocab(
    dict_path: str | PathLike[str],
    encoding: str = ...,
    simplified: Literal[False] = ...,
    startswith: Sequence[str] | None = ...,
    token_unk: str | None = ...,
) -> dict[str, int]: ...


@overload
def load_vocab(
    dict_path: str | PathLike[str],
    encoding: str = ...,
    *,
    simplified: Literal[True],
    startswith: Sequence[str] | None = ...,
    token_unk: str | None = ...,
) -> tuple[dict[str, int], list[int]]: ...


@overload
def load_vocab(
    dict_path: str | PathLike[str],
    encoding: str,
    simplified: Literal[True],
    startswith: Sequence[str] | None = ...,
    token_unk: str | None = ...,
) -> tuple[dict[str, int], list[int]]: ...


@overload
def load_vocab(
    dict_path: str | PathLike[str],
    encoding: str = ...,
    simplified: bool = ...,
    startswith: Sequence[str] | None = ...,
    token_unk: str | None = ...,
) -> dict[str, int] | tuple[dict[str, int], list[int]]: ...


def load_vocab(
    dict_path: str | PathLike[str],
    encoding: str = "utf-8",
    simplified: bool = False,
    startswith: Sequence[str] | None = None,
    token_unk: str | None = "[UNK]",
) -> dict[str, int] | tuple[dict[str, int], list[int]]:
    """Read a vocabulary file.

    The token of a line is its first word, as in bert4keras, and its id is the number of the line, from 0. White space
    of any kind is never a token. The file may have a byte order mark and CRLF line ends. If a token stands on several
    lines, the last id counts, as in Google's `tokenization.py`, and a warning names the lines. A blank line takes an
    id and warns.

    Arguments:
        dict_path: str or path-like. The file.
        encoding: str. The encoding of the file.
        simplified: bool. Whether to drop the tokens that no text gives ("##" before a CJK character, several characters
            with punctuation), and to number the others anew.
        startswith: list of str or None. With `simplified`, the tokens that come first, in this order. Name all special
            tokens here, because their brackets are punctuation.
        token_unk: str or None. The token that the file must have; None for a vocabulary without an unknown token.

    Returns:
        dict of str to int. The id of each token. With `simplified` a pair: this dict, and `keep_tokens`, the list of
        the old ids in the new order, an argument of `build_transformer_model`.

    Raises:
        FileNotFoundError: There is no such file.
        VocabError: It is no regular file, but for example a Git LFS pointer; it has NUL bytes or bytes that the
            encoding does not allow; it has no token at all, or no `token_unk`; or it lacks a token of `startswith`.

    Example:
        >>> save_vocab("small_vocab.txt", {"[UNK]": 0, "[CLS]": 1, "hello": 2, "##中": 3})
        >>> load_vocab("small_vocab.txt")
        {'[UNK]': 0, '[CLS]': 1, 'hello': 2, '##中': 3}
        >>> load_vocab("small_vocab.txt", simplified=True, startswith=["[CLS]", "[UNK]"])
        ({'[CLS]': 0, '[UNK]': 1, 'hello': 2}, [1, 0, 2])
    """
    path = os.fspath(dict_path)
    data = read_file(path, MAX_FILE_SIZE, VocabError)
    if data.startswith(b"version https://git-lfs.github.com/spec/"):
        raise VocabError(
            f"{path} is a Git LFS pointer, a small text that stands for the vocabulary; fetch the file itself with "
            "`git lfs pull`"
        )
    token_dict = _tokens_of_lines(path, _decode(path, data, encoding))
    if not any(token_dict):
        raise VocabError(f"{path} has no tokens ({len(data)} bytes); expected one token a line")
    if token_unk is not None and token_unk not in token_dict:
        raise VocabError(
            f"{path}: the unknown token {token_unk!r} is not among the {len(token_dict)} tokens; is this a WordPiece "
            "vocabulary? Give token_unk the name it has there, or None if it has none"
        )
    return _simplify(path, token_dict, startswith or []) if simplified else token_dict


def _decode(path: str, data: bytes, encoding: str) -> str:
    if data[:2] in (b"\xff\xfe", b"\xfe\xff") and encoding.replace("-", "").replace("_", "").lower() == "utf8":
        raise VocabError(f"{path} begins with the byte order mark of UTF-16, not {encoding}; give encoding='utf-16'")
    try:
        text = data.decode(encoding)
    except UnicodeDecodeError as e:
        raise VocabError(
            f"{path}, line {_line_at(data, e.start)}: byte 0x{data[e.start]:02x} at position {e.start} is not "
            f"{encoding}; save the file as UTF-8 or give its encoding"
        ) from e
    nul = text.find("\0")
    if nul >= 0:
        line = text.count("\n", 0, nul) + 1
        raise VocabError(f"{path}, line {line}: a NUL character; the file is damaged or no vocabulary")
    return text[1:] if text[:1] == "\ufeff" else text


def _line_at(data: bytes, position: int) -> int:
    return data.count(b"\n", 0, position) + 1


def _tokens_of_lines(path: str, text: str) -> dict[str, int]:
    lines = text.split("\n")
    if not lines[-1]:  # Nothing follows the last line end.
        lines.pop()
    token_dict: dict[str, int] = {}
    for i, line in enumerate(lines):
        words = line.split(None, 1)
        token = words[0] if words else ""
        if not line.strip(" \t\r"):  # Google's Chinese vocabulary has a line separator on a line, which is not blank.
            _warn(f"{path}, line {i + 1}: blank; id {i} has no token")
        elif words and token in token_dict:
            _warn(f"{path}, line {i + 1}: {token!r} was on line {token_dict[token] + 1} too; it gets id {i}")
        token_dict[token] = i
    return token_dict


def _warn(message: str) -> None:
    warnings.warn(message, UserWarning, stacklevel=4)


def _simplify(path: str, token_dict: dict[str, int], startswith: Sequence[str]) -> tuple[dict[str, int], list[int]]:
    missing = [t for t in startswith if t not in token_dict]
    if missing:
        raise VocabError(f"{path} has no token {', '.join(map(repr, missing))}, which startswith asks for")
    keep = dict.fromkeys(startswith)
    keep.update((t, None) for t in sorted(token_dict, key=token_dict.get) if not is_redundant(t))
    return {t: i for i, t in enumerate(keep)}, [token_dict[t] for t in keep]


def is_redundant(token: str) -> bool:
    """Say whether no text gives a token, because it has several characters and one of them is a word of its own.

    Arguments:
        token: str. The token.

    Returns:
        bool. True if one of its characters is a CJK character or punctuation, and there are others.
    """
    return len(token) > 1 and any(is_cjk_character(ch) or is_punctuation(ch) for ch in stem(token))


def stem(token: str) -> str:
    """Drop the "##" that marks the inside of a word.

    Arguments:
        token: str. The token.

    Returns:
        str. The token without "##".
    """
    return token[2:] if token[:2] == "##" else token


def save_vocab(dict_path: str | PathLike[str], token_dict: Mapping[str, int], encoding: str = "utf-8") -> None:
    """Write a vocabulary file, with one token on each line in the order of the ids. `load_vocab` gives the ids back.

    Arguments:
        dict_path: str or path-like. The file. It is replaced only when the new one is complete.
        token_dict: dict of str to int. The id of each token. An id that no token has becomes a blank line.
        encoding: str. The encoding of the file.

    Raises:
        VocabError: An id is no integer from 0, two tokens have one id, or a token would not be read back because it has
            white space or a line end.

    Example:
        >>> save_vocab("small_vocab.txt", {"[UNK]": 0, "hello": 1})
        >>> load_vocab("small_vocab.txt")
        {'[UNK]': 0, 'hello': 1}
    """
    path = os.fspath(dict_path)
    lines = _lines_of_tokens(path, token_dict)
    write_text(path, "".join(line + "\n" for line in lines), encoding)


def _lines_of_tokens(path: str, token_dict: Mapping[str, int]) -> list[str]:
    by_id: dict[int, str] = {}
    for token, i in token_dict.items():
        if not isinstance(token, str) or token.split() not in ([token], []):
            raise VocabError(f"{path}: the token {token!r} would not be read back from a line")
        if int(i) != i or i < 0:
            raise VocabError(f"{path}: the id of {token!r} is {i!r}; expected an integer from 0")
        if i in by_id:
            raise VocabError(f"{path}: {by_id[i]!r} and {token!r} have the same id {int(i)}")
        by_id[i] = token
    return [by_id.get(i, "") for i in range(max(by_id, default=-1) + 1)]
