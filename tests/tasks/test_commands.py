"""The commands of b4k3-tasks: lines in, rows out, and the same rows after a `kill -9`."""

import json
import os
import signal
import subprocess
import sys

import numpy as np
import pytest

from b4k3 import tasks
from b4k3.models import build_transformer_model
from b4k3.models.cli import main
from b4k3.tasks.commands import COMMANDS, rows
from b4k3.tasks.commands.lines import read_line
from support.small_models import CONFIG, spread
from support.workspace import ROOT

WORDS = "[PAD] [UNK] [CLS] [SEP] [MASK] a cat sleeps the dog runs here and there 我 们 ' t ##s .".split()
GPT2 = dict(vocab_size=20, hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=24)
GPT2.update(max_position=32, hidden_act="gelu_tanh", model_type="gpt2")
TEXTS = ["a cat sleeps", "the dog runs and runs and runs", "我们", "a", "there", "the cat", "dog"]
WRONG = {
    b'{"id": 7, "txt": "a"}': ({"id": 7}, "text: expected str, got nothing"),
    b'{"id": 8, "text": 5}': ({"id": 8}, "text: expected str, got int"),
    b"[1]": ({}, "expected a JSON object with a text, got list"),
    b'{"text": "a"': ({}, "no JSON: "),
    b"": ({}, "no JSON: "),
    b'{"text": "\xff"}': ({}, "byte 0xff at position 10 is not UTF-8"),
    b'{"text": "a", "text_pair": "b"}': ({}, "text_pair: this command reads single texts"),
}


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """{network: a folder with a checkpoint, its config and its vocabulary}"""
    found = {}
    for name, config in (("gpt2", GPT2), ("bert", dict(CONFIG, model_type="bert"))):
        folder = tmp_path_factory.mktemp(name)
        sizes = {key: value for key, value in config.items() if key != "model_type"}
        transformer = build_transformer_model(sizes, model=name, return_keras_model=False)
        spread(transformer).save_weights_as_checkpoint(str(folder / "model.safetensors"), format="safetensors")
        (folder / "config.json").write_text(json.dumps(config), encoding="utf-8")
        (folder / "vocab.txt").write_text("\n".join(WORDS) + "\n", encoding="utf-8")
        found[name] = str(folder)
    return found


@pytest.fixture(scope="module")
def with_heads(folders, tmp_path_factory):
    """Folders of a classifier and of a tagger, whose heads are new, beside the others."""
    found = dict(folders)
    for name, task, labels in (
        ("classifier", "TextClassifier", ["bad", "good"]),
        ("tagger", "TokenTagger", ["O", "B-LOC", "I-LOC"]),
    ):
        found[name] = str(tmp_path_factory.mktemp("heads") / name)
        getattr(tasks, task).from_folder(folders["bert"], labels=labels).save(found[name])
    return found


def arguments(folders, command, lines, output):
    options = {
        "encode": lambda: [folders["bert"], "--pooling", "mean"],
        "generate": lambda: [folders["gpt2"], "--max-new-tokens", "4"],
        "classify": lambda: [folders["classifier"], "--all-scores"],
        "tag": lambda: [folders["tagger"]],
    }[command]()
    return [command, options[0], lines, *options[1:], "--batch-size", "2", "--window", "2", "--output", str(output)]


def run(*args):
    return main(list(args), COMMANDS)


@pytest.fixture(scope="module")
def lines(tmp_path_factory):
    """A file of JSON lines, of which the third and the last one are wrong."""
    path = tmp_path_factory.mktemp("lines") / "texts.jsonl"
    texts = [json.dumps({"id": f"第{i}", "text": text}) for i, text in enumerate(TEXTS)]
    path.write_text("\n".join([*texts[:2], "{", *texts[2:], '{"id": 9}']) + "\n", encoding="utf-8")
    return str(path)


@pytest.mark.parametrize("command, suffix", [("encode", "npy"), ("generate", "jsonl")])
def test_a_killed_command_goes_on(folders, lines, tmp_path, command, suffix, capfd):
    whole, killed = tmp_path / f"whole.{suffix}", tmp_path / f"killed.{suffix}"
    assert run(*arguments(folders, command, lines, whole)) == 3
    err = capfd.readouterr().err
    assert "line 3: no JSON" in err and "line 9: text: expected str, got nothing" in err
    assert "2 of 9 lines are wrong" in err
    kill_after_windows(arguments(folders, command, lines, killed), 2)
    assert not killed.exists() and (tmp_path / f"killed.{suffix}.part").exists()
    assert run(*arguments(folders, command, lines, killed)) == 3
    assert "going on after 4 lines" in capfd.readouterr().err
    assert killed.read_bytes() == whole.read_bytes()
    assert sorted(os.listdir(str(tmp_path))) == sorted([whole.name, killed.name])


