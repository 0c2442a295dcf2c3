"""A progress bar for loops on a terminal."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING, Any, Callable, Iterable, Iterator, TypeVar

if TYPE_CHECKING:
    from typing import IO

Item = TypeVar("Item")
_WIDTH = 24
_CLEAR = "\r\x1b[K"


def progress(
    iterable: Iterable[Item],
    label: str | Callable[[Item], str] = "",
    total: int | None = None,
    file: IO[str] | None = None,
) -> Iterator[Item]:
    """Iterate, and show a bar if the output is a terminal. The bar is erased at the end.

    Arguments:
        iterable: the items to iterate over.
        label: str, or a function from an item to str. The text in front of the bar.
        total: int or None. The number of items; None takes `len(iterable)`. Without a length the bar only counts.
        file: text file or None. Where the bar is drawn; None is stderr.

    Yields:
        The items of the iterable.

    Example:
        >>> from b4k3.snippets import progress
        >>> sum(progress([1, 2, 3], "adding"))
        6
    """
    stream: Any = sys.stderr if file is None else file
    if not stream.isatty():
        yield from iterable
        return
    sized: Any = iterable
    if total is None and hasattr(iterable, "__len__"):
        total = len(sized)
    start = time.monotonic()
    done = 0
    try:
        for done, item in enumerate(iterable):
            text = label(item) if callable(label) else label
            stream.write(_CLEAR + _bar(text, done, total, time.monotonic() - start))
            stream.flush()
            yield item
    finally:
        stream.write(_CLEAR)
        stream.flush()


def _bar(label: str, done: int, total: int | None, seconds: float) -> str:
    """Return the text of the bar, for example "label [###.....] 3/8, 5 s"."""
    if not total:
        return f"{label} {done}, {seconds:.0f} s"
    filled = min(_WIDTH, _WIDTH * done // total)
    hashes, dots = "#" * filled, "." * (_WIDTH - filled)
    return f"{label} [{hashes}{dots}] {done}/{total}, {seconds:.0f} s"
