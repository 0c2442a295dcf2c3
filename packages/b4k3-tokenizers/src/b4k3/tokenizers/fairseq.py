"""Read the SentencePiece models of XLM-R with the ids that fairseq gave their pieces.

A `sentencepiece.bpe.model` begins with three special pieces. fairseq trained its models with four special tokens in
another order, put the other pieces after them, and a mask token after the last one:

    id                     0      1      2      3      4    5    …  n        n + 1
    piece of the model     <unk>  <s>    </s>   ,      .    ▁    …
    token of fairseq       <s>    <pad>  </s>   <unk>  ,    .    …  (last)   <mask>

The file does not say so. That is why `SpTokenizer` opens it with the ids of the model, and `load_fairseq` with the ids
of XLM-R, BGE-M3 and multilingual E5. White space and special tokens are treated as their `tokenizer.json` says it.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from ._metaspace import Metaspace
from ._normalizer import SPACE
from ._reading import read_file
from ._spm import CONTROL, MAX_FILE_SIZE, NORMAL, UNKNOWN, SentencePieceError, append_pieces, replace_first
from .added_tokens import AddedToken
from .sentencepiece_model import SentencePieceModel
from .sp_tokenizer import SpTokenizer
from .template import Template, TemplatePart

if TYPE_CHECKING:
    from ._spm import SpmModel

_FIRST_PIECES = ["<unk>", "<s>", "</s>"]
_FIRST_TOKENS = ["<s>", "<pad>", "</s>", "<unk>"]
_MASK = "<mask>"
_USUAL = {"add_dummy_prefix": True, "remove_extra_whitespaces": True, "escape_whitespaces": True}


def load_fairseq(path: str | os.PathLike[str], **kwargs: Any) -> SpTokenizer:
    """Make the tokenizer of XLM-R, BGE-M3 or multilingual E5 from its `sentencepiece.bpe.model`.

    A text becomes `<s> A </s>`, a pair `<s> A </s></s> B </s>`. Special tokens are found in texts. The tokenizer can be
    written by `save_tokenizer_json`.

    Conneau et al. 2019, "Unsupervised Cross-lingual Representation Learning at Scale" (arXiv:1911.02116).

    Arguments:
        path: str or path-like. The file.
        kwargs: Arguments of `SpTokenizer`. With `token_start` or `token_end` a pair is `A </s> B </s>`.

    Returns:
        SpTokenizer.

    Raises:
        FileNotFoundError: There is no such file.
        SentencePieceError: The file is broken, or is not a model as fairseq trained them.

    Example:
        >>> from b4k3.tokenizers._spm import encode_model  # a small model in place of XLM-R's
        >>> pieces = [("<unk>", 0, 2), ("<s>", 0, 3), ("</s>", 0, 3), (",", -3, 1), ("▁", -4, 1), ("▁hi", -5, 1)]
        >>> size = open("sentencepiece.bpe.model", "wb").write(encode_model(pieces, {}, {}))
        >>> tokenizer = load_fairseq("sentencepiece.bpe.model")
        >>> tokenizer.tokenize("hi, hi"), tokenizer.encode("hi, hi")[0]
        (['<s>', '▁hi', ',', '▁hi', '</s>'], [0, 6, 4, 6, 2])
    """
    path = os.fspath(path)
    data = read_file(path, MAX_FILE_SIZE, SentencePieceError)
    first = [(token, 0.0, UNKNOWN if token == "<unk>" else CONTROL) for token in _FIRST_TOKENS]
    data = append_pieces(replace_first(data, _FIRST_PIECES, first, path), [_MASK], CONTROL)
    model = SentencePieceModel.from_bytes(
        data, cache_size=kwargs.pop("cache_size", 1 << 17), source=path, metaspace=Metaspace(words=True)
    )
    _check(model._spec)
    tokenizer = SpTokenizer(model, **dict({"token_start": "<s>", "token_end": "</s>"}, **kwargs))
    last = len(model) - 1
    tokens = [AddedToken(token, i, special=True) for i, token in enumerate(_FIRST_TOKENS)]
    tokenizer._set_added([*tokens, AddedToken(_MASK, last, lstrip=True, special=True)])
    if "token_start" not in kwargs and "token_end" not in kwargs:
        tokenizer._template = _template(*(_FIRST_TOKENS.index(token) for token in ("<s>", "</s>")))
    return tokenizer


def _template(start: int, end: int) -> Template:
    """Return `<s> A </s>` and `<s> A </s></s> B </s>`, in which all ids have the type 0."""
    single = [TemplatePart(None, 0, (start,)), TemplatePart(0), TemplatePart(None, 0, (end,))]
    return Template(single, [*single, TemplatePart(None, 0, (end,)), TemplatePart(1), TemplatePart(None, 0, (end,))])


def _check(spec: SpmModel) -> None:
    """Refuse a model that is not as fairseq trained them: unigram, the usual white space, no other special pieces."""
    said = {name: spec.normalizer[name] for name in _USUAL}
    if spec.model_type != "unigram" or said != _USUAL or spec.trainer["treat_whitespace_as_suffix"]:
        raise SentencePieceError(
            f"{spec.source}: {spec.model_type}, {said}; the models that fairseq trained are unigram, {_USUAL}. "
            "SpTokenizer opens this one with its own ids"
        )
    for i in range(len(_FIRST_TOKENS), len(spec.pieces) - 1):
        piece = spec.pieces[i]
        if spec.types[i] != NORMAL or SPACE in piece[1:] or piece in _FIRST_TOKENS or piece == _MASK:
            raise SentencePieceError(
                f"{spec.source}: the piece {piece!r} is of type {spec.types[i]}, has a space inside, or is a special "
                "token; there are no such pieces in the models that fairseq trained"
            )
