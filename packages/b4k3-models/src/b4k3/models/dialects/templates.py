"""Patterns of names with numbers in them. A rule of a dialect has two patterns."""

from __future__ import annotations

import re
from typing import Mapping

_PLACEHOLDER = re.compile(r"\{(\w+)(?::\w+)?\}")


class Template:
    """A pattern of names with numbers in them.

    The regular expression is compiled only when a name with the right beginning and end is seen: a program reads files
    of one dialect, and compiling the expressions of all dialects takes a tenth of a second.

    Arguments:
        text: str. "layer_{i}/x", or "layer_{i:03d}/x" for a number of three digits.

    Example:
        >>> from b4k3.models.dialects import Template
        >>> Template("layer_{i:03d}/x").match("layer_007/x")
        {'i': 7}
        >>> Template("layer_{i:03d}/x").fill({"i": 7})
        'layer_007/x'
    """

    def __init__(self, text: str) -> None:
        self.text = text
        self._head, self._tail = text.split("{", 1)[0], text.rsplit("}", 1)[-1]
        self._regex: re.Pattern[str] | None = None

    def match(self, name: str) -> dict[str, int] | None:
        """Find the numbers in a name.

        Arguments:
            name: str.

        Returns:
            dict from placeholder to number; None if the name does not fit the pattern.
        """
        if not (name.startswith(self._head) and name.endswith(self._tail)):
            return None
        if self._regex is None:
            self._regex = re.compile(self._expression())
        match = self._regex.match(name)
        return match and {key: int(value) for key, value in match.groupdict().items()}

    def _expression(self) -> str:
        """Make the regular expression: "layer_{i}/x" becomes "layer_(?P<i>[0-9]+)/x$"."""
        parts, end = [], 0
        for match in _PLACEHOLDER.finditer(self.text):
            parts.append(re.escape(self.text[end : match.start()]))
            parts.append(f"(?P<{match.group(1)}>[0-9]+)")
            end = match.end()
        return "".join(parts) + re.escape(self.text[end:]) + "$"

    def fill(self, numbers: Mapping[str, int]) -> str:
        """Make a name.

        Arguments:
            numbers: dict from placeholder to number. It may have others too.

        Returns:
            str, the pattern with the numbers in the places of the placeholders.
        """
        return self.text.format(**numbers)
