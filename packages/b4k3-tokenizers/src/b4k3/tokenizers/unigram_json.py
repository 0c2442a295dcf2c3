"""SentencePiece unigram models in Hugging Face's `tokenizer.json`.

A file is read into the bytes of a `.model`, which is segmented as SentencePiece does it, between the added tokens and
with the white space that the file says. Hugging Face's tokenizers is not exact in the rest: it composes by grapheme,
adds scores up in float64, and finds the names of bytes ("<0x41>") and of the unknown piece in texts. Elsewhere the ids
are the same.
"""

from __future__ import annotations

import base64
import binascii
from typing import TYPE_CHECKING, Any, NamedTuple

from ._metaspace import COLLAPSE, COLLAPSE_TO_SPACE, LSTRIP, RSTRIP, STRIP, TRIM, Metaspace
from ._normalizer import SPACE
from ._spm import (
    BYTE,
    BYTE_PIECES,
    CONTROL,
    NORMAL,
    UNKNOWN,
    UNUSED,
    SentencePieceError,
    encode_model,
)
from .added_tokens import AddedToken
from .json_parts import (
    added_token,
    added_tokens,
    batch_defaults,
    place_added_tokens,
    set_template,
    specials_around,
    truncation_and_padding,
    written_template,
)
from .sentencepiece_model import SentencePieceModel
from .sp_tokenizer import SpTokenizer
from .vocab import VocabError

if TYPE_CHECKING:
    from ._json import Node

_RUNS = {"Regex": " {2,}"}
_ENDS = {"Regex": "^ +| +$"}


def from_json(description: Node, **kwargs: Any) -> SpTokenizer:
    """Make the tokenizer of a `tokenizer.json` with a unigram model.

    Arguments:
        description: Node. The value of the whole file.
        kwargs: Arguments of `SpTokenizer` that go before what the file says.

    Returns:
        SpTokenizer.

    Raises:
        VocabError: The file is broken, or says what this package cannot do.
    """
    model = description["model"]
    byte_fallback = model.get("byte_fallback", False).boolean()
    blob, steps = _normalizer(description["normalizer"])
    metaspace = _metaspace(description["pre_tokenizer"], steps)
    tokens = added_tokens(description)
    pieces, unk = _pieces(model, tokens, byte_fallback, metaspace)
    metaspace = metaspace._replace(appended=len(pieces) - len(model["vocab"].value))
    trainer = {"model_type": 1, "byte_fallback": byte_fallback, "unk_piece": unk}
    normalizer = {"precompiled_charsmap": blob, "add_dummy_prefix": metaspace.scheme == "always"}
    data = encode_model(pieces, trainer, normalizer)
    start, end = specials_around(description)
    try:
        loaded = SentencePieceModel.from_bytes(data, source=description.path, metaspace=metaspace)
    except SentencePieceError as e:
        raise VocabError(str(e)) from e
    tokenizer = SpTokenizer(loaded, **dict({"token_start": start, "token_end": end}, **kwargs))
    try:
        tokenizer._set_added(tokens)
    except VocabError as e:
        raise VocabError(f"{description.path}: {e}") from None
    tokenizer.batch_defaults = batch_defaults(description)
    set_template(tokenizer, description, kwargs)
    return tokenizer


def _pieces(model, tokens, byte_fallback, metaspace):
    """((piece, score, type) in the order of their ids, the unknown piece). `tokens` are the added ones."""
    pieces = []
    for entry in model["vocab"].items():
        piece, score = entry.items(2)
        pieces.append([piece.text(), score.number(), NORMAL])
    unk = model["unk_id"].integer(0, len(pieces) - 1)
    ids = {piece[0]: i for i, piece in enumerate(pieces)}
    if SPACE not in ids:
        raise VocabError(f"{model.path}: model.vocab has no {SPACE!r}, and words would not stay apart")
    place_added_tokens(model.path, tokens, ids.get, len(pieces))
    for piece in pieces:
        if byte_fallback and piece[0] in BYTE_PIECES:
            piece[2] = BYTE
        elif metaspace.split and SPACE in piece[0][1:]:
            piece[2] = UNUSED  # no word has it
    for token in tokens:
        if token.id >= len(ids):
            pieces.append([token.content, 0.0, UNUSED])  # found before a text is segmented
        elif token.special and not token.single_word:
            pieces[token.id][2] = CONTROL  # found wherever it stands
    pieces[unk][2] = UNKNOWN
    return pieces, pieces[unk][0]


