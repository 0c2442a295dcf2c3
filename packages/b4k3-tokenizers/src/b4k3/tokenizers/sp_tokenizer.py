"""`SpTokenizer`: SentencePiece behind the interface of `Tokenizer`."""

from __future__ import annotations

import os
from typing import Iterable

from ._checks import check_text, checked_ids, checked_int, checked_tokens
from ._normalizer import SPACE
from .added_tokens import AddedToken, AddedTokens
from .base import TokenizerBase
from .sentencepiece_model import SentencePieceModel
from .vocab import VocabError

_PADDED = 1 << 16  # so many rows past its pieces an embedding table may have; ids there are nothing, as in bert4keras


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
        self._added_tokens = ()  # only a tokenizer.json has them; in a model they are user-defined symbols
        self._sought = AddedTokens(())
        self._set_model(sp_model_path if loaded else load_model(sp_model_path, extra_ids, cache_size, engine))
        where = os.fspath(sp_model_path) if not loaded else "the model"
        self._warn_of_missing_specials(self._id_of_token, f"no piece of {where}")

    def _set_model(self, model):
        self.sp_model = model
        self._vocab_size = len(model)
        self._token_unk = model.id_to_piece(model.unk_id)
        if model.pad_id >= 0:
            self._token_pad = model.id_to_piece(model.pad_id)
        self._set_special_ids(self._id_of_token)

    def add_tokens(self, tokens: Iterable[str]) -> int:
        """Add tokens of one's own: symbols that are found in every text before it is segmented, wherever they stand.

        A token that is a piece of the model keeps its id; the others get the ids after the last piece, in their order,
        so that an embedding table needs as many more rows. `tokenizer.sp_model.save(path)` keeps them (they are
        SentencePiece's user-defined symbols). For a tokenizer that was read from a `tokenizer.json`,
        `save_tokenizer_json` keeps them. Do not call this while another thread uses the tokenizer.

        Arguments:
            tokens: str[]. The tokens.

        Returns:
            int. How many of them are new in the model.

        Raises:
            TypeError: Something that is no list of str.
            SentencePieceError: A token that is the unknown piece or a byte, is empty, or too long.

        Example:
            tokenizer.add_tokens(["<speaker1>", "<speaker2>"])
        """
        if isinstance(tokens, str):
            raise TypeError(f"tokens: expected a list of str, got one str {tokens[:60]!r}")
        tokens, model, size = [*dict.fromkeys(checked_tokens(tokens))], self.sp_model, len(self.sp_model)
        if model.metaspace is None:
            self._set_model(model.with_user_defined(tokens))
        else:
            self._set_model(model.with_unused([token for token in tokens if self._id_of_token(token) is None]))
            added = {token.content: token for token in self._added_tokens}
            for token in tokens:
                added.setdefault(token, AddedToken(token, self._id_of_token(token)))
            self._set_added(added.values())
        return len(self.sp_model) - size

    def _set_added(self, tokens):
        """Set the tokens that texts are searched for, of a `tokenizer.json`."""
        self._added_tokens = tuple(sorted(tokens, key=lambda token: token.id))
        self._sought = AddedTokens(self._added_tokens, getattr(self.sp_model, "spelled", None))

    def __getstate__(self):
        return {k: v for k, v in self.__dict__.items() if k != "_sought"}

    def __setstate__(self, state):
        self.__dict__.update(state)
        self._set_added(self._added_tokens)

    def _id_of_token(self, token):
        i = self.sp_model.piece_to_id(token)
        return None if i == self.sp_model.unk_id and token != self._token_unk else i

    def token_to_id(self, token):
        """The id of a piece, that of the unknown piece if there is none. Raises TypeError for no str."""
        check_text(token, "token")
        return self.sp_model.piece_to_id(token)

    def id_to_token(self, i):
        """The piece of an id, `''` up to 65,536 past the end of the model (embedding tables are often padded).

        Raises:
            TypeError, ValueError: what is no integer.
            VocabError: a negative id, or one that is further past the end.
        """
        i = self._checked_id(i, "id")
        return self.sp_model.id_to_piece(i) if i < self._vocab_size else ""

    def _checked_id(self, i, what):
        i = i if type(i) is int else checked_int(i, what)
        if not 0 <= i < self._vocab_size + _PADDED:
            raise VocabError(f"{what} {i} is outside of the model, whose ids are 0 to {self._vocab_size - 1}")
        return i

    def decode(self, ids):
        """The text of ids, as the C++ library joins it; ids up to 65,536 past the end of the model are left out.

        Raises:
            TypeError: what is no iterable of ids.
            ValueError: an id that is no integer; `VocabError` for one that is negative or further past the end.
        """
        ids = checked_ids(ids)
        if ids and not 0 <= min(ids) <= max(ids) < self._vocab_size:
            ids = [self._checked_id(i, f"ids[{place}]:") for place, i in enumerate(ids)]
            ids = [i for i in ids if i < self._vocab_size]
        if not self._token_translate:
            return self.sp_model.decode(ids)
        pieces = map(self.id_to_token, ids)
        return self.sp_model.decode_pieces([self._token_translate_inv.get(piece) or piece for piece in pieces])

    def _prepared(self, text):
        return " ".join(self._pre_tokenize(text)) if self._pre_tokenize is not None else text

    def _tokenize(self, text):
        text = self._prepared(text)
        if self._sought.may_be_in(text):
            return [piece for pieces, _, _ in self._spelled_parts(text) for piece in pieces]
        return self.sp_model.tokenize(text)

    def _spelled_parts(self, text):
        """(pieces, ids, offsets) of each part of a text that is cut at the tokens sought in it."""
        for part in self._sought.parts(text):
            origins = part.origins
            if part.token:
                yield [part.token.content], [part.token.id], [(origins[0], origins[-1] + 1)]
                continue
            ids, pieces, spans = self.sp_model.encode_part(part.text, origins[0] == 0, self._sought.see_normalized)
            yield pieces, ids, [(origins[a], origins[b - 1] + 1) for a, b in spans]

    def _ids_of_texts(self, texts):
        if self._token_translate:
            return super()._ids_of_texts(texts)
        texts = [*map(self._prepared, texts)]
        if not self._sought:
            return self.sp_model.encode_batch(texts)
        marked = [*map(self._sought.may_be_in, texts)]
        rows = iter(self.sp_model.encode_batch([text for text, mark in zip(texts, marked) if not mark]))
        return [
            [i for _, ids, _ in self._spelled_parts(text) for i in ids] if mark else next(rows)
            for text, mark in zip(texts, marked)
        ]

    def _offsets_of_texts(self, texts):
        if self._pre_tokenize is not None:
            raise ValueError(
                "offsets: pre_tokenize makes another text, and its characters are not those of the original"
            )
        return [*map(self._offsets, texts)]

    def _offsets(self, text):
        if self._sought.may_be_in(text):
            return [span for _, _, spans in self._spelled_parts(text) for span in spans]
        return self.sp_model.encode_with_offsets(text)[2]

    def _word_ids_of_texts(self, texts):
        return [*map(self._word_ids, texts)]

    def _word_ids(self, text):
        """A word begins at a space symbol (ends with one in a model that puts it last); a token that is sought is a
        word."""
        model = self.sp_model
        split = model.metaspace is None or model.metaspace.split
        parts = [pieces for pieces, _, _ in self._spelled_parts(text)] if self._sought else [self._tokenize(text)]
        word_ids, word = [], -1
        for pieces in parts:
            ended = True
            for piece in pieces:
                if ended or split and not model.space_last and piece[0] == SPACE:
                    word += 1
                word_ids.append(word)
                ended = model.space_last and piece[-1] == SPACE
        return word_ids

    def _is_special(self, i):
        """Whether an id is a control, unknown or unused piece."""
        if any(token.id == i and not token.special for token in self._added_tokens):
            return False
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
    raise ValueError(f"engine={engine!r}; expected 'python' or 'sentencepiece'")
