"""The heads of transformers: each one is found, computed, independent of padding, and written back.

The oracle computes a head in numpy from the vectors of the network. tests/huggingface/tasks/test_heads.py compares all
classes with transformers itself.
"""

import json

import numpy as np
import pytest

from b4k3.backend import keras
from b4k3.models import ConfigError
from b4k3.models.checkpoints import CheckpointError, open_checkpoint, save_checkpoint
from b4k3.tasks.head_descriptions import HEADS, TASKS, Dense, Norm, head_of
from b4k3.tasks.task import Rows, Task
from support.task_folders import head_folder

LABELS = ["bad", "so-so", "good"]
END = 3
# (folder of tests/golden/huggingface, task, settings): one of each kind of head
CASES = [
    ("bert", "QuestionAnswering", {}),
    ("roberta", "SequenceClassification", {}),
    ("distilbert", "MultipleChoice", {}),
    ("modernbert", "SequenceClassification", {"classifier_pooling": "mean", "classifier_bias": True}),
    ("bart", "SequenceClassification", {"eos_token_id": END}),
    ("t5", "TokenClassification", {}),
    ("gpt2", "SequenceClassification", {"pad_token_id": 0}),
]
ROWS = [[6, 7, 8, 9, 11, 12, 13, END], [14, 15, 16, 17, END]]


def opened(folder, task, **arguments):
    return type(task, (Task,), {"task": task}).from_folder(folder, **arguments)


def computed(model, inputs):
    """The outputs, without compiling the model, which takes longer here."""
    outputs = model(inputs)
    outputs = outputs if isinstance(outputs, (list, tuple)) else [outputs]
    return [np.asarray(x.detach() if hasattr(x, "detach") else x, dtype="float64") for x in outputs]


ACTIVATIONS = {
    "linear": lambda x: x,
    "tanh": np.tanh,
    "relu": lambda x: np.maximum(x, 0),
    "gelu": lambda x: 0.5 * x * (1 + np.vectorize(__import__("math").erf)(x / 2**0.5)),
}


def oracle(made, arrays, vectors, length):
    """A head in numpy, from the vectors [n, d] of a row, or the pooled one [d]."""
    reads = made.head.reads
    x = {"first": lambda: vectors[0], "mean": lambda: vectors[:length].mean(0)}.get(reads, lambda: vectors)()
    x = vectors[length - 1] if reads in ("last", "end") else x[:length] if reads == "every" else x
    for step in made.head.head.steps:
        if isinstance(step, Dense):
            x = x @ arrays[step.name + ".weight"].T + arrays.get(step.name + ".bias", 0)
            x = ACTIVATIONS[made.head.said(step.activation)](x)
        elif isinstance(step, Norm):
            x = (x - x.mean(-1, keepdims=True)) / np.sqrt(x.var(-1, keepdims=True) + made.head.said(step.epsilon))
            x = x * arrays[step.name + ".weight"] + arrays.get(step.name + ".bias", 0)
    return x


@pytest.mark.parametrize("golden, task, settings", CASES, ids=[f"{name}-{task}" for name, task, _ in CASES])
def test_a_head_is_right_and_independent_of_padding(golden, task, settings, tmp_path):
    arrays = head_folder(tmp_path / "it", golden, task, settings, labels=1 if task == "MultipleChoice" else 3)
    made = opened(tmp_path / "it", task)
    rows = Rows(ROWS, [[0] * len(row) for row in ROWS])
    is_gpt = golden == "gpt2"
    vectors = made.transformer.layers["Output-Norm"].output if is_gpt else made.transformer.output
    found, logits = computed(keras.Model(made.model.inputs, [vectors, made.model.output]), made.inputs(rows))
    for i, row in enumerate(ROWS):
        want = oracle(made, arrays, found[i], len(row))
        got = logits[i, : len(row)] if made.head.reads == "every" else logits[i]
        np.testing.assert_allclose(got, want, atol=1e-5 * max(1, np.abs(want).max()))
    alone = computed(made.model, made.inputs(rows, [1], width=16))[0][0]
    alone = alone[: len(ROWS[1])] if made.head.reads == "every" else alone
    np.testing.assert_allclose(alone, got, atol=2e-5 * max(1, np.abs(got).max()))
    made.save(tmp_path / "saved")
    checkpoint = open_checkpoint(str(tmp_path / "saved" / "model.safetensors"))
    for name, value in arrays.items():
        np.testing.assert_array_equal(np.asarray(checkpoint[name]), value)
    config = json.loads((tmp_path / "saved" / "config.json").read_text())
    assert config["architectures"] == [made.head.class_name]
    assert made.head.class_name.endswith(f"For{task}")


