"""Texts that are longer than a network takes: cut them into windows that overlap, and merge what the windows give.

For example, a text of 9 tokens, with room for 5 of them and a stride of 2:

    tokens      0  1  2  3  4  5  6  7  8
    window 0    0  1  2  3  4
    window 1             3  4  5  6  7
    window 2                      6  7  8
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple, Sequence

import numpy as np

from b4k3.models import ConfigError
from b4k3.models.errors import warn_caller

if TYPE_CHECKING:
    from numpy.typing import NDArray


class Windows(NamedTuple):
    """The windows of texts. The windows of one text come one after the other.

    Attributes:
        owners: list of int. The index of the text of each window.
        rows: list of rows of an `Encoding`, one for each window: ids, type_ids, offsets and so on.

    Example:
        >>> from b4k3.tasks.windows import Windows
        >>> Windows([0, 0, 1], [None, None, None]).owners
        [0, 0, 1]
    """

    owners: list[int]
    rows: list[Any]

    def places(self, i: int, sequence: int = 0) -> list[tuple[int, int]]:
        """Return the characters of each token of a window that belongs to the text, and (0, 0) for other tokens.

        Arguments:
            i: int. The number of the window.
            sequence: int. 0 for the first text, 1 for the second text of a pair.

        Returns:
            list of (start, end).
        """
        row = self.rows[i]
        return [place if s == sequence else (0, 0) for place, s in zip(row.offsets, row.sequence_ids)]

    def part_of_text(self, i: int, length: int, sequence: int = 0) -> tuple[int, int]:
        """Return the characters that a window has: up to the beginning or end of the text if no window comes there.

        Arguments:
            i: int. The number of the window.
            length: int. The number of characters of the text.
            sequence: int. 0 for the first text, 1 for the second text of a pair.

        Returns:
            (start, end).
        """
        there = [place for place in self.places(i, sequence) if place[0] < place[1]]
        is_first = i == 0 or self.owners[i - 1] != self.owners[i]
        is_last = i + 1 == len(self.owners) or self.owners[i + 1] != self.owners[i]
        return (0 if is_first or not there else there[0][0]), (length if is_last or not there else there[-1][1])


def make_windows(
    tokenizer: Any,
    texts: Sequence[str],
    pairs: Sequence[str] | None = None,
    maxlen: int | None = None,
    stride: int | None = None,
    cut: bool = False,
    truncation: str = "longest_first",
) -> Windows:
    """Tokenize texts, and make several windows of a text that is too long.

    Arguments:
        tokenizer: a tokenizer of b4k3-tokenizers.
        texts: list of str.
        pairs: list of str, or None. A second text for each of them.
        maxlen: int or None. The number of tokens in a window, special tokens included; None for no limit.
        stride: int or None. How many tokens a window repeats from the window before; None means a quarter of maxlen.
        cut: bool. Whether only the first window of each text is made. Then a warning says how many texts were cut.
        truncation: str. Which text of a pair has windows: "only_first", "only_second" or "longest_first".

    Returns:
        `Windows`.

    Raises:
        ConfigError: maxlen leaves no room for new tokens in each window.

    Example:
        >>> from b4k3.tokenizers import Tokenizer
        >>> from b4k3.tasks.windows import make_windows
        >>> tokenizer = Tokenizer({token: i for i, token in enumerate("[PAD] [UNK] [CLS] [SEP] a b c".split())})
        >>> windows = make_windows(tokenizer, ["a b c a b", "c"], maxlen=5, stride=1)
        >>> windows.owners, [row.ids for row in windows.rows]
        ([0, 0, 1], [[2, 4, 5, 6, 3], [2, 6, 4, 5, 3], [2, 6, 3]])
    """
    if maxlen is None:
        stride = 0
    elif stride is None:
        stride = maxlen // 4
    try:
        encoded = tokenizer.encode_batch(texts, pairs, maxlen, truncation, 0 if cut else stride, padding=False)
        rest = list(encoded.overflowing.sample_index)
    except ValueError as error:
        raise ConfigError(f"maxlen={maxlen}, stride={stride}: {error}") from None
    if cut:
        warn_of_cut_texts(len(set(rest)), len(texts), maxlen)
        return Windows(list(range(len(texts))), encoded[:])
    found = list(enumerate(encoded[:])) + list(zip(rest, encoded.overflowing[:]))
    found.sort(key=lambda window: window[0])
    return Windows([owner for owner, _ in found], [row for _, row in found])


def warn_of_cut_texts(count: int, total: int, maxlen: int | None) -> None:
    """Warn that texts were cut, if any was.

    Arguments:
        count: int. How many were cut.
        total: int. How many texts there are.
        maxlen: int or None. The number of tokens that they have now.
    """
    if count:
        warn_caller(f"{count} of {total} texts have more than {maxlen} tokens and were cut")


def mean_of_windows(values: Any, owners: Sequence[int], texts: int) -> NDArray[np.float32]:
    """Compute the mean of what the windows of each text give, a vector or scores. Each window counts the same.

    Arguments:
        values: float array, [windows, ...].
        owners: list of int, [windows]. The index of the text of each window.
        texts: int. The number of texts; each has a window.

    Returns:
        float32 array, [texts, ...].

    Example:
        >>> from b4k3.tasks.windows import mean_of_windows
        >>> mean_of_windows([[1.0], [3.0], [5.0]], [0, 0, 1], 2).tolist()
        [[2.0], [5.0]]
    """
    values = np.asarray(values, dtype="float32")
    sums = np.zeros((texts,) + values.shape[1:], dtype="float64")
    np.add.at(sums, np.asarray(owners, dtype=int), values)
    counts = np.bincount(np.asarray(owners, dtype=int), minlength=texts)
    return (sums / counts.reshape((-1,) + (1,) * (values.ndim - 1))).astype("float32")


def checked_windows(windows: str, stride: int | None, known: Sequence[str]) -> bool:
    """Check what is done with long texts.

    Arguments:
        windows: str. "cut", or what the task does with the windows: "merge" or "mean".
        stride: int or None. How many tokens a window repeats from the window before.
        known: sequence of str. What the task has.

    Returns:
        bool. Whether long texts are cut.

    Raises:
        ConfigError: the task has no such thing, or there are no windows for the stride.

    Example:
        >>> from b4k3.tasks.windows import checked_windows
        >>> checked_windows("cut", None, ("merge", "cut"))
        True
    """
    if windows not in known:
        raise ConfigError(f"windows={windows!r}, expected one of {', '.join(known)}")
    if stride is not None and (windows == "cut" or stride < 0):
        raise ConfigError(f"stride={stride}, windows={windows!r}: a stride is 0 or more, and 'cut' makes no windows")
    return windows == "cut"
