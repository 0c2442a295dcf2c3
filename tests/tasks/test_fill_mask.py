"""Texts with masks to tokens: `FillMask` on an original checkpoint.

tests/huggingface/tasks/test_mask_fillers.py compares its numbers with the pipeline of transformers.
"""

import json

import numpy as np
import pytest

from b4k3.models import ConfigError, build_transformer_model
from b4k3.tasks import FillMask
from support import goldens
from support.small_models import CONFIG, spread

WORDS = "[PAD] [UNK] [CLS] [SEP] [MASK] a cat sleeps the dog runs here and there 我 们 ' t ##s .".split()
TEXTS = ["a [MASK] sleeps", "[MASK] dog [MASK]s here", "我[MASK]"]
IDS = [[2, 5, 4, 7, 3], [2, 4, 9, 4, 1, 11, 3], [2, 14, 4, 3]]  # an s by itself is unknown


def write(folder, heads):
    """A folder as google-research publishes it."""
    transformer = build_transformer_model(CONFIG, return_keras_model=False, **heads)
    spread(transformer).save_weights_as_checkpoint(str(folder / "bert_model.ckpt"))
    (folder / "bert_config.json").write_text(json.dumps(CONFIG), encoding="utf-8")
    (folder / "vocab.txt").write_text("\n".join(WORDS) + "\n", encoding="utf-8")
    return str(folder)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return write(tmp_path_factory.mktemp("google"), {"with_mlm": True})


def test_tokens_are_the_ones_of_the_network(folder, tmp_path):
    filler = FillMask.from_folder(folder)
    network = build_transformer_model(folder, with_mlm=True)
    found = filler.predict(TEXTS, top=3)
    assert [len(masks) for masks in found] == [1, 2, 1]
    for ids, masks in zip(IDS, found):
        row = np.array([ids + [0] * (8 - len(ids))])
        probabilities = goldens.predict(network, [row, np.zeros_like(row)])[-1][0]
        for place, best in zip([i for i, token in enumerate(ids) if token == 4], masks):
            order = np.argsort(-probabilities[place])[:3]
            assert [one.token_id for one in best] == order.tolist()
            assert [one.token for one in best] == [WORDS[i] for i in order]
            np.testing.assert_allclose([one.score for one in best], probabilities[place][order], atol=1e-5)
    assert repr(filler) == f"<FillMask: BERT, 2 blocks, at most {filler.maxlen} tokens>"
    filler.save(tmp_path / "saved")
    again = FillMask.from_folder(tmp_path / "saved").predict(TEXTS[:1], top=3)[0][0]
    assert [one[:2] for one in again] == [one[:2] for one in found[0][0]]


def test_the_text_has_the_token(folder):
    filler = FillMask.from_folder(folder)
    texts = {i: filler._filled("The ", i, 0.5, "!").text for i in (6, 18)}
    assert texts == {6: "The cat!", 18: "Thes!"}


def test_training_fills_masks(folder):
    filler = FillMask.from_folder(folder, dropout_rate=0.0, attention_dropout_rate=0.0)
    texts = ["a cat sleeps here", "the dog runs there"] * 8
    data = {"validation_data": texts[:2]}
    history = filler.fit(texts, batch_size=8, epochs=40, learning_rate=0.01, share=0.3, verbose=0, **data)
    assert history.history["val_loss"][-1] < 0.5 * history.history["val_loss"][0]
    assert filler.predict(["a [MASK] sleeps here"], top=1)[0][0][0].token == "cat"


def test_wrong_arguments(folder, tmp_path):
    filler = FillMask.from_folder(folder, maxlen=5)
    for call, message in [
        (lambda: filler.predict(["a [MASK]", "a cat"]), r"texts\[1\] has no mask, \[MASK\]: 'a cat'"),
        (lambda: filler.predict(["a cat sleeps here [MASK]"]), "not all of its masks are among its first 5 tokens"),
        (lambda: filler.predict(["[MASK]"], top=0), "top=0, expected 1 or more"),
        (lambda: filler.fit(["a"], share=2), "share=2, expected a number between 0 and 1"),
        (lambda: FillMask.from_folder(write(tmp_path, {})), "without the head of a masked language model; it has"),
    ]:
        with pytest.raises(ConfigError, match=message):
            call()
    with pytest.warns(UserWarning, match="1 of 2 texts have more than 5 tokens and were cut"):
        filler.predict(["[MASK] cat sleeps here", "[MASK]"], top=1)
