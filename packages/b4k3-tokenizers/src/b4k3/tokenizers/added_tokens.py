"""Find tokens in a text before it is cut into words: "[MASK]", "[unused1]", tokens of one's own.

As in Hugging Face's tokenizers, tokens with `normalized=False` are looked for in the text as it is, then the others in
what the normalizer makes of the parts between them. The longest token counts at each place, from the left.

    tokens = AddedTokens([AddedToken("[E]", 30522, lstrip=True)])
    tokens.parts("the [E] end")  # "the", " [E]" as token 30522, " end"
"""

from __future__ import annotations

import re
import unicodedata
from typing import Callable, Iterable, Mapping, NamedTuple, Sequence

from ._checks import checked_tokens
from .vocab import VocabError

# what a regular expression of Rust calls \s and \w; Python's have other characters
SPACES = frozenset("\t\n\x0b\x0c\r \x85\xa0\u1680\u2028\u2029\u202f\u205f\u3000").union(map(chr, range(0x2000, 0x200B)))
_WORD_CATEGORIES = frozenset("Lu Ll Lt Lm Lo Mn Mc Me Nd Nl Pc".split())
_LETTERS_IN_CIRCLES = ((0x24B6, 0x24E9), (0x1F130, 0x1F149), (0x1F150, 0x1F169), (0x1F170, 0x1F189))


class AddedToken(NamedTuple):
    """This is a token that texts are searched for.

    Attributes:
        content: str. The token.
        id: int. The id of the token.
        single_word: bool. It counts only where no letter, digit or underscore is next to it.
        lstrip: bool. It takes the white space on its left with it.
        rstrip: bool. It takes the white space on its right with it.
        normalized: bool. It is looked for in normalised text, so "Yes" is found in "YES" if text is lower-cased.
        special: bool. It stands for no text, like "[MASK]"; `special_tokens="split"` leaves it alone.

    Example:
        >>> AddedToken("[MASK]", 103, lstrip=True, special=True).content
        '[MASK]'
    """

    content: str
    id: int
    single_word: bool = False
    lstrip: bool = False
    rstrip: bool = False
    normalized: bool = False
    special: bool = False


def with_new_tokens(
    tokens: Iterable[str], ids: Mapping[str, int], added: Iterable[AddedToken], **settings: bool
) -> tuple[dict[str, int], list[AddedToken]]:
    """Add tokens to a vocabulary. A token that it has keeps its id; the others get the ids after the last one.

    Arguments:
        tokens: list of str. The tokens.
        ids: dict of str to int. The vocabulary, with the tokens that were added before.
        added: list of AddedToken. The tokens that were added before.
        settings: the fields of `AddedToken` behind the id, for each of the tokens.

    Returns:
        The new vocabulary, and all added tokens in the order of their ids.

    Raises:
        TypeError: `tokens` is no list of str.
        ValueError: A token is empty.

    Example:
        >>> with_new_tokens(["[E]"], {"a": 0}, [], special=True)[0]
        {'a': 0, '[E]': 1}
    """
    if isinstance(tokens, str):
        raise TypeError(f"tokens: expected a list of str, got one str {tokens[:60]!r}")
    known, all_added = dict(ids), {token.content: token for token in added}
    last = max(known.values(), default=-1)
    for place, token in enumerate(checked_tokens(tokens)):
        if not token:
            raise ValueError(f"tokens[{place}] is empty")
        if token not in known:
            last += 1
            known[token] = last
        all_added[token] = AddedToken(token, known[token], **settings)
    return known, sorted(all_added.values(), key=lambda token: token.id)


class TextPart(NamedTuple):
    """This is a part of a text: an added token, or what stands between two of them.

    Attributes:
        text: str. The characters of the part.
        origins: list of int. The index in the text where each of these characters comes from.
        token: AddedToken or None. The token that the part is.

    Example:
        >>> tokens = AddedTokens([AddedToken("[E]", 5)])
        >>> tokens.parts("an [E]")[0]
        TextPart(text='an ', origins=range(0, 3), token=None)
    """

    text: str
    origins: Sequence[int]
    token: AddedToken | None


