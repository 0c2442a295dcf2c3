"""SentencePiece `.model` files: a bounded parser of the protobuf, and the checks that the C++ library makes when it
loads one.

The format is google/sentencepiece's `sentencepiece_model.proto`. Only what segmentation needs is kept. Nothing in a
file can make the parser allocate more than a small multiple of the file's size.
"""

from __future__ import annotations

import math
import struct
from typing import Iterable

NORMAL, UNKNOWN, CONTROL, USER_DEFINED, UNUSED, BYTE = 1, 2, 3, 4, 5, 6
MODEL_TYPES = {1: "unigram", 2: "bpe", 3: "word", 4: "char"}
MAX_FILE_SIZE = 1 << 28
MAX_PIECE_BYTES = 8000  # the C++ library refuses longer ones too
BYTE_PIECES = {"<0x%02X>" % value: value for value in range(256)}

_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5

# field number -> (attribute, kind, default); everything else in these messages is for training and is skipped
_TRAINER_FIELDS = {
    3: ("model_type", "int", 1),
    24: ("treat_whitespace_as_suffix", "bool", False),
    35: ("byte_fallback", "bool", False),
    44: ("unk_surface", "str", " \u2047 "),
    45: ("unk_piece", "str", "<unk>"),
    46: ("bos_piece", "str", "<s>"),
    47: ("eos_piece", "str", "</s>"),
    48: ("pad_piece", "str", "<pad>"),
}
_NORMALIZER_FIELDS = {
    1: ("name", "str", ""),
    2: ("precompiled_charsmap", "bytes", b""),
    3: ("add_dummy_prefix", "bool", True),
    4: ("remove_extra_whitespaces", "bool", True),
    5: ("escape_whitespaces", "bool", True),
}
_PIECE_FIELDS = {
    1: ("piece", "str", ""),
    2: ("score", "float", 0.0),
    3: ("type", "int", NORMAL),
}
_SEGMENTED_PIECE_FIELDS = {
    1: ("piece", "str", ""),
    2: ("id", "int", 0),
    4: ("begin", "int", 0),
    5: ("end", "int", 0),
}
_WIRE_TYPES = {"int": _VARINT, "bool": _VARINT, "str": _BYTES, "bytes": _BYTES, "float": _FIXED32}


class SentencePieceError(ValueError):
    """A SentencePiece model that is broken, or asks for something that is not supported."""


class SpmModel:
    """What a `.model` file says.

    Attributes: `pieces` (list of str), `scores` (list of float), `types` (list of int), `trainer`, `normalizer`,
    `denormalizer` (dicts of the fields named above), `source` (the file's name, for messages).
    """

    def __init__(self, pieces, scores, types, trainer, normalizer, denormalizer, source):
        self.pieces = pieces
        self.scores = scores
        self.types = types
        self.trainer = trainer
        self.normalizer = normalizer
        self.denormalizer = denormalizer
        self.source = source

    @property
    def model_type(self):
        return MODEL_TYPES[self.trainer["model_type"]]


def parse_model(data, source="<bytes>"):
    """Parse the bytes of a `.model` file.

    Arguments: `data` bytes; `source` names the file in messages. Returns an `SpmModel` whose pieces passed the checks
    of the C++ library. Raises `SentencePieceError`.
    """
    if len(data) > MAX_FILE_SIZE:
        raise SentencePieceError(
            "%s: %d bytes; SentencePiece models of more than %d bytes are refused" % (source, len(data), MAX_FILE_SIZE)
        )
    trainer, normalizer, denormalizer = (
        _defaults(f) for f in (_TRAINER_FIELDS, _NORMALIZER_FIELDS, _NORMALIZER_FIELDS)
    )
    messages = {
        2: (trainer, _TRAINER_FIELDS),
        3: (normalizer, _NORMALIZER_FIELDS),
        5: (denormalizer, _NORMALIZER_FIELDS),
    }
    pieces, scores, types = [], [], []
    for number, wire, value, at in _fields(data, 0, len(data), source):
        if number == 1 or number in messages:
            if wire != _BYTES:
                raise SentencePieceError("%s: field %d at byte %d is not a message" % (source, number, at))
            begin, end = value
            if number == 1:
                piece = _piece(data, begin, end, source, len(pieces))
                pieces.append(piece["piece"])
                scores.append(piece["score"])
                types.append(piece["type"])
            else:
                target, fields = messages[number]
                _read_message(data, begin, end, fields, target, source)
    model = SpmModel(pieces, scores, types, trainer, normalizer, denormalizer, source)
    _check(model)
    return model


def _defaults(fields):
    return {name: default for name, _, default in fields.values()}


