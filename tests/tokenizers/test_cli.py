import base64
import json
import subprocess
import sys

import pytest

from b4k3.tokenizers import BpeTokenizer, Tokenizer, save_tokenizer_json, save_vocab, save_vocab_and_merges
from b4k3.tokenizers.__about__ import __version__
from b4k3.tokenizers.cli import main
from support.tokenizer_goldens import model_path


@pytest.fixture
def files(tmp_path, vocab):
    save_vocab(str(tmp_path / "vocab.txt"), vocab)
    save_tokenizer_json(str(tmp_path / "tokenizer.json"), Tokenizer(vocab, do_lower_case=True))
    (tmp_path / "lines.txt").write_bytes("Ab, c\r\n我们\n\nhello".encode())
    return tmp_path


def run(capfd, *arguments):
    status = main([str(a) for a in arguments])
    captured = capfd.readouterr()
    return status, captured.out, captured.err


def test_encode(capfd, files, vocab):
    tokenizer = Tokenizer(vocab, do_lower_case=True)
    texts = ["Ab, c", "我们", "", "hello"]
    status, out, err = run(capfd, "encode", files / "vocab.txt", files / "lines.txt", "--lower")
    assert (status, err) == (0, "")
    assert out == "".join(" ".join(map(str, tokenizer.encode(text)[0])) + "\n" for text in texts)
    assert run(capfd, "encode", files / "tokenizer.json", files / "lines.txt")[1] == out


def test_tokens_and_offsets(capfd, files):
    encode = ["encode", files / "vocab.txt", files / "lines.txt", "--lower", "--no-specials"]
    assert run(capfd, *encode, "--output", "tokens")[1] == "ab , c\n我 [UNK]\n\nhello\n"
    assert run(capfd, *encode, "--output", "offsets")[1] == "0:2 2:3 4:5\n0:1 1:2\n\n0:5\n"
    assert run(capfd, *encode, "--output", "offsets", "--json")[1].split("\n")[0] == "[[0, 2], [2, 3], [4, 5]]"
    assert run(capfd, *encode, "--output", "tokens", "--maxlen", 1)[1].split("\n")[0] == "ab"


def test_vocab_json_and_tiktoken(capfd, files):
    tokens = [bytes([byte]) for byte in range(256)] + [b"he", b"ll", b"hell", b"hello"]
    lines = [base64.b64encode(token) + b" %d" % rank for rank, token in enumerate(tokens)]
    (files / "small.tiktoken").write_bytes(b"\n".join(lines))
    path, text = files / "vocab.json", files / "lines.txt"
    tokenizer = BpeTokenizer.from_tiktoken(files / "small.tiktoken", "qwen2")
    save_vocab_and_merges(path, files / "merges.txt", tokenizer)
    ids = "".join(" ".join(map(str, tokenizer.encode(line)[0])) + "\n" for line in ["Ab, c", "我们", "", "hello"])
    options = ["--pattern", "qwen2", "--special", "<end>"]
    assert run(capfd, "encode", files / "small.tiktoken", text, *options) == (0, ids, "")
    assert run(capfd, "encode", path, text, *options) == (0, ids, "")
    (files / "ids.txt").write_text("259 260\n")
    assert run(capfd, "decode", path, files / "ids.txt", *options) == (0, "hello\n", "")
    assert '"size": 261' in run(capfd, "inspect", path, "--json", *options)[1]
    for wrong, message in (
        ([path], "command line): gpt2, "),
        ([files / "merges.txt"], "name vocab.json beside it"),
        ([files / "vocab.txt", *options], "pattern and specials are for vocab.json and tiktoken files"),
    ):
        status, out, err = run(capfd, "inspect", *wrong)
        assert (status, out) == (1, "") and message in err


def test_decode(capfd, files):
    _, out, _ = run(capfd, "encode", files / "vocab.txt", files / "lines.txt", "--lower", "--json")
    (files / "ids.txt").write_text(out)
    assert run(capfd, "decode", files / "vocab.txt", files / "ids.txt") == (0, "ab, c\n我\n\nhello\n", "")


