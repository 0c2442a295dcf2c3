"""Texts to labels: `TextClassifier` and `MultipleChoice`, from folder to training and back into a folder.

tests/huggingface/tasks/test_heads.py compares with the classes and the pipeline of transformers.
"""

import json
import os
import subprocess
import sys
import warnings

import numpy as np
import pytest

from b4k3.models import ConfigError, build_transformer_model
from b4k3.models.checkpoints import open_checkpoint, save_checkpoint
from b4k3.tasks import MultipleChoice, TextClassifier
from b4k3.tasks.probabilities import sigmoid, softmax
from support import goldens
from support.small_models import CONFIG, spread

VOCABULARY = "[PAD] [UNK] [CLS] [SEP] [MASK] a cat sleeps the dog runs here and there good bad".split()
TEXTS = ["a cat sleeps", "the dog runs and runs and runs here and there", ("a dog", "the cat"), ""]
IDS = [[2, 5, 6, 7, 3], [2, 8, 9, 10, 12, 10, 12, 10, 11, 12, 13, 3], [2, 5, 9, 3, 8, 6, 3], [2, 3]]
SEGMENTS = [[0] * 5, [0] * 12, [0, 0, 0, 0, 1, 1, 1], [0, 0]]
LABELS = ["bad", "so-so", "good"]
PLAIN = {"dropout_rate": 0, "attention_dropout_rate": 0}


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    """A folder as google-research publishes it."""
    folder = tmp_path_factory.mktemp("google")
    transformer = build_transformer_model(dict(CONFIG, num_hidden_layers=1), with_pool=True, return_keras_model=False)
    spread(transformer).save_weights_as_checkpoint(str(folder / "bert_model.ckpt"))
    (folder / "bert_config.json").write_text(json.dumps(dict(CONFIG, num_hidden_layers=1)), encoding="utf-8")
    tokens = VOCABULARY + [f"[unused{i}]" for i in range(CONFIG["vocab_size"] - len(VOCABULARY))]
    (folder / "vocab.txt").write_text("\n".join(tokens) + "\n", encoding="utf-8")
    return str(folder)


@pytest.fixture(scope="module")
def classifier(checkpoint, tmp_path_factory):
    """A checkpoint of Google's run_classifier.py, opened; its variables; the pooled vectors of the texts."""
    folder = tmp_path_factory.mktemp("run_classifier")
    opened = open_checkpoint(os.path.join(checkpoint, "bert_model.ckpt"))
    tensors = {name: np.asarray(opened[name]) for name in opened.keys()}
    random = np.random.RandomState(1)
    weights = {"output_weights": random.randn(3, 16), "output_bias": random.randn(3), "output_weights/adam_m": [0.0]}
    tensors.update((name, np.asarray(value, dtype="float32")) for name, value in weights.items())
    save_checkpoint(str(folder / "model.ckpt-30"), tensors, format="tf")
    for name in ("bert_config.json", "vocab.txt"):
        with open(os.path.join(checkpoint, name), encoding="utf-8") as f:
            (folder / name).write_text(f.read(), encoding="utf-8")
    return TextClassifier.from_folder(folder, labels=LABELS), tensors


def test_a_checkpoint_of_run_classifier(classifier):
    made, tensors = classifier
    assert made.labels == LABELS and made.problem == "single_label_classification"
    width = max(map(len, IDS))
    ids, segments = (np.array([row + [0] * (width - len(row)) for row in rows]) for rows in (IDS, SEGMENTS))
    pooled = goldens.predict(made.transformer.model, [ids, segments])[0]
    want = softmax(pooled @ tensors["output_weights"].T + tensors["output_bias"])
    for batch_size in (2, 32):
        np.testing.assert_allclose(made.scores(TEXTS, batch_size), want, atol=1e-5)
    assert made.predict(TEXTS) == [LABELS[i] for i in want.argmax(axis=1)]
    assert made.predict([]) == [] and made.scores([]).shape == (0, 3)