def parse_segmented(data, begin=0, end=None):
    """A serialized `SentencePieceText`, the C++ library's result: (pieces, score).

    A piece is a dict of piece, id, begin and end; the latter two count bytes of the text.
    """
    pieces, score = [], 0.0
    for number, _, value, _ in _fields(data, begin, len(data) if end is None else end, "<result>"):
        if number == 2:
            piece = _defaults(_SEGMENTED_PIECE_FIELDS)
            _read_message(data, value[0], value[1], _SEGMENTED_PIECE_FIELDS, piece, "<result>")
            pieces.append(piece)
        elif number == 3:
            score = struct.unpack_from("<f", data, value[0])[0]
    return pieces, score


def parse_n_best(data):
    """A serialized `NBestSentencePieceText`: list of what `parse_segmented` gives."""
    fields = _fields(data, 0, len(data), "<result>")
    return [parse_segmented(data, *value) for number, _, value, _ in fields if number == 1]


def _piece(data, begin, end, source, index):
    message = {"piece": "", "score": 0.0, "type": NORMAL}
    _read_message(data, begin, end, _PIECE_FIELDS, message, "%s, piece %d" % (source, index))
    return message


def _read_message(data, begin, end, fields, target, source):
    for number, wire, value, at in _fields(data, begin, end, source):
        if number not in fields:
            continue
        name, kind, _ = fields[number]
        if wire != _WIRE_TYPES[kind]:
            raise SentencePieceError("%s: %s at byte %d has wire type %d" % (source, name, at, wire))
        if kind == "bool":
            value = bool(value)
        elif kind == "float":
            value = struct.unpack_from("<f", data, value[0])[0]
        elif wire == _BYTES:
            value = bytes(data[value[0] : value[1]])
            if kind == "str":
                try:
                    value = value.decode("utf-8")
                except UnicodeDecodeError as e:
                    raise SentencePieceError("%s: %s at byte %d is not UTF-8: %s" % (source, name, at, e)) from None
        target[name] = value


def _fields(data, position, end, source):
    """Yield (field number, wire type, value or (begin, end), position); lengths are checked against the message's
    end."""
    while position < end:
        at = position
        key, position = _varint(data, position, end, source)
        number, wire = key >> 3, key & 7
        if not 0 < number < 1 << 29:
            raise SentencePieceError("%s: field number %d at byte %d; not a SentencePiece model" % (source, number, at))
        if wire == _VARINT:
            value, position = _varint(data, position, end, source)
        else:
            if wire == _BYTES:
                size, position = _varint(data, position, end, source)
            elif wire in (_FIXED32, _FIXED64):
                size = 4 if wire == _FIXED32 else 8
            else:
                raise SentencePieceError("%s: wire type %d at byte %d; not a SentencePiece model" % (source, wire, at))
            if size > end - position:
                raise SentencePieceError(
                    "%s: field %d at byte %d wants %d bytes and %d are left; the file is cut short, or it is not a "
                    "SentencePiece model" % (source, number, at, size, end - position)
                )
            value = (position, position + size)
            position += size
        yield number, wire, value, at


def _varint(data, position, end, source):
    value = shift = 0
    start = position
    while position < end and shift < 70:
        byte = data[position]
        position += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value & 0xFFFFFFFFFFFFFFFF, position
        shift += 7
    raise SentencePieceError("%s: broken number at byte %d; the file is cut short or damaged" % (source, start))


def _check(model):
    """The checks of the C++ library (InitializePieces), each with a message of its own."""
    source = model.source
    if not model.pieces:
        raise SentencePieceError("%s: no pieces; not a SentencePiece model" % source)
    if model.trainer["model_type"] not in MODEL_TYPES:
        raise SentencePieceError("%s: unknown model type %d" % (source, model.trainer["model_type"]))
    byte_fallback = model.trainer["byte_fallback"]
    seen = {}
    for index, (piece, score) in enumerate(zip(model.pieces, model.scores)):
        where = "%s, piece %d" % (source, index)
        if piece == "\0" and byte_fallback:
            model.types[index] = UNUSED  # written by some converters; the C++ library leaves it out as well
            continue
        _check_piece(piece, score, model.types[index], where)
        # in unigram models a control symbol may spell the same as a normal piece
        kind = "reserved" if model.model_type != "bpe" and is_reserved(model.types[index]) else "normal"
        if (kind, piece) in seen:
            raise SentencePieceError("%s: %r is already piece %d" % (where, piece, seen[kind, piece]))
        seen[kind, piece] = index
    _check_special(model, byte_fallback)


def _check_piece(piece, score, type_, where):
    if not piece:
        raise SentencePieceError("%s is empty" % where)
    if "\0" in piece:
        raise SentencePieceError("%s has a null character: %r" % (where, piece[:40]))
    if len(piece) >= MAX_PIECE_BYTES or len(piece.encode("utf-8")) >= MAX_PIECE_BYTES:
        raise SentencePieceError("%s has %d characters; the limit is %d bytes" % (where, len(piece), MAX_PIECE_BYTES))
    if type_ not in (NORMAL, UNKNOWN, CONTROL, USER_DEFINED, UNUSED, BYTE):
        raise SentencePieceError("%s (%r) has unknown type %d" % (where, piece, type_))
    if math.isnan(score) or math.isinf(score):
        raise SentencePieceError("%s (%r) has score %r" % (where, piece, score))


