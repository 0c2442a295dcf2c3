"""Files `tokenizer.json` with random settings, and all that Hugging Face's tokenizers 0.23.3 says of random texts.

`tests/benchmarks/tokenizers/json_differential.py` wrote them, and compares thousands of others.
"""

import json
import lzma
from pathlib import Path

import pytest

from benchmarks.tokenizers.json_differential import differences, ours

CASES = Path(__file__).parent.parent / "golden" / "tokenizer_json" / "cases.json.xz"


@pytest.fixture(scope="module")
def cases():
    with lzma.open(str(CASES), "rt", encoding="utf-8") as f:
        return json.load(f)


def test_ids_offsets_words_and_lookups(cases, tmp_path):
    path = str(tmp_path / "tokenizer.json")
    bad = {}
    for number, case in enumerate(cases):
        found = differences(json.loads(json.dumps(ours(path, case))), case["want"], case)
        if found:
            bad[number] = found[0]
    assert not bad


def test_the_cases_are_not_trivial(cases):
    rows = [row for case in cases for row in case["want"] if case["want"] != "refused"]
    assert sum(len(windows) > 1 for windows in rows) > 20
    files = [case["file"] for case in cases]
    for key in ("truncation", "padding", "post_processor"):
        assert sum(file[key] is not None for file in files) > 30
    for flag in ("single_word", "lstrip", "rstrip", "normalized", "special"):
        assert sum(token[flag] for file in files for token in file["added_tokens"]) > 30


def test_written_and_read_again(cases, tmp_path):
    from b4k3.tokenizers import VocabError, load_tokenizer_json, save_tokenizer_json

    path, again = str(tmp_path / "a.json"), str(tmp_path / "b.json")
    for case in cases[:40]:
        with open(path, "w", encoding="utf-8") as f:
            json.dump(case["file"], f)
        try:
            tokenizer = load_tokenizer_json(path)
        except VocabError:
            continue
        save_tokenizer_json(again, tokenizer)
        other = load_tokenizer_json(again)
        assert other.batch_defaults == tokenizer.batch_defaults
        try:
            want = tokenizer.encode_batch(case["texts"], case["pairs"]).ids
        except ValueError:
            continue
        batch = other.encode_batch(case["texts"], case["pairs"])
        assert batch.ids == want
        assert batch.type_ids == tokenizer.encode_batch(case["texts"], case["pairs"]).type_ids