def test_a_saved_classifier_has_the_names_of_transformers(classifier, tmp_path):
    made, tensors = classifier
    made.save(tmp_path / "it")
    config = json.loads((tmp_path / "it" / "config.json").read_text(encoding="utf-8"))
    assert config["architectures"] == ["BertForSequenceClassification"]
    assert config["id2label"] == {"0": "bad", "1": "so-so", "2": "good"} and config["num_labels"] == 3
    assert config["label2id"] == {"bad": 0, "so-so": 1, "good": 2}
    saved = open_checkpoint(str(tmp_path / "it" / "model.safetensors"))
    np.testing.assert_array_equal(saved["classifier.weight"], tensors["output_weights"])
    again = TextClassifier.from_folder(tmp_path / "it")
    assert again.labels == LABELS
    np.testing.assert_allclose(again.scores(TEXTS), made.scores(TEXTS), atol=1e-6)
    assert TextClassifier.from_folder(tmp_path / "it", labels=LABELS[::-1]).labels == LABELS
    with pytest.raises(ConfigError, match=r"has a head with the labels \['bad', 'so-so', 'good'\]; leave labels= out"):
        TextClassifier.from_folder(tmp_path / "it", labels=["no", "yes"])
    assert TextClassifier.from_folder(tmp_path / "it", labels=["no", "yes"], new_head=True).labels == ["no", "yes"]
    with pytest.raises(ConfigError, match="is there already"):
        made.save(tmp_path / "it")
    made.save(tmp_path / "it", overwrite=True)


TRAINING = ["a good cat", "the bad dog", "good dog here", "bad cat there", "the good dog runs", "a bad cat sleeps"]


def test_training_in_four_lines(checkpoint, tmp_path):
    classifier = TextClassifier.from_folder(checkpoint, labels=["bad", "good"], **PLAIN)
    labels = ["good" if "good" in text else "bad" for text in TRAINING]
    history = classifier.fit(TRAINING, labels, batch_size=6, epochs=30, learning_rate=1e-2, verbose=0)
    assert history.history["loss"][-1] < 0.3 * history.history["loss"][0]
    assert classifier.predict(TRAINING) == labels
    scores = classifier.scores(TRAINING)
    classifier.save(tmp_path / "it")
    program = (
        "import sys, json, numpy; from b4k3.tasks import TextClassifier; "
        "made = TextClassifier.from_folder(sys.argv[1]); texts = json.loads(sys.argv[2]); "
        "print(json.dumps([made.predict(texts), made.scores(texts).tolist()]))"
    )
    command = [sys.executable, "-c", program, str(tmp_path / "it"), json.dumps(TRAINING)]
    environment = dict(os.environ, **other_backend())
    answer = subprocess.run(command, env=environment, stdout=subprocess.PIPE, check=True).stdout.decode("utf-8")
    found, again = json.loads(answer.strip().splitlines()[-1])
    assert found == labels
    np.testing.assert_allclose(again, scores, atol=1e-5)


def other_backend():
    """Another backend for a process of its own, if this environment has one: torch beside JAX."""
    import importlib.util

    jax = os.environ.get("KERAS_BACKEND") == "jax"
    return {"KERAS_BACKEND": "torch"} if jax and importlib.util.find_spec("torch") is not None else {}


