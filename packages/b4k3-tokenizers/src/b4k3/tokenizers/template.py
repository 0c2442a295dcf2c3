"""Say what stands around and between the texts of a row: special tokens, and the type of each text.

BERT's template of a pair is `[CLS] A:0 [SEP]:0 B:1 [SEP]:1`, RoBERTa's `<s> A:0 </s> </s> B:0 </s>`. A `tokenizer.json`
may have any other.
"""

from __future__ import annotations

from typing import Any, NamedTuple, Sequence


class TemplatePart(NamedTuple):
    """This is one place of a template: a text, or special tokens.

    Attributes:
        sequence: int. 0 for the first text, 1 for the second; None for special tokens.
        type_id: int. The type of the ids at this place.
        ids: tuple of int. The special tokens.

    Example:
        >>> TemplatePart(None, 0, (101,)), TemplatePart(0)
        (TemplatePart(sequence=None, type_id=0, ids=(101,)), TemplatePart(sequence=0, type_id=0, ids=()))
    """

    sequence: int | None
    type_id: int = 0
    ids: tuple[int, ...] = ()


class Template:
    """Hold the places of a row with one text, and of a row with two texts.

    Arguments:
        single: sequence of TemplatePart. The places of one text; sequence 0 is there once.
        pair: sequence of TemplatePart. The places of two texts; the sequences 0 and 1 are there once, in any order.

    Example:
        >>> template = Template.around([101], [102])
        >>> around_single(template.of(pair=False))
        ([101], [102])
    """

    def __init__(self, single: Sequence[TemplatePart], pair: Sequence[TemplatePart]) -> None:
        self.single, self.pair = tuple(single), tuple(pair)

    @classmethod
    def around(cls, start: Sequence[int], end: Sequence[int]) -> Template:
        """Make the template of BERT.

        Arguments:
            start: sequence of int. The ids before the first text.
            end: sequence of int. The ids after each text.

        Returns:
            Template.
        """
        before = [TemplatePart(None, 0, tuple(start))] if start else []
        single = before + [TemplatePart(0)] + ([TemplatePart(None, 0, tuple(end))] if end else [])
        return cls(single, single + [TemplatePart(1, 1)] + ([TemplatePart(None, 1, tuple(end))] if end else []))

    def of(self, pair: bool) -> tuple[TemplatePart, ...]:
        """Return the places.

        Arguments:
            pair: bool. Whether there are two texts.

        Returns:
            Tuple of TemplatePart.
        """
        return self.pair if pair else self.single


def count_specials(parts: Sequence[TemplatePart]) -> int:
    """Count the special tokens of a template.

    Arguments:
        parts: sequence of TemplatePart.

    Returns:
        int.
    """
    return sum(len(part.ids) for part in parts)


def check_room(maxlen: int, parts: Sequence[TemplatePart]) -> None:
    """Check that the special tokens alone are not too many.

    Arguments:
        maxlen: int. The number of ids that a row may have.
        parts: sequence of TemplatePart.

    Raises:
        ValueError: they are more.
    """
    if maxlen < count_specials(parts):
        raise ValueError(f"maxlen={maxlen} has no room for {count_specials(parts)} special tokens")


def around_single(parts: Sequence[TemplatePart]) -> tuple[list[Any], list[Any]]:
    """Return what stands before and after a single text.

    Arguments:
        parts: sequence of TemplatePart, for one text.

    Returns:
        (ids before the text, ids after it).
    """
    at = [part.sequence for part in parts].index(0)
    return [i for part in parts[:at] for i in part.ids], [i for part in parts[at + 1 :] for i in part.ids]
