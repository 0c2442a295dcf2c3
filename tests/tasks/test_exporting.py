"""Exported tasks: heads, pooled vectors, labels and tokenizers, in the formats of the backend; and `b4k3 export`."""

import json
import os

import numpy as np
import pytest

from b4k3.backend import row
from b4k3.models import ConfigError
from b4k3.models.cli import main
from b4k3.models.exporting import FORMATS as FILES
from b4k3.models.exporting.exports import graph_of
from b4k3.models.exporting.model_graph import ModelGraph
from b4k3.tasks import (
    FillMask,
    MultipleChoice,
    QuestionAnswering,
    SpanExtractor,
    TextClassifier,
    TextEncoder,
    TextGenerator,
    TokenTagger,
)
from b4k3.tasks.commands import COMMANDS
from b4k3.tasks.head_descriptions import HEADS, TASKS as TASK_NAMES
from support import exported, goldens, huggingface
from support.exported_networks import segments_of
from support.task_folders import google_folder, head_folder

ALL = os.environ.get("B4K3_EXPORT") == "all"
ONE = exported.OF_BACKEND[row.backend][:1]
FORMATS = exported.OF_BACKEND[row.backend] if ALL else ONE
TASKS = {
    "classifier": (TextClassifier, {"labels": ["坏", "good"]}),
    "regression": (TextClassifier, {"regression": True}),
    "tagger": (TokenTagger, {"labels": ["O", "B-LOC", "I-LOC"]}),
    "chain": (TokenTagger, {"labels": ["O", "B-LOC", "I-LOC"], "crf": True}),
    "spans": (SpanExtractor, {"labels": ["LOC", "PER"], "head_size": 4}),
    "efficient spans": (SpanExtractor, {"labels": ["LOC", "PER"], "head_size": 4, "efficient": True}),
    "fill": (FillMask, {}),
    "answer": (QuestionAnswering, {"new_head": True}),
    "choice": (MultipleChoice, {"new_head": True}),
    "mean": (TextEncoder, {"pooling": "mean"}),
    "cls+max": (TextEncoder, {"pooling": ["cls", "max"]}),
    "lasttoken": (TextEncoder, {"pooling": "lasttoken"}),
    "weightedmean": (TextEncoder, {"pooling": "weightedmean"}),
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    yield google_folder(tmp_path_factory.mktemp("google"), with_mlm=True)
    goldens.forget()


@pytest.mark.parametrize("name", TASKS)
def test_every_task_in_every_format(name, folder, tmp_path, record_property):
    kind, arguments = TASKS[name]
    task = kind.from_folder(folder, **arguments)
    model, names = task.exported_model()
    graph = graph_of(model, names)
    for format in FORMATS:
        path = task.export(str(tmp_path / format), format)
        record_property(format, exported.check(graph, path, format, 18))
        assert {"config.json", "vocab.txt"} <= set(os.listdir(str(tmp_path / format)))
        if format == "onnx":
            check_metadata(task, path)
    if kind is TextEncoder:
        assert names == ["last_hidden_state", "sentence_embedding"]
        assert (tmp_path / ONE[0] / "1_Pooling" / "config.json").is_file()


CLASSES = dict(zip(TASK_NAMES, (TextClassifier, TokenTagger, QuestionAnswering, MultipleChoice)))
# every head of transformers on the network of every golden folder
CASES = [
    (golden, task)
    for golden, (network, _, _) in huggingface.HEADS.items()
    for task in HEADS.get(network, ())
    if ALL or (golden, task) in (("roberta", "SequenceClassification"), ("xlnet", "MultipleChoice"))
]


@pytest.mark.parametrize("golden, task", CASES)
def test_every_head_of_transformers(golden, task, tmp_path, record_property):
    labels = {"SequenceClassification": 3, "TokenClassification": 3, "QuestionAnswering": 2, "MultipleChoice": 1}
    head_folder(tmp_path / "it", golden, task, {"pad_token_id": 0} if golden == "gpt2" else {}, labels[task])
    made = CLASSES[task].from_folder(str(tmp_path / "it"), ignore_invalid_weights=True)  # some files have no pooler
    if len([tensor for tensor in made.model.inputs if "Input-Token" in tensor.name]) > 1:
        with pytest.raises(ConfigError, match="two inputs of ids"):
            made.export(str(tmp_path / "out"), ONE[0])
        return
    graph = graph_of(*made.exported_model())
    for format in set(FORMATS) - {"torch"}:  # the tasks above are written as programs of torch
        path = made.export(str(tmp_path / format), format)
        record_property(format, exported.check(graph, path, format, 14, segments_of(made.transformer)))


def check_metadata(task, path):
    import onnx

    props = {entry.key: entry.value for entry in onnx.load(path).metadata_props}
    assert json.loads(props["max_length"]) == task.maxlen and props["task"] == type(task).__name__
    if getattr(task, "labels", None):
        assert json.loads(props["id2label"]) == {str(i): label for i, label in enumerate(task.labels)}
    if isinstance(task, TextEncoder):
        assert json.loads(props["pooling"]) == list(task.modules.modes)


@pytest.mark.parametrize("golden", ["gpt2", "qwen3"])
def test_onnxruntime_genai(golden, tmp_path):
    """A generator's folder is all that onnxruntime-genai needs for its tokens."""
    if row.backend != "torch":
        return
    import onnxruntime_genai

    head_folder(tmp_path / "it", golden, "QuestionAnswering", {"eos_token_id": 7})
    generator = TextGenerator.from_folder(str(tmp_path / "it"))
    generator.export(tmp_path / "out")
    prompts = np.random.RandomState(0).randint(5, 40, (2, 5))
    want = generator.transformer.generate(prompts, 12, end_id=generator.end_ids)
    model = onnxruntime_genai.Model(str(tmp_path / "out"))
    options = onnxruntime_genai.GeneratorParams(model)
    options.set_search_options(max_length=17, batch_size=2, do_sample=False)
    run = onnxruntime_genai.Generator(model, options)
    run.append_tokens(prompts.astype("int32"))
    while not run.is_done():
        run.generate_next_token()
    for i, tokens in enumerate(want.tolist()):
        count = tokens.index(7) + 1 if 7 in tokens else 12
        assert run.get_sequence(i)[5 : 5 + count].tolist() == tokens[:count]


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
