"""The choice of an answer, beside an oracle that scores every span. tests/huggingface/ compares with transformers."""

import numpy as np
import pytest

from b4k3.tasks.answer_choice import choose_answers, find_candidates
from b4k3.tokenizers import Tokenizer

TOKENS = "[PAD] [UNK] [CLS] [SEP] who where a cat sleeps the dog runs in par ##k".split()
TOKENIZER = Tokenizer({token: i for i, token in enumerate(TOKENS)})


def oracle(starts, ends, allowed, longest):
    """All spans as (first, last, score), the best first."""
    first, last = (np.where(allowed, np.exp(x), 0) for x in (starts, ends))
    first, last = first / first.sum(), last / last.sum()
    spans = [
        (i, j, first[i] * last[j])
        for i in range(1, len(first))
        for j in range(i, min(i + longest, len(first)))
        if allowed[i] and allowed[j]
    ]
    return sorted(spans, key=lambda span: -span[2]), first[0] * last[0]


@pytest.mark.parametrize("top", [1, 3, 1000])
def test_the_best_spans(top):
    random = np.random.RandomState(top)
    starts, ends = random.randn(2, 12).astype("float32")
    allowed = np.array([True] + 4 * [False] + 6 * [True] + [False])
    want, nothing = oracle(starts, ends, allowed, 4)
    got, score = find_candidates(starts, ends, allowed, top, 4)
    want = want[: len(got)]
    assert [span[:2] for span in got] == [span[:2] for span in want] and len(got) == min(top, 18)
    np.testing.assert_allclose(
        [span.score for span in got] + [score], [span[2] for span in want] + [nothing], rtol=1e-5
    )


def windows(text, question, scores, **arguments):
    encoded = TOKENIZER.encode_batch([question], [text], truncation="only_second", **arguments)
    rows = encoded[:] + encoded.overflowing[:]
    return [(row, *scores(row)) for row in rows]


def test_words_windows_and_no_answer():
    text, question = "the cat sleeps in the park the dog runs", "where"

    def scores(row):
        starts = np.array([9.0 * (token == "par") for token in row.tokens], dtype="float32")
        return starts, starts

    found = windows(text, question, scores)
    assert choose_answers(found, text, 2)[0][:3] == (22, 26, "answer")
    assert choose_answers(found, text, 2, whole_words=False)[0].text == "par"
    short = windows(text, question, scores, maxlen=10, stride=4)
    assert len(short) > 1
    answers = choose_answers(short, text, 2, top=2, no_answer=True)
    assert answers[0].text == "park" and answers[0].score > 0.9
    nothing = choose_answers(short, text, 2, top=99, no_answer=True)[-1]
    assert nothing.label == "no answer" and nothing.text == "" and 0 < nothing.score < 1e-3
