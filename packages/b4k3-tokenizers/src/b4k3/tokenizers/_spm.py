"""Read and write SentencePiece `.model` files.

The format is the protobuf `sentencepiece_model.proto` of google/sentencepiece. The parser keeps only what segmentation
needs, and makes the checks that the C++ library makes when it loads a model. Nothing in a file can make it allocate
more than a small multiple of the size of the file.
"""

from __future__ import annotations

import math
import struct
from typing import Any, Iterable, Iterator, Mapping, NamedTuple

NORMAL, UNKNOWN, CONTROL, USER_DEFINED, UNUSED, BYTE = 1, 2, 3, 4, 5, 6
MODEL_TYPES = {1: "unigram", 2: "bpe", 3: "word", 4: "char"}
MAX_FILE_SIZE = 1 << 28
MAX_PIECE_BYTES = 8000  # The C++ library refuses longer pieces, too.
BYTE_PIECES = {f"<0x{value:02X}>": value for value in range(256)}

_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5

# Each table maps a field number to (attribute, kind, default). All other fields are for training, and are skipped.
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
    """A SentencePiece model is broken, or asks for something that is not supported."""


class SpmModel(NamedTuple):
    """This is what a `.model` file says.

    Attributes:
        pieces: list of str. The pieces, in the order of their ids.
        scores: list of float. The score of each piece.
        types: list of int. The type of each piece: NORMAL, UNKNOWN, CONTROL, USER_DEFINED, UNUSED or BYTE.
        trainer: dict. The fields of `_TRAINER_FIELDS` by their names.
        normalizer: dict. The fields of `_NORMALIZER_FIELDS` by their names.
        denormalizer: dict. The same fields, for decoded text.
        source: str. The name of the file, for messages.
    """

    pieces: list[str]
    scores: list[float]
    types: list[int]
    trainer: dict[str, Any]
    normalizer: dict[str, Any]
    denormalizer: dict[str, Any]
    source: str

    @property
    def model_type(self) -> str:
        """The name of the algorithm: 'unigram', 'bpe', 'word' or 'char'."""
        return MODEL_TYPES[self.trainer["model_type"]]


