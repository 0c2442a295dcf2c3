"""`SpTokenizer`: SentencePiece behind the interface of `Tokenizer`."""

from __future__ import annotations

import os
import warnings

from .base import TokenizerBase
from .sentencepiece_model import SentencePieceModel


class SpTokenizer(TokenizerBase):
    """A SentencePiece tokenizer with the interface of bert4keras' class of this name.

    Arguments:
        sp_model_path: the `.model` file, or a loaded model.
        token_start, token_end, pre_tokenize, token_translate: see `TokenizerBase`; the words of `pre_tokenize` are
            joined by blanks before they are segmented.
        extra_ids, cache_size: see `SentencePieceModel`.
        engine: `'python'`, or `'sentencepiece'` for the C++ package (the extra `[sentencepiece]`).

    Raises:
        FileNotFoundError, `SentencePieceError`; ImportError if the engine is not installed.
    """

    _json_model = "Unigram"

    def __init__(
        self,
        sp_model_path,
        token_start="[CLS]",
        token_end="[SEP]",
        extra_ids=0,
        cache_size=1 << 17,
        engine="python",
        **kwargs,
    ):
        super().__init__(token_start=token_start, token_end=token_end, **kwargs)
        loaded = not isinstance(sp_model_path, (str, os.PathLike))
        self.sp_model = sp_model_path if loaded else load_model(sp_model_path, extra_ids, cache_size, engine)
        model = self.sp_model
        self._vocab_size = len(model)
        self._token_unk = model.id_to_piece(model.unk_id)
        if model.pad_id >= 0:
            self._token_pad = model.id_to_piece(model.pad_id)
        self._set_special_ids(self._find)
        for name, token in (("token_start", token_start), ("token_end", token_end)):
            if token is not None and self._find(token) is None:
                warnings.warn(
                    "%s=%r is no piece of %s and becomes the unknown piece; pass another one, or None for none"
                    % (name, token, sp_model_path if not loaded else "the model"),
                    stacklevel=2,
                )

    def _find(self, token):
        i = self.sp_model.piece_to_id(token)
        return None if i == self.sp_model.unk_id and token != self._token_unk else i

    def token_to_id(self, token):
        """The id of a piece, that of the unknown piece if there is none."""
        return self.sp_model.piece_to_id(token)

    def id_to_token(self, i):
        """The piece of an id, `''` past the end of the model (embedding tables are often padded)."""
        return self.sp_model.id_to_piece(int(i)) if i < self._vocab_size else ""

    def decode(self, ids):
        """The text of ids, as the C++ library joins it; ids past the end of the model are left out."""
        if not self._token_translate:
            return self.sp_model.decode([int(i) for i in ids if i < self._vocab_size])
        pieces = (self.id_to_token(i) for i in ids if i < self._vocab_size)
        return self.sp_model.decode_pieces([self._token_translate_inv.get(piece) or piece for piece in pieces])

    def _prepared(self, text):
        return " ".join(self._pre_tokenize(text)) if self._pre_tokenize is not None else text

    def _tokenize(self, text):
        return self.sp_model.tokenize(self._prepared(text))

    def _ids_of_texts(self, texts):
        if self._token_translate:
            return super()._ids_of_texts(texts)
        return self.sp_model.encode_batch(list(map(self._prepared, texts)))

    def _offsets_of_texts(self, texts):
        if self._pre_tokenize is not None:
            raise ValueError(
                "offsets: pre_tokenize makes another text, and its characters are not those of the original"
            )
        return [self.sp_model.encode_with_offsets(text)[2] for text in texts]

    def _is_special(self, i):
        """Whether an id is a control, unknown or unused piece."""
        return self.sp_model.is_control(i) or self.sp_model.is_unknown(i) or self.sp_model.is_unused(i)

    def _is_decodable(self, i):
        """Whether an id stands for text of its own."""
        return i < self._vocab_size and not self._is_special(i)


def load_model(path, extra_ids=0, cache_size=1 << 17, engine="python"):
    """A SentencePiece model from a `.model` file.

    Arguments: `engine`, `'python'` for `SentencePieceModel` or `'sentencepiece'` for the C++ package behind the same
    methods; the others as for `SentencePieceModel`.
    """
    if engine == "python":
        return SentencePieceModel(path, extra_ids, cache_size)
    if engine == "sentencepiece":
        from ._sentencepiece_engine import SentencePieceEngine

        return SentencePieceEngine(path, extra_ids)
    raise ValueError("engine=%r; expected 'python' or 'sentencepiece'" % (engine,))
