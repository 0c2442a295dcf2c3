"""Llama and the decoders that share its blocks: their configs, what is refused, padding, windows, the cache."""

import json

import numpy as np
import pytest

from b4k3.backend import ops
from b4k3.models import CheckpointError, ConfigError, build_transformer_model
from b4k3.models.checkpoints import open_checkpoint
from b4k3.models.generation.network import Network
from b4k3.models.keys import understand
from b4k3.models.networks.rotary import rope_parameters
from b4k3.models.registry import network
from support import goldens
from support.small_models import close, outputs, saved, spread

ROOT = goldens.ROOT / "huggingface"
NAMES = ["llama", "qwen2", "qwen3", "mistral", "smollm3"]
SIZES = {
    "vocab_size": 30,
    "hidden_size": 16,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "intermediate_size": 20,
}
IDS = np.array([[2, 5, 7, 11, 13, 3, 0, 0], [2, 6, 8, 3, 9, 10, 12, 3]])
WINDOWS = {"attention_windows": [3, None]}


@pytest.fixture(autouse=True)
def forget():
    yield
    goldens.forget()


def build(*args, **kwargs):
    return build_transformer_model(*args, return_keras_model=False, **kwargs)


def small(name, checkpoint=None, **kwargs):
    return build(None, checkpoint, model=name, pad_token_id=0, **dict(SIZES, **kwargs))


# ------------------------------------------------------------------------------------------------------ the network


@pytest.mark.parametrize("name", NAMES)
def test_save_load_and_padding(name, tmp_path):
    """All weights are in the mapping, and padding changes no answer to a token."""
    more = {"attention_windows": [3, None]} if name != "llama" else {"attention_bias": True, "mlp_bias": True}
    transformer = spread(small(name, with_lm="linear", **more))
    want = outputs(transformer, IDS)[0]
    again = small(name, saved(transformer, tmp_path), with_lm="linear", **more)
    report = again.load_report
    assert not report.unexpected and not report.initialized and not report.missing
    close(outputs(again, IDS)[0], want, 1e-6)
    mask = IDS > 0
    close(outputs(again, np.pad(IDS, ((0, 0), (0, 3))))[0][:, :8][mask], want[mask])


def test_a_window_hides_what_lies_before_it():
    """A position of one block with window 3 does not change with the token three positions before it."""
    transformer = spread(small("mistral", num_hidden_layers=1, attention_windows=[3], with_lm="linear"))
    want = outputs(transformer, IDS[1:])[0][0]
    changed = IDS[1:].copy()
    changed[0, 2] = 20
    differs = np.abs(outputs(transformer, changed)[0][0] - want).max(axis=-1) > 1e-6
    assert differs.tolist() == [False, False, True, True, True, False, False, False]


@pytest.mark.parametrize("more", [{}, WINDOWS, {"unrotated_blocks": [1]}], ids=str)
def test_tokens_with_and_without_the_cache(more):
    """Each token is the best one by the model on all tokens before it."""
    transformer = spread(small("qwen3", with_lm="linear", **more))
    prompts = [[2, 5, 7, 11, 13, 3], [2, 6], [9]]
    tokens = transformer.generate(prompts, 8).tolist()
    texts = [prompt + found for prompt, found in zip(prompts, tokens)]
    longest = max(map(len, texts))
    best = outputs(transformer, np.array([text + [0] * (longest - len(text)) for text in texts]))[0].argmax(axis=-1)
    for prompt, found, row in zip(prompts, tokens, best):
        assert row[len(prompt) - 1 : len(prompt) + 7].tolist() == found


def test_the_cache_has_the_heads_of_the_keys_alone():
    transformer = spread(small("llama"))
    ids = ops.convert_to_tensor(IDS.astype("int32"))
    _, _, cache = Network(transformer).prefill(ids, ids * 0, ops.convert_to_tensor([6, 8]), cache_capacity=4)
    assert len(cache) == 2
    for keys, values in cache:
        assert np.prod(keys.shape) == np.prod(values.shape) == 2 * (8 + 4) * 2 * 4  # batch, tokens, heads, size


# ------------------------------------------------------------------------------------------------- configurations

LINEAR = {"rope_type": "linear", "factor": 2.0, "rope_theta": 50.0}
SPELLINGS = {
    "transformers 5": {"rope_parameters": LINEAR},
    "transformers 4": {"rope_theta": 50.0, "rope_scaling": {"rope_type": "linear", "factor": 2.0}},
    "older": {"rope_theta": 50.0, "rope_scaling": {"type": "linear", "factor": 2.0}},
    "both": {"rope_theta": 7.0, "rope_parameters": LINEAR, "rope_scaling": None},
}


@pytest.mark.parametrize("config", list(SPELLINGS.values()), ids=list(SPELLINGS))
def test_spellings_of_rotary_scaling(config):
    assert rope_parameters(config, 10000.0)[0] == LINEAR


def test_what_follows_from_other_keys_of_rotary_positions():
    assert rope_parameters({}, 2e6)[0] == {"rope_type": "default", "rope_theta": 2e6}
    yarn = rope_parameters({"max_position_embeddings": 64, "rope_scaling": {"type": "yarn", "factor": 4.0}}, 1e4)[0]
    assert yarn["original_max_position_embeddings"] == 64
    dynamic = {"max_position": 64, "rope_scaling": {"type": "dynamic", "factor": 4.0}}
    assert rope_parameters(dynamic, 1e4)[0]["max_position_embeddings"] == 64


