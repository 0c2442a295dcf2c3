"""`SpTokenizer`: SentencePiece with the interface of `Tokenizer`."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, Callable, Iterable, Iterator, Mapping, Sequence

from ._checks import check_text, checked_ids, checked_int, checked_tokens
from ._normalizer import SPACE
from .added_tokens import AddedToken, AddedTokens
from .base import TokenizerBase
from .sentencepiece_model import SentencePieceModel
from .vocab import VocabError

if TYPE_CHECKING:
    from typing import Literal, Union

    from ._sentencepiece_engine import SentencePieceEngine

    Model = Union[SentencePieceModel, SentencePieceEngine]
    Spelled = tuple[list[str], list[int], list[tuple[int, int]]]  # pieces, ids, offsets

# An embedding table may have so many rows after the rows of the pieces. As in bert4keras, their ids stand for nothing.
_PADDED = 1 << 16


class SpTokenizer(TokenizerBase):
    """Tokenize text with a SentencePiece model. The interface is the one of bert4keras' class of this name.

    Kudo and Richardson 2018, arXiv:1808.06226. The ids are the same as from the C++ library google/sentencepiece.

    Arguments:
        sp_model_path: str, path-like, or a loaded model. The `.model` file.
        token_start: str or None. The piece before a text; None for none.
        token_end: str or None. The piece after a text; None for none.
        extra_ids: int. How many sentinels `▁<extra_id_N>` are added after the last piece, as T5 does.
        cache_size: int. How many chunks of text keep their ids; see `SentencePieceModel`.
        engine: str. 'python', or 'sentencepiece' for the C++ package (the extra `[sentencepiece]`).
        pre_tokenize: function from str to words, or None. Its words are joined by blanks before they are segmented.
        token_translate: dict of str to str, or None. Pieces, and the pieces that replace them.

    Raises:
        FileNotFoundError: There is no such file.
        SentencePieceError: The file is broken, or is a model of a type that is not supported.
        ImportError: The engine is not installed.

    Example:
        >>> from b4k3.tokenizers._spm import encode_model  # a small model in place of the file "spiece.model"
        >>> pieces = [("<unk>", 0, 2), ("</s>", 0, 3), ("▁hello", -3, 1), ("▁wor", -4, 1), ("ld", -5, 1), ("▁", -6, 1)]
        >>> model = SentencePieceModel.from_bytes(encode_model(pieces, {}, {}))
        >>> tokenizer = SpTokenizer(model, token_start=None, token_end="</s>")
        >>> tokenizer.tokenize("hello world")
        ['▁hello', '▁wor', 'ld', '</s>']
        >>> token_ids, segment_ids = tokenizer.encode("hello world")
        >>> token_ids, tokenizer.decode(token_ids)
        ([2, 3, 4, 1], 'hello world')
    """

    _json_model = "Unigram"

    def __init__(
        self,
        sp_model_path: str | os.PathLike[str] | Model,
        token_start: str | None = "[CLS]",
        token_end: str | None = "[SEP]",
        extra_ids: int = 0,
        cache_size: int = 1 << 17,
        engine: Literal["python", "sentencepiece"] = "python",
        *,
        pre_tokenize: Callable[[str], Iterable[str]] | None = None,
        token_translate: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(token_start, token_end, pre_tokenize, token_translate)
        loaded = not isinstance(sp_model_path, (str, os.PathLike))
        self._added_tokens: tuple[AddedToken, ...] = ()  # of a tokenizer.json; a model has user-defined symbols instead
        self._sought = AddedTokens(())
        self._set_model(sp_model_path if loaded else load_model(sp_model_path, extra_ids, cache_size, engine))
        where = os.fspath(sp_model_path) if not loaded else "the model"
        self._warn_of_missing_specials(self._id_of_token, f"no piece of {where}")

    def _set_model(self, model: Model) -> None:
        self.sp_model = model
        self._vocab_size = len(model)
        self._token_unk = model.id_to_piece(model.unk_id)
        if model.pad_id >= 0:
            self._token_pad = model.id_to_piece(model.pad_id)
        if self._id_of_token("[MASK]") is None and self._id_of_token("<mask>") is not None:
            self._token_mask = "<mask>"
        self._set_special_ids(self._id_of_token)

    def add_tokens(self, tokens: Iterable[str]) -> int:
        """Add tokens of one's own. They are found in every text before it is segmented, wherever they stand.

        A token that is a piece of the model keeps its id. The others get the ids after the last piece, in their order.
        The embeddings of a model need as many more rows.

        The tokens are SentencePiece's user-defined symbols, so `tokenizer.sp_model.save(path)` keeps them. If the
        tokenizer was read from a `tokenizer.json`, `save_tokenizer_json` keeps them. Do not call this while another
        thread uses the tokenizer.

        Arguments:
            tokens: list of str. The tokens.

        Returns:
            int. How many of them are new in the model.

        Raises:
            TypeError: `tokens` is no list of str.
            SentencePieceError: A token is the unknown piece or a byte, is empty, or is too long.

        Example:
            >>> from b4k3.tokenizers._spm import encode_model  # a small model in place of the file "spiece.model"
            >>> model = SentencePieceModel.from_bytes(encode_model([("<unk>", 0, 2), ("▁hi", -3, 1)], {}, {}))
            >>> tokenizer = SpTokenizer(model, token_start=None, token_end=None)
            >>> tokenizer.add_tokens(["<speaker1>", "<speaker2>"])
            2
            >>> tokenizer.tokenize("hi<speaker2>")
            ['▁hi', '<speaker2>']
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

    def _set_added(self, tokens: Iterable[AddedToken]) -> None:
        """Set the tokens of a `tokenizer.json` that texts are searched for."""
        self._added_tokens = tuple(sorted(tokens, key=lambda token: token.id))
        self._sought = AddedTokens(self._added_tokens, getattr(self.sp_model, "spelled", None))

    def __getstate__(self) -> dict[str, Any]:
        return {k: v for k, v in self.__dict__.items() if k != "_sought"}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._set_added(self._added_tokens)

    def _id_of_token(self, token: str) -> int | None:
        i = self.sp_model.piece_to_id(token)
        return None if i == self.sp_model.unk_id and token != self._token_unk else i

    def token_to_id(self, token: str) -> int:
        """Return the id of a piece.

        Arguments:
            token: str. The piece.

        Returns:
            int. Its id; the id of the unknown piece if the model does not have the piece.

        Raises:
            TypeError: The piece is no str.
        """
        check_text(token, "token")
        return self.sp_model.piece_to_id(token)

    def id_to_token(self, i: int) -> str:
        """Return the piece of an id.

        Arguments:
            i: int. The id. It may be up to 65,536 past the end of the model, because embedding tables are often padded.

        Returns:
            str. The piece; `''` for an id past the end of the model.

        Raises:
            TypeError: The id is no number.
            ValueError: The id is no integer.
            VocabError: The id is negative, or further past the end.
        """
        i = self._checked_id(i, "id")
        return self.sp_model.id_to_piece(i) if i < self._vocab_size else ""

    def _checked_id(self, i: int, what: str) -> int:
        i = i if type(i) is int else checked_int(i, what)
        if not 0 <= i < self._vocab_size + _PADDED:
            raise VocabError(f"{what} {i} is outside of the model, whose ids are 0 to {self._vocab_size - 1}")
        return i

    def decode(self, ids: Iterable[int]) -> str:
        """Turn ids into text, as the C++ library does it.

        Arguments:
            ids: iterable of int. The ids. Those up to 65,536 past the end of the model are left out.

        Returns:
            str. The text.

        Raises:
            TypeError: `ids` is no iterable of ids.
            ValueError: An id is no integer.
            VocabError: An id is negative, or further past the end of the model.
        """
        ids = checked_ids(ids)
        if ids and not 0 <= min(ids) <= max(ids) < self._vocab_size:
            ids = [self._checked_id(i, f"ids[{place}]:") for place, i in enumerate(ids)]
            ids = [i for i in ids if i < self._vocab_size]
        if not self._token_translate:
            return self.sp_model.decode(ids)
        pieces = map(self.id_to_token, ids)
        return self.sp_model.decode_pieces([self._token_translate_inv.get(piece) or piece for piece in pieces])

    def _prepared(self, text: str) -> str:
        return " ".join(self._pre_tokenize(text)) if self._pre_tokenize is not None else text

    def _tokenize(self, text: str) -> list[str]:
        text = self._prepared(text)
        if self._sought.may_be_in(text):
            return [piece for pieces, _, _ in self._spelled_parts(text) for piece in pieces]
        return self.sp_model.tokenize(text)

    def _spelled_parts(self, text: str) -> Iterator[Spelled]:
        """Cut a text at the added tokens in it, and yield the pieces, ids and offsets of each part."""
        for part in self._sought.parts(text):
            origins = part.origins
            if part.token:
                yield [part.token.content], [part.token.id], [(origins[0], origins[-1] + 1)]
                continue
            ids, pieces, spans = self.sp_model.encode_part(part.text, origins[0] == 0, self._sought.see_normalized)
            yield pieces, ids, [(origins[a], origins[b - 1] + 1) for a, b in spans]

    def _ids_of_texts(self, texts: Sequence[str]) -> list[list[int]]:
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

    def _offsets_of_texts(self, texts: Sequence[str]) -> list[list[tuple[int, int]]]:
        if self._pre_tokenize is not None:
            raise ValueError("offsets: pre_tokenize makes another text, whose characters have no place in the original")
        return [*map(self._offsets, texts)]

    def _offsets(self, text: str) -> list[tuple[int, int]]:
        if self._sought.may_be_in(text):
            return [span for _, _, spans in self._spelled_parts(text) for span in spans]
        return self.sp_model.encode_with_offsets(text)[2]

    def _word_ids_of_texts(self, texts: Sequence[str]) -> list[list[int]]:
        return [*map(self._word_ids, texts)]

    def _word_ids(self, text: str) -> list[int]:
        """Return the index of the word that each piece belongs to.

        A word begins at a space symbol, or ends with one in a model that puts it last. An added token is a word.
        """
        model = self.sp_model
        split = model.metaspace is None or model.metaspace.split
        parts = [pieces for pieces, _, _ in self._spelled_parts(text)] if self._sought else [self._tokenize(text)]
        word_ids: list[int] = []
        word = -1
        for pieces in parts:
            ended = True
            for piece in pieces:
                if ended or split and not model.space_last and piece[0] == SPACE:
                    word += 1
                word_ids.append(word)
                ended = model.space_last and piece[-1] == SPACE
        return word_ids

    def _is_special(self, i: int) -> bool:
        """Return True if an id is a control, unknown or unused piece."""
        if any(token.id == i and not token.special for token in self._added_tokens):
            return False
        return self.sp_model.is_control(i) or self.sp_model.is_unknown(i) or self.sp_model.is_unused(i)

    def _is_decodable(self, i: int) -> bool:
        """Return True if an id stands for text of its own."""
        return i < self._vocab_size and not self._is_special(i)


def load_model(
    path: str | os.PathLike[str],
    extra_ids: int = 0,
    cache_size: int = 1 << 17,
    engine: Literal["python", "sentencepiece"] = "python",
) -> Model:
    """Load a SentencePiece model from a `.model` file.

    Arguments:
        path: str or path-like. The file.
        extra_ids: int. How many sentinels `▁<extra_id_N>` are added after the last piece, as T5 does.
        cache_size: int. How many chunks of text keep their ids; see `SentencePieceModel`.
        engine: str. 'python' for a `SentencePieceModel`, or 'sentencepiece' for the C++ package with the same methods.

    Returns:
        SentencePieceModel or SentencePieceEngine. The model.

    Raises:
        ImportError: The package `sentencepiece` is not installed.
        FileNotFoundError: There is no such file.
        SentencePieceError: The file is broken, or is a model of a type that is not supported.
        ValueError: There is no such engine.
    """
    if engine == "python":
        return SentencePieceModel(path, extra_ids, cache_size)
    if engine == "sentencepiece":
        from ._sentencepiece_engine import SentencePieceEngine

        return SentencePieceEngine(path, extra_ids)
    raise ValueError(f"engine={engine!r}; expected 'python' or 'sentencepiece'")
