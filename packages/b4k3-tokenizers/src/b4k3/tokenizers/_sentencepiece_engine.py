"""Give the C++ package `sentencepiece` the methods of `SentencePieceModel`."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Any, Callable, Iterable

from ._checks import check_text, checked, checked_ids, checked_int, checked_tokens
from ._reading import read_file
from ._spm import (
    MAX_FILE_SIZE,
    MODEL_TYPES,
    SentencePieceError,
    parse_model,
    parse_n_best,
    parse_segmented,
    with_extra_ids,
    with_user_defined,
)
from ._writing import write_bytes
from .sentencepiece_model import check_alpha

if TYPE_CHECKING:
    from os import PathLike

_OF_AN_ID = ("is_control", "is_unknown", "is_unused", "is_byte")


class SentencePieceEngine:
    """Segment text with the C++ package `sentencepiece`. Methods and errors are as in `SentencePieceModel`.

    Arguments:
        path: str or path-like. The `.model` file.
        extra_ids: int. How many sentinels `▁<extra_id_N>` are added after the last piece, as T5 does.

    Raises:
        ImportError: The package `sentencepiece` is not installed.
        FileNotFoundError: There is no such file.
        SentencePieceError: The file is broken, or the C++ library refuses it.
    """

    metaspace = None  # models of a tokenizer.json are segmented in Python

    # `_load` sets these to functions of an id; see the methods of `SentencePieceModel`.
    score: Callable[[int], float]
    is_control: Callable[[int], bool]
    is_unknown: Callable[[int], bool]
    is_unused: Callable[[int], bool]
    is_byte: Callable[[int], bool]
    unk_id: int
    bos_id: int
    eos_id: int
    pad_id: int

    def __init__(self, path: str | PathLike[str], extra_ids: int = 0) -> None:
        path = os.fspath(path)
        data = read_file(path, MAX_FILE_SIZE, SentencePieceError)
        self._load(with_extra_ids(data, checked_int(extra_ids, "extra_ids", 0, sys.maxunicode)), path)

    def _load(self, data: bytes, source: str) -> None:
        try:
            import sentencepiece
        except ImportError as e:
            raise ImportError(
                "engine='sentencepiece' needs the package sentencepiece: pip install 'b4k3-tokenizers[sentencepiece]'"
            ) from e
        self._data, self._source = data, source
        spec = parse_model(data, source)
        self.model_type = MODEL_TYPES[spec.trainer["model_type"]]
        self.pieces = spec.pieces
        self.space_last = spec.trainer["treat_whitespace_as_suffix"]
        try:
            self._cpp = sentencepiece.SentencePieceProcessor(model_proto=data)
        except RuntimeError as e:
            raise SentencePieceError(f"{source}: the C++ library refuses this model: {e}") from None
        for name in ("unk_id", "bos_id", "eos_id", "pad_id"):
            setattr(self, name, getattr(self._cpp, name)())
        for name, of in (("score", "get_score"), *((name, name) for name in _OF_AN_ID)):
            setattr(self, name, self._of_an_id(getattr(self._cpp, of)))

    def __reduce__(self) -> tuple[Any, ...]:
        return _engine_from_bytes, (self._data, self._source)

    def __len__(self) -> int:
        return len(self.pieces)

    def _of_an_id(self, function: Callable[[int], Any]) -> Callable[[int], Any]:
        """Return a function that checks an id before it calls `function`."""
        return lambda i: function(self._checked_id(i))

    def _checked_id(self, i: int) -> int:
        i = checked_int(i, "id")
        if not 0 <= i < len(self.pieces):
            raise IndexError(f"id {i} is outside 0 .. {len(self.pieces) - 1}")
        return i

    def save(self, path: str | PathLike[str]) -> None:
        """Write the `.model` file; see `SentencePieceModel.save`."""
        write_bytes(os.fspath(path), self._data)

    def with_user_defined(self, pieces: Iterable[str]) -> SentencePieceEngine:
        """Make a model with user-defined symbols; see `SentencePieceModel.with_user_defined`."""
        data = with_user_defined(self._data, checked_tokens(pieces, "pieces"), self._source)
        return _engine_from_bytes(data, self._source)

    def piece_to_id(self, piece: str) -> int:
        """Return the id of a piece; see `SentencePieceModel.piece_to_id`."""
        check_text(piece, "piece")
        return self._cpp.piece_to_id(piece)

    def id_to_piece(self, i: int) -> str:
        """Return the piece of an id; see `SentencePieceModel.id_to_piece`."""
        return self.pieces[self._checked_id(i)]

    def normalize(self, text: str) -> str:
        """Return the text that is segmented; see `SentencePieceModel.normalize`."""
        check_text(text)
        return self._cpp.normalize(text)

    def encode(self, text: str) -> list[int]:
        """Return the ids of a text; see `SentencePieceModel.encode`."""
        check_text(text)
        return self._cpp.encode(text)

    def encode_batch(self, texts: Iterable[str]) -> list[list[int]]:
        """Return the ids of several texts; see `SentencePieceModel.encode_batch`."""
        return self._cpp.encode(checked(texts, "texts"), num_threads=1)

    def tokenize(self, text: str) -> list[str]:
        """Return the pieces of a text; see `SentencePieceModel.tokenize`."""
        check_text(text)
        return self._cpp.encode(text, out_type=str)

    def encode_with_offsets(self, text: str) -> tuple[list[int], list[str], list[tuple[int, int]]]:
        """Return ids, pieces and offsets of a text; see `SentencePieceModel.encode_with_offsets`."""
        check_text(text)
        pieces, _ = parse_segmented(self._cpp.encode(text, out_type="serialized_proto"))
        at = {0: 0}  # byte -> character
        size = 0
        for index, char in enumerate(text, 1):
            size += len(char.encode("utf-8"))
            at[size] = index
        return (
            [piece["id"] for piece in pieces],
            [piece["piece"] for piece in pieces],
            [(at[piece["begin"]], at[piece["end"]]) for piece in pieces],
        )

    def nbest(self, text: str, n: int) -> list[tuple[list[int], float]]:
        """Return the `n` best segmentations of a text; see `SentencePieceModel.nbest`."""
        check_text(text)
        n = checked_int(n, "n", 1)
        found = parse_n_best(self._cpp.nbest_encode(text, nbest_size=n, out_type="serialized_proto"))
        return [([piece["id"] for piece in pieces], score) for pieces, score in found]

    def sample(self, text: str, alpha: float = 0.1, nbest: int = -1, rng: None = None) -> list[int]:
        """Draw a segmentation of a text; see `SentencePieceModel.sample`. `rng` has to be None."""
        if rng is not None:
            raise ValueError(
                f"rng={rng!r}; expected None, because the C++ library draws with a generator of its own; use "
                "engine='python' for one of yours"
            )
        check_text(text)
        check_alpha(alpha)
        return self._cpp.encode(text, enable_sampling=True, alpha=alpha, nbest_size=nbest)

    def decode(self, ids: Iterable[int]) -> str:
        """Return the text of ids; see `SentencePieceModel.decode`."""
        return self._cpp.decode([*map(self._checked_id, checked_ids(ids))])

    def decode_pieces(self, pieces: Iterable[str]) -> str:
        """Return the text of pieces; see `SentencePieceModel.decode_pieces`."""
        return self._cpp.decode_pieces(checked_tokens(pieces, "pieces"))


def _engine_from_bytes(data: bytes, source: str) -> SentencePieceEngine:
    engine = SentencePieceEngine.__new__(SentencePieceEngine)
    engine._load(data, source)
    return engine
