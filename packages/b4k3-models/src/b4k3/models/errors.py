"""The error of a wrong configuration, the limit on the length of error messages, and warnings that name the caller."""

from __future__ import annotations

import sys
import warnings

MAX_MESSAGE = 2000


def shorten(text: str, limit: int = MAX_MESSAGE) -> str:
    """Cut a text in the middle, so that the contents of a file cannot flood an error message.

    The beginning stays, because it names the file, and the end stays, because it says what to do. Of several lines
    whole ones stay, as far as both sides of the cut have any.

    Arguments:
        text: str, of any length.
        limit: int. The greatest number of characters of the result.

    Returns:
        str, at most `limit` characters; the text itself if it is short enough.

    Example:
        >>> from b4k3.models.errors import shorten
        >>> shorten("config.json: " + "x" * 100 + ". What to do: read it.", 40)
        'config.json: xxxxxxxxxxxx … do: read it.'
        >>> shorten("it does not fit:" + 99 * "\\n  shape of x" + "\\nWhat to do: read it.", 70)
        'it does not fit:\\n  shape of x\\n  shape of x\\n…\\nWhat to do: read it.'
    """
    if len(text) <= limit:
        return text
    mark = " … "
    size = (limit - len(mark)) // 3
    start, end = text[: limit - len(mark) - size], text[len(text) - size :]
    if "\n" in start and "\n" in end:
        start, mark, end = start[: start.rindex("\n")], "\n…\n", end[end.index("\n") + 1 :]
    return start + mark + end


class ConfigError(ValueError):
    """A configuration, or an argument of `build_transformer_model`, that cannot be right.

    Arguments:
        message: str. At most 2,000 characters are kept; a longer message is cut in the middle.

    Example:
        >>> from b4k3.models import ConfigError, build_transformer_model
        >>> try:
        ...     build_transformer_model({"vocab_size": 20}, model="bert")
        ... except ConfigError as error:
        ...     print("refused")
        refused
    """

    def __init__(self, message: object = "") -> None:
        super().__init__(shorten(str(message)))


def short(value: object, limit: int = 80) -> str:
    """Return the `repr` of a value for an error message, cut after `limit` characters.

    Arguments:
        value: any object, for instance what a config file has under a key.
        limit: int. The greatest number of characters of the result.

    Returns:
        str. A cut text ends with "…".
    """
    text = repr(value)
    return text if len(text) <= limit else text[: limit - 1] + "…"


def warn_caller(message: str) -> None:
    """Warn, and name the line outside of b4k3 from which it was called, not a line of b4k3.

    Arguments:
        message: str. The text of the warning.
    """
    frame, level = sys._getframe(1), 2  # level 1 would name this function
    while frame.f_back is not None and frame.f_globals.get("__name__", "").startswith("b4k3."):
        frame, level = frame.f_back, level + 1
    warnings.warn(message, stacklevel=level)
