"""The progress bar of all packages. It starts no framework."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from typing import IO

WIDTH = 24
CLEAR = "\r\x1b[K"  # to the start of the line, and erase it


class ProgressBar:
    """A line that shows how far a loop is, "label [###.....] 3/8 tokens, 5 s" for example.

    It is drawn on a terminal only, and it is erased at the end: nothing is written into a file or a pipe.

    Arguments:
        total: int or None. The number of items; without it the line only counts.
        unit: str. What is counted, "tokens" for example.
        shown: bool. Whether the bar is wanted.
        file: text file or None. Where it is drawn; None is stderr.

    Example:
        >>> from b4k3.backend._progress import ProgressBar
        >>> with ProgressBar(3, unit="steps") as bar:
        ...     for step in range(3):
        ...         bar.show(step)
    """

    def __init__(
        self, total: int | None = None, unit: str = "", shown: bool = True, file: IO[str] | None = None
    ) -> None:
        self.total = total
        self.unit = unit and " " + unit
        self.file: Any = sys.stderr if file is None else file
        self.shown = bool(shown) and self.file is not None and self.file.isatty()
        self.start = time.monotonic()

    def __enter__(self) -> ProgressBar:
        return self

    def __exit__(self, *error: Any) -> None:
        self._draw("")

    def show(self, done: int, label: str = "") -> None:
        """Draw the line anew.

        Arguments:
            done: int. The number of items that are done.
            label: str. The text in front of the bar.
        """
        if self.shown:
            self._draw(self.text(done, label, time.monotonic() - self.start))

    def text(self, done: int, label: str, seconds: float) -> str:
        """Compose the line.

        Arguments:
            done: int. The number of items that are done.
            label: str. The text in front of the bar.
            seconds: float. The time since the start.

        Returns:
            str.
        """
        label = label and label + " "
        if not self.total:
            return f"{label}{done}{self.unit}, {seconds:.0f} s"
        filled = min(WIDTH, WIDTH * done // self.total)
        hashes, dots = "#" * filled, "." * (WIDTH - filled)
        return f"{label}[{hashes}{dots}] {done}/{self.total}{self.unit}, {seconds:.0f} s"

    def _draw(self, line: str) -> None:
        """Write a line over the one before."""
        if self.shown:
            self.file.write(CLEAR + line)
            self.file.flush()
