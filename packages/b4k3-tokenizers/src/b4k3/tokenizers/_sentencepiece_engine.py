"""The C++ package `sentencepiece` behind the methods of `SentencePieceModel`."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Iterable

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
    """A model that the C++ package segments; arguments, methods and errors are those of `SentencePieceModel`.

    Raises ImportError if the package `sentencepiece` is not installed.
    """

    metaspace = None  # models of a tokenizer.json are segmented in Python

    def __init__(self, path, extra_ids=0):
        path = os.fspath(path)
        data = read_file(path, MAX_FILE_SIZE, SentencePieceError)
        self._load(with_extra_ids(data, checked_int(extra_ids, "extra_ids", 0, sys.maxunicode)), path)

    def _load(self, data, source):
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
            raise SentencePieceError("%s: the C++ library refuses this model: %s" % (source, e)) from None
        for name in ("unk_id", "bos_id", "eos_id", "pad_id"):
            setattr(self, name, getattr(self._cpp, name)())
        for name, of in (("score", "get_score"), *((name, name) for name in _OF_AN_ID)):
            setattr(self, name, self._of_an_id(getattr(self._cpp, of)))

    def __reduce__(self):
        return _engine_from_bytes, (self._data, self._source)

    def __len__(self):
        return len(self.pieces)

    def _of_an_id(self, function):
        return lambda i: function(self._checked_id(i))

    def _checked_id(self, i):
        i = checked_int(i, "id")
        if not 0 <= i < len(self.pieces):
            raise IndexError(f"id {i} is outside 0 .. {len(self.pieces) - 1}")
        return i

    def save(self, path: str | PathLike) -> None:
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

    def id_to_piece(self, i):
        """See `SentencePieceModel.id_to_piece`."""
        return self.pieces[self._checked_id(i)]

    def normalize(self, text: str) -> str:
        """Return the text that is segmented; see `SentencePieceModel.normalize`."""
        check_text(text)
        return self._cpp.normalize(text)

    def encode(self, text):
        """See `SentencePieceModel.encode`."""
        check_text(text)
        return self._cpp.encode(text)

    def encode_batch(self, texts):
        """See `SentencePieceModel.encode_batch`."""
        return self._cpp.encode(checked(texts, "texts"), num_threads=1)

    def tokenize(self, text):
        """See `SentencePieceModel.tokenize`."""
        check_text(text)
        return self._cpp.encode(text, out_type=str)

    def encode_with_offsets(self, text):
        """See `SentencePieceModel.encode_with_offsets`."""
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

    def nbest(self, text, n):
        """See `SentencePieceModel.nbest`."""
        check_text(text)
        n = checked_int(n, "n", 1)
        found = parse_n_best(self._cpp.nbest_encode(text, nbest_size=n, out_type="serialized_proto"))
        return [([piece["id"] for piece in pieces], score) for pieces, score in found]

    def sample(self, text, alpha=0.1, nbest=-1, rng=None):
        """See `SentencePieceModel.sample`."""
        if rng is not None:
            raise ValueError(f"rng={rng!r}; the C++ library draws with a generator of its own")
        check_text(text)
        check_alpha(alpha)
        return self._cpp.encode(text, enable_sampling=True, alpha=alpha, nbest_size=nbest)

    def decode(self, ids):
        """See `SentencePieceModel.decode`."""
        return self._cpp.decode([*map(self._checked_id, checked_ids(ids))])

    def decode_pieces(self, pieces):
        """See `SentencePieceModel.decode_pieces`."""
        return self._cpp.decode_pieces(checked_tokens(pieces, "pieces"))


def _engine_from_bytes(data, source):
    engine = SentencePieceEngine.__new__(SentencePieceEngine)
    engine._load(data, source)
    return engine
