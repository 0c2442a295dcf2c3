"""WordPiece, as in Google's BERT and in bert4keras."""

from __future__ import annotations

import os
import re

from . import _unicode
from .base import TokenizerBase
from .pieces import WordPieces
from .text import spaced, spelled
from .vocab import VocabError, is_redundant, load_vocab, stem

_NO_SPACE_AFTER = re.compile("([%s]) " % re.escape(_unicode.CJK_PUNCTUATION + "+-/={(<["))
# a subclass that replaces one of these is asked through them, text by text
_STEPS = ("tokenize", "tokens_to_ids", "token_to_id", "_tokenize", "_word_piece_tokenize")


class Tokenizer(TokenizerBase):
    """The WordPiece tokenizer of BERT; ids are those of Google's `tokenization.py` on any text.

    Arguments:
        token_dict: path of a vocabulary file, or dict of token -> id (it is not copied).
        do_lower_case: lower-case and strip accents, as the uncased models want it.
        word_maxlen: a longer word is unknown as a whole.
        special_tokens: what a special token such as "[MASK]" written in a text is: "split", text like any other;
            "recognise", that token; "refuse", a ValueError.
        cache_size: how many words, and how many pieces of text between spaces, are remembered with their ids.
        token_start, token_end, pre_tokenize, token_translate: see `TokenizerBase`.

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
        if isinstance(token_dict, (str, os.PathLike)):
            token_dict = load_vocab(token_dict, token_unk=self._token_unk)
        if special_tokens not in ("split", "recognise", "refuse"):
            raise ValueError("special_tokens=%r; expected 'split', 'recognise' or 'refuse'" % (special_tokens,))
        self._do_lower_case = bool(do_lower_case)
        self._token_dict = token_dict
        self._token_dict_inv = {v: k for k, v in token_dict.items()}
        self._vocab_size = len(token_dict)
        self._word_maxlen = word_maxlen
        self._special_tokens = special_tokens
        self._cache_size = cache_size
        self._set_special_ids(token_dict.get)
        self._set_word_pieces()

    def __getstate__(self):
        return {k: v for k, v in self.__dict__.items() if k != "_word_pieces"}  # caches stay where they are

    def __setstate__(self, state):
        self.__dict__.update(state)
        self._set_word_pieces()

    def _set_word_pieces(self):
        self._word_pieces = WordPieces(
            self._token_dict, self._unknown_id, self._do_lower_case, self._word_maxlen, self._cache_size
        )

    def token_to_id(self, token):
        i = self._token_dict.get(token)
        return self._unknown_id(token) if i is None else i

    def _unknown_id(self, token):
        try:
            return self._token_unk_id
        except AttributeError:
            raise VocabError(
                "the vocabulary of %d tokens has neither %r nor the unknown token %r; keep that one when the "
                "vocabulary is made smaller" % (len(self._token_dict), token, self._token_unk)
            ) from None

    def id_to_token(self, i):
        token = self._token_dict_inv.get(i)
        if token is None:
            largest = max(self._token_dict_inv, default=-1)
            if not 0 <= i <= largest:
                raise VocabError("id %r is outside of the vocabulary, whose ids are 0 to %d" % (i, largest))
            return self._token_unk  # the line of a token that comes again later
        return token

    # text to tokens

    def _tokenize(self, text, pre_tokenize=True):
        tokens = []
        for part, _, special in self._parts(text):
            tokens += [part] if special else self._tokens_of_part(part, pre_tokenize)
        return tokens

    def _parts(self, text):
        """The text cut at special tokens: (part, where it begins, is it a special token)."""
        if self._special_tokens == "split":
            return [(text, 0, False)]
        parts, position = [], 0
        for k, part in enumerate(self._split_specials(text)):
            if k % 2 and self._special_tokens == "refuse":
                raise ValueError("the text has the special token %r at character %d" % (part, position))
            if part:
                parts.append((part, position, bool(k % 2)))
            position += len(part)
        return parts

    def _special_names(self):
        """The special tokens that the vocabulary has."""
        names = (self._token_pad, self._token_unk, self._token_mask, self._token_start, self._token_end)
        return {name for name in names if name in self._token_dict}

    def _split_specials(self, text):
        names = sorted(self._special_names(), key=len, reverse=True)
        return re.split("(%s)" % "|".join(map(re.escape, names)), text) if names else [text]

    def _tokens_of_part(self, text, pre_tokenize):
        if pre_tokenize and self._pre_tokenize is not None:
            return self._pre_tokenized(text)
        tokens = []
        for word in spaced(text, self._do_lower_case).split():
            tokens += self._word_piece_tokenize(word)
        return tokens

    def _pre_tokenized(self, text):
        if self._do_lower_case:
            text = _unicode.lowercase_and_normalize(text)
        tokens = []
        for word in self._pre_tokenize(text):
            if word in self._token_dict:
                tokens.append(word)
            else:
                tokens += self._tokens_of_part(word, False)
        return tokens

    def _word_piece_tokenize(self, word):
        """The longest piece of the vocabulary that the word begins with, and so on; [word] where that fails."""
        return list(self._word_pieces.pieces(word))

    # ids and offsets of texts, at once

    @property
    def _is_plain(self):
        """Is a text nothing but its WordPieces, so that the steps between need not be taken one by one?"""
        cls = type(self)
        own = all(getattr(cls, name) is getattr(Tokenizer, name) for name in _STEPS)
        return own and self._special_tokens == "split" and not self._pre_tokenize and not self._token_translate

    def _encoded(self, text):
        if not self._is_plain or not isinstance(text, str):
            return super()._encoded(text)
        start = [] if self._token_start is None else [self.token_to_id(self._token_start)]
        end = [] if self._token_end is None else [self.token_to_id(self._token_end)]
        return start + self._word_pieces.ids(text) + end

    def _ids_of_texts(self, texts):
        if not self._is_plain:
            return super()._ids_of_texts(texts)
        return self._word_pieces.ids_of_texts(texts)

    def _offsets_of_texts(self, texts):
        return [*map(self._word_pieces.offsets if self._is_plain else self._offsets, texts)]

    def _offsets(self, text):
        offsets = []
        for part, start, special in self._parts(text):
            if special:
                offsets.append((start, start + len(part)))
            else:
                matched = self.rematch(part, self._tokens_of_part(part, True))
                offsets += [(start + min(m), start + max(m) + 1) if m else (0, 0) for m in matched]
        return offsets

    def rematch(self, text, tokens):
        """Where tokens are in the text that they came from.

        Arguments:
            text: str.
            tokens: what `tokenize(text)` gave, or part of it in the same order.

        Returns:
            For each token the list of the indices in `text` of its characters; [] for special tokens like [CLS].

        Raises:
            ValueError: a token is not in the text after the one before it.
        """
        normalized, origins = self._normalized(text)
        matched, position = [], 0
        for token in tokens:
            if self._is_special(token):
                matched.append([])
                continue
            token = stem(self._token_translate_inv.get(token, token))
            start = normalized.find(token, position)
            if start < 0:
                raise ValueError("the token %r is not in the text from character %d on" % (token, position))
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
        """
        parts, last = [], ""
        for token in tokens or self.ids_to_tokens(ids):
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