def test_inspect(capfd, files, vocab):
    status, out, _ = run(capfd, "inspect", files / "vocab.txt", "--json")
    facts = json.loads(out)
    assert status == 0
    assert facts["size"] == len(vocab) and facts["largest_id"] == len(vocab) - 1
    assert facts["inside_words"] == sum(t.startswith("##") for t in vocab)
    assert facts["special_ids"] == ["pad 0", "unk 1", "mask 4", "start 2", "end 3"]
    (files / "vocab.txt").write_text("[UNK]\na\na\n")
    assert "line 3: 'a' was on line 2 too" in run(capfd, "inspect", files / "vocab.txt")[1]


@pytest.mark.parametrize(
    "arguments, message",
    [
        (["encode", "nowhere.txt"], "nowhere.txt"),
        (["inspect", "lines.txt"], "the unknown token"),
        (["encode", "tokenizer.json", "--lower"], "--lower is for vocabulary files"),
        (["encode", "vocab.txt", "lines.txt", "--maxlen", "1"], "no room for 2 special tokens"),
        (["decode", "vocab.txt", "lines.txt"], "line 1 of the ids: 'Ab, c'"),
        (["decode", "vocab.txt", "big.txt"], "id 99999 is outside"),
    ],
)
def test_wrong_input_is_one_line_and_status_1(capfd, files, arguments, message):
    (files / "big.txt").write_text("99999\n")
    arguments = [files / a if a.endswith((".txt", ".json")) else a for a in arguments]
    status, out, err = run(capfd, *arguments)
    assert status == 1 and out == ""
    assert err.startswith("error: ") and message in err and err.count("\n") == 1


def test_standard_input_and_output(files, vocab):
    command = [sys.executable, "-m", "b4k3.tokenizers", "encode", str(files / "vocab.txt"), "--output", "tokens"]
    out = subprocess.run(command, input="我 a\n中".encode(), stdout=subprocess.PIPE, check=True).stdout
    assert out.decode() == "[CLS] 我 a [SEP]\n[CLS] 中 [SEP]\n"


def test_help(capsys):
    assert main([]) == 2
    assert "examples:" in capsys.readouterr().out
    with pytest.raises(SystemExit) as stopped:
        main(["encode", "--help"])
    assert stopped.value.code == 0
    assert "--output" in capsys.readouterr().out


def test_version(capsys):
    with pytest.raises(SystemExit) as stopped:
        main(["--version"])
    assert stopped.value.code == 0
    assert capsys.readouterr().out == f"b4k3-tokenizers {__version__}\n"


@pytest.mark.parametrize("command", ["encode", "decode"])
def test_bad_utf8_is_named_with_file_and_line(capfd, files, command):
    (files / "bad.txt").write_bytes(b"\xef\xbb\xbf1 2\n3 \xff 4\n")
    status, _, err = run(capfd, command, files / "vocab.txt", files / "bad.txt")
    assert status == 1 and f"{files / 'bad.txt'}, line 2: byte 0xff at position 2 of the line is not UTF-8" in err


def test_a_byte_order_mark_is_no_text(capfd, files):
    (files / "bom.txt").write_bytes(b"\xef\xbb\xbf1 2\n")
    assert run(capfd, "decode", files / "vocab.txt", files / "bom.txt")[0] == 0


def test_a_sentencepiece_model(capfd, files):
    model = model_path("t5_like")
    (files / "lines.txt").write_text("hello world\n")
    tokens = run(capfd, "encode", model, files / "lines.txt", "--no-specials", "--output", "tokens")[1]
    assert tokens.replace(" ", "") == "▁hello▁world\n"
    (files / "ids.txt").write_text(run(capfd, "encode", model, files / "lines.txt", "--no-specials")[1])
    assert run(capfd, "decode", model, files / "ids.txt")[1] == "hello world\n"
    assert json.loads(run(capfd, "inspect", model, "--json")[1])["kind"] == "SpTokenizer"
    assert "--lower is for vocabulary files" in run(capfd, "encode", model, "--lower")[2]
