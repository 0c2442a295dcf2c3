"""Read the precompiled charsmap of a SentencePiece model: rules that replace some characters by others.

The rules are stored as a double array (the format of darts-clone): a trie whose keys are UTF-8 byte strings.

Nearly all of a text is changed one character at a time. So the rules for one character are read into a dictionary once,
for `str.translate`, together with the characters that can continue a longer rule. The array itself is walked only where
a text has such a character. (It is not possible to list all rules: the array shares its tails, and the charsmap
nmt_nfkc spells 225,276 keys.)
"""

from __future__ import annotations

import sys
from array import array
from typing import Iterable, Iterator

from ._spm import SentencePieceError

# The limits keep a hostile file from taking much time or memory. The charsmaps that SentencePiece ships stay far below.
MAX_KEY_LENGTH = 32  # characters of a key; theirs have at most 4
MAX_REPLACEMENT = 256  # characters of a replacement, so a text can get 256 times longer; theirs have at most 18
MAX_STEPS = 1 << 18  # nodes that are visited to read the rules; their largest charsmap takes 74,672
MAX_CHARACTERS = 1 << 20  # characters of the replacements of single characters, all together
_IS_VALUE = 1 << 31
_HAS_VALUE = 1 << 8


class Charsmap:
    """Hold the replacement rules of a normalizer.

    Arguments:
        blob: bytes. The size of the array in bytes (4 bytes, little-endian), the array, and the replacements, each of
            which ends with a null byte. It is empty for no rules.
        source: str. The name of the file, for messages.

    Attributes:
        single: dict of str. Each character that has a rule, and its replacement.
        continuers: frozenset of str. The characters that can follow the first one in a longer key.

    Raises:
        SentencePieceError: The charsmap is broken, or exceeds a limit.

    Example:
        >>> Charsmap().longest("abc", 1)  # without rules every character stays
        ('b', 1)
    """

    def __init__(self, blob: bytes = b"", source: str = "<bytes>") -> None:
        self._source = source
        self.single: dict[str, str] = {}
        self.continuers: frozenset[str] = frozenset()
        self._units = array("I")
        self._values = b""
        if blob:
            self._load(bytes(blob))

    def _load(self, blob: bytes) -> None:
        size = int.from_bytes(blob[:4], "little")
        if size >= len(blob) - 4:
            raise self._broken(f"says that {size} of its {len(blob)} bytes are the array")
        if size < 1024 or size % 1024:
            raise self._broken(f"has an array of {size} bytes, not a multiple of 1024")
        self._units.frombytes(blob[4 : 4 + size])
        if sys.byteorder != "little":  # pragma: no cover
            self._units.byteswap()
        self._values = blob[4 + size :]
        self._steps = MAX_STEPS
        children: dict[int, list[int]] = {}  # base of a node -> its children
        for index, unit in enumerate(self._units):
            if not unit & _IS_VALUE and unit & 0xFF:
                children.setdefault(index ^ (unit & 0xFF), []).append(index)
        first, total = dict(self._characters(0, children)), 0
        for char, node in first.items():
            value = self._value(node)
            if value is not None:
                self.single[char] = value
                total += len(value)
                if total > MAX_CHARACTERS:
                    raise self._broken(f"replaces single characters by more than {MAX_CHARACTERS} characters in all")
        self.continuers = self._find_continuers(first.values(), children)

    def _broken(self, what: str) -> SentencePieceError:
        return SentencePieceError(f"{self._source}: the charsmap {what}")

    def _characters(self, node: int, children: dict[int, list[int]]) -> Iterator[tuple[str, int]]:
        """Yield (character, node after it) for every character that can follow a node."""
        stack = [(node, b"")]
        while stack:
            node, key = stack.pop()
            for child in children.get(self._base(node), ()):
                longer = key + bytes((self._units[child] & 0xFF,))
                self._value(child)  # this checks the rule, so a broken one is found when the file is loaded
                self._steps -= 1
                if self._steps < 0:
                    raise self._broken(f"spells more keys than the {MAX_STEPS} steps that are taken to read them")
                if len(longer) < _utf8_length(longer[0]):
                    stack.append((child, longer))
                    continue
                try:
                    yield longer.decode("utf-8"), child
                except UnicodeDecodeError as e:
                    raise self._broken(f"has a key that is not UTF-8: {e}") from None

    def _find_continuers(self, nodes: Iterable[int], children: dict[int, list[int]]) -> frozenset[str]:
        """Return the characters that can follow the nodes, at once or later."""
        found, seen, pending = set(), set(nodes), list(nodes)
        while pending:
            for char, after in self._characters(pending.pop(), children):
                found.add(char)
                if after not in seen:
                    seen.add(after)
                    pending.append(after)
        return frozenset(found)

    def _base(self, node: int) -> int:
        """Return the base of a node: its children are at base ^ byte, and its value is at base."""
        unit = self._units[node]
        base = node ^ (unit >> 10) << ((unit & 1 << 9) >> 6)
        if base >= len(self._units):
            raise self._broken(f"points to unit {base} of {len(self._units)}")
        return base

    def _value(self, node: int) -> str | None:
        """Return the replacement of the key that ends at a node, None if no key ends there."""
        if not self._units[node] & _HAS_VALUE:
            return None
        unit = self._units[self._base(node)]
        start = unit & ~_IS_VALUE
        if not unit & _IS_VALUE or start >= len(self._values):
            raise self._broken("has a rule without a replacement")
        end = self._values.find(b"\0", start, start + 4 * MAX_REPLACEMENT + 1)
        if end < 0:
            raise self._broken(
                f"has a replacement, at byte {start}, that is not closed by a null byte, or is longer than the "
                f"{MAX_REPLACEMENT} characters that are supported"
            )
        try:
            value = self._values[start:end].decode("utf-8")
        except UnicodeDecodeError as e:
            raise self._broken(f"has a replacement that is not UTF-8: {e}") from None
        if len(value) > MAX_REPLACEMENT:
            raise self._broken(f"has a replacement of {len(value)} characters; at most {MAX_REPLACEMENT} are supported")
        return value

    def longest(self, text: str, position: int) -> tuple[str, int]:
        """Find the longest key that begins at a position of a text.

        Arguments:
            text: str. The text.
            position: int. The index where the key begins.

        Returns:
            (str, int). The replacement and the length of the key; the character itself and 1 if no key begins there.
        """
        char = text[position]
        found, length = self.single.get(char, char), 1
        node, end = 0, position
        limit = min(len(text), position + MAX_KEY_LENGTH)
        while end < limit:
            node = self._step(node, text[end].encode("utf-8", "replace"))
            if node is None:
                break
            end += 1
            value = self._value(node)
            if value is not None:
                found, length = value, end - position
        return found, length

    def _step(self, node: int, key: bytes) -> int | None:
        """Return the node that the bytes of one character lead to, None if there is none."""
        if not self._units:
            return None
        for byte in key:
            node = self._base(node) ^ byte
            if node >= len(self._units) or self._units[node] & (_IS_VALUE | 0xFF) != byte:
                return None
        return node


def _utf8_length(first: int) -> int:
    """Return how many bytes a character has, given its first byte."""
    return 1 if first < 0x80 else 2 if first < 0xE0 else 3 if first < 0xF0 else 4