def _check_special(model, byte_fallback):
    source = model.source
    unknown = [i for i, t in enumerate(model.types) if t == UNKNOWN]
    if len(unknown) > 1:
        raise SentencePieceError("%s: pieces %d and %d are both of type unknown" % (source, unknown[0], unknown[1]))
    if not unknown:
        raise SentencePieceError("%s: no piece of type unknown" % source)
    found = set()
    for index, (piece, type_) in enumerate(zip(model.pieces, model.types)):
        if type_ != BYTE:
            continue
        if not byte_fallback:
            raise SentencePieceError("%s: byte piece %d (%r), but byte_fallback is off" % (source, index, piece))
        if piece not in BYTE_PIECES:
            raise SentencePieceError("%s: byte piece %d is %r, not <0x00> to <0xFF>" % (source, index, piece))
        found.add(piece)
    if byte_fallback and len(found) != 256:
        raise SentencePieceError("%s: byte_fallback is on, and there are %d of 256 byte pieces" % (source, len(found)))


def is_reserved(type_):
    """Whether pieces of this type never match text."""
    return type_ in (UNKNOWN, CONTROL, BYTE)


def append_pieces(data, pieces, type_=USER_DEFINED, score=0.0):
    """The bytes of a `.model` file with more pieces at the end.

    It relies on protobuf's rule that repeated fields of concatenated messages are concatenated.
    """
    return bytes(data) + b"".join(encode_piece(piece, score, type_) for piece in pieces)


def with_extra_ids(data, count):
    """The bytes of a `.model` file with the sentinels of T5 after its last piece, in descending order."""
    return append_pieces(data, ["\u2581<extra_id_%d>" % i for i in reversed(range(count))]) if count else bytes(data)


def with_user_defined(data: bytes, pieces: Iterable[str], source: str = "<bytes>") -> bytes:
    """Return the bytes of a `.model` file in which certain pieces are user-defined symbols.

    Pieces that the file has keep their place and their score; the others are appended.

    Arguments:
        data: bytes. The bytes of a `.model` file.
        pieces: str[]. The pieces.
        source: str. The name of the file, for messages.

    Returns:
        bytes.

    Raises:
        SentencePieceError: One of them is the unknown piece, a byte, or what no piece can be.
    """
    left, out, end = dict.fromkeys(pieces), [], 0
    for index, (number, _, value, at) in enumerate(_fields(data, 0, len(data), source)):
        if number != 1:
            continue
        piece = _piece(data, value[0], value[1], source, index)
        if piece["piece"] not in left:
            continue
        if piece["type"] in (UNKNOWN, BYTE):
            raise SentencePieceError(f"{source}: {piece['piece']!r} is the unknown piece or a byte; no symbol")
        del left[piece["piece"]]
        out += [data[end:at], encode_piece(piece["piece"], piece["score"], USER_DEFINED)]
        end = value[1]
    for piece in left:
        _check_piece(piece, 0.0, USER_DEFINED, f"{source}, piece {piece[:40]!r}")
    return append_pieces(b"".join(out + [data[end:]]), left)


def encode_piece(piece, score, type_):
    """One `pieces` entry in wire format."""
    text = piece.encode("utf-8")
    body = b"\x0a" + encode_varint(len(text)) + text + b"\x15" + struct.pack("<f", score)
    if type_ != NORMAL:
        body += b"\x18" + encode_varint(type_)
    return b"\x0a" + encode_varint(len(body)) + body


def encode_model(pieces, trainer, normalizer):
    """The bytes of a `.model` file.

    Arguments: `pieces`, (piece, score, type) each; `trainer` and `normalizer`, dicts with names of `SpmModel.trainer`
    and `SpmModel.normalizer`; what they leave out has its default.
    """
    return (
        b"".join(encode_piece(*piece) for piece in pieces)
        + _encode_field(2, _encode_message(_TRAINER_FIELDS, trainer))
        + _encode_field(3, _encode_message(_NORMALIZER_FIELDS, normalizer))
    )


def _encode_message(fields, values):
    numbers = {name: number for number, (name, _, _) in fields.items()}
    return b"".join(_encode_field(numbers[name], value) for name, value in values.items())


def _encode_field(number, value):
    if isinstance(value, int):
        return encode_varint(number << 3 | _VARINT) + encode_varint(int(value))
    data = value.encode("utf-8") if isinstance(value, str) else value
    return encode_varint(number << 3 | _BYTES) + encode_varint(len(data)) + data


def encode_varint(value):
    """A non-negative integer in protobuf's base 128."""
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)
