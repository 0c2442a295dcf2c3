"""The error of a wrong configuration, and how long the message of an error may become."""

from __future__ import annotations

MAX_MESSAGE = 2000


def shorten(text: str, limit: int = MAX_MESSAGE) -> str:
    """Cut a text in the middle, so that a file cannot flood the message of an error.

    The beginning, which names the file, stays, and so does the end, which says what to do.

    Arguments:
        text: str, of any length.
        limit: int, how many characters may be left.

    Returns:
        str, at most `limit` characters; the text itself where it is short enough.
    """
    if len(text) <= limit:
        return text
    mark = " … "
    end = (limit - len(mark)) // 3
    return text[: limit - len(mark) - end] + mark + text[len(text) - end :]


class ConfigError(ValueError):
    """A configuration, or an argument of `build_transformer_model`, that cannot be right.

    The message has at most 2,000 characters; a longer one is cut in the middle.
    """

    def __init__(self, message: object = "") -> None:
        super().__init__(shorten(str(message)))


def short(value: object, limit: int = 80) -> str:
    """The `repr` of a value that somebody gave, cut after `limit` characters."""
    text = repr(value)
    return text if len(text) <= limit else text[: limit - 1] + "…"
