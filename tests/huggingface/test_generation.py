"""`generate` gives the tokens that transformers' own generate gives, for models with the same random weights."""

import numpy as np
import pytest

from b4k3.models import build_transformer_model
from huggingface import references

LENGTH = 16
ENDS = [7, 23]
REQUESTS = {
    "greedy": {},
    "greedy, several ends": {"end_id": ENDS, "min_new_tokens": 3, "repetition_penalty": 1.4},
    "beams": {"num_beams": 4, "length_penalty": 0.0},
    "beams by length": {"num_beams": 3, "length_penalty": 1.0, "num_return_sequences": 2},
    "beams, several ends": {"num_beams": 3, "length_penalty": 2.0, "end_id": ENDS, "repetition_penalty": 1.4},
}


@pytest.fixture(scope="module", params=sorted(references.GENERATIVE))
def pair(request, tmp_path_factory):
    """(a model of transformers, ours from its files, the padding id)"""
    theirs = references.make(request.param)
    folder = tmp_path_factory.mktemp(request.param)
    theirs.save_pretrained(str(folder))
    heads = references.kwargs_of(request.param)
    ours = build_transformer_model(str(folder), return_keras_model=False, **heads)
    return theirs, ours, references.PADDING.get(request.param, 0)


def generated(model, prompt, end_id, **kwargs):
    """Their tokens after a prompt, without what fills up."""
    import torch

    ids = torch.tensor([prompt])
    start = {"decoder_start_token_id": 0} if model.config.is_encoder_decoder else {}
    rows = model.generate(
        ids,
        attention_mask=torch.ones_like(ids),
        max_new_tokens=LENGTH,
        eos_token_id=end_id,
        pad_token_id=0,
        do_sample=False,
        use_cache=False,  # theirs has as many layers as the encoder, and fails where the decoder has more
        **start,
        **kwargs,
    )
    return [cut(row, end_id) for row in rows[:, 1 if start else len(prompt) :].tolist()]


def cut(row, end_id):
    """The row up to the first end id."""
    ends = [i for i, token in enumerate(row) if token in np.ravel(end_id)]
    return row[: ends[0] + 1] if ends else row


@pytest.mark.parametrize("name", list(REQUESTS))
def test_tokens_are_theirs(pair, name):
    theirs, ours, padding = pair
    request = dict({"end_id": 7}, **REQUESTS[name])
    ids, _, mask = references.inputs(padding=padding)
    want = [row for prompt, m in zip(ids, mask) for row in generated(theirs, prompt[m == 1].tolist(), **request)]
    got = ours.generate(ids, LENGTH, **request)
    assert [cut(row, request["end_id"])[: len(w)] for row, w in zip(got.tolist(), want)] == want
    assert all(set(row[len(w) :]) <= {padding} for row, w in zip(got.tolist(), want))
