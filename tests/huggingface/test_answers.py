"""Answers to questions are those of the pipeline of transformers 4: offsets and texts equal, scores to 1e-5."""

import pytest

from huggingface.tasks import tagging_cases


@pytest.mark.parametrize("name", ["bert", "albert", "distilbert", "electra", "roberta", "deberta_v2", "mpnet"])
def test_answers(name, tmp_path):
    worst, count = tagging_cases.compare_answers(name, tmp_path / "it")
    assert worst <= 1e-5 and count >= 16
