"""`TextGenerator` gives the texts that transformers generates, and streams them."""

import pytest

from huggingface.tasks import generators


@pytest.mark.parametrize("name", sorted(set(generators.MODELS) - {"umt5"}))
def test_texts(name, tmp_path):
    assert generators.differences(name, tmp_path, generators.PROMPTS[:3]) == []
