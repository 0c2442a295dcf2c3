"""A progress bar for loops on a terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Callable, Iterable, Iterator, TypeVar

from b4k3.backend._progress import ProgressBar

if TYPE_CHECKING:
    from typing import IO

Item = TypeVar("Item")


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
    if total is None and hasattr(iterable, "__len__"):
        sized: Any = iterable
        total = len(sized)
    with ProgressBar(total, file=file) as bar:
        if not bar.shown:
            yield from iterable
            return
        for done, item in enumerate(iterable):
            bar.show(done, label(item) if callable(label) else label)
            yield item
