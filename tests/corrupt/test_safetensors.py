"""One broken safetensors file per fault, and one broken index of several files per fault."""

import json
import os
import struct
from collections import OrderedDict

import pytest

from b4k3.models.checkpoints import open_checkpoint, safetensors, save_checkpoint

from .test_tf_bundle import check_refused

F32 = {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}


def spec(**changes):
    return dict(F32, **changes)


def file_of(header, data=b"\0" * 8, length=None):
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text) if length is None else length) + text + data


def two(first, second, data=b"\0" * 16):
    return file_of({"a": spec(data_offsets=first), "b": spec(data_offsets=second)}, data)


FAULTS = {
    "empty file": (b"", "too short", None),
    "length cut short": (b"\1\2\3", "too short", None),
    "length beyond the file": (file_of({"a": F32}, length=10**6), "header of 1000000 bytes", None),
    "length that overflows": (file_of({"a": F32}, length=2**64 - 1), "header of", None),
    "huge header": (file_of(b"{" + b" " * (5 << 20) + b"}"), "header of .* more than", None),
    "header of very many lists": (file_of(b'{"a":[' + b"[]," * 10**6 + b"[]]}"), "1,000,003 objects and lists", None),
    "header of very many numbers": (file_of(b'{"a":[' + b"1," * 1500000 + b"1]}"), "1,500,000 commas", None),
    "header that is no object": (file_of(b"[]"), "begin with", None),
    "header that begins with a blank": (file_of(b' {"a":1}'), "begin with", None),
    "header that is no JSON": (file_of(b'{"a":'), "not valid JSON", None),
    "more behind the header": (file_of(b'{"a":1}}'), "not valid JSON", None),
    "duplicate JSON keys": (file_of(b'{"a":%s,"a":%s}' % ((json.dumps(F32).encode(),) * 2)), "'a' occurs twice", "a"),
    "duplicate keys within": (
        file_of(b'{"a":{"dtype":"F32","dtype":"F32","shape":[2]}}'),
        "'dtype' occurs",
        None,
    ),
    "non-UTF-8": (file_of(b'{"\xff":{}}'), "not UTF-8 at byte 2", None),
    "deep nesting": (file_of(b'{"a":' + b"[" * 200000), "nested too deeply|not valid", None),
    "nested objects": (file_of(b'{"a":' * 100000), "nested too deeply|not valid", None),
    "NaN": (file_of(b'{"a":{"dtype":"F32","shape":[NaN],"data_offsets":[0,8]}}'), "NaN is not a number", None),
    "a number of a million digits": (
        file_of(b'{"a":[' + b"9" * 10**6 + b"]}"),
        "1,000,000 digits",
        None,
    ),
    "hole": (two([0, 8], [12, 20], b"\0" * 20), "hole", "b"),
    "hole at the front": (file_of({"a": spec(data_offsets=[8, 16])}, b"\0" * 16), "hole", "a"),
    "overlap": (two([0, 8], [4, 12], b"\0" * 12), "overlap", "b"),
    "the same bytes twice": (two([0, 8], [0, 8]), "overlap", "b"),
    "trailing bytes": (file_of({"a": F32}, b"\0" * 9), "1 trailing bytes", None),
    "data cut short": (file_of({"a": F32}, b"\0" * 7), "ends at byte 8, the data have 7", "a"),
    "wrong dtype": (file_of({"a": spec(dtype="F31")}), "unknown dtype 'F31'", "a"),
    "dtype that is no string": (file_of({"a": spec(dtype=["F32"])}), "unknown dtype", "a"),
    "dtype of another size": (file_of({"a": spec(dtype="F16")}), "has 8 bytes, but F16.* needs 4", "a"),
    "negative shape": (file_of({"a": spec(shape=[-1, -2])}), "negative dimension", "a"),
    "overflowing shape": (file_of({"a": spec(shape=[2**32, 2**32, 2])}), "out of range", "a"),
    "overflow behind a zero": (file_of({"a": spec(shape=[0, 2**63], data_offsets=[0, 0])}, b""), "out of range", "a"),
    "too many dimensions": (file_of({"a": spec(shape=[1] * 50)}), "50 dimensions", "a"),
    "shape that is no list": (file_of({"a": spec(shape="2")}), "shape", "a"),
    "fraction in the shape": (file_of({"a": spec(shape=[2.0])}), "shape", "a"),
    "true in the shape": (file_of({"a": spec(shape=[True, 2])}), "shape", "a"),
    "offsets in the wrong order": (file_of({"a": spec(data_offsets=[8, 0])}), "data_offsets", "a"),
    "negative offset": (file_of({"a": spec(data_offsets=[-8, 0])}), "data_offsets", "a"),
    "three offsets": (file_of({"a": spec(data_offsets=[0, 8, 8])}), "data_offsets", "a"),
    "offsets beyond 64 bits": (file_of({"a": spec(data_offsets=[0, 10**19])}), "bytes", "a"),
    "a key is missing": (file_of({"a": {"dtype": "F32", "shape": [2]}}), "needs exactly", "a"),
    "a key too many": (file_of({"a": spec(more=1)}), "needs exactly", "a"),
    "no object": (file_of({"a": 1}), "needs exactly", "a"),
    "metadata that are no strings": (file_of({"__metadata__": {"n": 1}, "a": F32}), "__metadata__", None),
    "metadata that are no object": (file_of({"__metadata__": "x", "a": F32}), "__metadata__", None),
    "bool of other bytes": (file_of({"a": spec(dtype="BOOL", shape=[8])}, b"\2" * 8), "bool", "a"),
}