REFUSED = {
    "longrope": ({"rope_scaling": {"rope_type": "longrope"}}, "rope_type='longrope', which b4k3 does not have"),
    "a key is missing": ({"rope_scaling": {"type": "llama3", "factor": 8.0}}, "'llama3' and lacks low_freq_factor"),
    "a key of another type": ({"rope_scaling": {"type": "linear", "factor": 2, "mscale": 1}}, "does not know mscale"),
    "partial": ({"rope_parameters": {"partial_rotary_factor": 0.5}}, "does not know partial_rotary_factor"),
    "no number": ({"rope_scaling": {"type": "linear", "factor": "2"}}, "factor='2', expected a number above 0"),
    "no object": ({"rope_scaling": "linear"}, "rope_scaling='linear', expected an object"),
    "partial, outside": ({"partial_rotary_factor": 0.5}, "partial_rotary_factor=0.5 is another network"),
    "interleaved": ({"rope_interleaved": True}, "rope_interleaved=True is another network"),
    "biases of Qwen2": ({"model_type": "qwen2", "mlp_bias": True}, "mlp_bias: Qwen2 has no such biases"),
    "a window of Llama": ({"sliding_window": 5}, "sliding_window=5 is another network than model='llama'"),
}


@pytest.mark.parametrize("change, message", list(REFUSED.values()), ids=list(REFUSED))
def test_configs_of_llama_that_are_refused(change, message):
    with pytest.raises(ConfigError, match=message):
        build(dict(SIZES, hidden_act="silu", **dict({"model_type": "llama"}, **change)))


WINDOW = {"sliding_window": 7, "use_sliding_window": True}
FULL, SLIDING = "full_attention", "sliding_attention"
MEANINGS = {
    "qwen2 without": ("qwen2", {"sliding_window": 7, "use_sliding_window": False}, []),
    "qwen2 of upper blocks": ("qwen2", dict(WINDOW, max_window_layers=1), [None, 7]),
    "qwen2 of none": ("qwen2", WINDOW, []),
    "qwen3 by type": ("qwen3", dict(WINDOW, layer_types=[SLIDING, FULL]), [7, None]),
    "mistral": ("mistral", {"sliding_window": 7}, [7, 7]),
    "mistral without": ("mistral", {"sliding_window": None}, []),
    "mistral by default": ("mistral", {"rms_norm_eps": 1e-5}, [4096, 4096]),
    "smollm3": ("smollm3", dict(WINDOW, no_rope_layers=[0, 1]), [7, None]),
}


@pytest.mark.parametrize("name, config, want", list(MEANINGS.values()), ids=list(MEANINGS))
def test_the_keys_of_windows(name, config, want):
    found = understand(network(name), dict(SIZES, hidden_act="silu", **config), "the config")
    assert found.values["attention_windows"] == want and not found.unknown


@pytest.mark.parametrize(
    "config, message",
    [
        (dict(WINDOW, layer_types=["chunked_attention", FULL]), "expected a list of 'full_attention' and"),
        ({"layer_types": [SLIDING, FULL]}, "no sliding_window is in use"),
        (dict(WINDOW, sliding_window=0), "sliding_window=0, expected a whole number"),
    ],
    ids=str,
)
def test_windows_that_are_refused(config, message):
    with pytest.raises(ConfigError, match=message):
        understand(network("qwen2"), dict(SIZES, hidden_act="silu", **config), "the config")


def test_blocks_without_rotation():
    found = understand(network("smollm3"), dict(SIZES, num_hidden_layers=8), "the config").values
    assert found["unrotated_blocks"] == [3, 7] and found["rope_parameters"]["rope_theta"] == 2e6


# -------------------------------------------------------------------------------------------------- recognition


@pytest.mark.parametrize("name", NAMES)
def test_a_folder_is_recognised_and_relatives_are_refused(name):
    transformer = build(str(ROOT / name), with_lm="linear")
    assert transformer.model_key == name
    with np.load(str(ROOT / name / "expected.npz")) as z:
        mask = z["mask"] > 0
        close(goldens.predict(transformer.model, [z["ids"]])[0][mask], z["lm"][mask], 1e-4)
    other = NAMES[NAMES.index(name) - 1]
    with pytest.raises(
        ConfigError, match=f"model_type='{name}' is another network than model='{other}': model='{name}'"
    ):
        build(str(ROOT / name), model=other)


@pytest.mark.parametrize("name", ["qwen2", "qwen3"])
def test_the_variables_tell_what_the_config_does_not(name):
    """Without a model_type; the names of Llama, Mistral and SmolLM3 are the same."""
    config = json.loads((ROOT / name / "config.json").read_text())
    del config["model_type"]
    with open_checkpoint(str(ROOT / name)) as checkpoint:
        arrays = {key: checkpoint[key] for key in checkpoint}
    assert build(config, arrays, model="auto").model_key == name
    with pytest.raises(CheckpointError, match=f"model='{name}'"):
        build(config, arrays, model="mistral")


def test_relatives_with_the_same_names_are_refused():
    with pytest.raises(ConfigError, match="model_type='gemma' is a network that b4k3 does not have"):
        build(dict(SIZES, model_type="gemma", hidden_act="gelu"))


@pytest.mark.parametrize("name", ["llama", "qwen2"])
def test_a_bare_model_without_prefix(name):
    """What LlamaModel.save_pretrained writes has no output; it is built without one."""
    with open_checkpoint(str(ROOT / name)) as checkpoint:
        body = {key[len("model.") :]: checkpoint[key] for key in checkpoint if key.startswith("model.")}
    transformer = build(str(ROOT / name / "config.json"), body, with_lm=False)
    assert transformer.model.output_shape[-1] == 24
    if name == "llama":  # Qwen2's output is tied
        assert build(str(ROOT / name / "config.json"), body).with_lm is False
