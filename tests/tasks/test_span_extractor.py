"""Texts to spans that may overlap: `SpanExtractor`."""

import json

import numpy as np
import pytest

from b4k3.models import ConfigError
from b4k3.models.checkpoints import CheckpointError, open_checkpoint, save_checkpoint
from b4k3.tasks import SpanExtractor
from support.task_folders import google_folder, tagged_texts

LABELS = ["ANIMAL", "PLACE"]
TEXTS, SPANS = tagged_texts(96)
LONG = "the cat here and there the dog runs here and there a dog runs and the cat"


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    return google_folder(tmp_path_factory.mktemp("google"), scale=0.1)


def brief(rows):
    return [[span[:3] for span in row] for row in rows]


def test_training_finds_the_spans(checkpoint, tmp_path):
    """The whole text is a span too, if it ends with "park": it overlaps the others."""
    spans = [sorted([*row, (0, len(text), "PLACE")] if text[-1] == "k" else row) for text, row in zip(TEXTS, SPANS)]
    extractor = SpanExtractor.from_folder(
        checkpoint, LABELS, maxlen=12, head_size=8, dropout_rate=0, attention_dropout_rate=0
    )
    history = extractor.fit(TEXTS[:64], spans[:64], epochs=30, learning_rate=1e-2, verbose=0)
    assert history.history["loss"][-1] < 0.3 * history.history["loss"][0]
    found = extractor.predict(TEXTS[64:])
    assert sum(a == b for a, b in zip(brief(found), spans[64:])) >= 24
    alone = [extractor.predict([text], windows="cut")[0] for text in TEXTS[64:66]]  # padding changes nothing
    assert brief(alone) == brief(found[:2])
    for a, b in zip(alone, found):
        np.testing.assert_allclose([span.score for span in a], [span.score for span in b], atol=1e-5)
    assert extractor.predict([LONG], stride=4, threshold=0.01)[0][-1].end > 60
    extractor.save(tmp_path / "it")
    again = SpanExtractor.from_folder(tmp_path / "it", maxlen=12)
    assert brief(again.predict(TEXTS[64:])) == brief(found) and again.labels == LABELS
    assert sorted(json.loads((tmp_path / "it" / "config.json").read_text())["id2label"].values()) == LABELS


@pytest.mark.parametrize("efficient", [False, True])
def test_the_head_is_kept(checkpoint, tmp_path, efficient):
    first = SpanExtractor.from_folder(checkpoint, LABELS, head_size=4, efficient=efficient, rotary=efficient)
    first.save(tmp_path / "it")
    again = SpanExtractor.from_folder(tmp_path / "it", LABELS)
    inputs = first.inputs(first.tokenize(["a cat", "the dog runs"]))
    want, got = (np.asarray(model.predict_on_batch(inputs)) for model in (first.model, again.model))
    np.testing.assert_allclose(got, want, atol=1e-5)
    with pytest.raises(ConfigError, match=r"has a head with the labels .* say new_head=True"):
        SpanExtractor.from_folder(tmp_path / "it", ["CITY"])
    file = str(tmp_path / "it" / "model.safetensors")
    stored = open_checkpoint(file)
    rest = {name: np.asarray(stored[name]) for name in stored if "dense.bias" not in name or "pointer" not in name}
    save_checkpoint(file, rest, format="safetensors")
    with pytest.raises(CheckpointError, match=r"global_pointer\.\w*dense\.bias is missing in the file"):
        SpanExtractor.from_folder(tmp_path / "it")


def test_wrong_arguments(checkpoint, tmp_path):
    with pytest.raises(ConfigError, match="has no span_extractor.json; give labels="):
        SpanExtractor.from_folder(checkpoint)
    extractor = SpanExtractor.from_folder(checkpoint, LABELS, head_size=4)
    with pytest.raises(ConfigError, match="'CITY' is none of the labels"):
        extractor.fit(["a cat"], [[(2, 5, "CITY")]])
    with pytest.raises(ConfigError, match="threshold=1, expected a number between 0 and 1"):
        extractor.predict(["a cat"], threshold=1)
    extractor.maxlen = 6
    with pytest.warns(UserWarning, match="1 spans have no tokens, or are in no window whole"):
        extractor._examples([LONG], [[(0, 40, "PLACE"), (4, 7, "ANIMAL")]])
    extractor.save(tmp_path / "it")
    (tmp_path / "it" / "span_extractor.json").write_text('{"labels": ["A"], "depth": 2}', encoding="utf-8")
    with pytest.raises(ConfigError, match="expected the keys labels, efficient, head_size, rotary"):
        SpanExtractor.from_folder(tmp_path / "it")
