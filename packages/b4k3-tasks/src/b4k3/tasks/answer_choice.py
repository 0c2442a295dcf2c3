"""Choose the answer to a question among the spans of a text, with the numbers of the pipeline of transformers 4.

The network gives each token of `[CLS] question [SEP] text [SEP]` a score as the first and one as the last token of the
answer. Both become probabilities, over the text and [CLS] only. The score of a span is the product of the two; the
product at [CLS] is the score of "there is no answer". For example, with [CLS] 王 芳 在 上 海:

    first       0.1  0.0  0.0  0.0  0.8  0.1
    last        0.1  0.0  0.0  0.0  0.1  0.8
    "上海" scores 0.8 · 0.8 = 0.64, "上" 0.08, "海" 0.08, and no answer 0.01.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple, Sequence

import numpy as np

from .probabilities import softmax
from .spans import Span

if TYPE_CHECKING:
    from numpy.typing import NDArray

NO_ANSWER = Span(0, 0, "no answer", 0.0, "")
EXCLUDED = -10000.0  # the score of a token that belongs to no answer


class Candidate(NamedTuple):
    """A span of tokens that may be the answer.

    Attributes:
        first: int. Its first token.
        last: int. Its last token.
        score: float. The product of the two probabilities.

    Example:
        >>> from b4k3.tasks.answer_choice import Candidate
        >>> Candidate(4, 5, 0.64).last
        5
    """

    first: int
    last: int
    score: float


def find_candidates(
    starts: Any, ends: Any, allowed: Any, top: int, max_answer_len: int
) -> tuple[list[Candidate], float]:
    """Find the best spans of a window.

    Arguments:
        starts: float array, [n]. The score of each token as the first token of the answer.
        ends: float array, [n]. The score of each token as the last one.
        allowed: bool array, [n]. Whether a token belongs to the text, or is [CLS].
        top: int. How many spans are looked for.
        max_answer_len: int. The largest number of tokens in an answer.

    Returns:
        (list of `Candidate`, the best first; float, the score of "there is no answer").

    Example:
        >>> from b4k3.tasks.answer_choice import find_candidates
        >>> find_candidates([0.0, 0.0, 9.0], [0.0, 0.0, 9.0], [True, False, True], 1, 15)[0][0].first
        2
    """
    allowed = np.asarray(allowed, dtype=bool)
    first, last = (softmax(np.where(allowed, np.asarray(x, "float32"), EXCLUDED)) for x in (starts, ends))
    nothing = float(first[0] * last[0])
    first[0] = last[0] = 0
    scores = np.tril(np.triu(np.outer(first, last)), max_answer_len - 1)
    flat = scores.reshape(-1)
    if top < len(flat):
        best = [int(flat.argmax())] if top == 1 else np.argpartition(-flat, top)[:top]
    else:
        best = np.arange(len(flat))
    found = []
    for i in sorted(best, key=lambda i: -flat[i]):
        a, b = divmod(int(i), len(allowed))
        if allowed[a] and allowed[b] and flat[i] > 0:
            found.append(Candidate(a, b, float(flat[i])))
    return found, nothing


def characters_of(row: Any, candidate: Candidate, whole_words: bool) -> tuple[int, int]:
    """Find the characters of a span of tokens.

    Arguments:
        row: a row of an `Encoding`, whose second text has the answer.
        candidate: `Candidate`.
        whole_words: bool. Whether the span is widened to whole words.

    Returns:
        (start, end).
    """
    first, last, _ = candidate
    if whole_words and row.word_ids[first] is not None and row.word_ids[last] is not None:
        start = row.word_to_chars(row.word_ids[first], 1)
        end = row.word_to_chars(row.word_ids[last], 1)
        if start is not None and end is not None:
            return start[0], end[1]
    return row.offsets[first][0], row.offsets[last][1]


def choose_answers(
    windows: Sequence[tuple[Any, NDArray[np.float32], NDArray[np.float32]]],
    text: str,
    cls_id: int | None,
    top: int = 1,
    max_answer_len: int = 15,
    no_answer: bool = False,
    whole_words: bool = True,
) -> list[Span]:
    """Choose the best answers among the windows of a text. The scores of equal answers are added.

    Arguments:
        windows: list of (row of an `Encoding`, starts float32 [n], ends float32 [n]), one for each window.
        text: str. The text with the answer.
        cls_id: int or None. The id of [CLS].
        top: int. How many answers there are at most.
        max_answer_len: int. The largest number of tokens in an answer.
        no_answer: bool. Whether "there is no answer" is one of the answers, with an empty text.
        whole_words: bool. Whether answers are widened to whole words.

    Returns:
        list of `Span`, the best first.

    Reference: the pipeline "question-answering" of transformers 4, https://github.com/huggingface/transformers
    """
    found: dict[str, Span] = {}
    nothing = 1e6
    for row, starts, ends in windows:
        allowed = [sequence == 1 or i == cls_id for sequence, i in zip(row.sequence_ids, row.ids)]
        wanted = 2 * top + 10 if whole_words else top  # several of them may become equal
        candidates, score = find_candidates(starts, ends, allowed, wanted, max_answer_len)
        nothing = min(nothing, score)
        for candidate in candidates:
            start, end = characters_of(row, candidate, whole_words)
            answer = text[start:end]
            before = found.get(answer.lower(), Span(start, end, "answer", 0.0, answer))
            found[answer.lower()] = before._replace(score=before.score + candidate.score)
    answers = list(found.values()) + ([NO_ANSWER._replace(score=nothing)] if no_answer else [])
    return sorted(answers, key=lambda span: -span.score)[:top]