def test_every_network_has_the_classes_of_transformers():
    assert {name for name, heads in HEADS.items() if len(heads) == 4} == set(
        "bert ernie megatron_bert nezha albert roberta electra distilbert deberta_v2 mpnet roformer modernbert "
        "xlnet".split()
    )
    assert all(task in TASKS for heads in HEADS.values() for task in heads)


def test_a_network_without_a_head_is_refused_by_name():
    with pytest.raises(ConfigError, match="gau has no head for SequenceClassification; these have one: albert, "):
        head_of("gau", "SequenceClassification")
    with pytest.raises(ConfigError, match="gpt has no head for TokenClassification"):
        head_of("gpt", "TokenClassification")


# settings -> what the error says
REFUSED = {
    "summary": ("electra", "MultipleChoice", {"summary_type": "mean"}, "summary_type='mean' is not implemented"),
    "pooling": ("modernbert", "SequenceClassification", {"classifier_pooling": "max"}, "classifier_pooling"),
    "labels": ("bert", "TokenClassification", {"id2label": {"0": "O"}}, "the head has 3 outputs"),
    "problem": ("bert", "SequenceClassification", {"problem_type": "ranking"}, "problem_type='ranking', expected"),
    "another class": (
        "bert",
        "SequenceClassification",
        {"architectures": ["BertForTokenClassification"]},
        "its config names BertForTokenClassification; give labels= to make a new one",
    ),
}


@pytest.mark.parametrize("name", sorted(REFUSED))
def test_what_a_folder_may_not_say(name, tmp_path):
    golden, task, settings, message = REFUSED[name]
    head_folder(tmp_path / "it", golden, task, settings)
    with pytest.raises(ConfigError, match=message):
        opened(tmp_path / "it", task)


def test_a_head_that_does_not_fit_its_network(tmp_path):
    head = HEADS["bert"]["SequenceClassification"]
    head_folder(tmp_path / "it", "bert", "SequenceClassification", {"architectures": ["BertForQuestionAnswering"]})
    with pytest.raises(CheckpointError, match=r"BertForQuestionAnswering has qa_outputs.weight, qa_outputs.bias, and"):
        opened(tmp_path / "it", "QuestionAnswering")
    wrong = head._replace(steps=(Dense("classifier", 2),))
    head_folder(tmp_path / "wide", "bert", "SequenceClassification", {}, head=wrong)
    tensors = open_checkpoint(str(tmp_path / "wide" / "model.safetensors"))
    arrays = {name: np.asarray(tensors[name]) for name in tensors.keys()}
    arrays["classifier.weight"] = np.zeros((2, 7), dtype="float32")
    save_checkpoint(str(tmp_path / "wide" / "model.safetensors"), arrays, format="safetensors")
    made = dict(arrays, **{"classifier.scale": np.ones(3, dtype="float32")})
    save_checkpoint(str(tmp_path / "it" / "model.safetensors"), made, format="safetensors")
    (tmp_path / "it" / "config.json").write_text((tmp_path / "wide" / "config.json").read_text())
    with pytest.raises(CheckpointError, match="classifier.scale: BertForSequenceClassification with this config has"):
        opened(tmp_path / "it", "SequenceClassification")
    with pytest.raises(CheckpointError, match=r"classifier.weight is \[7, 2\] in the file, the network makes it \[24"):
        opened(tmp_path / "wide", "SequenceClassification")
