"""From the probabilities of the tags of tokens to spans of the text, with the numbers of the pipeline of transformers.

For example, a word of two tokens, with the probabilities of the tags O, B-LOC and B-ORG:

    token      O     B-LOC  B-ORG
    Micro      0.2   0.5    0.3
    ##soft     0.1   0.0    0.9

    simple     B-LOC 0.5 and B-ORG 0.9, which are two spans
    first      B-LOC 0.5, the tag of the first token
    max        B-ORG 0.9, the tag of the surest token
    average    B-ORG 0.6, the best tag of the mean (0.15, 0.25, 0.6)
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple, Sequence

import numpy as np

from b4k3.models import ConfigError
from b4k3.tokenizers import Tokenizer

from .spans import Span
from .tagging_schemes import group_tags

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Offsets = Sequence[tuple[int, int]]

AGGREGATIONS = ("simple", "first", "average", "max")


class Tagged(NamedTuple):
    """The tags of the tokens, or of the words, of a text.

    Attributes:
        tags: list of int. The number of the tag of each.
        scores: list of float32. Its probability.
        offsets: list of (start, end). The characters of each.

    Example:
        >>> from b4k3.tasks.aggregation import Tagged
        >>> Tagged([0], [0.9], [(0, 1)]).tags
        [0]
    """

    tags: list[int]
    scores: list[Any]
    offsets: list[tuple[int, int]]


def continues_word(tokenizer: Any, text: str, ids: Sequence[int], offsets: Offsets) -> list[bool]:
    """Ask of each token whether it belongs to the word of the token before.

    With WordPiece a token that is longer than its characters has the mark "##". Other tokenizers have no such mark:
    there a token belongs to the word before it if no space is between.

    Arguments:
        tokenizer: a tokenizer of b4k3-tokenizers.
        text: str.
        ids: list of int. The tokens of the text, without special tokens.
        offsets: list of (start, end). The characters of each token.

    Returns:
        list of bool.
    """
    unknown = getattr(tokenizer, "_token_unk_id", None)
    if isinstance(tokenizer, Tokenizer):
        tokens = tokenizer.ids_to_tokens(ids)
        longer = [len(token) != end - start for token, (start, end) in zip(tokens, offsets)]
    else:
        longer = [start > 0 and " " not in text[start - 1 : start + 1] for start, _ in offsets]
    return [continues and i != unknown for continues, i in zip(longer, ids)]


def tag_words(probabilities: NDArray[np.float32], offsets: Offsets, continues: Sequence[bool], how: str) -> Tagged:
    """Choose a tag for each token ("simple"), or one for each word.

    Arguments:
        probabilities: float32 array, [n, tags].
        offsets: list of (start, end). The characters of each token.
        continues: list of bool. Whether a token belongs to the word of the token before.
        how: str. One of `AGGREGATIONS`.

    Returns:
        `Tagged`.

    Example:
        >>> from b4k3.tasks.aggregation import tag_words
        >>> probabilities = np.array([[0.2, 0.5, 0.3], [0.1, 0.0, 0.9]])
        >>> tag_words(probabilities, [(0, 5), (5, 9)], [False, True], "max")
        Tagged(tags=[2], scores=[0.9], offsets=[(0, 9)])
    """
    words: list[list[int]] = []
    for i, goes_on in enumerate(continues):
        if goes_on and words and how != "simple":
            words[-1].append(i)
        else:
            words.append([i])
    if how == "average":
        rows = [probabilities[word].mean(axis=0) for word in words]
    elif how == "max":
        rows = [probabilities[max(word, key=lambda i: probabilities[i].max())] for word in words]
    else:
        rows = [probabilities[word[0]] for word in words]
    tags = [int(row.argmax()) for row in rows]
    places = [(offsets[word[0]][0], offsets[word[-1]][1]) for word in words]
    return Tagged(tags, [float(row[tag]) for row, tag in zip(rows, tags)], places)


def make_spans(tagged: Tagged, labels: Sequence[str], scheme: str, text: str, ignore: Sequence[str]) -> list[Span]:
    """Make spans of tags that belong together. The score of a span is the mean of its scores.

    Arguments:
        tagged: `Tagged`.
        labels: list of str. The tags that the numbers stand for.
        scheme: str. A key of `SCHEMES`.
        text: str.
        ignore: list of str. The labels that make no span.

    Returns:
        list of `Span`.

    Example:
        >>> from b4k3.tasks.aggregation import Tagged, make_spans
        >>> tagged = Tagged([0, 1, 2], [0.9, 0.5, 1.0], [(0, 1), (1, 2), (2, 3)])
        >>> make_spans(tagged, ["O", "B-LOC", "I-LOC"], "BIO", "在上海", ["O"])
        [Span(start=1, end=3, label='LOC', score=0.75, text='上海')]
    """
    spans = []
    for first, after, label in group_tags([labels[tag] for tag in tagged.tags], scheme):
        if label not in ignore:
            start, end = tagged.offsets[first][0], tagged.offsets[after - 1][1]
            score = float(np.mean(tagged.scores[first:after]))
            spans.append(Span(start, end, label, score, text[start:end]))
    return spans


def checked_aggregation(how: str) -> str:
    """Return the name of an aggregation.

    Arguments:
        how: str.

    Returns:
        str. The same.

    Raises:
        ConfigError: there is no such aggregation.
    """
    if how not in AGGREGATIONS:
        raise ConfigError(f"aggregation={how!r}, expected one of {', '.join(AGGREGATIONS)}")
    return how
