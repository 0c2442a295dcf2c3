"""`ErnieMTokenizer`: the SentencePiece model of ERNIE-M, whose pieces are cut further and have ids of a `vocab.txt`."""

from __future__ import annotations

import os
from itertools import groupby
from typing import Iterable, Iterator, Mapping, Sequence

from ._checks import check_text, checked_ids, checked_int
from ._normalizer import SPACE
from .added_tokens import AddedToken, AddedTokens
from .base import TokenizerBase
from .sentencepiece_model import SentencePieceModel
from .template import Template, TemplatePart
from .vocab import VocabError, load_vocab

_SPECIAL = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
_PUNCTUATION = frozenset(",;:.?!~，；：。？！《》【】")


class ErnieMTokenizer(TokenizerBase):
    """Tokenize text for ERNIE-M, from the two files that its folder has.

    The pieces of the model are cut at Chinese characters, at some punctuation, and where numbers begin and end. A text
    becomes `[CLS] A [SEP]`, a pair `[CLS] A [SEP] [SEP] B [SEP]`. Special tokens are found in texts. There are no
    offsets.

    Ouyang et al. 2020, "ERNIE-M" (arXiv:2012.15674). The tokens are the same as from PaddleNLP and transformers 4.

    Arguments:
        sp_model_path: str or path-like. The `sentencepiece.bpe.model`.
        vocab: str, path-like, or dict of str to int. The `vocab.txt`, or the ids of the tokens.

    Raises:
        FileNotFoundError: One of the files is not there.
        SentencePieceError: The model is broken.
        VocabError: The vocabulary is broken, or lacks a special token.

    Example:
        >>> from b4k3.tokenizers._spm import encode_model  # a small model in place of ERNIE-M's
        >>> pieces = [("<unk>", 0, 2), ("▁", -3, 1), ("▁a", -4, 1), ("12", -5, 1), ("今天", -5, 1)]
        >>> size = open("sentencepiece.bpe.model", "wb").write(encode_model(pieces, {}, {}))
        >>> tokens = ["[CLS]", "[PAD]", "[SEP]", "[UNK]", "[MASK]", "▁a", "12", "今", "天"]
        >>> tokenizer = ErnieMTokenizer("sentencepiece.bpe.model", {token: i for i, token in enumerate(tokens)})
        >>> tokenizer.tokenize("a12今天"), tokenizer.encode("a", "天")[0]
        (['[CLS]', '▁a', '12', '今', '天', '[SEP]'], [0, 5, 2, 2, 8, 2])
    """

    def __init__(
        self, sp_model_path: str | os.PathLike[str], vocab: str | os.PathLike[str] | Mapping[str, int]
    ) -> None:
        super().__init__("[CLS]", "[SEP]")
        self.sp_model = SentencePieceModel(sp_model_path)
        self._token_dict = dict(vocab) if isinstance(vocab, Mapping) else load_vocab(vocab)
        missing = [token for token in _SPECIAL if token not in self._token_dict]
        if missing:
            raise VocabError(f"the vocabulary of {os.fspath(sp_model_path)} lacks {', '.join(missing)}")
        self._tokens = {i: token for token, i in self._token_dict.items()}
        self._vocab_size = len(self._token_dict)
        self._set_special_ids(self._id_of_token)
        self._sought = AddedTokens([AddedToken(token, self._token_dict[token], special=True) for token in _SPECIAL])
        end = TemplatePart(None, 1, (self._token_dict["[SEP]"],))
        single = [TemplatePart(None, 0, (self._token_dict["[CLS]"],)), TemplatePart(0), end._replace(type_id=0)]
        self._template = Template(single, [*single[:2], end, end, TemplatePart(1, 1), end])

    def _id_of_token(self, token: str) -> int | None:
        return self._token_dict.get(token)

    def token_to_id(self, token: str) -> int:
        """Return the id of a token.

        Arguments:
            token: str. The token.

        Returns:
            int. Its id; the id of `[UNK]` if the vocabulary does not have the token.

        Raises:
            TypeError: The token is no str.
        """
        check_text(token, "token")
        return self._token_dict.get(token, self._token_dict["[UNK]"])

    def id_to_token(self, i: int) -> str:
        """Return the token of an id.

        Arguments:
            i: int. The id.

        Returns:
            str. The token.

        Raises:
            VocabError: The vocabulary does not have the id.
        """
        i = checked_int(i, "id")
        if i not in self._tokens:
            raise VocabError(f"id {i} is not in the vocabulary, which has {self._vocab_size} tokens")
        return self._tokens[i]

    def decode(self, ids: Iterable[int]) -> str:
        """Turn ids into text.

        Arguments:
            ids: iterable of int. The ids.

        Returns:
            str. The text, without special tokens. A Chinese character or a number has lost the blank before it.

        Raises:
            VocabError: The vocabulary does not have an id.
        """
        tokens = [token for token in self.ids_to_tokens(checked_ids(ids)) if token not in _SPECIAL]
        return "".join(tokens).replace(SPACE, " ").strip()

    def _tokenize(self, text: str) -> list[str]:
        tokens: list[str] = []
        for part in self._sought.parts(text):
            tokens += [part.token.content] if part.token else _cut(self.sp_model.tokenize(part.text))
        return tokens


def _cut(pieces: Sequence[str]) -> Iterator[str]:
    """Yield the parts of pieces. Of the space symbols that are pieces, those before a part of a word are kept."""
    for k, piece in enumerate(pieces):
        if piece == SPACE:
            if 0 < k < len(pieces) - 1 and not pieces[k + 1].startswith(SPACE):
                yield SPACE
            continue
        for _, chars in groupby(enumerate(piece), _kind):
            part = "".join([char for _, char in chars])
            if part != SPACE:
                yield part


def _kind(place: tuple[int, str]) -> int:
    """Return what is the same for neighbours that stay together; each Chinese character stands alone."""
    k, char = place
    if "\u4e00" <= char <= "\u9fff" or char in _PUNCTUATION:
        return k
    return -1 if char.isdigit() else -2
