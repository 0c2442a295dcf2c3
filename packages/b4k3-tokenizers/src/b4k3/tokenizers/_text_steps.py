"""Apply the normalizers of a `tokenizer.json`, with the place where each character of the result comes from.

A step takes a text, and for each character the index where it comes from (its origin), or None where nobody asks for
places. It returns both for the text that it makes. Hugging Face's tokenizers have the same origins: what is put in
gets the origin of the character before it in its replacement, which is the last one that was taken out.
"""

from __future__ import annotations

import re
import unicodedata
from functools import partial
from typing import TYPE_CHECKING, Any, Callable, Optional, Sequence, Tuple

from ._byte_level import origins_of_bytes, to_byte_chars
from ._patterns import compile_pattern
from .added_tokens import SPACES

if TYPE_CHECKING:
    from ._json import Node

Origins = Optional[Sequence[int]]
Step = Callable[[str, Origins], Tuple[str, Origins]]

_WHITE_SPACE = "".join(sorted(SPACES))


def read_steps(node: Node) -> list[Step]:
    """Read a normalizer.

    Arguments:
        node: Node. The normalizer, or null.

    Returns:
        list of steps.

    Raises:
        VocabError: It is malformed, or is one that is not supported.
    """
    if node.is_null:
        return []
    kind = node["type"].one_of(*sorted([*_READERS, "BertNormalizer", "Sequence"]))
    if kind == "Sequence":
        return [step for part in node["normalizers"].items() for step in read_steps(part)]
    if kind == "BertNormalizer":
        return _read_bert(node)
    return [_READERS[kind](node)]


def apply_steps(steps: Sequence[Step], text: str, origins: Origins) -> tuple[str, Origins]:
    """Apply steps one after the other.

    Arguments:
        steps: sequence of steps.
        text: str. The text.
        origins: sequence of int, or None. The origins of its characters.

    Returns:
        (str, sequence of int or None). What the steps make of it.
    """
    for step in steps:
        text, origins = step(text, origins)
    return text, origins


# ---- the steps


def _compose(form: str, text: str, origins: Origins) -> tuple[str, Origins]:
    normal = unicodedata.normalize(form, text)
    if origins is None or normal == text:
        return normal, origins
    changes = _decomposed(text, "K" if "K" in form else "")
    if form.endswith("C"):
        changes = _recomposed(changes)
    return _followed(changes, origins)


def _followed(changes: Sequence[tuple[str, int]], origins: Sequence[int]) -> tuple[str, Origins]:
    """Return the text and the origins of changes.

    A change is a character and a number: 1 for a character that is put in, 0 for one that takes the place of another,
    and -n for one that takes the place of n + 1.
    """
    found, at = [], 0
    for _, change in changes:
        found.append(origins[at - 1 if change > 0 and at else min(at, len(origins) - 1)])
        at += 0 if change > 0 else 1 - change
    return "".join([char for char, _ in changes]), found


def _decomposed(text: str, compatible: str) -> list[tuple[str, int]]:
    """Return the changes of NFD or NFKD: each mark is put where its combining class says it."""
    changes: list[tuple[str, int]] = []
    marks: list[tuple[str, int]] = []
    for char in text:
        for k, part in enumerate(unicodedata.normalize(f"NF{compatible}D", char)):
            if unicodedata.combining(part):
                marks.append((part, int(k > 0)))
                continue
            changes += sorted(marks, key=lambda mark: unicodedata.combining(mark[0]))
            changes.append((part, int(k > 0)))
            marks = []
    return changes + sorted(marks, key=lambda mark: unicodedata.combining(mark[0]))


def _recomposed(changes: Sequence[tuple[str, int]]) -> list[tuple[str, int]]:
    """Return the changes of NFC from the changes of NFD: a starter takes the marks that it can be composed with."""
    out: list[tuple[str, int]] = []
    starter, last = -1, 0  # the index of the last starter in `out`, and the class of the character before
    for char, change in changes:
        combining = unicodedata.combining(char)
        if starter >= 0 and (last < combining or last == 0 and starter == len(out) - 1):
            union = unicodedata.normalize("NFC", out[starter][0] + char)
            if len(union) == 1:
                out[starter] = union, out[starter][1] + change - 1
                continue
        if not combining:
            starter = len(out)
        out.append((char, change))
        last = combining
    return out


def _lower(text: str, origins: Origins) -> tuple[str, Origins]:
    lowered = "".join(map(str.lower, text)) if "Σ" in text else text.lower()
    if origins is not None and len(lowered) != len(text):
        origins = [origin for char, origin in zip(text, origins) for _ in char.lower()]
    return lowered, origins


def _strip(left: bool, right: bool, text: str, origins: Origins) -> tuple[str, Origins]:
    stripped = text.lstrip(_WHITE_SPACE) if left else text
    start = len(text) - len(stripped)
    stripped = stripped.rstrip(_WHITE_SPACE) if right else stripped
    return stripped, origins if origins is None else origins[start : start + len(stripped)]