def kill_after_windows(args, count):
    """Run a command in another process, which gets SIGKILL in the middle of the row after so many windows."""
    source = f"""
import os, signal, sys
from b4k3.models.cli import main
from b4k3.models.cli.vectors import OutputFile
from b4k3.tasks.commands import COMMANDS
append, done = OutputFile.append, []
def dying(self, data, texts):
    if len(done) == {count}:
        self.file.write(data[: len(data) // 2])
        self.file.flush()
        os.kill(os.getpid(), signal.SIGKILL)
    done.append(1)
    append(self, data, texts)
OutputFile.append = dying
main(sys.argv[1:], COMMANDS)
"""
    died = subprocess.run([sys.executable, "-c", source, *args], capture_output=True)
    assert died.returncode == -signal.SIGKILL, died.stderr


@pytest.mark.skipif(not hasattr(tasks, "TokenTagger"), reason="needs TextClassifier and TokenTagger")
@pytest.mark.parametrize("command", ["classify", "tag"])
def test_a_killed_command_with_a_head_goes_on(with_heads, lines, tmp_path, command, capfd):
    test_a_killed_command_goes_on(with_heads, lines, tmp_path, command, "jsonl", capfd)


def test_rows_keep_the_ids(folders, lines, tmp_path, capfd):
    output = tmp_path / "answers.jsonl"
    assert run(*arguments(folders, "generate", lines, output)) == 3
    found = [json.loads(line) for line in output.read_text(encoding="utf-8").splitlines()]
    assert [row.get("id") for row in found] == ["第0", "第1", None, *(f"第{i}" for i in range(2, len(TEXTS))), 9]
    assert all(isinstance(row["text"], str) for i, row in enumerate(found) if i not in (2, 8))
    assert found[2]["line"] == 3 and "no JSON" in found[2]["error"]
    vectors = tmp_path / "vectors.npy"
    assert run(*arguments(folders, "encode", lines, vectors)) == 3
    assert np.isnan(np.load(str(vectors))).any(axis=1).tolist() == [i in (2, 8) for i in range(9)]


def test_an_argument_that_is_wrong_is_no_wrong_line(folders, tmp_path, capfd):
    path = tmp_path / "lines.txt"
    path.write_text("a cat\na dog\n", encoding="utf-8")
    base = ["generate", folders["gpt2"], str(path), "--output", str(tmp_path / "x.jsonl")]
    for more, message in [
        (["--top-k", "5", "--max-new-tokens", "4"], "top_k=5 applies only to sampling"),
        (["--window", "0"], "--window is 0, expected 1 or more"),
        (["--output", str(tmp_path / "x.npy")], "the name should end in .jsonl"),
        (["--output", str(path)], "the name should end in .jsonl"),
    ]:
        assert run(*base, *more) == 1
        assert message in capfd.readouterr().err


@pytest.mark.parametrize("data", sorted(WRONG))
def test_a_line_that_is_wrong_says_why(data):
    line = read_line(4, data, as_json=True)
    given, message = WRONG[data]
    assert line.text is None and line.given == given and line.error.startswith(message)
    row = json.loads(rows.row_of(line, {}))
    assert row == dict(given, line=4, error=line.error)


def test_lines_of_text_and_pairs():
    assert read_line(1, b'{"id": 1}\r\n', as_json=False).text == '{"id": 1}'
    assert read_line(1, b"\n", as_json=False).text == ""
    pair = read_line(1, b'{"text": "a", "text_pair": "b"}', as_json=True, pairs=True)
    assert pair.text == ("a", "b")
    half = read_line(1, b'{"id": "\\ud800", "text": "a"}', as_json=True)
    assert rows.row_of(half, {"text": ""}) == '{"id": "\\ud800", "text": ""}'


def test_the_metadata_names_the_commands():
    text = (ROOT / "packages" / "b4k3-tasks" / "pyproject.toml").read_text(encoding="utf-8")
    for name, module in COMMANDS.items():
        assert f'{name} = "{module}"' in text