def test_any_number_of_labels(checkpoint, tmp_path):
    made = TextClassifier.from_folder(checkpoint, labels=["cat", "dog", "good"], multi_label=True, **PLAIN)
    labels = [[word for word in made.labels if word in text] for text in TRAINING]
    assert made._targets(labels, "")[:2].tolist() == [[1, 0, 1], [0, 1, 0]]
    validation = {"validation_data": (TRAINING, labels), "verbose": 0}
    history = made.fit(TRAINING, labels, batch_size=6, epochs=20, learning_rate=1e-2, **validation).history
    assert history["loss"][-1] < 0.8 * history["loss"][0] and len(history["val_loss"]) == 20
    scores = made.scores(TRAINING)
    assert -np.log(np.where(made._targets(labels, ""), scores, 1 - scores)).mean() == pytest.approx(
        history["val_loss"][-1], rel=1e-4
    )
    assert made.predict(TRAINING) == [[x for x, p in zip(made.labels, row) if p >= 0.5] for row in scores]
    assert made.predict(TRAINING, threshold=0.0) == [made.labels] * len(TRAINING)
    made.save(tmp_path / "it")
    config = json.loads((tmp_path / "it" / "config.json").read_text(encoding="utf-8"))
    assert config["problem_type"] == "multi_label_classification"
    with pytest.raises(ConfigError, match="problem_type is 'multi_label_classification', so it is no regression"):
        TextClassifier.from_folder(tmp_path / "it", regression=True)
    with pytest.raises(ConfigError, match="expected a list of labels for each text, got 'cat'"):
        made.fit(["a cat"], ["cat"])


def test_regression(checkpoint):
    made = TextClassifier.from_folder(checkpoint, regression=True, **PLAIN)
    lengths = [len(text.split()) / 4 for text in TRAINING]
    history = made.fit(TRAINING, lengths, batch_size=6, epochs=20, learning_rate=1e-2, verbose=0)
    assert history.history["loss"][-1] < 0.5 * history.history["loss"][0]
    numbers = made.predict(TRAINING)
    assert numbers.shape == (6,) and numbers.dtype == np.float32
    two = TextClassifier.from_folder(checkpoint, labels=["x", "y"], regression=True)
    assert two._targets([[1, 2]], "").tolist() == [[1.0, 2.0]] and two.problem == "regression"
    for wrong, message in [(["long"], "expected numbers, got 'long'"), ([[1, 2]], "expected 1 finite numbers")]:
        with pytest.raises(ConfigError, match=message):
            made.fit(["a"], wrong)


def test_multiple_choice(checkpoint, tmp_path):
    made = MultipleChoice.from_folder(checkpoint, new_head=True, **PLAIN)
    texts = [("a cat", ["sleeps", "runs"]), ("the dog", ["runs", "sleeps"]), ("cat", ["runs", "sleeps"])]
    options = {"validation_data": (texts, [0, 0, 1]), "verbose": 0}
    history = made.fit(texts, [0, 0, 1], batch_size=3, epochs=30, learning_rate=1e-2, **options).history
    assert history["loss"][-1] < 0.9 * history["loss"][0]
    scores = made.scores(texts)
    right = [row[i] for row, i in zip(scores, [0, 0, 1])]
    assert -np.log(right).mean() == pytest.approx(history["val_loss"][-1], rel=1e-4)
    assert made.predict(texts) == [int(row.argmax()) for row in scores]
    more = [*texts, ("a dog", ["sleeps", "runs", "sleeps"])]
    scores = made.scores(more)
    assert [len(row) for row in scores] == [2, 2, 2, 3]
    np.testing.assert_allclose([row.sum() for row in scores], 1, atol=1e-6)
    np.testing.assert_allclose(scores[3][0], scores[3][2], atol=1e-6)
    made.save(tmp_path / "it")
    again = MultipleChoice.from_folder(tmp_path / "it").scores(more)
    np.testing.assert_allclose(np.concatenate(again), np.concatenate(scores), atol=1e-5)
    for arguments, message in [
        ((more, [0, 0, 1, 0]), "contexts have 2 to 3 choices"),
        ((texts, [0, 0, 2]), "2 is the number of no choice"),
        ((texts, [0]), "3 contexts and 1 labels"),
        (([("a", "b")], [0]), r"texts\[0\]: expected \(context, list of choices\)"),
    ]:
        with pytest.raises(ConfigError, match=message):
            made.fit(*arguments)
    with pytest.raises(ConfigError, match="has no head for MultipleChoice.*new_head=True makes one"):
        MultipleChoice.from_folder(checkpoint)