def _steps(node, kind):
    """The parts of a normalizer or pre-tokenizer, `Sequence` or not."""
    if node.is_null:
        return []
    return node[kind].items() if node["type"].value == "Sequence" else [node]


def _normalizer(node):
    """(charsmap, steps of a `Metaspace`) of a normalizer."""
    blob, steps = b"", []
    for place, step in enumerate(_steps(node, "normalizers")):
        kind = step["type"].one_of("Precompiled", "Replace", "Strip")
        if kind == "Precompiled":
            if place:
                raise step.error("the charsmap before the other steps")
            blob = _charsmap(step["precompiled_charsmap"])
        elif kind == "Strip":
            left, right = step["strip_left"].boolean(), step["strip_right"].boolean()
            steps += [STRIP if left and right else LSTRIP if left else RSTRIP] if left or right else []
        else:
            steps.append(_replacement(step))
    return blob, tuple(steps)


def _charsmap(node):
    if node.is_null:
        return b""
    try:
        return base64.b64decode(node.text(), validate=True)
    except (ValueError, binascii.Error):
        raise node.error("base64") from None


def _replacement(step):
    found = step["pattern"].value, step["content"].text()
    if found == (_ENDS, ""):
        return TRIM
    if found == (_RUNS, " "):
        return COLLAPSE
    if found == (_RUNS, SPACE):
        return COLLAPSE_TO_SPACE
    raise step.error("a replacement of runs of blanks, or of blanks at the ends")


def _metaspace(node, steps):
    """The `Metaspace` of a pre-tokenizer, after the steps of a normalizer."""
    nodes = _steps(node, "pretokenizers")
    words = len(nodes) == 2 and nodes[0]["type"].value == "WhitespaceSplit"
    if len(nodes) - words != 1 or nodes[-1]["type"].value != "Metaspace":
        raise node.error("a Metaspace, after a WhitespaceSplit or alone")
    node = nodes[-1]
    node["replacement"].one_of(SPACE)
    prefix = node.get("add_prefix_space", True).boolean()
    scheme = node.get("prepend_scheme", "always" if prefix else "never").one_of("always", "first", "never")
    if words and scheme != "always":
        raise node["prepend_scheme"].error("'always', after a WhitespaceSplit")
    split = node.get("split", True)
    if words and not split.boolean():
        raise split.error("true, after a WhitespaceSplit")
    return Metaspace(steps, scheme, words, split.boolean())


def to_json(tokenizer):
    """The description of an `SpTokenizer` with a unigram model, ready for `json.dumps`."""
    model = tokenizer.sp_model
    spec = getattr(model, "_spec", None)
    if tokenizer._pre_tokenize or tokenizer._token_translate:
        raise VocabError("a tokenizer.json cannot say pre_tokenize or token_translate")
    written = _of_file(tokenizer) if model.metaspace is not None else _of_model(model, spec)
    decoders = [_metaspace_node("always" if spec.normalizer["add_dummy_prefix"] else "never", True)]
    if spec.trainer["byte_fallback"]:
        decoders = [{"type": "ByteFallback"}, {"type": "Fuse"}] + decoders
    return {
        "version": "1.0",
        **truncation_and_padding(tokenizer),
        "added_tokens": [added_token(token) for token in written.tokens],
        "normalizer": {"type": "Sequence", "normalizers": _charsmap_nodes(spec) + written.steps},
        "pre_tokenizer": written.pre_tokenizer,
        "post_processor": written_template(tokenizer),
        "decoder": {"type": "Sequence", "decoders": decoders},
        "model": {
            "type": "Unigram",
            "unk_id": model.unk_id,
            "vocab": written.vocab,
            "byte_fallback": spec.trainer["byte_fallback"],
        },
    }


