import os
import warnings

import pytest

from b4k3.tokenizers import Tokenizer, VocabError, load_vocab, save_vocab


@pytest.fixture
def write(tmp_path):
    def write(data):
        path = tmp_path / "vocab.txt"
        path.write_bytes(data)
        return str(path)

    return write


@pytest.mark.parametrize(
    "data",
    [
        b"[UNK]\na\n##b\n",
        b"[UNK]\na\n##b",
        b"\xef\xbb\xbf[UNK]\r\na\r\n##b\r\n",
        b"  [UNK] 7\na\t12\n##b c\n",  # the first word of a line is the token
    ],
)
def test_ids_are_line_numbers(write, data):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert load_vocab(write(data)) == {"[UNK]": 0, "a": 1, "##b": 2}


def test_other_line_separators_are_no_lines(write):
    # Google's Chinese vocabulary has such a line; it is no token, warns nobody and keeps its id
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert load_vocab(write("[UNK]\n\u2028\na\n".encode())) == {"[UNK]": 0, "": 1, "a": 2}


def test_duplicates_keep_later_ids_in_place(write):
    with pytest.warns(UserWarning, match="line 3: 'a' was on line 2 too; it gets id 2") as caught:
        token_dict = load_vocab(write(b"[UNK]\na\na\nb\n"))
    assert token_dict == {"[UNK]": 0, "a": 2, "b": 3}
    assert len(caught) == 1
    tokenizer = Tokenizer(token_dict, token_start=None, token_end=None)
    assert tokenizer.encode("a b")[0] == [2, 3]
    assert tokenizer.ids_to_tokens([1, 2]) == ["[UNK]", "a"]


def test_blank_lines_keep_later_ids_in_place(write):
    with pytest.warns(UserWarning, match="line 2: blank; id 1 has no token"):
        assert load_vocab(write(b"[UNK]\n \t\na\n"))["a"] == 2


@pytest.mark.parametrize(
    "data, message",
    [
        (b"", "has no tokens"),
        (b"\n\n", "has no tokens"),
        (b"[UNK]\na\0b\n", "line 2: a NUL character"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:aa\nsize 9\n", "is a Git LFS pointer.*git lfs pull"),
        ("[UNK]\n中\n".encode("gbk"), "line 2: byte 0xd6 at position 6 is not utf-8"),
        ("[UNK]\na\n".encode("utf-16"), "UTF-16"),
        (b"a\nb\n", r"the unknown token '\[UNK\]' is not among the 2 tokens"),
    ],
)
def test_broken_files(write, data, message):
    path = write(data)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with pytest.raises(VocabError, match=message) as caught:
            load_vocab(path)
    assert path in str(caught.value)
    assert isinstance(caught.value, ValueError)


def test_other_encodings_and_vocabularies_without_unknown_token(write):
    assert load_vocab(write("[UNK]\n中\n".encode("gbk")), encoding="gbk") == {"[UNK]": 0, "中": 1}
    assert load_vocab(write("[UNK]\n中\n".encode("utf-16")), encoding="utf-16") == {"[UNK]": 0, "中": 1}
    assert load_vocab(write(b"a\nb\n"), token_unk=None) == {"a": 0, "b": 1}


def test_a_file_that_is_not_there(tmp_path):
    with pytest.raises(FileNotFoundError, match="nowhere.txt"):
        load_vocab(str(tmp_path / "nowhere.txt"))


def test_simplified(write):
    path = write("[PAD]\n[UNK]\n[unused1]\na\n##a\n##中\n中\n，\na.\n".encode())
    token_dict, keep_tokens = load_vocab(path, simplified=True, startswith=["[UNK]", "[PAD]"])
    assert token_dict == {"[UNK]": 0, "[PAD]": 1, "a": 2, "##a": 3, "中": 4, "，": 5}
    assert keep_tokens == [1, 0, 3, 4, 6, 7]
    with pytest.raises(VocabError, match=r"no token '\[CLS\]'"):
        load_vocab(path, simplified=True, startswith=["[CLS]"])


def test_save_and_load(tmp_path):
    path = str(tmp_path / "vocab.txt")
    for token_dict in ({"a": 1, "[UNK]": 0, "中": 2}, {"[UNK]": 1, "b": 4}):
        save_vocab(path, token_dict)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            loaded = load_vocab(path)
        loaded.pop("", None)
        assert loaded == token_dict
    save_vocab(path, {"[UNK]": 0, "中": 1}, encoding="gbk")
    assert load_vocab(path, encoding="gbk")["中"] == 1
    assert os.listdir(str(tmp_path)) == ["vocab.txt"]


@pytest.mark.parametrize(
    "token_dict, message",
    [
        ({"a": 0, "b": 0}, "the same id 0"),
        ({"a": -1}, "expected an integer from 0"),
        ({"a": 0.5}, "expected an integer from 0"),
        ({"a b": 0}, "would not be read back"),
        ({"a\n": 0}, "would not be read back"),
    ],
)
def test_what_cannot_be_saved_leaves_the_old_file(tmp_path, token_dict, message):
    path = tmp_path / "vocab.txt"
    path.write_text("old")
    with pytest.raises(VocabError, match=message):
        save_vocab(str(path), token_dict)
    with pytest.raises(UnicodeEncodeError):
        save_vocab(str(path), {"中": 0}, encoding="ascii")
    assert path.read_text() == "old"
    assert os.listdir(str(tmp_path)) == ["vocab.txt"]
