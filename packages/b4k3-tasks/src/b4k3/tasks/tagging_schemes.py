"""Tags of tokens, such as B-LOC and I-LOC, and the spans that they stand for.

For example, with the scheme BIOES:

    text     王  在  上     海     市     。
    tags     S-PER  O  B-LOC  I-LOC  E-LOC  O
    spans    (0, 1, PER), (2, 5, LOC)

A tag has a mark and a kind. The mark says whether a token begins a span ("B"), lies inside ("I" or "M"), ends it ("E"),
or is a span of its own ("S").
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Iterable, NamedTuple, Sequence

import numpy as np

from b4k3.models import ConfigError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from .spans import Span

OUTSIDE = "O"
# scheme -> the marks of a token that begins a span of several tokens, lies inside, ends it, and is a span of its own
SCHEMES = {"BIO": "BIIB", "BIOES": "BIES", "BMES": "BMES"}


class Tag(NamedTuple):
    """A tag, taken apart.

    Attributes:
        begins: bool. Whether a span begins with it, whatever comes before.
        ends: bool. Whether a span ends with it, whatever comes after.
        kind: str. What must be equal within a span.
        label: str. The label of the span.

    Example:
        >>> from b4k3.tasks.tagging_schemes import read_tag
        >>> read_tag("S-LOC", "BIOES")
        Tag(begins=True, ends=True, kind='LOC', label='LOC')
    """

    begins: bool
    ends: bool
    kind: str
    label: str


def find_scheme(tags: Iterable[str]) -> str:
    """Find the scheme of tags.

    Arguments:
        tags: iterable of str. All tags that a model knows.

    Returns:
        str. A key of `SCHEMES`; "BIO" also for tags without marks, where neighbours with the same tag are one span.

    Example:
        >>> from b4k3.tasks.tagging_schemes import find_scheme
        >>> find_scheme(["O", "B-LOC", "I-LOC", "E-LOC", "S-LOC"]), find_scheme(["O", "B-LOC", "I-LOC"])
        ('BIOES', 'BIO')
    """
    marks = {tag[0] for tag in tags if tag[1:2] == "-"}
    if not marks & set("ES") or "B" not in marks:
        return "BIO"
    return "BMES" if "M" in marks else "BIOES"


def make_tags(labels: Iterable[str], scheme: str = "BIO") -> list[str]:
    """Make the tags for labels.

    Arguments:
        labels: iterable of str. The labels of spans.
        scheme: str. A key of `SCHEMES`.

    Returns:
        list of str. The tags; the first one is "O".

    Raises:
        ConfigError: there is no such scheme.

    Example:
        >>> from b4k3.tasks.tagging_schemes import make_tags
        >>> make_tags(["PER", "LOC"])
        ['O', 'B-PER', 'I-PER', 'B-LOC', 'I-LOC']
    """
    marks = dict.fromkeys(SCHEMES[checked_scheme(scheme)])
    return [OUTSIDE] + [f"{mark}-{label}" for label in labels for mark in marks]


def checked_scheme(scheme: str) -> str:
    """Return a scheme.

    Arguments:
        scheme: str.

    Returns:
        str. The same.

    Raises:
        ConfigError: there is no such scheme.
    """
    if scheme not in SCHEMES:
        raise ConfigError(f"scheme={scheme!r}, expected one of {', '.join(sorted(SCHEMES))}")
    return scheme


def read_tag(tag: str, scheme: str) -> Tag:
    """Take a tag apart.

    Arguments:
        tag: str.
        scheme: str. A key of `SCHEMES`.

    Returns:
        `Tag`. A tag without a mark of the scheme can go on in the next token, if this has the same tag.
    """
    marks = SCHEMES[scheme]
    if tag[1:2] != "-" or tag[0] not in marks:
        return Tag(False, False, tag, tag.split("-", 1)[-1])
    full = len(set(marks)) == 4
    return Tag(tag[0] in (marks[0], marks[3]), full and tag[0] in marks[2:], tag[2:], tag[2:])


def group_tags(tags: Sequence[str], scheme: str) -> list[tuple[int, int, str]]:
    """Find the runs of tokens that belong together. Every token is in one of them, those outside spans too.

    Arguments:
        tags: list of str. The tag of each token.
        scheme: str. A key of `SCHEMES`.

    Returns:
        list of (first token, token after the last one, label).

    Example:
        >>> from b4k3.tasks.tagging_schemes import group_tags
        >>> group_tags(["O", "B-LOC", "I-LOC", "B-LOC"], "BIO")
        [(0, 1, 'O'), (1, 3, 'LOC'), (3, 4, 'LOC')]
    """
    groups: list[tuple[int, int, str]] = []
    last = None
    for i, tag in enumerate(read_tag(tag, scheme) for tag in tags):
        if last is not None and last.kind == tag.kind and not tag.begins and not last.ends:
            groups[-1] = (groups[-1][0], i + 1, groups[-1][2])
        else:
            groups.append((i, i + 1, tag.label))
        last = tag
    return groups


def tokens_of(span: Span, offsets: Sequence[tuple[int, int]]) -> list[int]:
    """Find the tokens that have characters of a span.

    Arguments:
        span: `Span`.
        offsets: list of (start, end). The characters of each token.

    Returns:
        list of int. The indices of the tokens.

    Example:
        >>> from b4k3.tasks.spans import Span
        >>> from b4k3.tasks.tagging_schemes import tokens_of
        >>> tokens_of(Span(1, 3, "LOC"), [(0, 0), (0, 1), (1, 2), (2, 3), (0, 0)])
        [2, 3]
    """
    return [i for i, (start, end) in enumerate(offsets) if start < end and start < span.end and end > span.start]


def tag_tokens(spans: Sequence[Span], offsets: Sequence[tuple[int, int]], scheme: str) -> tuple[list[str], int]:
    """Make the tags of tokens from the spans of their text.

    Arguments:
        spans: list of `Span`.
        offsets: list of (start, end). The characters of each token; a token without characters is outside all spans.
        scheme: str. A key of `SCHEMES`.

    Returns:
        (list of str, int). The tag of each token, and how many spans begin or end within a token. Such a span gets
        the whole token. A span without tokens, in another window of the text for instance, is left out.

    Raises:
        ConfigError: two spans share a token.

    Example:
        >>> from b4k3.tasks.spans import Span
        >>> from b4k3.tasks.tagging_schemes import tag_tokens
        >>> tag_tokens([Span(1, 3, "LOC")], [(0, 0), (0, 1), (1, 2), (2, 3), (0, 0)], "BIO")
        (['O', 'O', 'B-LOC', 'I-LOC', 'O'], 0)
    """
    begin, inside, end, single = SCHEMES[scheme]
    tags, inexact = [OUTSIDE] * len(offsets), 0
    for span in spans:
        tokens = tokens_of(span, offsets)
        if not tokens:
            continue
        inexact += offsets[tokens[0]][0] < span.start or offsets[tokens[-1]][1] > span.end
        for i in tokens:
            if tags[i] != OUTSIDE:
                raise ConfigError(f"{tuple(span[:3])} overlaps another span; only SpanExtractor learns such spans")
            mark = begin if i == tokens[0] else end if i == tokens[-1] else inside
            tags[i] = f"{single if len(tokens) == 1 else mark}-{span.label}"
    return tags, inexact


def allowed_moves(tags: Sequence[str], scheme: str) -> NDArray[np.bool_]:
    """Tell which tags may follow each other. A token at the beginning or end of a row has "O" beside it.

    Arguments:
        tags: list of str. All tags that a model knows.
        scheme: str. A key of `SCHEMES`.

    Returns:
        bool array, [tags, tags]. Whether the second tag may follow the first one.

    Example:
        >>> from b4k3.tasks.tagging_schemes import allowed_moves
        >>> allowed_moves(["O", "B-LOC", "I-LOC"], "BIO").astype(int).tolist()
        [[1, 1, 0], [1, 1, 1], [1, 1, 1]]
    """
    begin, inside, end, single = SCHEMES[scheme]
    full = len({begin, inside, end, single}) == 4
    allowed = np.ones((len(tags), len(tags)), dtype=bool)
    for i, before in enumerate(tags):
        for j, after in enumerate(tags):
            is_open = before[1:2] == "-" and before[0] in (begin, inside)
            if after[1:2] == "-" and after[0] in (inside, end):
                allowed[i, j] = is_open and before[2:] == after[2:]
            elif full:
                allowed[i, j] = not is_open
    return allowed
