"""Texts to spans by tags: `TokenTagger` with and without a conditional random field.

tests/huggingface/tasks/test_tagging.py compares it with the pipeline of transformers.
"""

import json
import warnings

import numpy as np
import pytest

from b4k3.models import ConfigError
from b4k3.models.checkpoints import open_checkpoint, save_checkpoint
from b4k3.tasks import TokenTagger
from support.task_folders import google_folder, tagged_texts

LABELS = ["ANIMAL", "PLACE"]
TEXTS, SPANS = tagged_texts(96)
TRAINED = TEXTS[:64], SPANS[:64]
LONG = "the cat here and there the dog runs here and there a dog runs and the cat"
SIZES = {"dropout_rate": 0, "attention_dropout_rate": 0}


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    return google_folder(tmp_path_factory.mktemp("google"), scale=0.1)


def brief(rows):
    return [[span[:3] for span in row] for row in rows]


def same(got, want):
    assert brief(got) == brief(want)
    for a, b in zip(got, want):
        np.testing.assert_allclose([span.score for span in a], [span.score for span in b], atol=1e-5)


@pytest.mark.parametrize("crf, scheme", [(False, "BIO"), (True, "BIOES")])
def test_training_finds_the_spans(checkpoint, tmp_path, crf, scheme):
    tagger = TokenTagger.from_folder(
        checkpoint, LABELS, crf=crf, scheme=scheme, crf_lr_multiplier=2, maxlen=12, **SIZES
    )
    assert len(tagger.labels) == (5 if scheme == "BIO" else 9)
    tested = (TEXTS[64:], SPANS[64:])
    history = tagger.fit(*TRAINED, epochs=25, learning_rate=1e-2, verbose=0, validation_data=tested)
    assert "val_loss" in history.history and history.history["loss"][-1] < 0.1 * history.history["loss"][0]
    found = tagger.predict(TEXTS[64:])
    right = sum(a == b for a, b in zip(brief(found), SPANS[64:]))
    assert right >= 28
    assert all(1 / len(tagger.labels) < span.score <= 1.0001 for row in found for span in row)
    same([tagger.predict([text], windows="cut")[0] for text in TEXTS[64:66]], found[:2])  # padding changes nothing
    # a long text is read in windows; its spans are those of the text
    long = tagger.predict([LONG, "a cat"], stride=4)
    assert brief(long)[1] == [(2, 5, "ANIMAL")] and sum(s.text == "cat" for s in long[0]) == 2
    with pytest.warns(UserWarning, match="1 of 2 texts have more than 12 tokens and were cut"):
        cut = tagger.predict([LONG, "a cat"], windows="cut")
    assert len(cut[0]) < len(long[0]) and cut[1] == long[1]
    # the folder has the same answers
    tagger.save(tmp_path / "it")
    again = TokenTagger.from_folder(tmp_path / "it", maxlen=12)
    assert (again.crf is not None, again.scheme) == (crf, scheme)
    same(again.predict(TEXTS[64:]), found)
    config = json.loads((tmp_path / "it" / "config.json").read_text(encoding="utf-8"))
    assert config["architectures"] == ["BertForTokenClassification"] and config["id2label"]["0"] == "O"


def test_a_field_keeps_to_the_scheme(checkpoint):
    """Random weights would give tags that no scheme writes; the best path has none of them."""
    tagger = TokenTagger.from_folder(checkpoint, LABELS, crf=True, scheme="BMES")
    numbers, probabilities = tagger._decode(
        tagger.tokenizer.encode_batch(["a cat", "the park"])[:], 9 * np.random.RandomState(0).randn(2, 5, 9)
    )
    tags = [[tagger.labels[i][:1] for i in row] for row in numbers]
    allowed = {"O": "OBS", "B": "ME", "M": "ME", "E": "OBS", "S": "OBS"}
    assert all(b in allowed[a] for row in tags for a, b in zip(row, row[1:]))
    assert [row[0] + row[-1] for row in tags] == ["OO", "OO"]
    np.testing.assert_allclose(probabilities.sum(-1), 1, atol=1e-5)


def test_folders_that_are_refused(checkpoint, tmp_path):
    with pytest.raises(ConfigError, match="give labels= to make a new one"):
        TokenTagger.from_folder(checkpoint)
    TokenTagger.from_folder(checkpoint, LABELS, crf=True).save(tmp_path / "it")
    file = str(tmp_path / "it" / "model.safetensors")
    stored = open_checkpoint(file)
    tensors = {name: np.asarray(stored[name]) for name in stored}
    for name, shape, message in [
        ("crf.start_transitions", (5,), "crf.start_transitions, of pytorch-crf, is not implemented"),
        ("crf.transitions", (4, 5), r"crf.transitions is \[4, 5\], expected \[5, 5\]"),
    ]:
        save_checkpoint(file, dict(tensors, **{name: np.zeros(shape, "float32")}), format="safetensors")
        with pytest.raises(ValueError, match=message):
            TokenTagger.from_folder(tmp_path / "it")


def test_wrong_arguments(checkpoint):
    tagger = TokenTagger.from_folder(checkpoint, LABELS, crf=True)
    for arguments, message in [
        ({"aggregation": "first"}, "a conditional random field has only 'simple'"),
        ({"aggregation": "last"}, "aggregation='last', expected one of simple"),
        ({"windows": "mean"}, "windows='mean', expected one of merge, cut"),
    ]:
        with pytest.raises(ConfigError, match=message):
            tagger.predict(["a cat"], **arguments)
    for spans, message in [
        ([[(2, 5, "CITY")]], "the model has no tag 'B-CITY'"),
        ([[(2, 9, "PLACE")]], "expected 0 <= start < end <= 5"),
        ([[(2, 5, "PLACE"), (4, 5, "ANIMAL")]], "overlaps another span"),
        (None, "expected a list of lists, one for each text, got NoneType"),
        ([None], r"spans\[0\]: expected a list of spans, got NoneType"),
    ]:
        with pytest.raises(ConfigError, match=message):
            tagger.fit(["a cat"], spans)
    with pytest.raises(ConfigError, match="scheme='BILOU', expected one of BIO"):
        TokenTagger.from_folder(checkpoint, LABELS, scheme="BILOU")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        tagger._examples(["a cat"], [[(2, 5, "ANIMAL")]])
    with pytest.warns(UserWarning, match="1 spans begin or end within a token"):
        tagger._examples(["a cat"], [[(2, 4, "ANIMAL")]])
    assert tagger.predict([]) == [] and tagger.predict([""]) == [[]]
