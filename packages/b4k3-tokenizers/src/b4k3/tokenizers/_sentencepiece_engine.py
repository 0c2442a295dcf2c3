"""The C++ package `sentencepiece` behind the methods of `SentencePieceModel`."""

from __future__ import annotations

import math
import os

from ._spm import MODEL_TYPES, SentencePieceError, parse_model, parse_n_best, parse_segmented, with_extra_ids


class SentencePieceEngine:
    """A model that the C++ package segments; arguments, methods and errors are those of `SentencePieceModel`.

    Raises ImportError if the package `sentencepiece` is not installed.
    """

    def __init__(self, path, extra_ids=0):
        path = os.fspath(path)
        with open(path, "rb") as f:
            data = with_extra_ids(f.read(), extra_ids)
        self._load(data, path)

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
        try:
            self._cpp = sentencepiece.SentencePieceProcessor(model_proto=data)
        except RuntimeError as e:
            raise SentencePieceError("%s: the C++ library refuses this model: %s" % (source, e)) from None
        for name in ("unk_id", "bos_id", "eos_id", "pad_id"):
            setattr(self, name, getattr(self._cpp, name)())
        for name in ("is_control", "is_unknown", "is_unused", "is_byte", "piece_to_id"):
            setattr(self, name, getattr(self._cpp, name))
        self.score = self._cpp.get_score
        self.normalize = self._cpp.normalize

    def __reduce__(self):
        return _engine_from_bytes, (self._data, self._source)

    def __len__(self):
        return len(self.pieces)

    def id_to_piece(self, i):
        """See `SentencePieceModel.id_to_piece`."""
        if not 0 <= i < len(self.pieces):
            raise IndexError("id %r is outside 0 .. %d" % (i, len(self.pieces) - 1))
        return self.pieces[i]

    def encode(self, text):
        """See `SentencePieceModel.encode`."""
        return self._cpp.encode(text)

    def encode_batch(self, texts):
        """See `SentencePieceModel.encode_batch`."""
        return self._cpp.encode(list(texts), num_threads=1)

    def tokenize(self, text):
        """See `SentencePieceModel.tokenize`."""
        return self._cpp.encode(text, out_type=str)

    def encode_with_offsets(self, text):
        """See `SentencePieceModel.encode_with_offsets`."""
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
        found = parse_n_best(self._cpp.nbest_encode(text, nbest_size=n, out_type="serialized_proto"))
        return [([piece["id"] for piece in pieces], score) for pieces, score in found]

    def sample(self, text, alpha=0.1, nbest=-1, rng=None):
        """See `SentencePieceModel.sample`."""
        if rng is not None:
            raise ValueError("rng=%r; the C++ library draws with a generator of its own" % (rng,))
        if not (alpha >= 0.0 and math.isfinite(alpha)):
            raise ValueError("alpha is %r; it has to be finite and not negative" % alpha)
        return self._cpp.encode(text, enable_sampling=True, alpha=alpha, nbest_size=nbest)

    def decode(self, ids):
        """See `SentencePieceModel.decode`."""
        return self._cpp.decode([self._checked(i) for i in ids])

    def decode_pieces(self, pieces):
        """See `SentencePieceModel.decode_pieces`."""
        return self._cpp.decode_pieces(list(pieces))

    def _checked(self, i):
        self.id_to_piece(i)
        return int(i)


def _engine_from_bytes(data, source):
    engine = SentencePieceEngine.__new__(SentencePieceEngine)
    engine._load(data, source)
    return engine
