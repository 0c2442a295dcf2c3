"""Spans, the tags that stand for them, and the aggregation of tokens to words and spans."""

import numpy as np
import pytest

from b4k3.models import ConfigError
from b4k3.tasks.aggregation import continues_word, make_spans, tag_words
from b4k3.tasks.spans import Span, checked_spans, without_overlaps, without_repetitions
from b4k3.tasks.tagging_schemes import SCHEMES, allowed_moves, find_scheme, group_tags, make_tags, tag_tokens
from b4k3.tokenizers import Tokenizer


def random_spans(random, length):
    """Spans without overlaps in a text of one character per token."""
    spans, end = [], 0
    while True:
        start = end + random.randint(0, 3)
        end = start + random.randint(1, 4)
        if end > length:
            return spans
        spans.append((start, end, random.choice(["PER", "LOC"])))


@pytest.mark.parametrize("scheme", sorted(SCHEMES))
def test_spans_become_tags_and_spans_again(scheme):
    random = np.random.RandomState(0)
    tags = make_tags(["PER", "LOC"], scheme)
    assert find_scheme(tags) == scheme and tags[0] == "O"
    may_follow = allowed_moves(tags, scheme)
    for length in range(1, 15):
        offsets = [(0, 0)] + [(i, i + 1) for i in range(length)] + [(0, 0)]
        spans = random_spans(random, length)
        row, inexact = tag_tokens([Span(*span) for span in spans], offsets, scheme)
        numbers = [tags.index(tag) for tag in row]
        assert inexact == 0 and may_follow[numbers[:-1], numbers[1:]].all()
        found = [(offsets[a][0], offsets[b - 1][1], label) for a, b, label in group_tags(row, scheme) if label != "O"]
        assert found == spans


def test_moves_that_a_scheme_forbids():
    tags = make_tags(["A", "B"], "BIOES")
    allowed = allowed_moves(tags, "BIOES")
    assert not allowed[tags.index("B-A"), tags.index("O")]
    assert not allowed[tags.index("B-A"), tags.index("I-B")]
    assert not allowed[tags.index("E-A"), tags.index("I-A")]
    assert allowed[tags.index("E-A"), tags.index("S-B")]
    assert allowed_moves(["NOUN", "VERB"], "BIO").all()


@pytest.mark.parametrize(
    "scheme, tags, spans",
    [
        ("BIO", "B-A I-A B-A I-B O I-B", [(0, 2, "A"), (2, 3, "A"), (3, 4, "B"), (5, 6, "B")]),
        ("BIO", "A A B X-A X-B", [(0, 2, "A"), (2, 3, "B"), (3, 4, "A"), (4, 5, "B")]),
        ("BMES", "B-A M-A E-A M-A E-A S-A S-A", [(0, 3, "A"), (3, 5, "A"), (5, 6, "A"), (6, 7, "A")]),
    ],
)
def test_tags_that_no_scheme_would_write(scheme, tags, spans):
    assert [group for group in group_tags(tags.split(), scheme) if group[2] != "O"] == spans


def test_spans_within_tokens_are_counted():
    offsets = [(0, 4), (4, 7)]
    assert tag_tokens([Span(1, 3, "A")], offsets, "BIO") == (["B-A", "O"], 1)
    assert tag_tokens([Span(0, 7, "A")], offsets, "BIOES") == (["B-A", "E-A"], 0)
    assert tag_tokens([Span(8, 9, "A")], offsets, "BIO") == (["O", "O"], 0)
    with pytest.raises(ConfigError, match=r"\(3, 5, 'B'\) overlaps another span; only SpanExtractor"):
        tag_tokens([Span(0, 4, "A"), Span(3, 5, "B")], offsets, "BIO")


@pytest.mark.parametrize(
    "spans, message",
    [
        ([], "expected 1, one for each text, got 0"),
        ([[(0, 9, "A")]], r"spans\[0\] has \(0, 9, 'A'\), expected 0 <= start < end <= 3"),
        ([[(1, 1, "A")]], "expected 0 <= start < end"),
        ([["abc"]], r"expected \(start, end, label\)"),
        ([[(0, 1, 5)]], r"expected \(start, end, label\)"),
    ],
)
def test_spans_that_are_refused(spans, message):
    with pytest.raises(ConfigError, match=message):
        checked_spans(spans, ["abc"])


def test_overlaps_and_repetitions():
    spans = [
        Span(5, 6, "A", 0.5),
        Span(0, 3, "A", 0.9),
        Span(0, 3, "B", 0.95),
        Span(1, 5, "A", 0.1),
        Span(0, 3, "A", 1),
    ]
    assert [span[:3] for span in without_overlaps(spans)] == [(1, 5, "A"), (5, 6, "A")]
    assert [span[:4] for span in without_overlaps(spans[1:3])] == [(0, 3, "B", 0.95)]
    assert [span[:4] for span in without_repetitions([*spans[1:], Span(0, 3, "A", 1)])] == [
        (0, 3, "A", 1),
        (0, 3, "B", 0.95),
        (1, 5, "A", 0.1),
    ]


def test_words():
    """WordPiece marks what continues a word; an unknown token always begins one."""
    tokenizer = Tokenizer({token: i for i, token in enumerate("[PAD] [UNK] [CLS] [SEP] wor ##ld ##s 我".split())})
    text = "worlds 我 w"
    ids, offsets = [4, 5, 6, 7, 1], [(0, 3), (3, 5), (5, 6), (7, 8), (9, 10)]
    assert continues_word(tokenizer, text, ids, offsets) == [False, True, True, False, False]

    class Pieces:
        _token_unk_id = 1

    assert continues_word(Pieces(), text, ids, offsets) == [False, True, True, False, False]


@pytest.mark.parametrize(
    "how, expected",
    [
        ("simple", [(0, 3, "A", 0.6), (3, 6, "B", 0.9), (7, 8, "B", 0.8)]),
        ("first", [(0, 6, "A", 0.6), (7, 8, "B", 0.8)]),
        ("max", [(0, 6, "B", 0.9), (7, 8, "B", 0.8)]),
        ("average", [(0, 6, "B", 0.6), (7, 8, "B", 0.8)]),
    ],
)
def test_aggregation(how, expected):
    probabilities = np.float32([[0.1, 0.6, 0.3], [0.1, 0.0, 0.9], [0.1, 0.1, 0.8]])
    offsets, text = [(0, 3), (3, 6), (7, 8)], "worlds x"
    tagged = tag_words(probabilities, offsets, [False, True, False], how)
    spans = make_spans(tagged, ["O", "B-A", "B-B"], "BIO", text, ["O"])
    assert [(s.start, s.end, s.label, round(s.score, 6)) for s in spans] == expected
    assert all(span.text == text[span.start : span.end] for span in spans)
