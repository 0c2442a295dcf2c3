"""SentencePiece unigram models in Hugging Face's `tokenizer.json`.

A file is turned into the bytes of a `.model`. The text between added tokens is segmented as SentencePiece does it, with
the white space that the file says. The ids are the same as from Hugging Face's tokenizers, except where these differ
from the C++ library: they compose characters by grapheme, add up scores in float64, and find the names of bytes
("<0x41>") and of the unknown piece in texts.
"""

from __future__ import annotations

import base64
import binascii
from typing import TYPE_CHECKING, Any, NamedTuple, Sequence

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
from ._text_steps import read_steps
from .added_tokens import AddedToken
from .json_parts import (
    added_token,
    added_tokens,
    apply_settings,
    place_added_tokens,
    specials_around,
    truncation_and_padding,
    written_template,
)
from .sentencepiece_model import SentencePieceModel
from .sp_tokenizer import SpTokenizer
from .vocab import VocabError

if TYPE_CHECKING:
    from ._json import Node
    from ._spm import SpmModel

_RUNS = {"Regex": " {2,}"}
_ENDS = {"Regex": "^ +| +$"}
_REPLACEMENTS = [(_ENDS, ""), (_RUNS, " "), (_RUNS, SPACE)]  # TRIM, COLLAPSE and COLLAPSE_TO_SPACE


def from_json(description: Node, **kwargs: Any) -> SpTokenizer:
    """Make the tokenizer of a `tokenizer.json` with a unigram model.

    Arguments:
        description: Node. The value of the whole file.
        kwargs: Arguments of `SpTokenizer`. They win over what the file says.

    Returns:
        SpTokenizer.

    Raises:
        VocabError: The file is broken, or says what this package cannot do.
    """
    model = description["model"]
    byte_fallback = model.get("byte_fallback", False).boolean()
    before, blob, steps = _normalizer(description["normalizer"])
    metaspace = _metaspace(description["pre_tokenizer"], steps)._replace(before=before)
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
    apply_settings(tokenizer, description, tokens, kwargs)
    return tokenizer


def _pieces(
    model: Node, tokens: Sequence[AddedToken], byte_fallback: bool, metaspace: Metaspace
) -> tuple[list[list[Any]], str]:
    """Return [piece, score, type] of all ids, and the unknown piece. `tokens` are the added ones."""
    pieces: list[list[Any]] = []
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
            piece[2] = UNUSED  # No word contains it.
    for token in tokens:
        if token.id >= len(ids):
            pieces.append([token.content, 0.0, UNUSED])  # It is found before a text is segmented.
        elif token.special and not token.single_word:
            pieces[token.id][2] = CONTROL  # It is found wherever it stands, so the rest of a text does not have it.
    pieces[unk][2] = UNKNOWN
    return pieces, pieces[unk][0]


def _steps(node: Node, kind: str) -> list[Node]:
    """Return the parts of a normalizer or pre-tokenizer, which may be a `Sequence` or a single one."""
    if node.is_null:
        return []
    return node[kind].items() if node["type"].value == "Sequence" else [node]


def _normalizer(node: Node) -> tuple[tuple[dict[str, Any], ...], bytes, tuple[int, ...]]:
    """Return the steps of a normalizer before the charsmap, the charsmap, and the steps after it for a `Metaspace`.

    Without a charsmap, the steps up to the last one that is not about blanks alone come before it.
    """
    found = _steps(node, "normalizers")
    charsmaps = [place for place, step in enumerate(found) if step["type"].value == "Precompiled"]
    others = [place + 1 for place, step in enumerate(found) if not _is_about_blanks(step)]
    start = charsmaps[0] if charsmaps else max(others, default=0)
    for step in found[:start]:
        read_steps(step)
    blob, steps = b"", []
    for place, step in enumerate(found[start:]):
        kind = step["type"].one_of("Precompiled", "Replace", "Strip")
        if kind == "Precompiled":
            if place:
                raise step.error("one charsmap")
            blob = _charsmap(step["precompiled_charsmap"])
        elif kind == "Strip":
            left, right = step["strip_left"].boolean(), step["strip_right"].boolean()
            steps += [STRIP if left and right else LSTRIP if left else RSTRIP] if left or right else []
        else:
            steps.append(_replacement(step))
    return tuple(step.object() for step in found[:start]), blob, tuple(steps)


def _is_about_blanks(step: Node) -> bool:
    """Return True if a step of a normalizer has a number for `Metaspace`."""
    if step["type"].value == "Replace":
        return (step["pattern"].value, step["content"].value) in _REPLACEMENTS
    return step["type"].value == "Strip"


def _charsmap(node: Node) -> bytes:
    if node.is_null:
        return b""
    try:
        return base64.b64decode(node.text(), validate=True)
    except (ValueError, binascii.Error):
        raise node.error("base64") from None


