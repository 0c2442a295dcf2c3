"""Configuration files that are broken, each in one way."""

import os
import time

import pytest

from b4k3.models import ConfigError
from b4k3.models.config_files import read_config
from b4k3.models.keys import understand
from b4k3.models.registry import network
from b4k3.models.source import Source

BROKEN = {
    "not JSON": (b'{"a": 1,}', "line 1, column"),
    "no object": (b"[1]", "holds a JSON list, expected an object"),
    "a key twice": (b'{"a": 1, "a": 2}', "the key 'a' occurs twice"),
    "NaN": (b'{"a": NaN}', "NaN is not a number"),
    "Infinity": (b'{"a": -Infinity}', "-Infinity is not a number"),
    "GBK": ('{"a": "中文模型"}'.encode("gbk"), "reads as GBK: save it as UTF-8"),
    "bytes": (b'{"a": "\xff\xff\xff"}', "is not UTF-8"),
    "deep": (b"[" * 100000, "nested too deeply|is not valid JSON"),
    "empty": (b"", "line 1, column 1"),
    "a key twice, deep inside": (b'{"a": [{"b": 1, "b": 2}]}', "the key 'b' occurs twice"),
    "a number beyond floats": (b'{"hidden_size": 1e999}', "hidden_size is 1e999, which is larger than any float"),
    "a number below floats": (b'{"a": {"eps": [-1e999]}}', "eps is -1e999"),
    "digits": (b'{"vocab_size": -' + b"1" * 10**5 + b"}", "vocab_size is a number of 100,000 digits"),
    "digits in a list": (b'{"a": [[1, ' + b"1" * 10**5 + b"]]}", "a is a number of 100,000 digits"),
    "digits alone": (b"1" * 10**6, "a number of 1,000,000 digits, 11111.* outside any object"),
    "many lists": (b'{"a": [' + b"[]," * 300000 + b"1]}", "has 300,002 objects and lists, more than the 262,144"),
    "UTF-16": ('{"a": 1}'.encode("utf-16"), "begins as UTF-16: save it as UTF-8"),
    "binary": (b"\x80\0\1\xff" * 9, "no text file; give a checkpoint as checkpoint_path"),
    "large": (b" " * (17 << 20), "has 17,825,792 bytes, and a configuration has 16,777,216 at most"),
    "Git LFS": (
        b"version https://git-lfs.github.com/spec/v1\noid sha256:aa\nsize 570\n",
        "is a Git LFS pointer.*570 bytes.*git lfs pull",
    ),
}


@pytest.mark.parametrize("fault", sorted(BROKEN))
def test_broken(fault, tmp_path):
    data, message = BROKEN[fault]
    path = tmp_path / "config.json"
    path.write_bytes(data)
    with pytest.raises(ConfigError, match=message) as e:
        read_config(str(path))
    assert str(path) in str(e.value) and len(str(e.value)) <= 2000


def test_tokens_that_a_generation_config_forces(tmp_path):
    """transformers moves them out of the config.json; a key that is in neither file forces nothing."""
    path = tmp_path / "config.json"
    path.write_text('{"is_encoder_decoder": true, "forced_eos_token_id": 2, "decoder_start_token_id": 5}')
    assert read_config(str(path))["forced_eos_token_id"] == 2
    (tmp_path / "generation_config.json").write_text('{"forced_bos_token_id": 9, "decoder_start_token_id": 7}')
    config = read_config(str(path))
    tokens = [config[key] for key in ("forced_bos_token_id", "forced_eos_token_id", "decoder_start_token_id")]
    assert tokens == [9, None, 7]
    (tmp_path / "generation_config.json").write_text("{")
    with pytest.raises(ConfigError, match="generation_config.json"):
        read_config(str(path))
    path.write_text('{"vocab_size": 5}')
    assert read_config(str(path)) == {"vocab_size": 5}


def test_many_keys_take_linear_time(tmp_path):
    path = tmp_path / "config.json"
    text = ", ".join(f'"key {number}": {number}' for number in range(10**5))
    path.write_text("{" + text + "}")
    begin = time.time()
    assert len(read_config(path)) == 10**5
    path.write_text("{" + text + ', "key 7": 0}')
    with pytest.raises(ConfigError, match="the key 'key 7' occurs twice"):
        read_config(path)
    assert time.time() - begin < 10  # the square would take minutes


@pytest.mark.parametrize("suffix", ["json", "gin"])
@pytest.mark.parametrize(
    "kind, words",
    [("FIFO", "a named pipe"), ("device", "a device"), ("link", "a link to nowhere"), ("loop", "leads in a circle")],
)
def test_what_is_no_file_is_refused_at_once(tmp_path, suffix, kind, words):
    path = str(tmp_path / ("config." + suffix))
    if kind == "FIFO":
        os.mkfifo(path)
    else:
        os.symlink({"device": "/dev/zero", "link": "nowhere", "loop": os.path.basename(path)}[kind], path)
    with pytest.raises(FileNotFoundError if kind == "link" else ConfigError, match=words) as e:
        read_config(path)
    assert path in str(e.value)


@pytest.mark.parametrize("path", [[], ["config.json"], 3, None, object()])
def test_what_is_no_path(path):
    with pytest.raises(ConfigError, match=f"config_path is of type {type(path).__name__}"):
        read_config(path)


def test_paths_that_cannot_be():
    with pytest.raises(ConfigError, match="NUL"):
        read_config("a\0b")
    for path in ("nothing.json", "a" * 10**5):
        with pytest.raises(FileNotFoundError) as e:
            read_config(path)
        assert len(str(e.value)) <= 2000


def test_a_large_number_that_is_no_fault(tmp_path):
    """transformers writes int(1e30) for 'no limit'."""
    path = tmp_path / "config.json"
    path.write_text('{"model_max_length": 1000000000000000019884624838656}')
    assert read_config(path)["model_max_length"] == int(1e30)


def test_a_byte_order_mark_is_read(tmp_path):
    path = tmp_path / "config.json"
    path.write_bytes(b'\xef\xbb\xbf{"a": 1}')
    assert read_config(path) == {"a": 1}


def test_a_folder_is_no_file(tmp_path):
    with pytest.raises(ConfigError, match="is a folder"):
        read_config(str(tmp_path))


def test_aliases_fill_only_what_is_absent():
    given = {"type_vocab_size": 16, "max_position": 7, "max_position_embeddings": 9}
    config = understand(network("bert"), given, "here").values
    assert (config["segment_vocab_size"], config["max_position"]) == (16, 7)
    assert "segment_vocab_size" not in given


@pytest.mark.parametrize(
    "given, padding",
    [
        ({"tokenizer_class": "XLMRobertaTokenizer", "pad_token_id": 0}, 1),  # as in multilingual-e5-small
        ({"tokenizer_class": "XLMRobertaTokenizerFast"}, 1),
        ({"tokenizer_class": "XLMRobertaTokenizer", "pad_token_id": 5}, 5),
        ({"tokenizer_class": "BertTokenizer", "pad_token_id": 0}, 0),
    ],
)
def test_padding_where_the_vocabulary_is_the_one_of_xlm_r(given, padding):
    found = understand(network("bert"), given, "here")
    assert found.values["pad_token_id"] == padding and not found.unknown


def test_the_call_wins_and_defaults_fill_the_rest():
    assert Source({}, None, "bert").all_sizes["max_position"] == 512
    known = Source({"dropout_rate": 0.3, "type_vocab_size": 0}, None, "bert", {"hidden_dropout_prob": 0.1}).known
    assert (known["dropout_rate"], known["segment_vocab_size"]) == (0.1, 0)