class AddedTokens:
    """Search texts for the added tokens of a tokenizer.

    Arguments:
        tokens: list of AddedToken. The tokens.
        normalize: A function of a text. It returns the normalised text, in which tokens with `normalized=True` are
            looked for, and for each of its characters the index in the text where it comes from. Without such tokens
            it may be None.

    Raises:
        VocabError: Two tokens are the same in normalised text.

    Example:
        >>> tokens = AddedTokens([AddedToken("[E]", 5, lstrip=True)])
        >>> [(part.text, part.token is not None) for part in tokens.parts("the [E] end")]
        [('the', False), (' [E]', True), (' end', False)]
    """

    def __init__(
        self,
        tokens: Sequence[AddedToken],
        normalize: Callable[[str], tuple[str, Sequence[int]]] | None = None,
    ):
        self.tokens = tuple(tokens)
        self._normalize = normalize
        self._raw = _Finder((token.content, token) for token in tokens if not token.normalized)
        self._normalized = _Finder((normalize(token.content)[0], token) for token in tokens if token.normalized)

    def __bool__(self) -> bool:
        return bool(self.tokens)

    @property
    def see_normalized(self) -> bool:
        """Whether the parts of a text are normalised, because there are tokens with `normalized=True`."""
        return bool(self._normalized)

    def may_be_in(self, text: str) -> bool:
        """Say whether a text may have one of the tokens.

        Arguments:
            text: str. The text.

        Returns:
            bool. False only if the text has none of them.
        """
        return bool(self._normalized) or self.may_be_raw(text)

    def may_be_raw(self, text: str) -> bool:
        """Say whether a text may have one of the tokens with `normalized=False`.

        Arguments:
            text: str. The text as it is.

        Returns:
            bool. False only if the text has none of them.
        """
        return bool(self._raw) and self._raw.pattern.search(text) is not None

    def may_be_normalized(self, text: str) -> bool:
        """Say whether a text may have one of the tokens with `normalized=True`.

        Arguments:
            text: str. The normalised text.

        Returns:
            bool. False only if the text has none of them.
        """
        return bool(self._normalized) and self._normalized.pattern.search(text) is not None

    def parts(self, text: str) -> list[TextPart]:
        """Cut a text at the tokens.

        Arguments:
            text: str. The text.

        Returns:
            list of TextPart. The parts in the order of the text, none of them empty.
        """
        parts = []
        for start, end, token in self._raw.splits(text):
            part = TextPart(text[start:end], range(start, end), token)
            parts += [part] if token or not self._normalized else self._normalized_parts(part)
        return parts

    def _normalized_parts(self, part: TextPart) -> list[TextPart]:
        text, origins = self._normalize(part.text)
        origins = [part.origins[i] for i in origins]
        return [TextPart(text[a:b], origins[a:b], token) for a, b, token in self._normalized.splits(text)]


class _Finder:
    """Find tokens in a text.

    Arguments:
        pairs: (str, AddedToken) each. What is looked for, and its token.
    """

    def __init__(self, pairs: Iterable[tuple[str, AddedToken]]):
        self._tokens = {}
        for content, token in pairs:
            other = self._tokens.setdefault(content, token) if content else token
            if other is not token:  # Hugging Face's tokenizers finds one of them, at random
                raise VocabError(
                    f"the added tokens {other.content!r} and {token.content!r} are the same in normalised text, "
                    f"{content!r}; leave one of them out"
                )
        longest_first = sorted(self._tokens, key=len, reverse=True)
        self.pattern = re.compile("|".join(map(re.escape, longest_first))) if longest_first else None

    def __bool__(self) -> bool:
        return self.pattern is not None

    def splits(self, text: str) -> list[tuple[int, int, AddedToken | None]]:
        """Return (start, end, token or None) for each part of a text, none of them empty."""
        found, position = [], 0
        for match in self.pattern.finditer(text) if self.pattern else ():
            start, end, token = match.start(), match.end(), self._tokens[match.group()]
            if token.single_word and (_is_word(text[start - 1 : start]) or _is_word(text[end : end + 1])):
                continue
            if token.lstrip:
                while start and text[start - 1] in SPACES:
                    start -= 1
                start = max(start, position)
            while token.rstrip and end < len(text) and text[end] in SPACES:
                end += 1
            if position < start:
                found.append((position, start, None))
            found.append((start, end, token))
            position = end
        if position < len(text):
            found.append((position, len(text), None))
        return found


def _is_word(char: str) -> bool:
    """Return True if a character, or "", is part of a word as \\w of Rust's regular expressions says it."""
    if not char:
        return False
    if unicodedata.category(char) in _WORD_CATEGORIES or char in "\u200c\u200d":
        return True
    return any(first <= ord(char) <= last for first, last in _LETTERS_IN_CIRCLES)
