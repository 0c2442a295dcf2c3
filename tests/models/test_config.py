"""Configuration files that are broken, each in one way."""

import pytest

from b4k3.models.config import ConfigError, merge, read_config, with_aliases

BROKEN = {
    "not JSON": (b'{"a": 1,}', "line 1, column"),
    "no object": (b"[1]", "holds a JSON list, expected an object"),
    "a key twice": (b'{"a": 1, "a": 2}', "the key 'a' stands there twice"),
    "NaN": (b'{"a": NaN}', "NaN is not a number"),
    "Infinity": (b'{"a": -Infinity}', "-Infinity is not a number"),
    "GBK": ('{"a": "中文模型"}'.encode("gbk"), "reads as GBK: save it as UTF-8"),
    "bytes": (b'{"a": "\xff\xff\xff"}', "is not UTF-8"),
    "deep": (b"[" * 100000, "nested too deeply|is not JSON"),
    "empty": (b"", "line 1, column 1"),
}


@pytest.mark.parametrize("fault", sorted(BROKEN))
def test_broken(fault, tmp_path):
    data, message = BROKEN[fault]
    path = tmp_path / "config.json"
    path.write_bytes(data)
    with pytest.raises(ConfigError, match=message) as e:
        read_config(str(path))
    assert str(path) in str(e.value)


def test_a_byte_order_mark_is_read(tmp_path):
    path = tmp_path / "config.json"
    path.write_bytes(b'\xef\xbb\xbf{"a": 1}')
    assert read_config(path) == {"a": 1}


def test_a_folder_is_no_file(tmp_path):
    with pytest.raises(ConfigError, match="is a folder"):
        read_config(str(tmp_path))


def test_aliases_fill_only_what_is_absent():
    given = {"type_vocab_size": 16, "max_position": 7, "max_position_embeddings": 9}
    config = with_aliases(given)
    assert (config["segment_vocab_size"], config["max_position"]) == (16, 7)
    assert "segment_vocab_size" not in given


def test_the_call_wins_and_defaults_fill_the_rest():
    assert merge({}, {}) == {"max_position": 512, "segment_vocab_size": 2}
    assert merge({"dropout_rate": 0.3}, {"hidden_dropout_prob": 0.1})["dropout_rate"] == 0.1
    assert merge({"type_vocab_size": 0}, {})["segment_vocab_size"] == 0
