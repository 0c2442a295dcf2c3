"""A bar that says how far a loop is."""

from __future__ import annotations

import sys
import time

_WIDTH = 24
_CLEAR = "\r\x1b[K"


def progress(iterable, label="", total=None, file=None):
    """Iterate, with a bar on a terminal and nothing elsewhere; the bar is wiped away at the end.

    Arguments:
        iterable: what to iterate over.
        label: str in front of the bar, or a function from an item to such a str.
        total: how many items there are; by default `len(iterable)`. Without either the bar only counts.
        file: where to draw; by default stderr.

    Yields:
        the items of the iterable.
    """
    file = sys.stderr if file is None else file
    if not file.isatty():
        yield from iterable
        return
    if total is None and hasattr(iterable, "__len__"):
        total = len(iterable)
    start = time.monotonic()
    done = 0
    try:
        for done, item in enumerate(iterable):
            text = label(item) if callable(label) else label
            file.write(_CLEAR + _bar(text, done, total, time.monotonic() - start))
            file.flush()
            yield item
    finally:
        file.write(_CLEAR)
        file.flush()


def _bar(label, done, total, seconds):
    if not total:
        return "%s %d, %.0f s" % (label, done, seconds)
    filled = min(_WIDTH, _WIDTH * done // total)
    return "%s [%s%s] %d/%d, %.0f s" % (label, "#" * filled, "." * (_WIDTH - filled), done, total, seconds)