@pytest.mark.parametrize("fault", sorted(FAULTS))
def test_file(tmp_path, fault):
    content, message, variable = FAULTS[fault]
    path = tmp_path / "model.safetensors"
    path.write_bytes(content)
    check_refused(str(path), message, variable, [str(path)])


@pytest.mark.parametrize("kind", ["folder", "pipe", "device"])
def test_no_regular_file(tmp_path, kind):
    path = str(tmp_path / "model.safetensors")
    {"folder": os.mkdir, "pipe": os.mkfifo, "device": lambda path: os.symlink("/dev/zero", path)}[kind](path)
    check = "is not a regular file"
    if kind == "folder":
        with pytest.raises(FileNotFoundError, match="no checkpoint in the folder"):
            open_checkpoint(path)
    else:
        check_refused(path, check, None, [path])


def index(**places):
    return {"metadata": {"total_size": 16}, "weight_map": places}


ONE, TWO = "model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"
INDEX_FAULTS = {
    "no JSON": (b"{", "not valid JSON", None),
    "no object": (b"3", "of type int, expected an object", None),
    "no weight_map": ({"metadata": {}}, "weight_map", None),
    "weight_map of lists": (index(a=[ONE]), "weight_map", None),
    "duplicate": (b'{"weight_map":{"a":"x","a":"y"}}', "'a' occurs twice", "a"),
    "file outside the folder": (index(a="../" + ONE, b=TWO), "same folder", "a"),
    "absolute path": (index(a="/etc/passwd", b=TWO), "same folder", "a"),
    "parent folder": (index(a="..", b=TWO), "same folder", "a"),
    "missing file": (index(a=ONE, b="model-3.safetensors"), "which is missing", "b"),
    "name that is elsewhere": (index(a=ONE, b=ONE), "'b' is not in", "b"),
    "name that is nowhere": (index(a=ONE, b=TWO, c=TWO), "'c' is not in", "c"),
    "huge": (b"[" + b" " * (5 << 20), "more than", None),
}


@pytest.mark.parametrize("fault", sorted(INDEX_FAULTS))
def test_index(tmp_path, fault):
    content, message, variable = INDEX_FAULTS[fault]
    (tmp_path / ONE).write_bytes(file_of({"a": F32}))
    (tmp_path / TWO).write_bytes(file_of(OrderedDict([("b", F32)])))
    path = tmp_path / "model.safetensors.index.json"
    path.write_bytes(content if isinstance(content, bytes) else json.dumps(content).encode())
    check_refused(str(path), message, variable, [str(path)])


def test_index_that_does_not_know_a_variable(tmp_path):
    (tmp_path / ONE).write_bytes(two([0, 8], [8, 16]))
    path = tmp_path / "model.safetensors.index.json"
    path.write_text(json.dumps(index(a=ONE)))
    check_refused(str(path), "is in " + ONE + ", but not in the index", "b", [str(path)])


def test_the_good_file(tmp_path):
    path = tmp_path / "model.safetensors"
    path.write_bytes(file_of({"__metadata__": {"n": "1"}, "a": F32, "b": spec(data_offsets=[8, 16])}, b"\0" * 16))
    assert list(open_checkpoint(str(path))) == ["a", "b"]


def test_limits_are_far_from_real_files(tmp_path):
    """Twenty thousand variables with long names, a hundred times a real model, still open."""
    names = [f"module.encoder.layers.{number}.attention.self.query.weight" for number in range(20000)]
    header = {name: spec(data_offsets=[8 * i, 8 * i + 8]) for i, name in enumerate(names)}
    path = tmp_path / "model.safetensors"
    path.write_bytes(file_of(header, b"\0" * 8 * len(names)))
    assert len(open_checkpoint(str(path))) == len(names)
    assert len(file_of(header, b"")) < safetensors.MAX_HEADER
    copy = save_checkpoint(str(tmp_path / "model.ckpt"), open_checkpoint(str(path)))
    assert len(open_checkpoint(copy)) == len(names)
