"""SentencePiece models built from data, and the slow and obvious ways to normalise and segment with them."""

import re
import struct
from functools import lru_cache

from b4k3.tokenizers import educational
from b4k3.tokenizers._normalizer import SPACE, TEXT_END
from b4k3.tokenizers._spm import encode_piece, encode_varint

NORMAL, UNKNOWN, CONTROL, USER_DEFINED, UNUSED, BYTE = 1, 2, 3, 4, 5, 6
UNIGRAM, BPE, WORD, CHAR = 1, 2, 3, 4
TRAINER = {
    "model_type": 3,
    "suffix": 24,
    "byte_fallback": 35,
    "unk_surface": 44,
    "unk_piece": 45,
    "bos_piece": 46,
    "eos_piece": 47,
    "pad_piece": 48,
}
NORMALIZER = {"precompiled_charsmap": 2, "add_dummy_prefix": 3, "remove_extra_whitespaces": 4, "escape_whitespaces": 5}
SPECIALS = [("<unk>", 0.0, UNKNOWN), ("<s>", 0.0, CONTROL), ("</s>", 0.0, CONTROL)]
BYTES = [(f"<0x{i:02X}>", 0.0, BYTE) for i in range(256)]


def field(number, value):
    """One protobuf field."""
    if isinstance(value, (bool, int)):
        return encode_varint(number << 3) + encode_varint(int(value))
    data = value.encode("utf-8") if isinstance(value, str) else value
    return encode_varint(number << 3 | 2) + encode_varint(len(data)) + data


def build(pieces, trainer=(), normalizer=(), specials=SPECIALS):
    """The bytes of a `.model` file; `pieces` are (piece, score) or (piece, score, type)."""
    out = b"".join(encode_piece(p[0], p[1], p[2] if len(p) > 2 else NORMAL) for p in list(specials) + list(pieces))
    out += field(2, b"".join(field(TRAINER[name], value) for name, value in dict(trainer).items()))
    return out + field(3, b"".join(field(NORMALIZER[name], value) for name, value in dict(normalizer).items()))


class Twin:
    """The educational twin of a model: the same pieces, segmented slowly and obviously.

    A user-defined symbol has a score of its own in unigram models. In BPE models it is never merged, so the text is cut
    at the symbols first. Unused pieces are left out, which is right for unigram models only.
    """

    def __init__(self, spec):
        self.spec, self.unk_id = spec, spec.types.index(UNKNOWN)
        usable = [i for i, t in enumerate(spec.types) if t in (NORMAL, USER_DEFINED)]
        self.vocabulary = {spec.pieces[i]: (i, self.score(i)) for i in usable}
        is_bpe = spec.model_type == "bpe"
        self.algorithm = (educational.BPE if is_bpe else educational.Unigram)(self.vocabulary, self.unk_id)
        symbols = [spec.pieces[i] for i in usable if spec.types[i] == USER_DEFINED] if is_bpe else []
        self.symbols = sorted(symbols, key=len, reverse=True)

    def score(self, i):
        piece = self.spec.pieces[i]
        return 0.1 * (len(piece.encode("utf-8")) - 1) if self.spec.types[i] == USER_DEFINED else self.spec.scores[i]

    def nodes(self, text):
        """[(piece, id)] of normalised text, each unknown character by itself."""
        pieces = []
        parts = re.split(f"({'|'.join(map(re.escape, self.symbols))})", text) if self.symbols else [text]
        for place, part in enumerate(parts):
            pieces += [part] if place % 2 else self.algorithm.tokenize(part)
        return [(piece, self.vocabulary.get(piece, (self.unk_id,))[0]) for piece in pieces]

    def encode(self, text):
        """The ids and pieces of normalised text as they come out of an encoder."""
        return surface(self.spec, self.nodes(text))


