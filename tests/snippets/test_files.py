import itertools
import json
import os

import pytest

from b4k3.snippets import open as b4k3_open

LINES = [
    "first\n",
    "第二行，汉字\n",
    "\n",
    "with\rcarriage return\n",
    "é" * 300 + "\n",
    "the last, without a line feed",
]


@pytest.fixture
def corpus(tmp_path):
    path = tmp_path / "corpus.txt"
    path.write_bytes("".join(LINES).encode("utf-8"))
    return str(path)


def test_lines_by_number(corpus):
    with b4k3_open(corpus, encoding="utf-8", indexable=True) as f:
        assert len(f) == len(LINES)
        for i in itertools.chain(range(len(LINES)), range(-len(LINES), 0)):
            assert f[i] == LINES[i]
        assert f[1:3] == LINES[1:3] and f[::-2] == LINES[::-2]
        assert f.readline() == LINES[0] and f[4] == LINES[4] and f.readline() == LINES[1]  # its own position
        for i in (len(LINES), -len(LINES) - 1):
            with pytest.raises(IndexError, match="6 lines"):
                f[i]


def test_lines_by_number_as_bytes(corpus):
    with b4k3_open(corpus, "rb", indexable=True) as f:
        assert [f[i].decode("utf-8") for i in range(len(f))] == LINES


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "gbk", "gb18030", "latin-1"])
def test_encodings_and_windows_lines(tmp_path, encoding):
    path = tmp_path / "windows.txt"
    lines = ["eins", "zwei", ""] if encoding == "latin-1" else ["一", "二三", "四"]
    path.write_bytes("\r\n".join(lines).encode(encoding))
    with b4k3_open(str(path), encoding=encoding, indexable=True) as f:
        assert [f[i] for i in range(len(f))] == list(f)


def test_errors_are_as_asked(tmp_path):
    path = tmp_path / "bad.txt"
    path.write_bytes(b"good\nb\xffad\n")
    with b4k3_open(str(path), encoding="utf-8", indexable=True) as f, pytest.raises(UnicodeDecodeError):
        f[1]
    with b4k3_open(str(path), encoding="utf-8", errors="ignore", indexable=True) as f:
        assert f[1] == "bad\n"


def test_index_is_kept_until_the_file_changes(corpus, tmp_path):
    index = str(tmp_path / "corpus.index")
    with b4k3_open(corpus, encoding="utf-8", indexable=index) as f:
        assert f[-1] == LINES[-1]
    with open(index, encoding="utf-8") as f:
        stored = json.load(f)
    stored["offsets"] = stored["offsets"][:2]  # to see that it is read
    with open(index, "w", encoding="utf-8") as f:
        json.dump(stored, f)
    with b4k3_open(corpus, encoding="utf-8", indexable=index) as f:
        assert len(f) == 2
    with open(corpus, "ab") as f:
        f.write(b"\nmore")
    with b4k3_open(corpus, encoding="utf-8", indexable=index) as f:
        assert f[-1] == "more" and len(f) == 7


@pytest.mark.parametrize("stored", ["", "[0, 1, 2]", "null"])
def test_an_index_of_another_kind_is_made_anew(corpus, tmp_path, stored):
    index = tmp_path / "corpus.index"
    index.write_text(stored)
    with b4k3_open(corpus, encoding="utf-8", indexable=str(index)) as f:
        assert len(f) == 6
    assert not os.path.exists(str(index) + ".tmp")


def test_it_is_a_file(tmp_path):
    path = str(tmp_path / "new.txt")
    with b4k3_open(path, "w", encoding="utf-8") as f:
        f.write("eins\nzwei\n")
        f.flush()
    assert f.closed
    with b4k3_open(path, encoding="utf-8") as f:
        assert next(f) == "eins\n" and f.read() == "zwei\n"
        assert f.seek(0) == 0 and f.readlines() == list(b4k3_open(path))
        with pytest.raises(TypeError, match="without indexable"):
            f[0]
        with pytest.raises(TypeError, match="without indexable"):
            len(f)


def test_refusals(tmp_path, corpus):
    with pytest.raises(ValueError, match="UTF-8"):
        b4k3_open(corpus, encoding="utf-16", indexable=True)
    with pytest.raises(ValueError, match="mode='w'"):
        b4k3_open(corpus, "w", indexable=True)
    with pytest.raises(FileNotFoundError, match="nowhere"):
        b4k3_open(str(tmp_path / "nowhere"), indexable=True)
    assert os.path.getsize(corpus) > 0
