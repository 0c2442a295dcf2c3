"""WordPiece, as in Google's BERT and in bert4keras."""

from __future__ import annotations

import os
import re

from . import _unicode
from .base import TokenizerBase
from .text import spaced
from .vocab import VocabError, is_redundant, load_vocab, stem


class Tokenizer(TokenizerBase):
    """The WordPiece tokenizer of BERT; ids are those of Google's `tokenization.py` on any text.

    Arguments:
        token_dict: path of a vocabulary file, or dict of token -> id (it is not copied).
        do_lower_case: lower-case and strip accents, as the uncased models want it.
        word_maxlen: a longer word is unknown as a whole.
        token_start, token_end, pre_tokenize, token_translate: see `TokenizerBase`.

    Raises:
        VocabError: see `load_vocab`.
    """

    def __init__(self, token_dict, do_lower_case=False, word_maxlen=200, **kwargs):
        super().__init__(**kwargs)
        if isinstance(token_dict, (str, os.PathLike)):
            token_dict = load_vocab(token_dict, token_unk=self._token_unk)
        self._do_lower_case = do_lower_case
        self._token_dict = token_dict
        self._token_dict_inv = {v: k for k, v in token_dict.items()}
        self._vocab_size = len(token_dict)
        self._word_maxlen = word_maxlen
        self._set_special_ids(token_dict.get)

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
        if pre_tokenize and self._pre_tokenize is not None:
            return self._pre_tokenized(text)
        tokens = []
        for word in spaced(text, self._do_lower_case).split():
            tokens.extend(self._word_piece_tokenize(word))
        return tokens

    def _pre_tokenized(self, text):
        if self._do_lower_case:
            text = _unicode.lowercase_and_normalize(text)
        tokens = []
        for word in self._pre_tokenize(text):
            if word in self._token_dict:
                tokens.append(word)
            else:
                tokens.extend(self._tokenize(word, False))
        return tokens

    def _word_piece_tokenize(self, word):
        """The longest piece of the vocabulary that the word begins with, and so on; [word] where that fails."""
        if len(word) > self._word_maxlen:
            return [word]
        pieces, start, prefix = [], 0, ""
        while start < len(word):
            for end in range(len(word), start, -1):
                piece = prefix + word[start:end]
                if piece in self._token_dict:
                    break
            else:
                return [word]
            pieces.append(piece)
            start, prefix = end, "##"
        return pieces

    # tokens to text

    def decode(self, ids, tokens=None):
        """Readable text of ids, by the spacing rules of bert4keras; special tokens like [SEP] are left out.

        Arguments:
            ids: iterable of int.
            tokens: the tokens, if they are at hand; `ids` is not looked at then.
        """
        tokens = [t for t in tokens or self.ids_to_tokens(ids) if not self._is_special(t)]
        parts, last = [], ""
        for token in tokens:
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
        if len(token) == 1:
            if self._is_cjk_character(token):
                return token
            if self._is_punctuation(token):
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


_NO_SPACE_AFTER = re.compile("([%s]) " % re.escape(_unicode.CJK_PUNCTUATION + "+-/={(<["))