def parse_model(data: bytes, source: str = "<bytes>") -> SpmModel:
    """Parse the bytes of a `.model` file.

    Arguments:
        data: bytes. The bytes of the file.
        source: str. The name of the file, for messages.

    Returns:
        SpmModel. It has passed the checks of the C++ library.

    Raises:
        SentencePieceError: The file is broken.
    """
    if len(data) > MAX_FILE_SIZE:
        raise SentencePieceError(
            f"{source}: {len(data)} bytes; SentencePiece models of more than {MAX_FILE_SIZE} bytes are refused"
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
                raise SentencePieceError(f"{source}: field {number} at byte {at} is not a message")
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


def _defaults(fields: Mapping[int, tuple[str, str, Any]]) -> dict[str, Any]:
    return {name: default for name, _, default in fields.values()}


def parse_segmented(data: bytes, begin: int = 0, end: int | None = None) -> tuple[list[dict[str, Any]], float]:
    """Parse a serialized `SentencePieceText`, a result of the C++ library.

    Arguments:
        data: bytes. The bytes that have the message.
        begin: int. Where the message begins.
        end: int or None. Where the message ends; None for the end of the bytes.

    Returns:
        (list of dict, float). The pieces and the score. A piece has the keys 'piece', 'id', 'begin' and 'end'; the last
        two count bytes of the text.
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


def parse_n_best(data: bytes) -> list[tuple[list[dict[str, Any]], float]]:
    """Parse a serialized `NBestSentencePieceText`, a result of the C++ library.

    Arguments:
        data: bytes. The message.

    Returns:
        list of (pieces, score), as `parse_segmented` returns them.
    """
    fields = _fields(data, 0, len(data), "<result>")
    return [parse_segmented(data, *value) for number, _, value, _ in fields if number == 1]


def _piece(data: bytes, begin: int, end: int, source: str, index: int) -> dict[str, Any]:
    message = {"piece": "", "score": 0.0, "type": NORMAL}
    _read_message(data, begin, end, _PIECE_FIELDS, message, f"{source}, piece {index}")
    return message


def _read_message(
    data: bytes, begin: int, end: int, fields: Mapping[int, tuple[str, str, Any]], target: dict[str, Any], source: str
) -> None:
    """Read the fields of a message into a dict."""
    for number, wire, value, at in _fields(data, begin, end, source):
        if number not in fields:
            continue
        name, kind, _ = fields[number]
        if wire != _WIRE_TYPES[kind]:
            raise SentencePieceError(f"{source}: {name} at byte {at} has wire type {wire}")
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
                    raise SentencePieceError(f"{source}: {name} at byte {at} is not UTF-8: {e}") from None
        target[name] = value


def _fields(data: bytes, position: int, end: int, source: str) -> Iterator[tuple[int, int, Any, int]]:
    """Yield (field number, wire type, value or (begin, end), position). No field reaches beyond the message's end."""
    while position < end:
        at = position
        key, position = _varint(data, position, end, source)
        number, wire = key >> 3, key & 7
        if not 0 < number < 1 << 29:
            raise SentencePieceError(f"{source}: field number {number} at byte {at}; not a SentencePiece model")
        if wire == _VARINT:
            value, position = _varint(data, position, end, source)
        else:
            if wire == _BYTES:
                size, position = _varint(data, position, end, source)
            elif wire in (_FIXED32, _FIXED64):
                size = 4 if wire == _FIXED32 else 8
            else:
                raise SentencePieceError(f"{source}: wire type {wire} at byte {at}; not a SentencePiece model")
            if size > end - position:
                raise SentencePieceError(
                    f"{source}: field {number} at byte {at} wants {size} bytes and {end - position} are left; the file "
                    "is cut short, or it is not a SentencePiece model"
                )
            value = (position, position + size)
            position += size
        yield number, wire, value, at


def _varint(data: bytes, position: int, end: int, source: str) -> tuple[int, int]:
    """Return a number in base 128, and the position after it."""
    value = shift = 0
    start = position
    while position < end and shift < 70:
        byte = data[position]
        position += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value & 0xFFFFFFFFFFFFFFFF, position
        shift += 7
    raise SentencePieceError(f"{source}: broken number at byte {start}; the file is cut short or damaged")


def _check(model: SpmModel) -> None:
    """Make the checks of the C++ library (its InitializePieces), each with a message of its own."""
    source = model.source
    if not model.pieces:
        raise SentencePieceError(f"{source}: no pieces; not a SentencePiece model")
    if model.trainer["model_type"] not in MODEL_TYPES:
        raise SentencePieceError(f"{source}: unknown model type {model.trainer['model_type']}")
    byte_fallback = model.trainer["byte_fallback"]
    seen: dict[tuple[str, str], int] = {}
    for index, (piece, score) in enumerate(zip(model.pieces, model.scores)):
        where = f"{source}, piece {index}"
        if piece == "\0" and byte_fallback:
            model.types[index] = UNUSED  # Some converters write it. The C++ library leaves it out as well.
            continue
        _check_piece(piece, score, model.types[index], where)
        # In unigram models a control symbol may be spelled as a normal piece is.
        kind = "reserved" if model.model_type != "bpe" and is_reserved(model.types[index]) else "normal"
        if (kind, piece) in seen:
            raise SentencePieceError(f"{where}: {piece!r} is already piece {seen[kind, piece]}")
        seen[kind, piece] = index
    _check_special(model, byte_fallback)


def _check_piece(piece: str, score: float, type_: int, where: str) -> None:
    if not piece:
        raise SentencePieceError(f"{where} is empty")
    if "\0" in piece:
        raise SentencePieceError(f"{where} has a null character: {piece[:40]!r}")
    if len(piece) >= MAX_PIECE_BYTES or len(piece.encode("utf-8")) >= MAX_PIECE_BYTES:
        raise SentencePieceError(f"{where} has {len(piece)} characters; the limit is {MAX_PIECE_BYTES} bytes")
    if type_ not in (NORMAL, UNKNOWN, CONTROL, USER_DEFINED, UNUSED, BYTE):
        raise SentencePieceError(f"{where} ({piece!r}) has unknown type {type_}")
    if math.isnan(score) or math.isinf(score):
        raise SentencePieceError(f"{where} ({piece!r}) has score {score!r}")


def _check_special(model: SpmModel, byte_fallback: bool) -> None:
    """Check that there is one unknown piece, and that there are all byte pieces or none."""
    source = model.source
    unknown = [i for i, t in enumerate(model.types) if t == UNKNOWN]
    if len(unknown) > 1:
        raise SentencePieceError(f"{source}: pieces {unknown[0]} and {unknown[1]} are both of type unknown")
    if not unknown:
        raise SentencePieceError(f"{source}: no piece of type unknown")
    found = set()
    for index, (piece, type_) in enumerate(zip(model.pieces, model.types)):
        if type_ != BYTE:
            continue
        if not byte_fallback:
            raise SentencePieceError(f"{source}: byte piece {index} ({piece!r}), but byte_fallback is off")
        if piece not in BYTE_PIECES:
            raise SentencePieceError(f"{source}: byte piece {index} is {piece!r}, not <0x00> to <0xFF>")
        found.add(piece)
    if byte_fallback and len(found) != 256:
        raise SentencePieceError(f"{source}: byte_fallback is on, and there are {len(found)} of 256 byte pieces")


def is_reserved(type_: int) -> bool:
    """Say whether pieces of a type never match text.

    Arguments:
        type_: int. The type.

    Returns:
        bool. True for the unknown piece, control symbols and bytes.
    """
    return type_ in (UNKNOWN, CONTROL, BYTE)


def append_pieces(data: bytes, pieces: Iterable[str], type_: int = USER_DEFINED, score: float = 0.0) -> bytes:
    """Append pieces to a `.model` file.

    This relies on a rule of protobuf: repeated fields of concatenated messages are concatenated.

    Arguments:
        data: bytes. The bytes of a `.model` file.
        pieces: iterable of str. The pieces.
        type_: int. The type of each of them.
        score: float. The score of each of them.

    Returns:
        bytes. The bytes of the new file.
    """
    return bytes(data) + b"".join(encode_piece(piece, score, type_) for piece in pieces)


def with_extra_ids(data: bytes, count: int) -> bytes:
    """Append the sentinels of T5 to a `.model` file, in descending order.

    Arguments:
        data: bytes. The bytes of a `.model` file.
        count: int. The number of sentinels.

    Returns:
        bytes. The bytes of the new file.
    """
    return append_pieces(data, [f"\u2581<extra_id_{i}>" for i in reversed(range(count))]) if count else bytes(data)


def with_user_defined(data: bytes, pieces: Iterable[str], source: str = "<bytes>") -> bytes:
    """Return the bytes of a `.model` file in which certain pieces are user-defined symbols.

    Pieces that the file has keep their place and their score; the others are appended.

    Arguments:
        data: bytes. The bytes of a `.model` file.
        pieces: list of str. The pieces.
        source: str. The name of the file, for messages.

    Returns:
        bytes.

    Raises:
        SentencePieceError: A piece is the unknown piece, a byte, or a text that cannot be a piece.
    """
    left, out, end = dict.fromkeys(pieces), [], 0
    for index, (number, _, value, at) in enumerate(_fields(data, 0, len(data), source)):
        if number != 1:
            continue
        piece = _piece(data, value[0], value[1], source, index)
        if piece["piece"] not in left:
            continue
        if piece["type"] in (UNKNOWN, BYTE):
            raise SentencePieceError(f"{source}: {piece['piece']!r} is the unknown piece or a byte, and no symbol")
        del left[piece["piece"]]
        out += [data[end:at], encode_piece(piece["piece"], piece["score"], USER_DEFINED)]
        end = value[1]
    for piece in left:
        _check_piece(piece, 0.0, USER_DEFINED, f"{source}, piece {piece[:40]!r}")
    return append_pieces(b"".join(out + [data[end:]]), left)


def replace_first(data: bytes, known: Iterable[str], pieces: Iterable[Iterable[Any]], source: str = "<bytes>") -> bytes:
    """Return the bytes of a `.model` file with other first pieces. The ids of the later pieces follow theirs.

    Arguments:
        data: bytes. The bytes of a `.model` file.
        known: list of str. The first pieces of the file.
        pieces: iterable of (piece, score, type). What stands for them.
        source: str. The name of the file, for messages.

    Returns:
        bytes.

    Raises:
        SentencePieceError: The file is broken, or begins with other pieces.
    """
    left, out, end = list(known), b"".join(encode_piece(*piece) for piece in pieces), 0
    for index, (number, wire, value, at) in enumerate(_fields(data, 0, len(data), source)):
        if number != 1 or wire != _BYTES:
            continue
        piece = _piece(data, value[0], value[1], source, index)["piece"]
        if piece != left.pop(0):
            break
        out, end = out + data[end:at], value[1]
        if not left:
            return out + data[end:]
    raise SentencePieceError(f"{source}: the first pieces are not {', '.join(known)}")


def encode_piece(piece: str, score: float, type_: int) -> bytes:
    """Encode one entry of the field `pieces`.

    Arguments:
        piece: str. The piece.
        score: float. Its score.
        type_: int. Its type.

    Returns:
        bytes. The entry as it stands in a `.model` file.
    """
    text = piece.encode("utf-8")
    body = b"\x0a" + encode_varint(len(text)) + text + b"\x15" + struct.pack("<f", score)
    if type_ != NORMAL:
        body += b"\x18" + encode_varint(type_)
    return b"\x0a" + encode_varint(len(body)) + body


def encode_model(pieces: Iterable[Iterable[Any]], trainer: Mapping[str, Any], normalizer: Mapping[str, Any]) -> bytes:
    """Make the bytes of a `.model` file.

    Arguments:
        pieces: iterable of (piece, score, type). The pieces, in the order of their ids.
        trainer: dict. Names and values of `SpmModel.trainer`. Fields that are left out have their defaults.
        normalizer: dict. Names and values of `SpmModel.normalizer`.

    Returns:
        bytes.
    """
    return (
        b"".join(encode_piece(*piece) for piece in pieces)
        + _encode_field(2, _encode_message(_TRAINER_FIELDS, trainer))
        + _encode_field(3, _encode_message(_NORMALIZER_FIELDS, normalizer))
    )


def _encode_message(fields: Mapping[int, tuple[str, str, Any]], values: Mapping[str, Any]) -> bytes:
    numbers = {name: number for number, (name, _, _) in fields.items()}
    return b"".join(_encode_field(numbers[name], value) for name, value in values.items())


def _encode_field(number: int, value: int | str | bytes) -> bytes:
    if isinstance(value, int):
        return encode_varint(number << 3 | _VARINT) + encode_varint(int(value))
    data = value.encode("utf-8") if isinstance(value, str) else value
    return encode_varint(number << 3 | _BYTES) + encode_varint(len(data)) + data


def encode_varint(value: int) -> bytes:
    """Encode an integer in base 128, as protobuf does.

    Arguments:
        value: int. A number that is not negative.

    Returns:
        bytes.
    """
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)
