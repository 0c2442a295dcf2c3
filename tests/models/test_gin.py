"""The gin file of T5, against the configuration that was written by hand."""

import pytest

from b4k3.models import ConfigError
from b4k3.models.config_files import read_config
from b4k3.models.gin import read_gin
from b4k3.models.keys import understand
from b4k3.models.registry import network
from support import goldens


def read(path):
    """A configuration under our names, as the network of its folder reads it."""
    name = {"t5_1_0": "t5.1.0", "mt5": "mt5.1.1"}.get(path.split("/")[-2], "t5.1.1")
    return understand(network(name), read_config(path), path).values


@pytest.mark.parametrize("system", ["t5_1_0", "t5_1_1", "t5_1_1_ext", "mt5"])
def test_the_published_file(system):
    by_hand = read(str(goldens.ROOT / system / "t5_config.json"))
    found = read(str(goldens.ROOT / system / "operative_config.gin"))
    keys = [key for key in by_hand if key in found and "dropout" not in key]
    assert {"hidden_act", "num_attention_heads", "attention_head_size", "vocab_size"} <= set(keys)
    assert {key: found[key] for key in keys} == {key: by_hand[key] for key in keys}


def test_the_keys_of_hugging_face():
    by_hand = read(str(goldens.ROOT / "t5_1_1" / "t5_config.json"))
    found = read(str(goldens.ROOT / "t5_1_1" / "hf_config.json"))
    keys = [key for key in by_hand if key in found and "dropout" not in key]
    assert {key: found[key] for key in keys} == {key: by_hand[key] for key in keys}


@pytest.mark.parametrize(
    "text,message",
    [
        ("d_ff = 3", "not the gin file of a T5"),
        ("d_model = %size", "no such macro"),
        ("d_model = %a\na = %d_model", "no such macro"),
        ("d_model = __import__('os').getcwd()", "no number"),
        ("d_model = 1e999", "no number"),
        ("d_model = " + "1" * 10**6, "a value of 1,000,000 characters"),
        ("d_model = " + "[" * 900, "no number"),
    ],
)
def test_refused(text, message):
    with pytest.raises(ConfigError, match=message):
        read_gin(text, "operative_config.gin")
