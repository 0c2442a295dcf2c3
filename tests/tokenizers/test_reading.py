"""What is no regular file is refused at once, whichever function opens it; nothing waits for the end of a pipe."""

import os
import socket

import pytest

from b4k3.tokenizers import (
    SentencePieceError,
    SentencePieceModel,
    SpTokenizer,
    Tokenizer,
    VocabError,
    load_tokenizer_json,
    load_vocab,
)
from b4k3.tokenizers._reading import read_file

OPENERS = [
    (load_vocab, VocabError),
    (Tokenizer, VocabError),
    (load_tokenizer_json, VocabError),
    (SentencePieceModel, SentencePieceError),
    (SpTokenizer, SentencePieceError),
]


def pipe(path):
    os.mkfifo(path)


def folder(path):
    os.mkdir(path)


def device(path):
    os.symlink("/dev/zero", path)


def loop(path):
    os.symlink(path, path)


def sock(path):
    socket.socket(socket.AF_UNIX).bind(path)


@pytest.mark.parametrize("opener, error", OPENERS, ids=lambda value: value.__name__)
@pytest.mark.parametrize(
    "make, message",
    [
        (pipe, "is a named pipe; expected a regular file"),
        (folder, "is a folder"),
        (device, "is a character device"),
        (loop, "a link that leads to itself"),
        (sock, "is a socket"),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_what_is_no_regular_file(tmp_path, monkeypatch, opener, error, make, message):
    monkeypatch.chdir(tmp_path)  # the name of a socket is short
    make("x.file")
    with pytest.raises(error, match=message) as caught:
        opener("x.file")
    assert "x.file" in str(caught.value)


@pytest.mark.parametrize("opener, error", OPENERS, ids=lambda value: value.__name__)
def test_other_names(tmp_path, opener, error):
    with pytest.raises(FileNotFoundError, match="nowhere"):
        opener(str(tmp_path / "nowhere"))
    os.symlink(str(tmp_path / "nowhere"), str(tmp_path / "dangling"))
    with pytest.raises(FileNotFoundError, match="dangling"):
        opener(str(tmp_path / "dangling"))
    with pytest.raises(error, match="no name of a file"):
        opener("a\0b")


def test_a_pipe_that_takes_the_place_of_a_file_does_not_block(tmp_path, monkeypatch):
    path = str(tmp_path / "vocab.txt")
    (tmp_path / "other").write_text("[UNK]\n")
    status = os.stat(str(tmp_path / "other"))
    os.mkfifo(path)
    monkeypatch.setattr(os, "stat", lambda name: status)  # what was there when it was looked at
    with pytest.raises(VocabError, match="is a named pipe"):
        read_file(path, 100, VocabError)


def test_a_file_that_is_too_large(tmp_path):
    (tmp_path / "x").write_bytes(b"123")
    assert read_file(str(tmp_path / "x"), 3, VocabError) == b"123"
    with pytest.raises(VocabError, match="x: 3 bytes; expected 2 at most"):
        read_file(str(tmp_path / "x"), 2, VocabError)
