"""Read the parts of a BPE or WordLevel tokenizer from the description that a `tokenizer.json` gives."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Iterable, Mapping, NamedTuple, Sequence

from ._bpe_model import LARGEST_ID, BpeModel, BpeSettings, WordModel
from ._decoders import TokenDecoder
from ._json import Node
from ._pre_tokenizers import PreTokenizer, read_pre_tokenizers
from ._spm import BYTE_PIECES
from ._text_steps import Step, read_steps
from .added_tokens import AddedToken
from .json_parts import added_tokens, without_trimming
from .vocab import VocabError

if TYPE_CHECKING:
    Merge = tuple[str, str, str]

_PARTS = ("normalizer", "pre_tokenizer", "post_processor", "decoder")


class BpeParts(NamedTuple):
    """These are the parts of a tokenizer that do not change.

    Attributes:
        model: WordModel. It gives the ids of a word.
        steps: sequence of steps. The normalizer.
        pre_tokenizers: sequence of PreTokenizer. They cut a text into words, one after the other.
        decoder: TokenDecoder. It turns tokens into text.
        trims: sequence of bool. For each post-processor that takes blanks off the offsets, whether a text has a blank
            put before it.
        texts: dict. The normalizer, pre-tokenizer, post-processor and decoder as a `tokenizer.json` says them.
        kind: str. The type of the model, "BPE" or "WordLevel".

    Example:
        >>> description = {"model": {"type": "BPE", "vocab": {"a": 0, "b": 1, "ab": 2}, "merges": ["a b"]}}
        >>> parts, added = read_parts(Node("tokenizer.json", description), cache_size=100, by_union=False)
        >>> parts.kind, parts.model.id_text("ab") == chr(2), added
        ('BPE', True, [])
    """

    model: WordModel
    steps: Sequence[Step]
    pre_tokenizers: Sequence[PreTokenizer]
    decoder: TokenDecoder
    trims: Sequence[bool]
    texts: Mapping[str, Any]
    kind: str


def read_parts(description: Node, cache_size: int, by_union: bool) -> tuple[BpeParts, list[AddedToken]]:
    """Read everything but template, truncation and padding.

    Arguments:
        description: Node. The file.
        cache_size: int. The number of words whose ids are kept.
        by_union: bool. Whether merges in a row that make the same token have one rank, as in tiktoken.

    Returns:
        (BpeParts, list of AddedToken).

    Raises:
        VocabError: The file is broken, or says what this package cannot do.
    """
    node = description["model"]
    kind = node["type"].one_of("BPE", "WordLevel")
    vocab = _vocabulary(node)
    tokens = added_tokens(description)
    _check_ids(description.path, tokens, vocab)
    pre_tokenizers, writes = read_pre_tokenizers(description.get("pre_tokenizer", None))
    if kind == "BPE":
        settings = _settings(node, vocab, writes)
        model: WordModel = BpeModel(vocab, _merges(node, vocab, settings.prefix), settings, cache_size, by_union)
    else:
        unk = node["unk_token"].text()
        if unk not in vocab:
            raise node["unk_token"].error("a token of model.vocab")
        model = WordModel(vocab, BpeSettings(unk, writes_bytes=writes), cache_size)
    parts = BpeParts(
        model,
        read_steps(description.get("normalizer", None)),
        pre_tokenizers,
        TokenDecoder(description.get("decoder", None)),
        without_trimming(description.get("post_processor", None))[1],
        {name: description.get(name, None).value for name in _PARTS},
        kind,
    )
    return parts, tokens


def _check_ids(path: str, tokens: Sequence[AddedToken], vocab: Mapping[str, int]) -> None:
    """Check that each added token has an id of its own."""
    token_of = {i: token for token, i in vocab.items()}
    for token in tokens:
        other = token_of.get(token.id, token.content)
        if other != token.content:
            raise VocabError(f"{path}: the added token {token.content!r} has id {token.id}, which {other!r} has, too")
        if vocab.get(token.content, token.id) != token.id:
            known = vocab[token.content]
            raise VocabError(
                f"{path}: the added token {token.content!r} has id {token.id}, but {known} in the vocabulary"
            )
        if token.id > LARGEST_ID:
            raise VocabError(f"{path}: the added token {token.content!r} has id {token.id}; at most {LARGEST_ID}")


# ---- the model


def _vocabulary(node: Node) -> dict[str, int]:
    """Return the id of each token of a model."""
    vocab = node["vocab"]
    token_dict = vocab.object()
    by_id: dict[int, str] = {}
    for token, i in token_dict.items():
        if type(i) is not int or not 0 <= i <= LARGEST_ID:
            raise vocab[token].error(f"an integer from 0 to {LARGEST_ID}")
        if by_id.setdefault(i, token) != token:
            raise VocabError(f"{node.path}: model.vocab has {by_id[i]!r} and {token!r} with the same id {i}")
    if not token_dict:
        raise vocab.error("one token at least")
    return token_dict


def _settings(node: Node, vocab: dict[str, int], writes: bool) -> BpeSettings:
    dropout = node.get("dropout", None)
    if not dropout.is_null and dropout.number():
        raise dropout.error("null or 0, because ids would be random")
    unk = node.get("unk_token", None)
    if not unk.is_null and unk.text() not in vocab:
        raise unk.error("a token of model.vocab")
    prefix, suffix = (
        _text_or_nothing(node.get(name, None)) for name in ("continuing_subword_prefix", "end_of_word_suffix")
    )
    fallback = node.get("byte_fallback", False)
    count = sum(piece in vocab for piece in BYTE_PIECES)
    if fallback.boolean() and 0 < count < 256:
        raise fallback.error(f"false, because model.vocab has {count} of 256 bytes such as '<0x0A>'")
    if fallback.value and count and (prefix or suffix or writes):
        raise fallback.error("false, next to a ByteLevel, continuing_subword_prefix or end_of_word_suffix")
    return BpeSettings(
        unk_token=unk.value,
        prefix=prefix,
        suffix=suffix,
        fuse_unk=node.get("fuse_unk", False).boolean(),
        byte_fallback=fallback.value and count == 256,
        ignore_merges=node.get("ignore_merges", False).boolean(),
        writes_bytes=writes,
    )


def _text_or_nothing(node: Node) -> str:
    return "" if node.is_null else node.text()


def _merges(node: Node, vocab: dict[str, int], prefix: str) -> Iterable[Merge]:
    """Yield the merges of a file: two tokens, and the token that they make."""
    merges = node["merges"]
    if not isinstance(merges.value, (list, tuple)):
        raise merges.error("a list")
    for k, merge in enumerate(merges.value):
        parts = merge.split(" ") if isinstance(merge, str) else merge
        found = Node(node.path, merge, f"{merges.name}[{k}]")
        if not isinstance(parts, (list, tuple)) or [*map(type, parts)] != [str, str] or not all(parts):
            raise found.error("two tokens with a blank between them, or a list of two tokens")
        left, right = parts
        union = left + right[len(prefix) :]
        if left not in vocab or right not in vocab or union not in vocab:
            missing = next(token for token in (left, right, union) if token not in vocab)
            raise VocabError(
                f"{found.path}: {found.name} joins {left!r} and {right!r}, but {missing!r} is not in model.vocab"
            )
        if union in parts:
            raise found.error("two tokens that make another one")
        yield left, right, union


# ---- the post-processor