def surface(spec, nodes):
    """(ids, pieces) as they come out of an encoder: bytes for unknown characters, or one piece for a run of them."""
    ids, pieces = [], []
    for piece, i in nodes:
        if spec.types[i] == UNKNOWN and spec.trainer["byte_fallback"]:
            names = [f"<0x{b:02X}>" for b in piece.encode("utf-8")]
            ids += map(spec.pieces.index, names)
            pieces += names
        elif spec.types[i] == UNKNOWN and ids and ids[-1] == i:
            pieces[-1] += piece
        else:
            ids.append(i)
            pieces.append(piece)
    return ids, pieces


@lru_cache(maxsize=None)
def slow_rules(blob):
    """A function (UTF-8 bytes) -> (replacement, length) that walks the double array of a charsmap byte by byte."""
    size = struct.unpack_from("<I", blob)[0]
    units = struct.unpack_from(f"<{size // 4}I", blob, 4)
    values = blob[4 + size :]

    def offset(unit):
        return (unit >> 10) << ((unit & 512) >> 6)

    def longest(key):
        node, found = offset(units[0]), (None, 0)
        for length, byte in enumerate(key, 1):
            node ^= byte
            if units[node] & 0x800000FF != byte:
                break
            unit = units[node]
            node ^= offset(unit)
            if unit >> 8 & 1:
                start = units[node] & 0x7FFFFFFF
                found = (values[start : values.index(b"\0", start)], length)
        return found

    return longest


def slow_normalize(spec, text):
    """The normalizer over bytes, one step at a time."""
    options, key = spec.normalizer, text.encode("utf-8")
    longest = slow_rules(options["precompiled_charsmap"]) if options["precompiled_charsmap"] else lambda key: (None, 0)
    symbols = [p.encode("utf-8") for p, t in zip(spec.pieces, spec.types) if t == USER_DEFINED]

    def prefix(key):
        symbol = max((s for s in symbols if key.startswith(s)), key=len, default=b"")
        if symbol:
            return symbol, len(symbol)
        value, length = longest(key)
        if not length:
            length = len(key[:4].decode("utf-8", "ignore")[0].encode("utf-8"))
            value = key[:length]
        return value, length

    remove, out, after_space = options["remove_extra_whitespaces"], b"", options["remove_extra_whitespaces"]
    while remove and key and prefix(key)[0] == b" ":
        key = key[prefix(key)[1] :]
    if not key:
        return ""
    while key:
        value, length = prefix(key)
        if after_space:
            value = value.lstrip(b" ")
        if value:
            out += value
            after_space = remove and value.endswith(b" ")
        key = key[length:]
    space = "\u2581" if options["escape_whitespaces"] else " "
    dummy = space if options["add_dummy_prefix"] else ""
    suffix = spec.trainer["treat_whitespace_as_suffix"]
    text = ("" if suffix else dummy) + out.decode("utf-8").replace(" ", space)
    while remove and text.endswith(space):
        text = text[: -len(space)]
    return text + (dummy if suffix else "")


def texts_of(words):
    """The normalised texts whose words `Normalizer.words` gives."""
    texts = [""]
    for word in words:
        if word == TEXT_END:
            texts.append("")
        else:
            texts[-1] += SPACE + word
    return texts


# ---------------------------------------------------------------------------------------------------- charsmaps


def charsmap(units, values=b"x\0", size=None):
    """The bytes of a charsmap with a double array of 256 units, the first ones given."""
    units = list(units) + [0x80000000] * (256 - len(units))
    blob = struct.pack("<256I", *units)
    return struct.pack("<I", len(blob) if size is None else size) + blob + values


def unit(offset, label, has_value=False):
    return offset << 10 | has_value << 8 | label


def chars(keys, values=b"x\0"):
    """A charsmap whose array has the units of `keys`, {index: unit}."""
    return charsmap([keys.get(i, 0x80000000) for i in range(256)], values)


# one byte "a" (0x61): the root's base is 1, the child is at 1 ^ 0x61, its value at the child's base
CHILD = 1 ^ 0x61
GOOD = {0: unit(1, 0), CHILD: unit(CHILD ^ 2, 0x61, True), 2: 0x80000000}
