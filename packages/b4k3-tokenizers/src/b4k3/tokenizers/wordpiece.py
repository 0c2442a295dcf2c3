"""WordPiece, as in Google's BERT and in bert4keras."""

from __future__ import annotations

import os
import re
from functools import partial
from typing import TYPE_CHECKING, Any, Callable, Iterable, Mapping, Sequence

from . import _unicode
from ._bert_normalizer import CharTable, char_table, normalized, spaced, spelled
from ._checks import check_text, checked_int, checked_tokens
from .added_tokens import SPACES, AddedToken, AddedTokens, with_new_tokens
from .base import TokenizerBase
from .pieces import FastWordPiece
from .vocab import VocabError, is_redundant, load_vocab, stem

if TYPE_CHECKING:
    from typing import Literal

    from .added_tokens import TextPart

_BEFORE_TEXT = re.escape(_unicode.CJK_PUNCTUATION + "+-/={(<[")
_NO_SPACE_AFTER = re.compile(f"([{_BEFORE_TEXT}]) ")
_UNUSED = re.compile(r"\[unused\d+\]").fullmatch
# If a subclass replaces one of these methods, texts go through them one by one.
_STEPS = ("tokenize", "tokens_to_ids", "token_to_id", "_tokenize", "_word_piece_tokenize")