def test_texts_that_are_cut_are_counted(classifier):
    made, _ = classifier
    with pytest.warns(UserWarning, match="1 of 4 texts have more than 7 tokens and were cut"):
        made.maxlen = 7
        rows = made.tokenize(TEXTS)
    made.maxlen = made.opened.longest
    assert rows.ids[1] == IDS[1][:6] + [3] and rows.ids[2] == IDS[2]
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        assert list(made.tokenize(TEXTS).ids) == IDS


def test_wrong_arguments(checkpoint, classifier):
    with pytest.raises(ConfigError, match="has no head for SequenceClassification.*give labels= to make a new one"):
        TextClassifier.from_folder(checkpoint)
    for labels, message in [("good", "expected a list"), (["a", "a"], "different names"), ([1, 2], "expected names")]:
        with pytest.raises(ConfigError, match=message):
            TextClassifier.from_folder(checkpoint, labels=labels)
    with pytest.raises(ConfigError, match="either multi_label=True or regression=True"):
        TextClassifier.from_folder(checkpoint, multi_label=True, regression=True)
    made, _ = classifier
    for arguments, message in [
        ((["a"], ["fine"]), "labels: 'fine' is none of"),
        ((["a"], [3]), "labels: 3 is none of"),
        ((["a"], [True]), "labels: True is none of"),
        ((["a", "b"], ["good"]), "2 texts and 1 labels"),
        (("a", ["good"]), "expected a list of texts, got str"),
        (([("a", "b", "c")], ["good"]), r"texts\[0\]: expected a text or a pair of texts"),
        (([], []), "nothing to train on"),
        ((["a"], ["good"], 0), "batch_size=0"),
    ]:
        with pytest.raises(ConfigError, match=message):
            made.fit(*arguments)
    with pytest.raises(ConfigError, match="validation_data: expected"):
        made.fit(["a"], ["good"], validation_data=["a"])


def test_probabilities():
    assert sigmoid(np.array([-1e4, 0, 1e4])).tolist() == [0.0, 0.5, 1.0]
    np.testing.assert_allclose(softmax(np.array([[1e4, 1e4], [0.0, -1e4]])), [[0.5, 0.5], [1.0, 0.0]])


def test_labels_that_are_refused(checkpoint):
    for arguments, message in [
        ({"labels": ["good"]}, "every text would have it; give multi_label=True or regression=True"),
        ({"labels": ["good", ""]}, "expected different names"),
        ({"labels": "good"}, "expected a list of names, got str"),
    ]:
        with pytest.raises(ConfigError, match=message):
            TextClassifier.from_folder(checkpoint, **arguments)
    made = TextClassifier.from_folder(checkpoint, LABELS, **PLAIN)
    for labels, arguments, message in [
        (None, {}, "labels"),
        ("good", {}, "labels"),
        (["good"], {"validation_split": 0.5}, "validation_split is not for texts: give validation_data="),
        (["good"], {"validation_data": (["a"], ["bad"], [1])}, r"expected \(texts, labels\)"),
    ]:
        with pytest.raises(ConfigError, match=message):
            made.fit(["a cat"], labels, verbose=0, **arguments)


def test_the_windows_of_a_long_text(checkpoint):
    made = TextClassifier.from_folder(checkpoint, LABELS, maxlen=6, **PLAIN)
    long, short = "a cat sleeps here and the dog runs there", "a cat"
    got = made.scores([long, short], windows="mean", stride=0)
    parts = [made.scores([part])[0] for part in ("a cat sleeps here", "and the dog runs", "there")]
    np.testing.assert_allclose(got, [np.mean(parts, axis=0), made.scores([short])[0]], atol=1e-5)
    assert made.predict([long], windows="mean", stride=0) == [LABELS[got[0].argmax()]]
    with pytest.warns(UserWarning, match="1 of 2 texts have more than 6 tokens and were cut"):
        made.scores([long, short])
    with pytest.raises(ConfigError, match="windows='mean' is for single texts"):
        made.scores([(long, short)], windows="mean")
