"""This module has what the fields of an `Encoding` are computed from: texts, a template, and how rows are cut."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Callable, NamedTuple, Sequence

from ._checks import check_text, checked_int, shown
from ._lazy import lazy
from .template import check_room, count_specials

if TYPE_CHECKING:
    from .base import TokenizerBase
    from .template import TemplatePart

    Row = tuple[int, slice, slice]  # index of the text, slice of the first text, slice of the second text

_STRATEGIES = ("longest_first", "only_first", "only_second")
_SIDES = ("right", "left")


class Settings(NamedTuple):
    """This is how rows are cut and padded.

    Attributes:
        maxlen: int or None. The largest number of ids in a row; None for any number.
        truncation: str. Which text is cut: "longest_first", "only_first" or "only_second".
        stride: int. How many tokens an overflowing row repeats from the row before it.
        padding: False, "longest", "max_length", or a length. How long padded rows are.
        truncation_side: str. The side at which texts are cut, "right" or "left".
        padding_side: str. The side of the padding, "right" or "left".
        pad_to_multiple_of: int or None. Rows are padded to a multiple of it.
        pad_id: int or None. The id of padding; None for the padding token of the vocabulary.
        pad_type_id: int. The type id of padding.
        pad_token: str or None. The token of padding; None for the token of the id.

    Example:
        >>> Settings(maxlen=8, padding=True).checked().padding
        'longest'
    """

    maxlen: int | None = None
    truncation: str = "longest_first"
    stride: int = 0
    padding: Any = False
    truncation_side: str = "right"
    padding_side: str = "right"
    pad_to_multiple_of: int | None = None
    pad_id: int | None = None
    pad_type_id: int = 0
    pad_token: str | None = None

    def checked(self) -> Settings:
        """Check the settings.

        Returns:
            Settings. The same ones, with every number as int.

        Raises:
            TypeError: One of them has a type that it cannot have.
            ValueError: One of them has a value that it cannot have.
        """
        _check_one_of("truncation", self.truncation, _STRATEGIES)
        _check_one_of("truncation_side", self.truncation_side, _SIDES)
        _check_one_of("padding_side", self.padding_side, _SIDES)
        if self.padding == "max_length" and self.maxlen is None:
            raise ValueError("padding='max_length' needs maxlen")
        if self.pad_token is not None:
            check_text(self.pad_token, "pad_token")
        numbers = {"stride": checked_int(self.stride, "stride", 0), "padding": _checked_padding(self.padding)}
        numbers["pad_type_id"] = checked_int(self.pad_type_id, "pad_type_id", 0)
        for name, lowest in (("maxlen", 0), ("pad_to_multiple_of", 0), ("pad_id", 0)):
            value = getattr(self, name)
            numbers[name] = None if value is None else checked_int(value, name, lowest)
        return self._replace(**numbers)


def _check_one_of(name: str, value: Any, expected: Sequence[str]) -> None:
    if not isinstance(value, str) or value not in expected:
        raise ValueError(f"{name}={shown(value)}; expected {' or '.join(map(repr, expected))}")


def _checked_padding(padding: Any) -> bool | str | int:
    """Return False for no padding, 'longest', 'max_length', or a length as an int."""
    if padding is None or isinstance(padding, bool):
        return "longest" if padding else False
    if isinstance(padding, str) and padding in ("longest", "max_length"):
        return padding
    try:
        return checked_int(padding, "padding", 0)
    except (TypeError, ValueError):
        raise ValueError(
            f"padding={shown(padding)}; expected False, True or 'longest', 'max_length', or a length"
        ) from None


class Side:
    """Hold all first texts of a batch, or all second texts, and what is computed from them.

    Arguments:
        tokenizer: TokenizerBase. The tokenizer.
        texts: list of str. The texts.
        workers: int. How many processes share the work.

    Example:
        >>> tokenizer = Tokenizer({"[UNK]": 0, "hello": 1}, token_start=None, token_end=None)
        >>> Side(tokenizer, ["hello hello", "hello"], workers=1).lengths
        [2, 1]
    """

    def __init__(self, tokenizer: TokenizerBase, texts: list[str], workers: int) -> None:
        self.tokenizer, self.texts, self.workers = tokenizer, texts, workers

    @lazy
    def ids(self) -> list[list[int]]:
        """For each text its ids, without special tokens."""
        return self._map("_ids_of_texts")

    @lazy
    def offsets(self) -> list[list[tuple[int, int]]]:
        """For each text the characters (start, end) that each of its ids comes from."""
        return self._map("_offsets_of_texts")

    @lazy
    def word_ids(self) -> list[list[int]]:
        """For each text the index of the word that each token belongs to."""
        return self._map("_word_ids_of_texts")

    @lazy
    def lengths(self) -> list[int]:
        """For each text the number of its ids."""
        return [*map(len, self.ids)]

    def between(self, method: str, start: Sequence[Any], end: Sequence[Any]) -> list[list[Any]]:
        """Compute `start + row + end` for the row of each text, without keeping the rows alone.

        Arguments:
            method: str. The method of the tokenizer that computes the rows.
            start: sequence. What stands before each row.
            end: sequence. What stands after each row.

        Returns:
            list of lists. The rows with their ends.
        """
        rows = self._map(method)
        self.lengths = [*map(len, rows)]
        for value in reversed(start):
            for row in rows:
                row.insert(0, value)
        for value in end:
            for row in rows:
                row.append(value)
        return rows

    def _map(self, method: str) -> list[list[Any]]:
        if self.workers > 1:
            from .workers import map_in_processes

            return map_in_processes(self.tokenizer, method, self.texts, self.workers)
        return getattr(self.tokenizer, method)(self.texts)


class Batch:
    """Hold what the fields of an `Encoding` are computed from.

    Arguments:
        tokenizer: TokenizerBase. The tokenizer.
        first: Side. The first texts.
        second: Side or None. The second texts; None for single texts.
        settings: Settings. How rows are cut and padded.

    Raises:
        ValueError: `maxlen` has no room for the special tokens.

    Example:
        >>> tokenizer = Tokenizer({"[UNK]": 0, "[CLS]": 1, "[SEP]": 2, "hello": 3})
        >>> batch = Batch(tokenizer, Side(tokenizer, ["hello hello"], 1), None, Settings(maxlen=3))
        >>> batch.rows  # the first row has the first token of the text, an overflowing row has the second
        ([(0, slice(0, 1, None), slice(0, 0, None))], [(0, slice(1, 2, None), slice(0, 0, None))])
    """

    def __init__(self, tokenizer: TokenizerBase, first: Side, second: Side | None, settings: Settings) -> None:
        self.tokenizer, self.first, self.second, self.settings = tokenizer, first, second, settings
        self.parts = tokenizer._parts_of_rows(second is not None)
        self.specials = count_specials(self.parts)
        self.second_first = [part.sequence for part in self.parts if part.sequence is not None] == [1, 0]
        if settings.maxlen is not None:
            check_room(settings.maxlen, self.parts)

    @property
    def sides(self) -> list[Side]:
        """The side of the first texts, and the side of the second texts if the rows are pairs."""
        return [self.first] if self.second is None else [self.first, self.second]

    @lazy
    def rows(self) -> tuple[list[Row], list[Row]]:
        """The rows and the overflowing rows, each (index of the text, slice of the first text, slice of the second)."""
        first = self.first.lengths
        second = self.second.lengths if self.second is not None else [0] * len(first)
        main, overflow = [], []
        for sample, (m, n) in enumerate(zip(first, second)):
            rows = self._windows_of_pair(sample, m, n)
            main.append(rows[0])
            overflow.extend(rows[1:])
        return main, overflow

    def _windows_of_pair(self, sample: int, m: int, n: int) -> list[Row]:
        """Return the rows of a pair of texts with m and n tokens. The first of them is not overflowing."""
        maxlen = self.settings.maxlen
        if maxlen is None or m + n <= maxlen - self.specials:
            return [(sample, slice(0, m), slice(0, n))]
        a, b = self._lengths(m, n, maxlen - self.specials)
        first, second = self._windows(m, a), self._windows(n, b)
        # The first row has the first window of both texts. Then come the later windows of the text that stands first
        # in a row, each with every window of the other text, and at last the later windows of the other text.
        if self.second_first:
            pairs = [(x, y) for y in second[1:] for x in first] + [(x, second[0]) for x in first[1:]]
        else:
            pairs = [(x, y) for x in first[1:] for y in second] + [(first[0], y) for y in second[1:]]
        return [(sample, x, y) for x, y in [(first[0], second[0])] + pairs]

    def _lengths(self, m: int, n: int, room: int) -> tuple[int, int]:
        """Return how many of m and n tokens a row has if there is room for `room`."""
        truncation = self.settings.truncation
        if not room:
            return 0, 0
        if truncation == "longest_first":
            return longest_first(m, n, room)
        a, b = (room - n, n) if truncation == "only_first" else (m, room - m)
        if (a if truncation == "only_first" else b) <= 0:
            raise ValueError(
                f"truncation={truncation!r} cannot bring texts of {m} and {n} tokens down to "
                f"maxlen={self.settings.maxlen} with {self.specials} special tokens"
            )
        return a, b

    def _windows(self, length: int, size: int) -> list[slice]:
        """Return slices of `size`. Each begins `size - stride` after the one before; the last ends at `length`.

        With `truncation_side="left"` they begin at the end of the text.
        """
        if length <= size:
            return [slice(0, length)]
        if size <= 0:
            return [slice(0, 0), slice(0, length)]
        stride = self.settings.stride
        step = size - stride
        if step <= 0:
            raise ValueError(f"stride={stride} does not leave anything new in {size} tokens")
        if self.settings.truncation_side == "left":
            return [slice(max(i - size, 0), i) for i in range(length, min(stride, length - 1), -step)]
        return [slice(i, min(i + size, length)) for i in range(0, max(length - stride, 1), step)]

    @lazy
    def width(self) -> int:
        """The length that rows are padded to, 0 for none."""
        padding, multiple = self.settings.padding, self.settings.pad_to_multiple_of
        if padding is False:
            return 0
        if padding == "longest":
            sizes = [a.stop - a.start + b.stop - b.start for _, a, b in self.rows[0]]
            width = max(sizes) + self.specials if sizes else 0
        else:
            width = self.settings.maxlen if padding == "max_length" else padding
        return -(-width // multiple) * multiple if multiple else width

    def lay(
        self, rows: list[Row], sides: Sequence[list[list]], of_special: Callable[[TemplatePart], list], fill: Any
    ) -> list[list]:
        """Lay the values of texts and of special tokens out in rows, cut and padded.

        Arguments:
            rows: list of rows. For each row the index of its text and the slices of its texts; see the attribute
                `rows`.
            sides: list. For each side a list with the values of each text.
            of_special: function from a `TemplatePart` to a list. It gives the values of the special tokens of the part.
            fill: Any. The value of padding.

        Returns:
            list of lists. The values of each row.
        """
        whole = [part.sequence is None and of_special(part) for part in self.parts]
        out = []
        for sample, *slices in rows:
            row = []
            for part, values in zip(self.parts, whole):
                row += values if part.sequence is None else sides[part.sequence][sample][slices[part.sequence]]
            out.append(self._padded(row, fill))
        return out

    def lay_constants(self, rows: list[Row], of_part: Callable[[TemplatePart], Any], fill: Any) -> list[list]:
        """Do what `lay` does, for values that are the same for all tokens of a part.

        Arguments:
            rows: list of rows. For each row the index of its text and the slices of its texts; see the attribute
                `rows`.
            of_part: function from a `TemplatePart` to the value of each of its tokens.
            fill: Any. The value of padding.

        Returns:
            list of lists. The values of each row.
        """
        values = {part.sequence: of_part(part) for part in self.parts if part.sequence is not None}
        # All texts of a side share one list, which is as long as the longest of them.
        sides = [[[values[k]] * max(side.lengths, default=0)] * len(side.texts) for k, side in enumerate(self.sides)]
        return self.lay(rows, sides, lambda part: [of_part(part)] * len(part.ids), fill)

    def _padded(self, row: list, fill: Any) -> list:
        """Fill a row up to the width, on the side that the settings say."""
        missing = [fill] * (self.width - len(row))
        return missing + row if self.settings.padding_side == "left" else row + missing


def longest_first(m: int, n: int, room: int) -> tuple[int, int]:
    """Shorten two texts until there is room for both. The shorter text is cut last.

    Arguments:
        m: int. The number of tokens of the first text.
        n: int. The number of tokens of the second text.
        room: int. How many tokens there may be.

    Returns:
        (int, int). How many tokens stay. If both texts are cut and the room is odd, the longer text gets one more.

    Example:
        >>> longest_first(10, 3, room=9), longest_first(10, 8, room=9)
        ((6, 3), (5, 4))
    """
    short, long = min(m, n), max(m, n)
    long = max(short, room - short) if short <= room else short
    if short + long > room:
        short, long = room // 2, room - room // 2
    return (short, long) if m <= n else (long, short)
