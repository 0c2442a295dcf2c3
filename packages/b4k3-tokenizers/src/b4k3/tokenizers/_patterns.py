"""Translate the regular expressions of a `tokenizer.json` for Python's package `regex`.

Hugging Face's tokenizers gives them to the library Oniguruma. The two understand most of an expression alike. What
they understand differently is translated here, or refused by name:

    expression   Oniguruma                                   here
    ^ and $      begin and end of each line                  (?m:^) and (?m:$)
    \\w           outside of brackets with "²" and "½"         [\\p{Alphabetic}\\p{M}\\p{Nd}\\p{Pc}²³¹¼½¾]
    (            a group that is kept                        (?:
    \\u{…} \\x{…}  a character by its number                   the character, escaped

The classes of Unicode (`\\p{L}`) come from the installed `regex`, whose Unicode is newer than the one of tokenizers
0.23: the characters that Unicode got in between are letters here, and are nothing there.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, NoReturn

from .vocab import VocabError

if TYPE_CHECKING:
    from ._json import Node

    Pattern = Any

# The expressions of some models, for files that do not say theirs: files of tiktoken, and vocab.json with merges.txt.
_CONTRACTIONS = "(?i:'s|'t|'re|'ve|'m|'ll|'d)"
_REST = r" ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
_O200K_MARKED = r"[^\r\n\p{L}\p{N}]?"
_O200K_UPPER, _O200K_LOWER = r"[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]", r"[\p{Ll}\p{Lm}\p{Lo}\p{M}]"
PATTERNS: dict[str, str] = {
    "gpt2": r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+",
    "llama3": rf"{_CONTRACTIONS}|[^\r\n\p{{L}}\p{{N}}]?\p{{L}}+|\p{{N}}{{1,3}}|{_REST}",
    "cl100k_base": rf"{_CONTRACTIONS}|[^\r\n\p{{L}}\p{{N}}]?\p{{L}}+|\p{{N}}{{1,3}}|{_REST}",
    "qwen2": rf"{_CONTRACTIONS}|[^\r\n\p{{L}}\p{{N}}]?\p{{L}}+|\p{{N}}|{_REST}",
    "o200k_base": "|".join(
        [
            rf"{_O200K_MARKED}{_O200K_UPPER}*{_O200K_LOWER}+{_CONTRACTIONS}?",
            rf"{_O200K_MARKED}{_O200K_UPPER}+{_O200K_LOWER}*{_CONTRACTIONS}?",
            r"\p{N}{1,3}",
            r" ?[^\s\p{L}\p{N}]+[\r\n/]*",
            r"\s*[\r\n]+|\s+(?!\S)|\s+",
        ]
    ),
}
_LONGEST = 10000
_WORD, _NUMBERS = r"\p{Alphabetic}\p{M}\p{Nd}\p{Pc}", "\xb2\xb3\xb9\xbc-\xbe"
# What stands for itself in both: escapes, classes of Unicode, groups that are not kept, and quantifiers.
_ESCAPES = frozenset("sSdDtrnfv")
_PROPERTY = re.compile(r"\\[pP]\{\^?[A-Za-z_]+\}")
_NUMBER = re.compile(r"\\[ux]\{([0-9A-Fa-f]{1,6})\}|\\u([0-9A-Fa-f]{4})|\\x([0-9A-Fa-f]{2})")
_GROUP = re.compile(r"\(\?(?:i?:|=|!|<=|<!|>)")
_COUNT = re.compile(r"\{(?:\d{1,4}(?:,\d{0,4})?|,\d{1,4})\}")


def import_regex() -> Any:
    """Import the package `regex`, which only BPE needs.

    Returns:
        module.

    Raises:
        ImportError: It is not installed. The message says how to get it.
    """
    try:
        import regex
    except ImportError:
        raise ImportError("byte-pair encoding needs the package regex: pip install regex") from None
    return regex


def compile_pattern(node: Node) -> Pattern:
    """Compile the regular expression of a file.

    Arguments:
        node: Node. The expression.

    Returns:
        Pattern of the package `regex`.

    Raises:
        VocabError: It is no expression, or has something that the two libraries may understand differently.
    """
    expression = _Translator(node).translated()
    regex = import_regex()
    try:
        return regex.compile(expression, regex.V0)
    except (regex.error, OverflowError, RecursionError) as e:
        raise node.error(f"a regular expression ({e})") from None


class _Translator:
    """Walk through an expression from left to right.

    Arguments:
        node: Node. The expression.
    """

    def __init__(self, node: Node) -> None:
        self._node, self._source, self._at = node, node.text(), 0
        self._written: list[str] = []

    def _refuse(self, what: str) -> NoReturn:
        raise VocabError(
            f"{self._node.path}: {self._node.name} has {what} at character {self._at} of the regular expression, which "
            "is not supported"
        )

    def _take(self, text: str, size: int) -> None:
        """Write a text for the next `size` characters."""
        self._written.append(text)
        self._at += size

    def translated(self) -> str:
        """Return the expression for `regex`."""
        if len(self._source) > _LONGEST:
            self._refuse(f"{len(self._source)} characters")
        while self._at < len(self._source):
            char = self._source[self._at]
            if char == "\\":
                self._escape(inside=False)
            elif char == "[":
                self._class()
            elif char == "(":
                self._group()
            elif char in "^$":
                self._take(f"(?m:{char})", 1)
            elif char == "{":
                self._count()
            else:
                self._take(char, 1)
        return "".join(self._written)

    def _group(self) -> None:
        match = _GROUP.match(self._source, self._at)
        if match:
            self._take(match.group(), len(match.group()))
        elif self._source.startswith("(?", self._at):
            self._refuse(f"the group {self._source[self._at : self._at + 4]!r}")
        else:
            self._take("(?:", 1)

    def _count(self) -> None:
        match = _COUNT.match(self._source, self._at)
        if not match:
            self._take(r"\{", 1)
            return
        after = self._source[match.end() : match.end() + 1]
        if after == "+":  # Oniguruma reads `a{1,3}+` as `(?:a{1,3})+`, and `regex` as a possessive quantifier.
            self._refuse(f"the quantifier {match.group() + after!r}")
        self._take(match.group(), len(match.group()))

    def _escape(self, inside: bool) -> None:
        number, named = (pattern.match(self._source, self._at) for pattern in (_NUMBER, _PROPERTY))
        char = self._source[self._at + 1 : self._at + 2]
        if number:
            code = int(next(filter(None, number.groups())), 16)
            if code > 0x10FFFF or 0xD800 <= code < 0xE000:
                self._refuse(f"the character {number.group()!r}")
            self._take(re.escape(chr(code)), len(number.group()))
        elif named:
            self._take(named.group(), len(named.group()))
        elif char == "w":
            self._take(_WORD if inside else f"[{_WORD}{_NUMBERS}]", 2)
        elif char == "W" and not inside:
            self._take(f"[^{_WORD}{_NUMBERS}]", 2)
        elif char in _ESCAPES or char and ord(char) < 128 and not char.isalnum():
            self._take("\\" + char, 2)
        else:
            self._refuse(f"the escape {self._source[self._at : self._at + 2]!r}")

    def _class(self) -> None:
        """Read a class in brackets."""
        negated = self._source.startswith("[^", self._at)
        self._take("[^" if negated else "[", 1 + negated)
        start = self._at
        while True:
            char = self._source[self._at : self._at + 1]
            if not char:
                self._refuse("a bracket that is not closed")
            if char == "]":
                if self._at == start:
                    self._refuse("an empty class")
                self._take("]", 1)
                return
            if char == "[" or self._source.startswith("&&", self._at):
                self._refuse("a class inside of a class")
            if char == "\\":
                self._escape(inside=True)
            else:
                self._take("\\" + char if char in "&~|" else char, 1)
