"""A bar that says how many tokens there are."""

from __future__ import annotations

import contextlib
import sys
import time

WIDTH = 24
CLEAR = "\r\x1b[K"


@contextlib.contextmanager
def bar(total, wanted=True, file=None):
    """Draw a bar while the block runs, if it is wanted and the file, stderr by default, is a terminal; then wipe it.

    Yields:
        a function to call with the number of tokens.
    """
    file = sys.stderr if file is None else file
    if not wanted or not file.isatty():
        yield lambda count: None
        return
    start = time.monotonic()

    def show(count):
        filled = WIDTH * count // total
        seconds = time.monotonic() - start
        line = "[%s%s] %d/%d tokens, %.0f s" % ("#" * filled, "." * (WIDTH - filled), count, total, seconds)
        file.write(CLEAR + line)
        file.flush()

    try:
        yield show
    finally:
        file.write(CLEAR)
        file.flush()
