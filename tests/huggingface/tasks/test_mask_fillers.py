"""`FillMask` gives the tokens and scores of the pipeline fill-mask of transformers."""

import pytest

from huggingface.tasks import mask_fillers


@pytest.mark.parametrize("name", sorted(mask_fillers.MODELS))
def test_tokens_and_scores(name, tmp_path):
    from b4k3.tasks import FillMask

    pipeline = mask_fillers.make(name, tmp_path)
    assert mask_fillers.difference(pipeline, FillMask.from_folder(tmp_path), mask_fillers.texts_of(name)) <= 1e-5
