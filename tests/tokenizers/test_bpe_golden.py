"""BPE and WordLevel files with random settings, and all that Hugging Face's tokenizers 0.23.3 says of random texts.

`tests/benchmarks/tokenizers/bpe_differential.py` wrote them, and compares thousands of others. The fields in which the
library is wrong by itself are not stored; `ignored_fields` there says which these are.
"""

import json
import lzma
from pathlib import Path

import pytest

from b4k3.tokenizers import load_tokenizer_json, save_tokenizer_json
from benchmarks.tokenizers.bpe_differential import FIELDS, decoded, rows_of

CASES = Path(__file__).parent.parent / "golden" / "bpe" / "cases.json.xz"


@pytest.fixture(scope="module")
def cases():
    with lzma.open(str(CASES), "rt", encoding="utf-8") as f:
        return json.load(f)


def write(path, description):
    with open(path, "w", encoding="utf-8") as f:
        json.dump(description, f)


def test_ids_offsets_words_and_texts(cases, tmp_path):
    path, bad = str(tmp_path / "tokenizer.json"), {}
    for number, case in enumerate(cases):
        write(path, case["file"])
        tokenizer = load_tokenizer_json(path)
        got = json.loads(json.dumps(rows_of(tokenizer.encode_batch(case["texts"], case["pairs"]), case)))
        for mine, want in zip(got, case["want"]):
            for row, other in zip(mine, want):
                text = decoded(tokenizer, row["ids"])
                row["text"] = text
                bad.update({(number, name): (row[name], other[name]) for name in other if row[name] != other[name]})
    assert not bad


def test_the_cases_are_not_trivial(cases):
    files = [case["file"] for case in cases]
    for key in ("normalizer", "pre_tokenizer", "post_processor", "padding", "decoder"):
        assert sum(file[key] is not None for file in files) > 20
    written = json.dumps([file["pre_tokenizer"] for file in files])
    for kind in ("Split", "ByteLevel", "Metaspace", "Whitespace", "WhitespaceSplit", "Digits", "Punctuation"):
        assert written.count(f'"type": "{kind}"') > 3
    rows = [row for case in cases for windows in case["want"] for row in windows]
    for name in (*FIELDS, "text"):
        assert sum(name in row for row in rows) > len(rows) // 2


def test_written_and_read_again(cases, tmp_path):
    path, again = str(tmp_path / "a.json"), str(tmp_path / "b.json")
    for case in cases[:40]:
        write(path, case["file"])
        tokenizer = load_tokenizer_json(path)
        save_tokenizer_json(again, tokenizer)
        other = load_tokenizer_json(again)
        assert other.batch_defaults == tokenizer.batch_defaults
        batch, want = (t.encode_batch(case["texts"], case["pairs"]) for t in (other, tokenizer))
        for name in ("ids", "type_ids", "offsets", "word_ids"):
            assert getattr(batch, name) == getattr(want, name)
        assert [other.decode(ids) for ids in batch.ids] == [tokenizer.decode(ids) for ids in batch.ids]
