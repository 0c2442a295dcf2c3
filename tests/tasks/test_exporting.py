"""Exported tasks: heads, pooled vectors, labels and tokenizers, in the formats of the backend; and `b4k3 export`."""

import json
import os

import pytest

from b4k3.backend import row
from b4k3.models.cli import main
from b4k3.models.exporting import FORMATS as FILES
from b4k3.models.exporting.model_graph import ModelGraph
from b4k3.tasks import MultipleChoice, QuestionAnswering, TextClassifier, TextEncoder, TokenTagger
from b4k3.tasks.commands import COMMANDS
from support import exported, goldens
from support.task_folders import google_folder

FORMATS = exported.OF_BACKEND[row.backend] if os.environ.get("B4K3_EXPORT") == "all" else None
ONE = exported.OF_BACKEND[row.backend][:1]
TASKS = {
    "classifier": (TextClassifier, {"labels": ["坏", "good"]}),
    "regression": (TextClassifier, {"regression": True}),
    "tagger": (TokenTagger, {"labels": ["O", "B-LOC", "I-LOC"]}),
    "answer": (QuestionAnswering, {"new_head": True}),
    "choice": (MultipleChoice, {"new_head": True}),
    "mean": (TextEncoder, {"pooling": "mean"}),
    "cls+max": (TextEncoder, {"pooling": ["cls", "max"]}),
    "lasttoken": (TextEncoder, {"pooling": "lasttoken"}),
    "weightedmean": (TextEncoder, {"pooling": "weightedmean"}),
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    yield google_folder(tmp_path_factory.mktemp("google"))
    goldens.forget()


@pytest.mark.parametrize("name", TASKS)
def test_every_task_in_every_format(name, folder, tmp_path):
    kind, arguments = TASKS[name]
    task = kind.from_folder(folder, **arguments)
    model, names = task.exported_model()
    graph = ModelGraph(model, names)
    for format in FORMATS or ONE:
        path = task.export(str(tmp_path / format), format)
        exported.check(graph, path, format, 18)
        assert {"config.json", "vocab.txt"} <= set(os.listdir(str(tmp_path / format)))
        if format == "onnx":
            check_metadata(task, path)
    if kind is TextEncoder:
        assert names == ["last_hidden_state", "sentence_embedding"]
        assert (tmp_path / ONE[0] / "1_Pooling" / "config.json").is_file()


def check_metadata(task, path):
    import onnx

    props = {entry.key: entry.value for entry in onnx.load(path).metadata_props}
    assert json.loads(props["max_length"]) == task.maxlen and props["task"] == type(task).__name__
    if getattr(task, "labels", None):
        assert json.loads(props["id2label"]) == {str(i): label for i, label in enumerate(task.labels)}
    if isinstance(task, TextEncoder):
        assert json.loads(props["pooling"]) == list(task.modules.modes)


def test_the_command(folder, tmp_path, capsys):
    """What a folder is for is in its files; a network without a head gives its vectors."""
    classifier = str(tmp_path / "classifier")
    TextClassifier.from_folder(folder, labels=["bad", "good"]).save(classifier)
    format, out = ONE[0], str(tmp_path / "out")
    assert main(["export", classifier, out, "--format", format], COMMANDS) == 0
    path = os.path.join(out, FILES[format].file) if FILES[format].file else out
    task = TextClassifier.from_folder(classifier)
    exported.check(ModelGraph(task.model, ["logits"]), path, format, 18)
    assert main(["export", folder, out, "--format", format], COMMANDS) == 1
    assert "is there already" in capsys.readouterr().err
    assert main(["export", folder, out, "--format", format, "--force"], COMMANDS) == 0
    network = TextEncoder.from_folder(folder, pooling="cls").transformer.model
    exported.check(ModelGraph(network, ["last_hidden_state"]), path, format, 18)
    other = exported.OF_BACKEND[row.backend][-1]
    assert main(["export", folder, str(tmp_path / "int8"), "--int8", "--format", other], COMMANDS) == 1
    assert "--int8 is for --format onnx" in capsys.readouterr().err and not (tmp_path / "int8").exists()
    assert main(["export", folder, out, "--format", "a drawing"], COMMANDS) == 1
    assert "expected one of onnx" in capsys.readouterr().err
