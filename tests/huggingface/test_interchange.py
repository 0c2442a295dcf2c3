"""Through files, in both directions, with the transformers of this environment: `hatch run transformers4:test`."""

import shutil

import numpy as np
import pytest

from b4k3.models import build_transformer_model
from huggingface import references

OUTPUTS = {
    "with_nsp": "nsp",
    "with_mlm": "mlm",
    "with_discriminator": "discriminator",
    "final_activation": "lm",
    "with_lm": "lm",
}


@pytest.fixture(scope="module", params=sorted(references.ENCODERS) + sorted(references.GENERATIVE))
def name(request):
    return request.param


@pytest.fixture(scope="module")
def theirs(name):
    return references.make(name)


@pytest.fixture(scope="module")
def ours(name, theirs, tmp_path_factory):
    folder = tmp_path_factory.mktemp(name)
    theirs.save_pretrained(str(folder))
    heads = references.kwargs_of(name)
    return build_transformer_model(str(folder), return_keras_model=False, **heads), heads, folder


def compare(transformer, name, theirs):
    """The outputs of our model and of theirs, at real tokens."""
    inputs, mask = references.feed(name)
    heads = references.kwargs_of(name)
    wanted = references.answers(theirs)
    outputs = transformer.model.predict(inputs if len(inputs) > 1 else inputs[0], verbose=0)
    outputs = outputs if isinstance(outputs, list) else [outputs]
    keys = [key for head, key in OUTPUTS.items() if head in heads]
    assert len(outputs) == len(keys)
    for got, key in zip(outputs, keys):
        got, want = (got, wanted[key]) if key == "nsp" else (got[mask == 1], wanted[key][mask == 1])
        assert got.shape == want.shape
        assert np.abs(got - want).max() <= 1e-5 * max(1.0, np.abs(want).max())


def test_their_files_give_the_same_outputs(name, theirs, ours):
    compare(ours[0], name, theirs)


def test_our_files_give_the_same_outputs(name, theirs, ours, tmp_path):
    transformer, _, folder = ours
    for layer in transformer.model.layers:  # other weights than those that were read
        layer.set_weights([w if "Relative" in layer.name else 0.9 * w + 0.01 for w in layer.get_weights()])
    transformer.save_weights_as_checkpoint(
        str(tmp_path / "model.safetensors"), format="safetensors", dialect="huggingface"
    )
    shutil.copy(str(folder / "config.json"), str(tmp_path))
    again, info = type(theirs).from_pretrained(str(tmp_path), output_loading_info=True)
    # Sines and cosines, which they compute, and the vector that only XLNet's query stream begins with.
    spare = [key for key in info["missing_keys"] if "embed_positions" in key or key == "transformer.mask_emb"]
    assert sorted(info["missing_keys"]) == sorted(spare), info
    assert not info["unexpected_keys"] and not info["mismatched_keys"], info
    compare(transformer, name, again.eval())
