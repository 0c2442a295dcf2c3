"""Treat white space as Hugging Face's unigram tokenizers do: strip and join blanks, then apply `Metaspace`.

SentencePiece strips and joins blanks by itself. Where a file's steps come to the same, which they do in most files, the
fast ways of `Normalizer` are exact and are taken.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, NamedTuple

from ._json import Node
from ._normalizer import SPACE, Normalizer
from .added_tokens import SPACES

if TYPE_CHECKING:
    from ._charsmap import Charsmap

COLLAPSE, COLLAPSE_TO_SPACE, TRIM, STRIP, LSTRIP, RSTRIP = range(6)
_runs = re.compile(" {2,}").sub


class Metaspace(NamedTuple):
    """This is what a file says about white space.

    Attributes:
        steps: list of int. What the normalizer does after the charsmap: it joins blanks (to " ", or to the space
            symbol), drops the blanks at both ends, or drops the white space at one end or both.
        scheme: str. Which parts of a text get a space symbol in front: "always", "first" or "never".
        words: bool. Text is first split at white space, which is dropped.
        split: bool. No piece crosses the beginning of a word.
        appended: int. How many of the last pieces are added tokens, which the file's model does not have.
        before: list of dicts. The steps of the normalizer before the charsmap and before `steps`, as the file has them.
    """

    steps: tuple[int, ...] = ()
    scheme: str = "always"
    words: bool = False
    split: bool = True
    appended: int = 0
    before: tuple[dict[str, Any], ...] = ()


class MetaspaceNormalizer(Normalizer):
    """Normalise text as a `tokenizer.json` with `Metaspace` says it.

    Arguments:
        charsmap: Charsmap. The replacements of characters.
        metaspace: Metaspace. What the file says about white space.
    """

    def __init__(self, charsmap: Charsmap, metaspace: Metaspace):
        super().__init__(charsmap, metaspace.scheme != "never", True, True)
        self._metaspace = metaspace
        self._before = _read_before(metaspace)
        self._usual = _is_usual(metaspace)
        # Steps before the charsmap may have made the blanks as SentencePiece does; each text shows whether they have.
        self._doubted = False
        if self._before and not self._usual:
            self._usual = self._doubted = _is_usual(metaspace._replace(steps=metaspace.steps + (COLLAPSE, RSTRIP)))
        self.by_words = self.by_words and self._usual

    def normalize(self, text: str) -> str:
        """Normalise a text.

        Arguments:
            text: str. The text.

        Returns:
            str. The text that is segmented, with a space symbol for each blank.
        """
        replaced = self._replace(self._prepared(text)) if self._usual else None
        if replaced is None or SPACE in replaced:
            return self.align(text)[0]
        words = replaced.split(" ")
        if "" in words:
            words = list(filter(None, words))
        if words != replaced.split():  # white space that is no blank
            return self.align(text)[0]
        return self._dummy + SPACE.join(words) if words else ""

    def words(self, texts: list[str]) -> list[str] | None:
        """Return the words of several texts, as `Normalizer.words` does.

        Arguments:
            texts: list of str. The texts.

        Returns:
            list of str, or None where only `normalize` is exact.
        """
        texts = [*map(self._prepared, texts)] if self._before else texts
        found = super().words(texts)
        return None if found and len("".join(found).split()) != 1 else found

    def _replace(self, text: str) -> str | None:
        """Apply the charsmap. Return None if only `align` is exact, in a block also if its blanks are unusual."""
        replaced = super()._replace(text)
        if self._doubted and replaced is not None and ("  " in replaced or replaced[-1:] == " "):
            return None
        return replaced

    def _prepared(self, text: str) -> str:
        """Take the steps before the charsmap."""
        for step in self._before:
            text, _ = step(text, None)
        return text

    def spelled(self, text: str) -> tuple[str, list[int]]:
        """Apply the file's normalizer, and not yet `Metaspace`.

        Arguments:
            text: str. The text.

        Returns:
            (str, list of int). What the normalizer makes of the text, and for each character of that the index in
            `text` where it comes from.
        """
        spelling, spans = self._spelled(text)
        return spelling, [start for start, _ in spans]

    def _spelled(self, text: str) -> tuple[str, list[tuple[int, int]]]:
        """Return what `spelled` returns, with (start, end) in the text for each character."""
        origins: Any = range(len(text))
        for before in self._before:
            text, origins = before(text, origins)
        chars, spans, position = [], [], 0
        while position < len(text):
            piece, length = self._prefix(text, position)
            chars.append(piece)
            spans += [(origins[position], origins[position + length - 1] + 1)] * len(piece)
            position += length
        spelling = "".join(chars)
        for step in self._metaspace.steps:
            spelling, spans = _take(step, spelling, spans)
        return spelling, spans

    def align(self, text: str, first: bool = True, ready: bool = False) -> tuple[str, list[int], list[int]]:
        """Normalise a text, and say where each character of the result comes from.

        A space symbol that is put in gets the place of the character after it. Blanks that are joined to one get the
        place of the last of them.

        Arguments:
            text: str. A text, or a part of one.
            first: bool. Whether it is the first part of a text.
            ready: bool. Whether the file's normalizer was applied already, by `spelled`.

        Returns:
            (str, list of int, list of int). The normalised text. For each of its characters the index in `text` where
                it begins.
            The index where it ends, after a 0: the character k ends at the element k + 1.
        """
        spelling, spans = (text, [(k, k + 1) for k in range(len(text))]) if ready else self._spelled(text)
        if self._metaspace.words:
            spelling, spans = _words(spelling, spans)
        else:
            spelling = spelling.replace(" ", SPACE)
            scheme = self._metaspace.scheme
            prefix = spelling and (scheme == "always" or scheme == "first" and first and not spans[0][0])
            if prefix and spelling[0] != SPACE:
                spelling, spans = SPACE + spelling, spans[:1] + spans
        return spelling, [start for start, _ in spans], [0] + [end for _, end in spans]


def _read_before(metaspace: Metaspace) -> list[Any]:
    """Return the steps before the charsmap, which were found to be right when the file was read."""
    if not metaspace.before:
        return []
    from ._text_steps import read_steps

    return [step for node in metaspace.before for step in read_steps(Node("tokenizer.json", node, "normalizer"))]


def _is_usual(metaspace: Metaspace) -> bool:
    """Return True if the steps come to what SentencePiece does."""
    steps = metaspace.steps
    if COLLAPSE_TO_SPACE in steps[:-1]:  # what comes after it does not see that blank
        return False
    if metaspace.words or metaspace.scheme == "first":
        return metaspace.words and COLLAPSE_TO_SPACE not in steps
    joined = COLLAPSE in steps or COLLAPSE_TO_SPACE in steps
    left = metaspace.scheme == "always" or not {TRIM, STRIP, LSTRIP}.isdisjoint(steps)
    return joined and left and not {TRIM, STRIP, RSTRIP}.isdisjoint(steps)


def _take(step: int, text: str, spans: list[tuple[int, int]]) -> tuple[str, list[tuple[int, int]]]:
    """Take one step of the normalizer: return the text after it, with the spans of its characters."""
    if step in (COLLAPSE, COLLAPSE_TO_SPACE):
        kept, position = [], 0
        for match in re.finditer(" {2,}", text):
            kept += [*spans[position : match.start()], spans[match.end() - 1]]
            position = match.end()
        return _runs(" " if step == COLLAPSE else SPACE, text), kept + spans[position:]
    start, end, dropped = 0, len(text), " " if step == TRIM else SPACES
    while step != RSTRIP and start < end and text[start] in dropped:
        start += 1
    while step != LSTRIP and end > start and text[end - 1] in dropped:
        end -= 1
    return text[start:end], spans[start:end]


def _words(text: str, spans: list[tuple[int, int]]) -> tuple[str, list[tuple[int, int]]]:
    """Put a space symbol before each word and drop the white space; return the spans of the characters, too."""
    spelling, found, start = [], [], None
    for k, char in enumerate(text + " "):
        if char not in SPACES:
            start = k if start is None else start
        elif start is not None:
            prefix = SPACE if text[start] != SPACE else ""
            spelling.append(prefix + text[start:k])
            found += spans[start : start + len(prefix)] + spans[start:k]
            start = None
    return "".join(spelling), found
