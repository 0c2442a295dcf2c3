"""WordPiece, as in Google's BERT and in bert4keras."""

from __future__ import annotations

import os
import re
from functools import partial
from typing import Iterable

from . import _unicode
from ._bert_normalizer import normalized, spaced, spelled
from ._checks import check_text, checked_int, checked_tokens
from .added_tokens import AddedToken, AddedTokens
from .base import TokenizerBase
from .pieces import WordPieces
from .vocab import VocabError, is_redundant, load_vocab, stem

_NO_SPACE_AFTER = re.compile("([%s]) " % re.escape(_unicode.CJK_PUNCTUATION + "+-/={(<["))
_UNUSED = re.compile(r"\[unused\d+\]").fullmatch
# a subclass that replaces one of these is asked through them, text by text
_STEPS = ("tokenize", "tokens_to_ids", "token_to_id", "_tokenize", "_word_piece_tokenize")


class Tokenizer(TokenizerBase):
    """The WordPiece tokenizer of BERT; ids are those of Google's `tokenization.py` on any text.

    Arguments:
        token_dict: path of a vocabulary file, or dict of token -> id (it is not copied until tokens are added).
        do_lower_case: lower-case and strip accents, as the uncased models want it.
        word_maxlen: a longer word is unknown as a whole.
        special_tokens: what a special token such as "[MASK]" or "[unused1]" written in a text is: "split", text like
            any other; "recognise", that token; "refuse", a ValueError. See also `add_tokens`.
        cache_size: how many words, and how many pieces of text between spaces, are remembered with their ids.
        token_start, token_end, pre_tokenize, token_translate: see `TokenizerBase`. One that the vocabulary does not
            have warns.

    Raises:
        VocabError: see `load_vocab`.
    """

    _json_model = "WordPiece"

    def __init__(
        self,
        token_dict,
        do_lower_case=False,
        word_maxlen=200,
        special_tokens="split",
        cache_size=50000,
        **kwargs,
    ):
        super().__init__(**kwargs)
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
        self._token_dict = self._piece_dict = token_dict
        self._token_dict_inv = {v: k for k, v in token_dict.items()}
        self._vocab_size = len(token_dict)
        self._word_maxlen = checked_int(word_maxlen, "word_maxlen", 0)
        self._special_tokens = special_tokens
        self._cache_size = checked_int(cache_size, "cache_size", 0)
        self._set_special_ids(token_dict.get)
        where = "the vocabulary" if path is None else os.fspath(path)
        self._warn_of_missing_specials(token_dict.get, f"no token of {where}")
        names = sorted(self._special_names(), key=token_dict.get)
        self._set_added([AddedToken(name, token_dict[name], special=True) for name in names])
        self._set_word_pieces()

    def __getstate__(self):
        return {k: v for k, v in self.__dict__.items() if k != "_word_pieces"}  # caches stay where they are

    def __setstate__(self, state):
        self.__dict__.update(state)
        self._set_word_pieces()

    def _set_word_pieces(self):
        self._word_pieces = WordPieces(
            self._piece_dict,
            self._unknown_id,
            self._unspelled,
            self._do_lower_case,
            self._word_maxlen,
            self._cache_size,
        )

    def _set_added(self, tokens: Iterable[AddedToken]) -> None:
        """Set the tokens that texts are searched for; `_sought` has only the ones that count in this tokenizer."""
        sought = [t for t in tokens if not t.special or self._special_tokens != "split"]
        self._sought = AddedTokens(sought, partial(normalized, lower=self._do_lower_case))
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
        """Add tokens of one's own, which texts are searched for before they are cut into words.

        A token that the vocabulary has keeps its id, and is searched for from now on; the others get the ids after its
        last one, in their order, so that a model needs as many more rows in its embeddings. `save_tokenizer_json` keeps
        them with their settings. `save_vocab(path, tokenizer.token_dict)` keeps tokens without white space with their
        ids; after it is loaded, `add_tokens` with the same tokens makes them sought again. Not to be called while
        another thread uses the tokenizer.

        Arguments:
            tokens: str[]. The tokens.
            special: bool. They stand for no text, like "[MASK]": with `special_tokens="split"` they are not searched
                for, with "refuse" a text that has one is refused.
            single_word: bool. They count only where no letter, digit or underscore is next to them.
            lstrip, rstrip: bool. They take the white space on their left or right with them.
            normalized: bool. They are searched for in normalised text: with `do_lower_case`, "Yes" is found in "YES".

        Returns:
            int. How many of them are new in the vocabulary.

        Raises:
            TypeError: Something that is no list of str.
            ValueError: An empty token.

        Example:
            tokenizer.add_tokens(["[E1]", "[/E1]"])
            tokenizer.tokenize("[E1] Ada [/E1] wrote")  # '[CLS]', '[E1]', 'ada', '[/E1]', 'wrote', '[SEP]'
        """
        if isinstance(tokens, str):
            raise TypeError(f"tokens: expected a list of str, got one str {tokens[:60]!r}")
        token_dict, last = dict(self._token_dict), max(self._token_dict_inv, default=-1)
        added = {token.content: token for token in self._added_tokens}
        for place, token in enumerate(checked_tokens(tokens)):
            if not token:
                raise ValueError(f"tokens[{place}] is empty")
            if token not in token_dict:
                last += 1
                token_dict[token] = last
            added[token] = AddedToken(token, token_dict[token], single_word, lstrip, rstrip, normalized, special)
        count = len(token_dict) - len(self._token_dict)
        self._set_added(sorted(added.values(), key=lambda token: token.id))
        self._set_vocabulary(token_dict)
        self._set_word_pieces()
        return count

    def _set_vocabulary(self, token_dict):
        """Take another vocabulary, whose new tokens no word is made of."""
        self._token_dict = token_dict
        self._token_dict_inv = {v: k for k, v in token_dict.items()}
        self._vocab_size = len(token_dict)
        self._set_special_ids(token_dict.get)

    def _id_of_token(self, token):
        return self._token_dict.get(token)

    @property
    def token_dict(self) -> dict:
        """A new dict of token -> id, added tokens included."""
        return dict(self._token_dict)

    def token_to_id(self, token):
        """The id of a token; of the unknown token if the vocabulary does not have it. Raises TypeError for no str."""
        check_text(token, "token")
        i = self._token_dict.get(token)
        return self._unknown_id(token) if i is None else i

    def _unknown_id(self, token):
        try:
            return self._token_unk_id
        except AttributeError:
            raise VocabError(
                f"the vocabulary of {len(self._token_dict)} tokens has neither {token!r} nor the unknown token "
                f"{self._token_unk!r}; keep that one when the vocabulary is made smaller"
            ) from None

    def _unspelled(self, word):
        """What `tokenize` gives for a word that the pieces cannot spell: the word, unless it is another token."""
        return self._token_unk if word in self._token_dict else word

    def id_to_token(self, i):
        """The token of an id. Raises TypeError and ValueError (`VocabError`) for what is no id of the vocabulary."""
        if type(i) is not int:
            i = checked_int(i, "id")
        token = self._token_dict_inv.get(i)
        if token is None:
            largest = max(self._token_dict_inv, default=-1)
            if not 0 <= i <= largest:
                raise VocabError(f"id {i} is outside of the vocabulary, whose ids are 0 to {largest}")
            return self._token_unk  # the line of a token that comes again later
        return token

    # text to tokens

    def _tokenize(self, text, pre_tokenize=True):
        return [token for word in self._words(text, pre_tokenize) for token in word]

    def _words(self, text, pre_tokenize=True):
        """The tokens of each word of a text; a token that is sought is a word."""
        words = []
        for part in self._parts(text):
            words += [[part.token.content]] if part.token else self._words_of_part(part.text, pre_tokenize)
        return words

    def _parts(self, text):
        """The text cut at the tokens that are sought in it: a list of `added_tokens.Part`."""
        parts = self._sought.parts(text)
        if self._special_tokens == "refuse":
            for part in parts:
                if part.token and part.token.special:
                    raise ValueError(
                        f"the text has the special token {part.token.content!r} at character {part.origins[0]}"
                    )
        return parts

    def _special_names(self):
        """The special tokens that the vocabulary has, and the "[unused1]" and so on in it."""
        names = {self._token_pad, self._token_unk, self._token_mask, self._token_start, self._token_end}
        unused = (token for token in self._token_dict if token[:7] == "[unused" and _UNUSED(token))
        return {name for name in names if name in self._token_dict}.union(unused)

    def _words_of_part(self, text, pre_tokenize):
        if pre_tokenize and self._pre_tokenize is not None:
            return self._pre_tokenized(text)
        return [self._word_piece_tokenize(word) for word in spaced(text, self._do_lower_case).split()]

    def _pre_tokenized(self, text):
        if self._do_lower_case:
            text = _unicode.lowercase_and_normalize(text)
        words = []
        for word in self._pre_tokenize(text):
            words += [[word]] if word in self._piece_dict else self._words_of_part(word, False)
        return words

    def _word_piece_tokenize(self, word):
        """The longest piece of the vocabulary that the word begins with, and so on; [word] where that fails."""
        return list(self._word_pieces.pieces(word))

    # ids, offsets and words of texts, at once

    @property
    def _is_plain(self):
        """Is a text, between tokens that are sought, nothing but its WordPieces, so that the steps between need not be
        taken one by one?"""
        cls = type(self)
        own = all(getattr(cls, name) is getattr(Tokenizer, name) for name in _STEPS)
        return own and not self._pre_tokenize and not self._token_translate

    def _encoded(self, text, what):
        if not self._is_plain or not isinstance(text, str):
            return super()._encoded(text, what)
        start = [] if self._token_start is None else [self.token_to_id(self._token_start)]
        end = [] if self._token_end is None else [self.token_to_id(self._token_end)]
        return start + self._ids_of_text(text) + end

    def _ids_of_text(self, text):
        if not self._sought.may_be_in(text):
            return self._word_pieces.ids(text)
        ids = []
        for part in self._parts(text):
            ids += [part.token.id] if part.token else self._word_pieces.ids(part.text)
        return ids

    def _ids_of_texts(self, texts):
        if not self._is_plain:
            return super()._ids_of_texts(texts)
        if not self._sought:
            return self._word_pieces.ids_of_texts(texts)
        marked = [*map(self._sought.may_be_in, texts)]
        rows = iter(self._word_pieces.ids_of_texts([text for text, mark in zip(texts, marked) if not mark]))
        return [self._ids_of_text(text) if mark else next(rows) for text, mark in zip(texts, marked)]

    def _offsets_of_texts(self, texts):
        return [*map(self._offsets, texts)]

    def _offsets(self, text):
        plain, pieces = self._is_plain, self._word_pieces
        if plain and not self._sought.may_be_in(text):
            return pieces.offsets(text)
        offsets = []
        for part in self._parts(text):
            if part.token:
                spans = [(0, len(part.text))]
            elif plain:
                spans = pieces.offsets(part.text)
            else:
                matched = self.rematch(part.text, [t for word in self._words_of_part(part.text, True) for t in word])
                spans = [(min(m), max(m) + 1) if m else None for m in matched]
            origins = part.origins
            offsets += [(origins[span[0]], origins[span[1] - 1] + 1) if span else (0, 0) for span in spans]
        return offsets

    def _word_ids_of_texts(self, texts):
        if type(self)._tokenize is not Tokenizer._tokenize or type(self).tokenize is not TokenizerBase.tokenize:
            return super()._word_ids_of_texts(texts)
        if self._is_plain and not self._sought:
            return [*map(self._word_pieces.word_ids, texts)]
        return [[k for k, word in enumerate(self._words(text)) for _ in word] for text in texts]

    def rematch(self, text, tokens):
        """Where tokens are in the text that they came from.

        Arguments:
            text: str.
            tokens: what `tokenize(text)` gave, or part of it in the same order.

        Returns:
            For each token the list of the indices in `text` of its characters; [] for special tokens like [CLS].

        Raises:
            TypeError: something that is no text, or no list of tokens.
            ValueError: a token is not in the text after the one before it.
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

    def _normalized(self, text):
        """The text as tokens are spelled, but not cut; and where in `text` each of its characters comes from."""
        pairs = [(part if part == " " else part.replace(" ", ""), i) for part, i in spelled(text, self._do_lower_case)]
        return "".join(part for part, _ in pairs), [i for part, i in pairs for _ in part]

    # tokens to text

    def decode(self, ids, tokens=None):
        """Readable text of ids, by the spacing rules of bert4keras; special tokens like [SEP] are left out.

        Arguments:
            ids: iterable of int.
            tokens: the tokens, if they are at hand; `ids` is not looked at then.

        Raises:
            TypeError: something that is no iterable of ids, or no list of tokens.
            VocabError: an id that the vocabulary does not have; with its place.
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

    def _with_space(self, token, last):
        """The token as it is appended to text that ends in the character `last` ("" at the beginning)."""
        if token[:2] == "##":
            return token[2:]
        if len(token) == 1 and self._is_cjk_character(token):
            return token
        if len(token) == 1 and self._is_punctuation(token):
            return token + " "
        return token if last and self._is_cjk_character(last) else " " + token

    # names that scripts written for bert4keras use

    stem = staticmethod(stem)
    _is_space = staticmethod(_unicode.is_space)
    _is_punctuation = staticmethod(_unicode.is_punctuation)
    _is_cjk_character = staticmethod(_unicode.is_cjk_character)
    _is_control = staticmethod(_unicode.is_control)
    _is_redundant = staticmethod(is_redundant)

    @staticmethod
    def _cjk_punctuation():
        return _unicode.CJK_PUNCTUATION

    @staticmethod
    def _is_special(token):
        """Does the token have the form [...]?"""
        return token[:1] == "[" and token[-1:] == "]"