def _strip_accents(text: str, origins: Origins) -> tuple[str, Origins]:
    kept = [k for k, char in enumerate(text) if unicodedata.category(char)[0] != "M"]
    return "".join([text[k] for k in kept]), origins if origins is None else [origins[k] for k in kept]


def _replace(pattern: Any, literal: str, content: str, text: str, origins: Origins) -> tuple[str, Origins]:
    if origins is None and literal:
        return text.replace(literal, content), None
    if origins is None:
        return pattern.sub(content.replace("\\", r"\\"), text), None
    parts, found, at = [], [], 0
    for match in pattern.finditer(text):
        start, end = match.span()
        parts += [text[at:start], content]
        found += origins[at:start]
        found += [origins[max(end - 1, 0)]] * len(content) if origins else []
        at = end
    return "".join([*parts, text[at:]]), [*found, *origins[at:]]


def _prepend(prefix: str, text: str, origins: Origins) -> tuple[str, Origins]:
    if not text:
        return text, origins
    return prefix + text, origins if origins is None else [origins[0]] * len(prefix) + [*origins]


def _to_bytes(text: str, origins: Origins) -> tuple[str, Origins]:
    return to_byte_chars(text), origins if origins is None else origins_of_bytes(text, origins)


# ---- the normalizer of BERT, which the first GPT has, too

_IDEOGRAPHS = "\u4e00-\u9fff\u3400-\u4dbf\uf900-\ufaff\U00020000-\U0002a6df\U0002a700-\U0002b73f\U0002b740-\U0002b81f"
_IDEOGRAPHS += "\U0002b920-\U0002ceaf\U0002f800-\U0002fa1f"
_DROPPED = ("Cc", "Cf", "Co")
_ideograph = re.compile(f"[{_IDEOGRAPHS}]")


def _clean(text: str, origins: Origins) -> tuple[str, Origins]:
    """Drop controls and private characters, and make all white space a blank."""
    kept = [k for k, char in enumerate(text) if not _is_dropped(char)]
    cleaned = "".join([" " if text[k] in SPACES else text[k] for k in kept])
    return cleaned, origins if origins is None else [origins[k] for k in kept]


def _is_dropped(char: str) -> bool:
    return char in "\0\ufffd" or char not in "\t\n\r" and unicodedata.category(char) in _DROPPED


def _space_ideographs(text: str, origins: Origins) -> tuple[str, Origins]:
    """Put a blank before and after each ideograph."""
    spaced = _ideograph.sub(r" \g<0> ", text)
    if origins is not None and len(spaced) != len(text):
        origins = [o for char, o in zip(text, origins) for _ in range(3 if _ideograph.match(char) else 1)]
    return spaced, origins


def _strip_nonspacing(text: str, origins: Origins) -> tuple[str, Origins]:
    """Decompose a text, and drop its accents."""
    text, origins = _compose("NFD", text, origins)
    kept = [k for k, char in enumerate(text) if unicodedata.category(char) != "Mn"]
    return "".join([text[k] for k in kept]), origins if origins is None else [origins[k] for k in kept]


def _read_bert(node: Node) -> list[Step]:
    lower, strip = node.get("lowercase", True).boolean(), node.get("strip_accents", None)
    steps = [_clean] if node.get("clean_text", True).boolean() else []
    steps += [_space_ideographs] if node.get("handle_chinese_chars", True).boolean() else []
    steps += [_strip_nonspacing] if (lower if strip.is_null else strip.boolean()) else []
    return steps + ([_lower] if lower else [])


# ---- what a file says


def read_pattern(node: Node) -> Any:
    """Read a pattern, which is a text or a regular expression.

    Arguments:
        node: Node. The pattern.

    Returns:
        Pattern of `re` or of the package `regex`.
    """
    if isinstance(node.value, dict) and list(node.value) == ["String"]:
        if not node["String"].text():
            raise node["String"].error("a text")
        return re.compile(re.escape(node["String"].text()))
    return compile_pattern(node["Regex"])


def _read_replace(node: Node) -> Step:
    pattern = read_pattern(node["pattern"])
    if pattern.match(""):
        raise node["pattern"].error("a pattern that does not match the empty text")
    literal = node["pattern"].value.get("String", "")
    return partial(_replace, pattern, literal, node["content"].text())


def _read_strip(node: Node) -> Step:
    return partial(_strip, node["strip_left"].boolean(), node["strip_right"].boolean())


_READERS: dict[str, Callable[[Node], Step]] = {
    "ByteLevel": lambda node: _to_bytes,
    "Lowercase": lambda node: _lower,
    "NFC": lambda node: partial(_compose, "NFC"),
    "NFD": lambda node: partial(_compose, "NFD"),
    "NFKC": lambda node: partial(_compose, "NFKC"),
    "NFKD": lambda node: partial(_compose, "NFKD"),
    "Prepend": lambda node: partial(_prepend, node["prepend"].text()),
    "Replace": _read_replace,
    "Strip": _read_strip,
    "StripAccents": lambda node: _strip_accents,
}
