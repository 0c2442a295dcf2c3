"""Adapters through files in both directions, with the PEFT of this environment: `hatch run transformers5:test`."""

import json

import numpy as np
import pytest

from b4k3.models import build_transformer_model
from huggingface import adapters, references
from support.lora import trained

NAMES = sorted(adapters.ADAPTERS)


def ours(name):
    return build_transformer_model(str(references.ROOT / name), return_keras_model=False, **references.kwargs_of(name))


def compare(name, transformer, wanted):
    """The outputs of our model and of theirs, at real tokens."""
    inputs, mask = references.feed(name)
    outputs = transformer.model.predict(inputs if len(inputs) > 1 else inputs[0], verbose=0)
    outputs = outputs if isinstance(outputs, list) else [outputs]
    keys = [key for key in adapters.OUTPUTS if key in wanted]
    assert len(outputs) == len(keys) > 0
    for got, key in zip(outputs, keys):
        got, want = (got, wanted[key]) if key == "nsp" else (got[mask == 1], wanted[key][mask == 1])
        assert got.shape == want.shape
        assert np.abs(got - want).max() <= 1e-5 * max(1.0, np.abs(want).max())


@pytest.mark.parametrize("name", NAMES)
def test_their_adapter_gives_the_same_outputs(name, tmp_path):
    theirs, transformer = adapters.make(name), ours(name)
    theirs.save_pretrained(str(tmp_path))
    transformer.load_adapter(str(tmp_path))
    compare(name, transformer, adapters.answers(name, theirs))


@pytest.mark.parametrize("name", NAMES)
def test_our_adapter_gives_the_same_outputs(name, tmp_path):
    from peft import PeftModel

    transformer = ours(name)
    transformer.enable_lora(2, adapters.ADAPTERS[name][1], alpha=3, verbose=False)
    trained(transformer, 0.2)
    transformer.save_adapter(str(tmp_path))
    theirs = PeftModel.from_pretrained(adapters.base(name), str(tmp_path)).eval()
    compare(name, transformer, adapters.answers(name, theirs))
    again = ours(name)
    again.load_adapter(str(tmp_path))
    compare(name, again, adapters.answers(name, theirs))
    theirs.save_pretrained(str(tmp_path / "theirs"))  # they found every array, and have no other
    stored = json.loads((tmp_path / "adapter_config.json").read_text())
    assert stored["r"] == 2 or "gpt" in name
    again = ours(name)
    again.load_adapter(str(tmp_path / "theirs"))
    compare(name, again, adapters.answers(name, theirs))