class Tokenizer(TokenizerBase):
    """Tokenize text with WordPiece, as BERT does. The ids of any text are the same as from Google's `tokenization.py`.

    Devlin et al. 2018, "BERT" (arXiv:1810.04805); the interface is the one of bert4keras. `educational.WordPiece` is
    the algorithm in few lines.

    Arguments:
        token_dict: str, path-like or dict. A vocabulary file, or the id of each token. A dict is not copied until
            tokens are added.
        do_lower_case: bool. Whether to lower-case and strip accents, as uncased models need it.
        word_maxlen: int. A longer word is unknown as a whole.
        special_tokens: str. What to do with a special token such as "[MASK]" or "[unused1]" that is written in a text:
            "split" treats it as any other text, "recognise" gives that token, "refuse" raises a ValueError. See also
            `add_tokens`.
        cache_size: int. How many results each cache keeps (of words, and of chunks of text between spaces).
        token_start: str or None. The token before a text; None for none. There is a warning if the vocabulary lacks it.
        token_end: str or None. The token after a text; None for none. There is a warning if the vocabulary lacks it.
        pre_tokenize: function from str to words, or None. It is applied first, and its words are then cut further.
        token_translate: dict of str to str, or None. Tokens, and the tokens that replace them.

    Raises:
        FileNotFoundError: There is no such file.
        VocabError: The vocabulary cannot be used; see `load_vocab`.

    Example:
        >>> vocabulary = "[PAD] [UNK] [CLS] [SEP] [MASK] un ##aff ##able hello world".split()
        >>> tokenizer = Tokenizer({token: i for i, token in enumerate(vocabulary)}, do_lower_case=True)
        >>> tokenizer.tokenize("Hello unaffable world")
        ['[CLS]', 'hello', 'un', '##aff', '##able', 'world', '[SEP]']
        >>> token_ids, segment_ids = tokenizer.encode("Hello", "world")
        >>> token_ids, segment_ids
        ([2, 8, 3, 9, 3], [0, 0, 0, 1, 1])
        >>> tokenizer.decode(token_ids)
        'hello world'
    """

    _json_model = "WordPiece"

    def __init__(
        self,
        token_dict: str | os.PathLike[str] | dict[str, int],
        do_lower_case: bool = False,
        word_maxlen: int = 200,
        special_tokens: Literal["split", "recognise", "refuse"] = "split",
        cache_size: int = 50000,
        *,
        token_start: str | None = "[CLS]",
        token_end: str | None = "[SEP]",
        pre_tokenize: Callable[[str], Iterable[str]] | None = None,
        token_translate: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(token_start, token_end, pre_tokenize, token_translate)
        path = None
        if isinstance(token_dict, (str, os.PathLike)):
            path, token_dict = token_dict, load_vocab(token_dict, token_unk=self._token_unk)
        if not isinstance(token_dict, dict):
            raise TypeError(
                f"token_dict: expected the path of a vocabulary or a dict of its ids, got {type(token_dict).__name__}"
            )
        if special_tokens not in ("split", "recognise", "refuse"):
            raise ValueError(f"special_tokens={special_tokens!r}; expected 'split', 'recognise' or 'refuse'")
        self._do_lower_case = bool(do_lower_case)
        self._like_rust = False  # see `CharTable`; the file of the Rust library sets it
        self._token_dict = self._piece_dict = token_dict
        self._token_dict_inv = {v: k for k, v in token_dict.items()}
        self._vocab_size = len(token_dict)
        self._word_maxlen = checked_int(word_maxlen, "word_maxlen", 0)
        self._special_tokens = special_tokens
        self._trims_added_tokens = False  # whether offsets leave out the white space that an added token takes with it
        self._cache_size = checked_int(cache_size, "cache_size", 0)
        self._set_special_ids(token_dict.get)
        where = "the vocabulary" if path is None else os.fspath(path)
        self._warn_of_missing_specials(token_dict.get, f"no token of {where}")
        names = sorted(self._special_names(), key=token_dict.get)
        self._set_added([AddedToken(name, token_dict[name], special=True) for name in names])
        self._set_word_pieces()

    def __getstate__(self) -> dict[str, Any]:
        return {k: v for k, v in self.__dict__.items() if k != "_word_pieces"}  # without the caches

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._set_word_pieces()

    @property
    def _char_table(self) -> CharTable:
        return char_table(self._do_lower_case, self._like_rust)

    def _set_word_pieces(self) -> None:
        self._word_pieces = FastWordPiece(
            self._piece_dict,
            self._unknown_id,
            self._unspelled,
            self._char_table,
            self._word_maxlen,
            self._cache_size,
        )

    def _set_added(self, tokens: Iterable[AddedToken]) -> None:
        """Set the added tokens. Texts are searched for some of them, `_sought`, as `special_tokens` says."""
        sought = [t for t in tokens if not t.special or self._special_tokens != "split"]
        self._sought = AddedTokens(sought, partial(normalized, table=self._char_table))
        self._added_tokens = tuple(tokens)

    def add_tokens(
        self,
        tokens: Iterable[str],
        special: bool = False,
        single_word: bool = False,
        lstrip: bool = False,
        rstrip: bool = False,
        normalized: bool = False,
    ) -> int:
        """Add tokens of your own. They are found in a text before it is cut into words.

        A token that the vocabulary has keeps its id, and is searched for from now on. The others get the ids after the
        last one, in their order. The embeddings of a model need as many more rows.

        `save_tokenizer_json` keeps the tokens with their settings. `save_vocab(path, tokenizer.token_dict)` keeps
        tokens without white space and their ids; after loading, call `add_tokens` with the same tokens again. Do not
        call this while another thread uses the tokenizer.

        Arguments:
            tokens: list of str. The tokens.
            special: bool. Whether they stand for no text, like "[MASK]". With `special_tokens="split"` texts are not
                searched for them, and with "refuse" a text that has one is refused.
            single_word: bool. Whether they count only where no letter, digit or underscore is next to them.
            lstrip: bool. Whether they take the white space on their left with them.
            rstrip: bool. Whether they take the white space on their right with them.
            normalized: bool. Whether normalised text is searched: with `do_lower_case`, "Yes" is found in "YES".

        Returns:
            int. How many of them are new in the vocabulary.

        Raises:
            TypeError: `tokens` is no list of str.
            ValueError: A token is empty.

        Example:
            >>> tokenizer = Tokenizer({"[UNK]": 0, "[CLS]": 1, "[SEP]": 2, "ada": 3, "wrote": 4}, do_lower_case=True)
            >>> tokenizer.add_tokens(["[E1]", "[/E1]"])
            2
            >>> tokenizer.tokenize("[E1] Ada [/E1] wrote")
            ['[CLS]', '[E1]', 'ada', '[/E1]', 'wrote', '[SEP]']
        """
        settings = {"single_word": single_word, "lstrip": lstrip, "rstrip": rstrip, "normalized": normalized}
        known, added = with_new_tokens(tokens, self._token_dict, self._added_tokens, special=special, **settings)
        count = len(known) - len(self._token_dict)
        self._set_added(added)
        self._set_vocabulary(known)
        self._set_word_pieces()
        return count

    def _set_vocabulary(self, token_dict: dict[str, int]) -> None:
        """Take another vocabulary. Words are still cut into the tokens of the first one."""
        self._token_dict = token_dict
        self._token_dict_inv = {v: k for k, v in token_dict.items()}
        self._vocab_size = len(token_dict)
        self._set_special_ids(token_dict.get)

    def _id_of_token(self, token: str) -> int | None:
        return self._token_dict.get(token)

    @property
    def token_dict(self) -> dict[str, int]:
        """The id of each token, added tokens included, as a new dict."""
        return dict(self._token_dict)

    def token_to_id(self, token: str) -> int:
        """Return the id of a token.

        Arguments:
            token: str. The token.

        Returns:
            int. Its id; the id of the unknown token if the vocabulary does not have the token.

        Raises:
            TypeError: The token is no str.
            VocabError: The vocabulary has neither the token nor the unknown token.
        """
        check_text(token, "token")
        i = self._token_dict.get(token)
        return self._unknown_id(token) if i is None else i

    def _unknown_id(self, token: str) -> int:
        try:
            return self._token_unk_id
        except AttributeError:
            raise VocabError(
                f"the vocabulary of {len(self._token_dict)} tokens has neither {token!r} nor the unknown token "
                f"{self._token_unk!r}; keep that one when the vocabulary is made smaller"
            ) from None

    def _unspelled(self, word: str) -> str:
        """Return the token for a word that the pieces cannot spell: the word itself, unless it is another token."""
        return self._token_unk if word in self._token_dict else word

    def id_to_token(self, i: int) -> str:
        """Return the token of an id.

        Arguments:
            i: int. The id.

        Returns:
            str. The token.

        Raises:
            TypeError: The id is no number.
            ValueError: The id is no integer.
            VocabError: The id is outside of the vocabulary.
        """
        if type(i) is not int:
            i = checked_int(i, "id")
        token = self._token_dict_inv.get(i)
        if token is None:
            largest = max(self._token_dict_inv, default=-1)
            if not 0 <= i <= largest:
                raise VocabError(f"id {i} is outside of the vocabulary, whose ids are 0 to {largest}")
            return self._token_unk  # the line of a token that comes again later
        return token

    # ---- text to tokens

    def _tokenize(self, text: str, pre_tokenize: bool = True) -> list[str]:
        return [token for word in self._words(text, pre_tokenize) for token in word]

    def _words(self, text: str, pre_tokenize: bool = True) -> list[list[str]]:
        """Return the tokens of each word of a text. An added token is a word."""
        words: list[list[str]] = []
        for part in self._parts(text):
            words += [[part.token.content]] if part.token else self._words_of_part(part.text, pre_tokenize)
        return words

    def _parts(self, text: str) -> list[TextPart]:
        """Cut a text at the added tokens in it."""
        parts = self._sought.parts(text)
        if self._special_tokens == "refuse":
            for part in parts:
                if part.token and part.token.special:
                    raise ValueError(
                        f"the text has the special token {part.token.content!r} at character {part.origins[0]}"
                    )
        return parts

    def _special_names(self) -> set[str]:
        """Return the special tokens that the vocabulary has, with its "[unused1]" and so on."""
        names = {self._token_pad, self._token_unk, self._token_mask, self._token_start, self._token_end}
        unused = (token for token in self._token_dict if token[:7] == "[unused" and _UNUSED(token))
        return {name for name in names if name in self._token_dict}.union(unused)

    def _words_of_part(self, text: str, pre_tokenize: bool) -> list[list[str]]:
        if pre_tokenize and self._pre_tokenize is not None:
            return self._pre_tokenized(text)
        return [self._word_piece_tokenize(word) for word in spaced(text, self._char_table).split()]

    def _pre_tokenized(self, text: str) -> list[list[str]]:
        if self._do_lower_case:
            text = _unicode.lowercase_and_normalize(text)
        words: list[list[str]] = []
        for word in self._pre_tokenize(text):
            words += [[word]] if word in self._piece_dict else self._words_of_part(word, False)
        return words

    def _word_piece_tokenize(self, word: str) -> list[str]:
        """Take the longest piece that the word begins with, and so on. Return [word] if no piece fits somewhere."""
        return list(self._word_pieces.pieces(word))

    # ---- ids, offsets and words of texts, at once

    @property
    def _is_plain(self) -> bool:
        """True if no method of `_STEPS` is replaced and no argument needs tokens. `FastWordPiece` then is exact."""
        cls = type(self)
        own = all(getattr(cls, name) is getattr(Tokenizer, name) for name in _STEPS)
        return own and not self._pre_tokenize and not self._token_translate

    def _encoded(self, text: str | Sequence[str], what: str) -> list[int]:
        if not self._is_plain or not isinstance(text, str):
            return super()._encoded(text, what)
        start = [] if self._token_start is None else [self.token_to_id(self._token_start)]
        end = [] if self._token_end is None else [self.token_to_id(self._token_end)]
        return start + self._ids_of_text(text) + end

    def _ids_of_text(self, text: str) -> list[int]:
        if not self._sought.may_be_in(text):
            return self._word_pieces.ids(text)
        ids: list[int] = []
        for part in self._parts(text):
            ids += [part.token.id] if part.token else self._word_pieces.ids(part.text)
        return ids

    def _ids_of_texts(self, texts: Sequence[str]) -> list[list[int]]:
        if not self._is_plain:
            return super()._ids_of_texts(texts)
        if not self._sought:
            return self._word_pieces.ids_of_texts(texts)
        marked = [*map(self._sought.may_be_in, texts)]
        rows = iter(self._word_pieces.ids_of_texts([text for text, mark in zip(texts, marked) if not mark]))
        return [self._ids_of_text(text) if mark else next(rows) for text, mark in zip(texts, marked)]

    def _offsets_of_texts(self, texts: Sequence[str]) -> list[list[tuple[int, int]]]:
        return [*map(self._offsets, texts)]

    def _offsets(self, text: str) -> list[tuple[int, int]]:
        plain, pieces = self._is_plain, self._word_pieces
        if plain and not self._sought.may_be_in(text):
            return pieces.offsets(text)
        offsets: list[tuple[int, int]] = []
        for part in self._parts(text):
            if part.token:
                spans = [self._span_of_added(part.text)]
            elif plain:
                spans = pieces.offsets(part.text)
            else:
                matched = self.rematch(part.text, [t for word in self._words_of_part(part.text, True) for t in word])
                spans = [(min(m), max(m) + 1) if m else None for m in matched]
            origins = part.origins
            offsets += [(origins[span[0]], origins[span[1] - 1] + 1) if span else (0, 0) for span in spans]
        return offsets

    def _span_of_added(self, text: str) -> tuple[int, int]:
        """Return where in its part of the text an added token begins and ends."""
        if not self._trims_added_tokens:
            return 0, len(text)
        spaces = "".join(SPACES)
        return len(text) - len(text.lstrip(spaces)), len(text.rstrip(spaces))

    def _word_ids_of_texts(self, texts: Sequence[str]) -> list[list[int]]:
        if type(self)._tokenize is not Tokenizer._tokenize or type(self).tokenize is not TokenizerBase.tokenize:
            return super()._word_ids_of_texts(texts)
        if self._is_plain and not self._sought:
            return [*map(self._word_pieces.word_ids, texts)]
        return [[k for k, word in enumerate(self._words(text)) for _ in word] for text in texts]

    def rematch(self, text: str, tokens: Iterable[str]) -> list[list[int]]:
        """Find tokens in the text that they came from.

        Arguments:
            text: str. The text.
            tokens: iterable of str. What `tokenize(text)` gave, or some of it in the same order.

        Returns:
            list of lists of int. For each token the indices in `text` of its characters; [] for a special token like
                [CLS].

        Raises:
            TypeError: The text is no str, or `tokens` is no list of tokens.
            ValueError: A token is not in the text after the token before it.

        Example:
            >>> tokenizer = Tokenizer({"[UNK]": 0, "[CLS]": 1, "[SEP]": 2, "caf": 3, "##e": 4}, do_lower_case=True)
            >>> tokenizer.rematch("Café", tokenizer.tokenize("Café"))
            [[], [0, 1, 2], [3], []]
        """
        check_text(text)
        spelling, origins = self._normalized(text)
        matched, position = [], 0
        for token in checked_tokens(tokens):
            if self._is_special(token):
                matched.append([])
                continue
            token = stem(self._token_translate_inv.get(token, token))
            start = spelling.find(token, position)
            if start < 0:
                raise ValueError(f"the token {token!r} is not in the text from character {position} on")
            position = start + len(token)
            matched.append(origins[start:position])
        return matched

    def _normalized(self, text: str) -> tuple[str, list[int]]:
        """Return the text as tokens are spelled, and where in `text` each of its characters comes from."""
        pairs = [(part if part == " " else part.replace(" ", ""), i) for part, i in spelled(text, self._char_table)]
        return "".join(part for part, _ in pairs), [i for part, i in pairs for _ in part]

    # ---- tokens to text

    def decode(self, ids: Iterable[int], tokens: Iterable[str] | None = None) -> str:
        """Turn ids into readable text, by the spacing rules of bert4keras. Special tokens like [SEP] are left out.

        Arguments:
            ids: iterable of int. The ids.
            tokens: iterable of str or None. The tokens, if they are known. Then `ids` is ignored.

        Returns:
            str. The text.

        Raises:
            TypeError: `ids` is no iterable of ids, or `tokens` is no list of tokens.
            VocabError: The vocabulary does not have an id. The message says its place.
        """
        parts, last = [], ""
        for token in checked_tokens(tokens) if tokens else self.ids_to_tokens(ids):
            if not self._is_special(token):
                part = self._with_space(token, last)
                parts.append(part)
                last = part[-1:] or last
        text = re.sub(" +", " ", "".join(parts))
        text = re.sub("' (re|m|s|t|ve|d|ll) ", r"'\1 ", text)
        text = _NO_SPACE_AFTER.sub(r"\1", text)
        return re.sub(r"(\d\.) (\d)", r"\1\2", text).strip()

    def _with_space(self, token: str, last: str) -> str:
        """Return a token as it is appended to text that ends with the character `last` ("" at the beginning)."""
        if token[:2] == "##":
            return token[2:]
        if len(token) == 1 and self._is_cjk_character(token):
            return token
        if len(token) == 1 and self._is_punctuation(token):
            return token + " "
        return token if last and self._is_cjk_character(last) else " " + token

    # ---- names that scripts written for bert4keras use

    stem = staticmethod(stem)
    _is_space = staticmethod(_unicode.is_space)
    _is_punctuation = staticmethod(_unicode.is_punctuation)
    _is_cjk_character = staticmethod(_unicode.is_cjk_character)
    _is_control = staticmethod(_unicode.is_control)
    _is_redundant = staticmethod(is_redundant)

    @staticmethod
    def _cjk_punctuation() -> str:
        return _unicode.CJK_PUNCTUATION

    @staticmethod
    def _is_special(token: str) -> bool:
        """Return True if a token has the form [...]."""
        return token[:1] == "[" and token[-1:] == "]"