def _replacement(step: Node) -> int:
    found = step["pattern"].value, step["content"].text()
    if found in _REPLACEMENTS:
        return (TRIM, COLLAPSE, COLLAPSE_TO_SPACE)[_REPLACEMENTS.index(found)]
    raise step.error("a replacement of runs of blanks, or of blanks at the ends")


def _metaspace(node: Node, steps: tuple[int, ...]) -> Metaspace:
    """Return the `Metaspace` of a pre-tokenizer, after the steps of a normalizer."""
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


def to_json(tokenizer: SpTokenizer) -> dict[str, Any]:
    """Describe a tokenizer with a unigram model as a `tokenizer.json` does.

    Arguments:
        tokenizer: SpTokenizer. The tokenizer.

    Returns:
        dict. The description, ready for `json.dumps`.

    Raises:
        VocabError: The tokenizer has a setting that such a file cannot say.
    """
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
        "normalizer": {"type": "Sequence", "normalizers": written.before + _charsmap_nodes(spec) + written.steps},
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
    """These are the parts of a description that differ between models and files."""

    tokens: Sequence[AddedToken]
    before: list[dict[str, Any]]
    steps: list[dict[str, Any]]
    pre_tokenizer: dict[str, Any]
    vocab: list[list[Any]]


def _of_model(model: SentencePieceModel, spec: Any) -> _Written:
    """Return the parts for a SentencePiece model, whose control symbols become added tokens."""
    _check_writable(spec)
    tokens = [
        AddedToken(piece, i, special=True) for i, piece in enumerate(spec.pieces) if spec.types[i] in (CONTROL, UNKNOWN)
    ]
    scheme = "always" if spec.normalizer["add_dummy_prefix"] else "never"
    vocab = [[piece, _score(model, i)] for i, piece in enumerate(spec.pieces)]
    return _Written(tokens, [], [_step_node(TRIM), _step_node(COLLAPSE)], _metaspace_node(scheme, True), vocab)


def _of_file(tokenizer: SpTokenizer) -> _Written:
    """Return the parts for a model that was read from a `tokenizer.json`."""
    model, metaspace = tokenizer.sp_model, tokenizer.sp_model.metaspace
    pre_tokenizer = _metaspace_node(metaspace.scheme, metaspace.split)
    if metaspace.words:
        pre_tokenizer = {"type": "Sequence", "pretokenizers": [{"type": "WhitespaceSplit"}, pre_tokenizer]}
    size = len(model) - metaspace.appended
    vocab = [[piece, model.score(i)] for i, piece in enumerate(model.pieces[:size])]
    return _Written(
        tokenizer._added_tokens, [*metaspace.before], [*map(_step_node, metaspace.steps)], pre_tokenizer, vocab
    )


def _metaspace_node(scheme: str, split: bool) -> dict[str, Any]:
    return {"type": "Metaspace", "replacement": SPACE, "prepend_scheme": scheme, "split": split}


def _step_node(step: int) -> dict[str, Any]:
    if step in (STRIP, LSTRIP, RSTRIP):
        return {"type": "Strip", "strip_left": step != RSTRIP, "strip_right": step != LSTRIP}
    pattern, content = {TRIM: (_ENDS, ""), COLLAPSE: (_RUNS, " "), COLLAPSE_TO_SPACE: (_RUNS, SPACE)}[step]
    return {"type": "Replace", "pattern": pattern, "content": content}


def _charsmap_nodes(spec: SpmModel) -> list[dict[str, Any]]:
    blob = spec.normalizer["precompiled_charsmap"]
    return [{"type": "Precompiled", "precompiled_charsmap": base64.b64encode(blob).decode("ascii")}] if blob else []


def _score(model: SentencePieceModel, i: int) -> float:
    """Return the score of a piece in a file, where a user-defined symbol is an ordinary piece."""
    piece = model.id_to_piece(i)
    if i not in model._segmenter.user_defined:
        return model.score(i)
    if model._normalizer.changes(piece):
        raise VocabError(
            f"{model._spec.source}: the charsmap would change the symbol {piece!r}; a tokenizer.json cannot forbid it"
        )
    return 0.1 * (len(piece.encode("utf-8")) - 1)


def _check_writable(spec: SpmModel | None) -> None:
    """Refuse a model if Hugging Face's tokenizers would give other pieces."""
    if spec is None or spec.model_type != "unigram":
        raise VocabError("only unigram models of the Python engine can be written as a tokenizer.json")
    wanted = {"remove_extra_whitespaces": True, "escape_whitespaces": True}
    for name, value in wanted.items():
        if spec.normalizer[name] is not value:
            raise VocabError(f"{spec.source}: a tokenizer.json cannot say {name}={not value}")
    if spec.trainer["treat_whitespace_as_suffix"]:
        raise VocabError(f"{spec.source}: a tokenizer.json cannot say treat_whitespace_as_suffix=True")
    if any(SPACE in piece[1:] for piece in spec.pieces):
        raise VocabError(f"{spec.source}: a tokenizer.json has no pieces with a space inside")
