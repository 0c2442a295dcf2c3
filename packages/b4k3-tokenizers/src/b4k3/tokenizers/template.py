"""What stands around and between the texts of a row: special tokens, and the type of each text.

BERT's template of a pair is `[CLS] A:0 [SEP]:0 B:1 [SEP]:1`, RoBERTa's `<s> A:0 </s> </s> B:0 </s>`. A `tokenizer.json`
may have any other.
"""

from __future__ import annotations

from typing import NamedTuple


class Part(NamedTuple):
    """One place of a template: the text `sequence` (0 the first, 1 the second), or special tokens with these ids."""

    sequence: int | None
    type_id: int = 0
    ids: tuple[int, ...] = ()


class Template:
    """The places of a row with one text and of one with two.

    Arguments:
        single: Part[]. Of one text; it has sequence 0 once.
        pair: Part[]. Of two texts; it has the sequences 0 and 1 once, in any order.
    """

    def __init__(self, single, pair):
        self.single, self.pair = tuple(single), tuple(pair)

    @classmethod
    def around(cls, start, end):
        """BERT's: the ids `start` before the first text, the ids `end` after each text."""
        before = [Part(None, 0, tuple(start))] if start else []
        single = before + [Part(0)] + ([Part(None, 0, tuple(end))] if end else [])
        return cls(single, single + [Part(1, 1)] + ([Part(None, 1, tuple(end))] if end else []))

    def of(self, pair):
        """The parts for one text, or for two."""
        return self.pair if pair else self.single


def count_specials(parts):
    """How many special tokens the parts have."""
    return sum(len(part.ids) for part in parts)


def check_room(maxlen, parts):
    """Raise ValueError if so many ids have no room for the special tokens."""
    if maxlen < count_specials(parts):
        raise ValueError(f"maxlen={maxlen} has no room for {count_specials(parts)} special tokens")


def around_single(parts):
    """(ids before the text, ids after it) of the parts for one text."""
    at = [part.sequence for part in parts].index(0)
    return [i for part in parts[:at] for i in part.ids], [i for part in parts[at + 1 :] for i in part.ids]
