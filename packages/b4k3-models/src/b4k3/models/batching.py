"""Which rows of ids go through a network together, and to which length they are padded.

Rows of like length make a batch, so that little of it is padding. For example, with batches of two rows of at most 32
tokens, rows of 30, 5, 7, 6 and 20 ids become these batches, the longest row first:

    rows      lengths    padded, where each shape is compiled    padded elsewhere
    [0]       30         1 x 32                                  1 x 30
    [4]       20         1 x 24                                  1 x 20
    [2, 3]    7, 6       2 x 8                                   2 x 7
    [1]       5          1 x 8                                   1 x 5

JAX and TensorFlow compile a network for each shape, so lengths are rounded up to a few. torch compiles nothing.
"""

from __future__ import annotations

from typing import Sequence


def rounded(n: int) -> int:
    """Round a length up to one of 8, 12, 16, 24, 32, 48, 64, ….

    Arguments:
        n: int.

    Returns:
        int. It is at most 8, or less than half greater than n.

    Example:
        >>> from b4k3.models.batching import rounded
        >>> [rounded(n) for n in (5, 9, 13, 40)]
        [8, 12, 16, 48]
    """
    size = 8
    while size < n:
        if 2 * n <= 3 * size:
            return 3 * size // 2
        size *= 2
    return size


def padded_length(longest: int, limit: int | None = None) -> int:
    """Return the length to which a batch is padded.

    Arguments:
        longest: int. The length of the longest row.
        limit: int or None. The largest length that the network takes.

    Returns:
        int, at least 1. `longest` itself where no shape is compiled; elsewhere one of the few lengths of `rounded`.
    """
    from b4k3.backend import runs_eagerly  # it starts Keras, which a command line that only reads this must not

    if runs_eagerly:
        return max(longest, 1)
    return rounded(longest) if limit is None else max(longest, min(rounded(longest), limit))


def rows_at_once(length: int, batch_size: int, most_tokens: int | None = None) -> int:
    """Return how many rows of a length make a batch.

    Arguments:
        length: int. The length to which the rows are padded.
        batch_size: int. The largest number of rows.
        most_tokens: int or None. The largest number of tokens of a batch, padding included; one row may have more.

    Returns:
        int, from 1 to batch_size.
    """
    return batch_size if most_tokens is None else max(1, min(batch_size, most_tokens // max(length, 1)))


def by_length(lengths: Sequence[int], batch_size: int, most_tokens: int | None = None) -> list[list[int]]:
    """Group rows of similar lengths, the longest first: a batch that is too large for the memory fails at once.

    Arguments:
        lengths: list of int. The lengths of the rows.
        batch_size: int. The largest number of rows in a batch.
        most_tokens: int or None. The largest number of tokens in a batch, padding included; one row may have more.

    Returns:
        list of batches; a batch is a list of the numbers of its rows.

    Example:
        >>> from b4k3.models.batching import by_length
        >>> by_length([30, 5, 7, 6, 20], 2, most_tokens=32)
        [[0], [4], [2, 3], [1]]
    """
    order = sorted(range(len(lengths)), key=lambda i: -lengths[i])
    batches, start = [], 0
    while start < len(order):
        rows = rows_at_once(padded_length(lengths[order[start]]), batch_size, most_tokens)
        batches.append(order[start : start + rows])
        start += rows
    return batches
