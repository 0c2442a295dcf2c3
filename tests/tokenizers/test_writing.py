"""Files of the tokenizers are written whole or not at all."""

import errno
import os
import threading

import pytest

from b4k3.tokenizers import Tokenizer, _writing, load_vocab, save_tokenizer_json, save_vocab


@pytest.fixture(params=["save_vocab", "save_tokenizer_json"])
def writer(request, vocab):
    if request.param == "save_vocab":
        return lambda path: save_vocab(path, vocab)
    return lambda path: save_tokenizer_json(path, Tokenizer(vocab, do_lower_case=True))


@pytest.mark.parametrize("function", ["fsync", "replace"])
@pytest.mark.parametrize("old", [None, b"old"])
def test_an_error_leaves_everything_as_it_was(tmp_path, monkeypatch, writer, function, old):
    def full(*arguments):
        raise OSError(errno.ENOSPC, "No space left on device")

    path = tmp_path / "file"
    if old:
        path.write_bytes(old)
    with monkeypatch.context() as patch:
        patch.setattr(_writing.os, function, full)
        with pytest.raises(OSError, match="No space left on device; nothing was written: '.*file'"):
            writer(str(path))
    assert [other.read_bytes() for other in tmp_path.iterdir()] == ([old] if old else [])
    writer(str(path))
    assert os.listdir(str(tmp_path)) == ["file"]


def test_many_writers_of_one_name_leave_one_whole_file(tmp_path):
    path, errors = str(tmp_path / "vocab.txt"), []

    def write(number):
        try:
            for _ in range(10):
                save_vocab(path, {"[UNK]": 0, **{f"{number}_{i}": i + 1 for i in range(3000)}})
        except Exception as error:
            errors.append(error)

    threads = [threading.Thread(target=write, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    tokens = load_vocab(path)
    assert not errors and len(tokens) == 3001 and len({token.split("_")[0] for token in tokens}) == 2
    assert os.listdir(str(tmp_path)) == ["vocab.txt"]


def test_what_killed_writers_left_is_removed(tmp_path):
    old, new = (tmp_path / f".x.{number:032x}.tmp" for number in range(2))
    for path in (old, new, tmp_path / ".x.tmp"):
        path.write_bytes(b"half")
    os.utime(str(old), (1, 1))
    _writing.write_text(str(tmp_path / "x"), "whole")
    assert {path.name for path in tmp_path.iterdir()} == {"x", ".x.tmp", new.name}  # new may be of a living writer
