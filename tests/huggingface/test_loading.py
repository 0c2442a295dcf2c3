"""transformers, the newest too, loads what `b4k3 convert` writes, and computes what the original authors' code did.

`hatch run transformers4:test` and, with transformers 5, `hatch run transformers5:test`.
"""

import numpy as np
import pytest

from b4k3.models.cli import main
from support import goldens

# golden:model= -> (class that config.json names, what the expected hidden states are called, options of convert)
SYSTEMS = {
    "google_bert:bert": ("BertForPreTraining", "hidden_states", ["--set", "hidden_act=gelu_new"]),
    "google_albert:albert": ("AlbertForPreTraining", "hidden_states", ["--set", "hidden_act=gelu_new"]),
    "google_electra:electra": ("ElectraForPreTraining", "hidden_states", []),
    "google_electra:electra_generator": ("ElectraForMaskedLM", "generator_hidden_states", []),
    "roformer:roformer": ("RoFormerForMaskedLM", "hidden_states", []),
}


@pytest.fixture(params=sorted(SYSTEMS))
def key(request):
    return request.param


@pytest.fixture
def folder(key, tmp_path):
    system, model = key.split(":")
    options = ["--to", "huggingface", "--model", model] + SYSTEMS[key][2]
    assert main(["convert", str(goldens.ROOT / system), str(tmp_path / "ours")] + options) == 0
    return str(tmp_path / "ours")


def test_every_weight_is_found_and_the_outputs_are_right(key, folder):
    import torch
    import transformers

    name, expected, _ = SYSTEMS[key]
    model, info = getattr(transformers, name).from_pretrained(folder, output_loading_info=True)
    fixed = {k for k in info["missing_keys"] if "embed_positions" in k}  # sines and cosines, computed by them
    assert not set(info["missing_keys"]) - fixed and not info["unexpected_keys"] and not info["mismatched_keys"], info
    assert model.config.architectures == [name]
    z = np.load(str(goldens.ROOT / key.split(":")[0] / "expected.npz"))
    ids, mask, segments = (torch.tensor(z[k], dtype=torch.long) for k in ("input_ids", "input_mask", "segment_ids"))
    with torch.no_grad():
        out = model.eval()(input_ids=ids, attention_mask=mask, token_type_ids=segments, output_hidden_states=True)
    real = z["input_mask"].astype(bool)
    blocks = [x.numpy()[real] for x in out.hidden_states[1:]]
    wanted = [x[real] for x in z[expected]][-len(blocks) :]
    assert len(wanted) == len(blocks) == model.config.num_hidden_layers
    for got, want in zip(blocks, wanted):
        assert np.abs(got - want).max() <= 2e-5 + 2e-6 * np.abs(want).max()


def test_auto_classes_and_the_tokenizer(key, folder):
    import transformers

    model = transformers.AutoModel.from_pretrained(folder)
    assert type(model).__name__.lower() == model.config.model_type + "model"
    if key == "roformer:roformer":
        return  # its tokenizer needs rjieba
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    assert len(tokenizer) <= model.config.vocab_size
    assert tokenizer("a 我")["input_ids"][0] == tokenizer.convert_tokens_to_ids("[CLS]")
