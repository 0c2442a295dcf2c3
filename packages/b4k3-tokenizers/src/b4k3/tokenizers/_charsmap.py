"""The precompiled charsmap of a SentencePiece model: a double array (darts-clone) from UTF-8 byte strings to
replacements.

Nearly all of a text is changed one character at a time. So the rules for one character are read into a dictionary
once, for `str.translate`, together with the characters that can continue a longer rule; the array itself is only
walked where a text has such a character. (The rules cannot all be listed: the array shares its tails, and nmt_nfkc
spells 225,276 of them.)
"""

from __future__ import annotations

import sys
from array import array

from ._spm import SentencePieceError

MAX_KEY_LENGTH = 32  # characters; the longest key of the charsmaps that SentencePiece ships has 4
MAX_REPLACEMENT = 256  # characters, and so many times longer a text can get; the longest that it ships has 18
MAX_STEPS = 1 << 18  # of characters while the rules are read; the largest charsmap that it ships takes 74,672
MAX_CHARACTERS = 1 << 20  # of all replacements of one character
_IS_VALUE = 1 << 31
_HAS_VALUE = 1 << 8


class Charsmap:
    """The replacement rules of a normalizer.

    Arguments: `blob` bytes: the array's size in bytes (4 bytes, little-endian), the array, the replacements, each
    closed by a null byte; empty for no rules. `source` names the file in messages. Raises `SentencePieceError`.

    Attributes: `single`, dict from one character to its replacement; `continuers`, frozenset of the characters that
    can be the second or a later one of a longer key.
    """

    def __init__(self, blob=b"", source="<bytes>"):
        self._source = source
        self.single = {}
        self.continuers = frozenset()
        self._units = array("I")
        self._values = b""
        if blob:
            self._load(bytes(blob))

    def _load(self, blob):
        size = int.from_bytes(blob[:4], "little")
        if size >= len(blob) - 4:
            raise self._broken("says that %d of its %d bytes are the array" % (size, len(blob)))
        if size < 1024 or size % 1024:
            raise self._broken("has an array of %d bytes, not a multiple of 1024" % size)
        self._units.frombytes(blob[4 : 4 + size])
        if sys.byteorder != "little":  # pragma: no cover
            self._units.byteswap()
        self._values = blob[4 + size :]
        self._steps = MAX_STEPS
        children = {}
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

    def _broken(self, what):
        return SentencePieceError(f"{self._source}: the charsmap {what}")

    def _characters(self, node, children):
        """(character, node after it) for every character that can follow a node."""
        stack = [(node, b"")]
        while stack:
            node, key = stack.pop()
            for child in children.get(self._base(node), ()):
                longer = key + bytes((self._units[child] & 0xFF,))
                self._value(child)  # every rule is checked when the file is loaded
                self._steps -= 1
                if self._steps < 0:
                    raise self._broken(f"spells more keys than the {MAX_STEPS} steps that are taken to read them")
                if len(longer) < _utf8_length(longer[0]):
                    stack.append((child, longer))
                    continue
                try:
                    yield longer.decode("utf-8"), child
                except UnicodeDecodeError as e:
                    raise self._broken("has a key that is not UTF-8: %s" % e) from None

    def _find_continuers(self, nodes, children):
        found, seen, pending = set(), set(nodes), list(nodes)
        while pending:
            for char, after in self._characters(pending.pop(), children):
                found.add(char)
                if after not in seen:
                    seen.add(after)
                    pending.append(after)
        return frozenset(found)

    def _base(self, node):
        """The children of a node are at base ^ byte, its value at base."""
        unit = self._units[node]
        base = node ^ (unit >> 10) << ((unit & 1 << 9) >> 6)
        if base >= len(self._units):
            raise self._broken("points to unit %d of %d" % (base, len(self._units)))
        return base

    def _value(self, node):
        """The replacement of the key that ends at a node, or None."""
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

    def longest(self, text, position):
        """The longest key at a position of a text: (replacement, length), or the character itself."""
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

    def _step(self, node, key):
        if not self._units:
            return None
        for byte in key:
            node = self._base(node) ^ byte
            if node >= len(self._units) or self._units[node] & (_IS_VALUE | 0xFF) != byte:
                return None
        return node


def _utf8_length(first):
    return 1 if first < 0x80 else 2 if first < 0xE0 else 3 if first < 0xF0 else 4
