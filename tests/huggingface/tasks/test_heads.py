"""The heads of b4k3.tasks and those of transformers 5 give the same logits, answers and files.

`hatch run transformers5:heads` compares every network and class; here are some of each class.
"""

import json

import numpy as np
import pytest

from huggingface.tasks import head_cases

SHORT = {
    "SequenceClassification": "Bert Roberta Albert Electra DebertaV2 ModernBert XLNet T5 GPT2 Qwen2".split(),
    "TokenClassification": "Bert XLMRoberta DistilBert ModernBert T5 Llama".split(),
    "QuestionAnswering": "Bert Ernie MPNet XLNet Bart Llama".split(),
    "MultipleChoice": "Bert Roberta Electra DistilBert RoFormer MegatronBert".split(),
}
SHORT_PRETRAINING = {
    "MaskedLM": "Bert Roberta Albert Electra DistilBert".split(),
    "NextSentencePrediction": "Bert MegatronBert Ernie".split(),
}


@pytest.mark.parametrize("prefix, task", [(prefix, task) for task, names in SHORT.items() for prefix in names])
def test_a_class_gives_the_same_logits(prefix, task, tmp_path):
    loaded, saved = head_cases.compare(prefix, task, tmp_path / "it")
    assert loaded <= 1e-5 and saved <= 1e-5


PAIRS = [(prefix, task) for task, names in SHORT_PRETRAINING.items() for prefix in names]


@pytest.mark.parametrize("prefix, task", PAIRS)
def test_a_class_of_pretraining_gives_the_same_logits(prefix, task, tmp_path):
    assert head_cases.compare_pretraining(prefix, task, tmp_path / "it") <= 1e-5


def test_every_class_of_transformers_has_a_head():
    """What transformers has for a network, b4k3.tasks has too."""
    import transformers

    from b4k3.tasks.head_descriptions import HEADS, TASKS

    for prefix, (name, _) in head_cases.NETWORKS.items():
        theirs = {task for task in TASKS if hasattr(transformers, f"{prefix}For{task}")}
        assert theirs == set(HEADS[name]), prefix


TEXTS = ["word1 word2 word3", "word9 word8 word7 word6 word5 word4", "word20", "word30 word31 unknown words"]
# settings -> kind of the answers
PROBLEMS = {
    "none said": {"num_labels": 3},
    "single": {"num_labels": 3, "problem_type": "single_label_classification"},
    "multi": {"num_labels": 3, "problem_type": "multi_label_classification"},
    "regression": {"num_labels": 1, "problem_type": "regression"},
    "one label": {"num_labels": 1},
    "names": {"id2label": {0: "bad", 1: "good"}, "label2id": {"bad": 0, "good": 1}, "num_labels": 2},
}


@pytest.mark.parametrize("name", sorted(PROBLEMS))
def test_the_pipeline_of_text_classification(name, tmp_path):
    from transformers import BertTokenizer, pipeline

    from b4k3.tasks import TextClassifier

    folder = tmp_path / "it"
    head_cases.write("Bert", "SequenceClassification", folder, **PROBLEMS[name])
    BertTokenizer(str(folder / "vocab.txt")).save_pretrained(str(folder))
    classifier = TextClassifier.from_folder(folder)
    pairs = [("word1 word2", "word3"), ("word4", "word5 word6 word7")]
    classifier.save(tmp_path / "saved")
    for path in (folder, tmp_path / "saved"):
        theirs = pipeline("text-classification", model=str(path), top_k=None)
        asked = TEXTS + [{"text": first, "text_pair": second} for first, second in pairs]
        want = [theirs([text] if isinstance(text, str) else text) for text in asked]
        want = [row[0] if isinstance(row[0], list) else row for row in want]
        scores = classifier.scores(TEXTS + pairs)
        for row, answers in zip(scores, want):
            found = {answer["label"]: answer["score"] for answer in answers}
            assert sorted(found) == sorted(classifier.labels)
            np.testing.assert_allclose(row, [found[label] for label in classifier.labels], atol=1e-5)
        if classifier.problem == "single_label_classification":
            assert classifier.predict(TEXTS + pairs) == [answers[0]["label"] for answers in want]


def test_a_new_head_is_saved_for_transformers(tmp_path):
    """A classifier from a checkpoint of pretraining, trained in four lines, is a model of transformers."""
    from transformers import AutoModelForSequenceClassification, pipeline

    from b4k3.tasks import TextClassifier

    head_cases.write("Bert", "MaskedLM", tmp_path / "it")
    with pytest.warns(UserWarning, match="stay as they were initialised: bert/pooler/dense"):
        classifier = TextClassifier.from_folder(tmp_path / "it", labels=["odd", "even"])
    classifier.fit(TEXTS, ["odd", "even", "odd", "even"], epochs=3, learning_rate=1e-2, verbose=0)
    classifier.save(tmp_path / "saved")
    _, info = AutoModelForSequenceClassification.from_pretrained(str(tmp_path / "saved"), output_loading_info=True)
    assert not info["missing_keys"] and not info["unexpected_keys"]
    config = json.loads((tmp_path / "saved" / "config.json").read_text())
    assert config["id2label"] == {"0": "odd", "1": "even"}
    theirs = pipeline("text-classification", model=str(tmp_path / "saved"))(TEXTS)
    assert [answer["label"] for answer in theirs] == classifier.predict(TEXTS)
    np.testing.assert_allclose([answer["score"] for answer in theirs], classifier.scores(TEXTS).max(axis=1), atol=1e-5)
