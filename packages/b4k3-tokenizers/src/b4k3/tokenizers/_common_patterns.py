"""Find the words of the usual expressions with Python's own `re`, which is more than twice as fast as `regex`.

`re` has no classes of Unicode, so they are written out, as the installed `regex` understands them:

    \\p{L}+            becomes   [A-Za-z\\u00aa\\u00b5…\\uffda-\\uffdc]+
    [^\\s\\p{L}\\p{N}]   becomes   [^\\t-\\r…A-Za-z…0-9…]

For characters up to U+FFFF `re` keeps such a class as a table. Beyond them it would go through hundreds of ranges for
each character that is not in the class, so a text with a character beyond U+FFFF, such as an emoji, is left to `regex`.

Only the expressions of `PATTERNS` are given to `re`. The two modules are known to read these alike: the tests compare
them at every character.
"""

from __future__ import annotations

import re
from typing import Any, Callable

from ._lazy import lazy
from ._patterns import PATTERNS, import_regex

_CLASS = re.compile(r"\\p\{\w+\}|\\[sS]|\\.|\[|\]", re.S)
_classes: dict[str, str] = {}  # a class of `regex` -> its ranges, to stand in brackets


class CommonPattern:
    """Find the words of a text by an expression of `PATTERNS`.

    Arguments:
        pattern: Pattern of the package `regex`.

    Example:
        >>> import regex
        >>> CommonPattern(regex.compile(PATTERNS["gpt2"])).findall("It's 5 o'clock")
        ['It', "'s", ' 5', ' o', "'", 'clock']
    """

    def __init__(self, pattern: Any) -> None:
        self._pattern = pattern

    def __getstate__(self) -> dict[str, Any]:
        return {"_pattern": self._pattern}

    @lazy
    def _find_up_to_ffff(self) -> Any:
        """The method `findall` of the expression for `re`."""
        return re.compile(written_out(self._pattern.pattern)).findall

    def findall(self, text: str) -> list[str]:
        """Find the words.

        Arguments:
            text: str. The text.

        Returns:
            list of str.
        """
        # In UTF-16 a character beyond U+FFFF takes four bytes.
        if text.isascii() or len(text.encode("utf-16-le", "surrogatepass")) == 2 * len(text):
            return self._find_up_to_ffff(text)
        return self._pattern.findall(text)


def findall_of(pattern: Any) -> Callable[[str], list[str]]:
    """Choose the fastest way to find the matches of a pattern.

    Arguments:
        pattern: Pattern of `re` or of the package `regex`, or what has a `findall` like theirs.

    Returns:
        function from a text to the list of the matches.
    """
    if getattr(pattern, "pattern", None) in PATTERNS.values():
        return CommonPattern(pattern).findall
    return pattern.findall


def written_out(expression: str) -> str:
    """Write an expression without classes of Unicode, for characters up to U+FFFF.

    Arguments:
        expression: str. The expression, one of `PATTERNS`.

    Returns:
        str.
    """
    found, at, inside = [], 0, False
    for match in _CLASS.finditer(expression):
        token = match.group()
        found.append(expression[at : match.start()])
        at = match.end()
        if token in "[]":
            inside = token == "["
            found.append(token)
        elif token == r"\S":
            found.append(f"[^{_ranges_of(chr(92) + 's')}]")
        elif token == r"\s" or token.startswith(r"\p"):
            found.append(_ranges_of(token) if inside else f"[{_ranges_of(token)}]")
        else:
            found.append(token)
    return "".join(found) + expression[at:]


def _ranges_of(name: str) -> str:
    """Return the characters up to U+FFFF of a class, as ranges. No class of `PATTERNS` has the question mark."""
    if name not in _classes:
        everything = "".join([chr(code) if not 0xD800 <= code < 0xE000 else "?" for code in range(0x10000)])
        spans = [match.span() for match in import_regex().finditer(name + "+", everything)]
        _classes[name] = "".join([f"\\u{a:04x}-\\u{b - 1:04x}" for a, b in spans])
    return _classes[name]
