"""SentencePiece unigram models in Hugging Face's `tokenizer.json`.

A file is read into the bytes of a `.model` and segmented as SentencePiece does it. Hugging Face's tokenizers is not
exact there: it composes by grapheme, adds scores up in float64, keeps runs of blanks unless the file says otherwise,
and finds the special tokens and the names of bytes ("<0x41>") in texts. Elsewhere the ids are the same.
"""

from __future__ import annotations

import base64
import binascii

from ._normalizer import SPACE
from ._spm import (
    BYTE,
    BYTE_PIECES,
    CONTROL,
    NORMAL,
    UNKNOWN,
    USER_DEFINED,
    SentencePieceError,
    encode_model,
)
from .sentencepiece_model import SentencePieceModel
from .sp_tokenizer import SpTokenizer
from .tokenizer_json import get
from .vocab import VocabError
from .wordpiece_json import _added, _specials, _template

_RUNS = {"Regex": " {2,}"}


def from_json(path, description, **kwargs):
    """The `SpTokenizer` of a parsed Unigram file."""
    model = description["model"]
    pieces = _pieces(path, description)
    trainer = {"model_type": 1, "byte_fallback": bool(model.get("byte_fallback"))}
    trainer["unk_piece"] = pieces[model["unk_id"]][0]
    normalizer = {
        "precompiled_charsmap": _charsmap(path, description.get("normalizer")),
        "add_dummy_prefix": _add_dummy_prefix(path, get(path, description, "pre_tokenizer")),
    }
    start, end = _specials(path, description.get("post_processor"))
    data = encode_model(pieces, trainer, normalizer)
    try:
        loaded = SentencePieceModel.from_bytes(data, source=path)
    except SentencePieceError as e:
        raise VocabError("%s" % e) from e
    return SpTokenizer(loaded, **dict({"token_start": start, "token_end": end}, **kwargs))


def _pieces(path, description):
    """(piece, score, type) in the order of their ids."""
    vocab = get(path, description, "model", "vocab")
    unk_id = get(path, description, "model", "unk_id")
    byte_fallback = bool(description["model"].get("byte_fallback"))
    if not isinstance(vocab, list) or not isinstance(unk_id, int) or not 0 <= unk_id < len(vocab):
        raise VocabError(
            "%s: model.unk_id is %r; expected the place of the unknown piece in model.vocab" % (path, unk_id)
        )
    try:
        pieces = [[str(piece), float(score), NORMAL] for piece, score in vocab]
    except (TypeError, ValueError) as e:
        raise VocabError("%s: model.vocab is no list of [piece, score]: %s" % (path, e)) from e
    for token in sorted(description.get("added_tokens") or [], key=lambda token: token["id"]):
        i, content = token["id"], token["content"]
        if i == len(pieces):  # a token that the model was not trained with: text like a user-defined symbol
            pieces.append([content, 0.0, USER_DEFINED])
        elif 0 <= i < len(pieces) and pieces[i][0] == content:
            pieces[i][2] = CONTROL if token.get("special") else USER_DEFINED
        else:
            raise VocabError(
                "%s: the added token %r has id %r; expected the id of that piece, or %d for one more"
                % (path, content, i, len(pieces))
            )
    for piece in pieces:
        if byte_fallback and piece[0] in BYTE_PIECES:
            piece[2] = BYTE
    pieces[unk_id][2] = UNKNOWN
    return pieces


def _steps(path, value, what):
    """The parts of a normalizer or pre-tokenizer, `Sequence` or not."""
    if value is None:
        return []
    if value.get("type") == "Sequence":
        return value["normalizers" if what == "normalizer" else "pretokenizers"]
    return [value]


def _charsmap(path, normalizer):
    blob = b""
    for step in _steps(path, normalizer, "normalizer"):
        kind = step.get("type")
        if kind == "Precompiled" and not blob:
            try:
                blob = base64.b64decode(step["precompiled_charsmap"] or "", validate=True)
            except (TypeError, binascii.Error) as e:
                raise VocabError("%s: precompiled_charsmap is not base64: %s" % (path, e)) from e
        elif kind == "Replace" and (step["pattern"], step["content"]) in (
            (_RUNS, " "),
            (_RUNS, SPACE),
            ({"Regex": "^ +| +$"}, ""),
        ):
            continue  # SentencePiece does it by itself
        elif kind != "Strip":
            raise VocabError("%s: the normalizer has a step %r, which SentencePiece does not have" % (path, kind))
    return blob


def _add_dummy_prefix(path, pre_tokenizer):
    steps = [s for s in _steps(path, pre_tokenizer, "pre_tokenizer") if s.get("type") != "WhitespaceSplit"]
    if len(steps) != 1 or steps[0].get("type") != "Metaspace" or steps[0].get("replacement") != SPACE:
        raise VocabError("%s: pre_tokenizer is %r; expected a Metaspace with %r" % (path, pre_tokenizer, SPACE))
    scheme = steps[0].get("prepend_scheme", "always" if steps[0].get("add_prefix_space") else "never")
    if scheme not in ("always", "first", "never"):
        raise VocabError("%s: prepend_scheme is %r; expected 'always', 'first' or 'never'" % (path, scheme))
    return scheme != "never"


def to_json(tokenizer):
    """The description of an `SpTokenizer` with a unigram model, ready for `json.dumps`."""
    model = tokenizer.sp_model
    spec = getattr(model, "_spec", None)
    if tokenizer._pre_tokenize or tokenizer._token_translate:
        raise VocabError("a tokenizer.json cannot say pre_tokenize or token_translate")
    _check_writable(spec)
    types = spec.types
    added = [_added(piece, i) for i, piece in enumerate(spec.pieces) if types[i] in (CONTROL, UNKNOWN)]
    prefix = spec.normalizer["add_dummy_prefix"]
    metaspace = {
        "type": "Metaspace",
        "replacement": SPACE,
        "prepend_scheme": "always" if prefix else "never",
        "split": True,
    }
    decoders = [dict(metaspace)]
    if spec.trainer["byte_fallback"]:
        decoders = [{"type": "ByteFallback"}, {"type": "Fuse"}] + decoders
    return {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": added,
        "normalizer": {"type": "Sequence", "normalizers": _normalizers(spec)},
        "pre_tokenizer": metaspace,
        "post_processor": _template(tokenizer._token_start, tokenizer._token_end, tokenizer.token_to_id),
        "decoder": {"type": "Sequence", "decoders": decoders},
        "model": {
            "type": "Unigram",
            "unk_id": model.unk_id,
            "vocab": [[piece, _score(model, i)] for i, piece in enumerate(spec.pieces)],
            "byte_fallback": spec.trainer["byte_fallback"],
        },
    }


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


def _normalizers(spec):
    steps = []
    blob = spec.normalizer["precompiled_charsmap"]
    if blob:
        steps.append({"type": "Precompiled", "precompiled_charsmap": base64.b64encode(blob).decode("ascii")})
    steps.append({"type": "Replace", "pattern": {"Regex": "^ +| +$"}, "content": ""})
    steps.append({"type": "Replace", "pattern": _RUNS, "content": " "})
    return steps


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
