"""Each layout of sentence-transformers gives the vectors of sentence-transformers, and loads there again."""

import numpy as np
import pytest

from huggingface.tasks import sentence_layouts


@pytest.mark.parametrize("name", sorted(sentence_layouts.LAYOUTS))
def test_vectors(name, tmp_path):
    from sentence_transformers import SentenceTransformer

    from b4k3.tasks import TextEncoder

    theirs = sentence_layouts.make(name, tmp_path / "theirs")
    ours = TextEncoder.from_folder(tmp_path / "theirs")
    prompts = [None, *sentence_layouts.LAYOUTS[name][2].get("prompts", ())]
    assert sentence_layouts.difference(theirs, ours, prompts) <= 2e-6
    texts = sentence_layouts.TEXTS[:3]
    np.testing.assert_allclose(ours.similarity(texts), theirs.similarity(*2 * [theirs.encode(texts)]), atol=5e-6)
    ours.save(tmp_path / "ours")
    again = SentenceTransformer(str(tmp_path / "ours"), device="cpu")
    assert sentence_layouts.difference(again, ours, prompts) <= 2e-6
