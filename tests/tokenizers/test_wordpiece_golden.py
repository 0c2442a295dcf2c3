"""Google's ids, Hugging Face's offsets and bert4keras' tokens and text, on 3000 lines with three vocabularies."""

import unicodedata

import pytest

from b4k3.tokenizers import Tokenizer, educational
from support.tokenizer_goldens import WORDPIECE, rows

RUNS = [("zh", True), ("zh", False), ("en_uncased", True), ("en_cased", False)]
# lines with characters that were assigned after Unicode 11, whose tables made the golden values
LATER_CHARACTERS = {918, 1699}


class Run:
    def __init__(self, vocab, lower):
        key = f"{vocab}_{'lower' if lower else 'cased'}"
        path = str(WORDPIECE / f"vocab_{vocab}.txt")
        later = set() if unicodedata.unidata_version.startswith("11.") else LATER_CHARACTERS
        lines = [line for i, line in enumerate(rows(WORDPIECE / "lines.jsonl.xz")) if i not in later]
        self.lines = [line["text"] for line in lines]
        self.ids = [line[key]["ids"] for line in lines]
        self.bert4keras = [line[key] for line in lines]
        # null where Hugging Face has other ids than Google
        offsets = [line[key]["offsets"] for line in lines]
        self.offsets = [row and list(map(tuple, row)) for row in offsets]
        self.tokenizer = Tokenizer(path, do_lower_case=lower)
        self.bare = Tokenizer(path, do_lower_case=lower, token_start=None, token_end=None)
        self.twin = educational.WordPiece(self.bare.token_dict, lower)


@pytest.fixture(scope="module", params=RUNS, ids=lambda r: f"{r[0]}-{'lower' if r[1] else 'cased'}")
def run(request):
    return Run(*request.param)


def test_the_golden_files_are_all_there(run):
    assert len(run.lines) >= 2998
    assert sum(o is not None for o in run.offsets) > 2900


def test_ids(run):
    assert [run.bare.encode(line)[0] for line in run.lines] == run.ids
    assert run.bare.encode_batch(run.lines).ids == run.ids


def test_ids_of_the_twin(run):
    assert [run.twin.encode(line) for line in run.lines[::10]] == run.ids[::10]


def test_ids_of_tokens(run):
    assert [run.bare.tokens_to_ids(run.bare.tokenize(line)) for line in run.lines] == run.ids


def test_tokens(run):
    assert [run.bare.tokenize(line) for line in run.lines] == [b["tokens"] for b in run.bert4keras]


def test_decode(run):
    assert [run.bare.decode(ids) for ids in run.ids] == [b["decode"] for b in run.bert4keras]


def test_offsets(run):
    offsets = run.bare.encode_batch(run.lines).offsets
    assert [o for o, want in zip(offsets, run.offsets) if want is not None] == [o for o in run.offsets if o is not None]
    for line, ids, row in zip(run.lines, run.ids, offsets):
        assert len(row) == len(ids)
        assert all(0 <= start < end <= len(line) for start, end in row)


def test_rematch(run):
    for line, want in zip(run.lines, run.offsets):
        matched = run.bare.rematch(line, run.bare.tokenize(line))
        if want is not None:
            assert [(m[0], m[-1] + 1) for m in matched] == want


def test_pairs(run):
    start, end = run.tokenizer._token_start_id, run.tokenizer._token_end_id
    pairs = list(zip(run.lines, run.lines[1:]))[::10]
    ids = list(zip(run.ids, run.ids[1:]))[::10]
    want = [([start] + a + [end] + b + [end], [0] * (len(a) + 2) + [1] * (len(b) + 1)) for a, b in ids]
    assert [run.tokenizer.encode(a, b) for a, b in pairs] == want
    batch = run.tokenizer.encode_batch([a for a, _ in pairs], [b for _, b in pairs])
    assert list(zip(batch.ids, batch.type_ids)) == want