class _Written(NamedTuple):
    """The parts of a description that differ between models and files."""

    tokens: list
    steps: list
    pre_tokenizer: dict
    vocab: list


def _of_model(model: SentencePieceModel, spec: Any) -> _Written:
    """Return the parts for a SentencePiece model, whose control symbols become added tokens."""
    _check_writable(spec)
    tokens = [
        AddedToken(piece, i, special=True) for i, piece in enumerate(spec.pieces) if spec.types[i] in (CONTROL, UNKNOWN)
    ]
    scheme = "always" if spec.normalizer["add_dummy_prefix"] else "never"
    vocab = [[piece, _score(model, i)] for i, piece in enumerate(spec.pieces)]
    return _Written(tokens, [_step_node(TRIM), _step_node(COLLAPSE)], _metaspace_node(scheme, True), vocab)


def _of_file(tokenizer: SpTokenizer) -> _Written:
    """Return the parts for a model that was read from a `tokenizer.json`."""
    model, metaspace = tokenizer.sp_model, tokenizer.sp_model.metaspace
    pre_tokenizer = _metaspace_node(metaspace.scheme, metaspace.split)
    if metaspace.words:
        pre_tokenizer = {"type": "Sequence", "pretokenizers": [{"type": "WhitespaceSplit"}, pre_tokenizer]}
    size = len(model) - metaspace.appended
    vocab = [[piece, model.score(i)] for i, piece in enumerate(model.pieces[:size])]
    return _Written(tokenizer._added_tokens, [*map(_step_node, metaspace.steps)], pre_tokenizer, vocab)


def _metaspace_node(scheme, split):
    return {"type": "Metaspace", "replacement": SPACE, "prepend_scheme": scheme, "split": split}


def _step_node(step):
    if step in (STRIP, LSTRIP, RSTRIP):
        return {"type": "Strip", "strip_left": step != RSTRIP, "strip_right": step != LSTRIP}
    pattern, content = {TRIM: (_ENDS, ""), COLLAPSE: (_RUNS, " "), COLLAPSE_TO_SPACE: (_RUNS, SPACE)}[step]
    return {"type": "Replace", "pattern": pattern, "content": content}


def _charsmap_nodes(spec):
    blob = spec.normalizer["precompiled_charsmap"]
    return [{"type": "Precompiled", "precompiled_charsmap": base64.b64encode(blob).decode("ascii")}] if blob else []


def _score(model, i):
    """The score of a piece. A user-defined symbol is an ordinary piece in such a file, with the score that it gets."""
    piece = model.id_to_piece(i)
    if i not in model._segmenter.user_defined:
        return model.score(i)
    if model._normalizer.changes(piece):
        raise VocabError(
            "%s: the charsmap would change the symbol %r; a tokenizer.json cannot forbid it"
            % (model._spec.source, piece)
        )
    return 0.1 * (len(piece.encode("utf-8")) - 1)


def _check_writable(spec):
    """A `tokenizer.json` is only written where Hugging Face's pieces are those of the model."""
    if spec is None or spec.model_type != "unigram":
        raise VocabError("only unigram models of the Python engine can be written as a tokenizer.json")
    wanted = {"remove_extra_whitespaces": True, "escape_whitespaces": True}
    for name, value in wanted.items():
        if spec.normalizer[name] is not value:
            raise VocabError("%s: a tokenizer.json cannot say %s=%r" % (spec.source, name, not value))
    if spec.trainer["treat_whitespace_as_suffix"]:
        raise VocabError("%s: a tokenizer.json cannot say treat_whitespace_as_suffix=True" % spec.source)
    if any(SPACE in piece[1:] for piece in spec.pieces):
        raise VocabError("%s: a tokenizer.json has no pieces with a space inside" % spec.source)
