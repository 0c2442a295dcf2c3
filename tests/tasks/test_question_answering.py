"""Questions to answers: `QuestionAnswering`. tests/huggingface/tasks/test_tagging.py compares it with transformers."""

import numpy as np
import pytest

from b4k3.models import ConfigError
from b4k3.tasks import QuestionAnswering
from support.task_folders import google_folder, tagged_texts

TEXTS = [text for text, _ in zip(*tagged_texts(96))]
PAIRS = [("who ?", text) for text in TEXTS]
ANSWERS = [(text.index("cat"), text.index("cat") + 3) if "cat" in text else None for text in TEXTS]
LONG = "here and there " * 8 + "the cat " + "here and there " * 2


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    return google_folder(tmp_path_factory.mktemp("google"), scale=0.1)


def test_training_finds_the_answers(checkpoint, tmp_path):
    """The answer to "who ?" is the first cat; without a cat there is no answer."""
    asked = QuestionAnswering.from_folder(
        checkpoint, maxlen=24, new_head=True, dropout_rate=0, attention_dropout_rate=0
    )
    history = asked.fit(PAIRS[:64], ANSWERS[:64], epochs=30, learning_rate=1e-2, verbose=0)
    assert history.history["loss"][-1] < 0.5 * history.history["loss"][0]
    found = asked.predict(PAIRS[64:], no_answer=True)
    right = sum(
        span.text == "" if answer is None else (span.start, span.end) == answer
        for span, answer in zip(found, ANSWERS[64:])
    )
    assert right >= 22
    alone = [asked.answer(*pair, no_answer=True) for pair in PAIRS[64:66]]  # padding changes nothing
    assert [span[:3] for span in alone] == [span[:3] for span in found[:2]]
    np.testing.assert_allclose([span.score for span in alone], [span.score for span in found[:2]], atol=1e-5)
    long = asked.answer("who ?", LONG, stride=4)
    assert long.text == LONG[long.start : long.end] and long.start >= 100
    with pytest.warns(UserWarning, match="1 of 1 texts have more than 24 tokens and were cut"):
        assert asked.answer("who ?", LONG, windows="cut").end < 100
    best = asked.answer("who ?", PAIRS[64][1], top=4)
    assert len(best) == 4 and [span.score for span in best] == sorted((span.score for span in best), reverse=True)
    asked.save(tmp_path / "it")
    again = QuestionAnswering.from_folder(tmp_path / "it", maxlen=24).predict(PAIRS[64:], no_answer=True)
    assert [span[:3] for span in again] == [span[:3] for span in found]


def test_wrong_arguments(checkpoint):
    with pytest.raises(ConfigError, match="new_head=True makes one"):
        QuestionAnswering.from_folder(checkpoint)
    asked = QuestionAnswering.from_folder(checkpoint, new_head=True)
    assert asked.maxlen == 32
    for pairs, message in [
        ("who ?", "expected a list of"),
        (["who ?"], r"pairs\[0\]: expected \(question, text\), got 'who"),
        ([("who", "a"), ("who", None)], r"pairs\[1\]: expected"),
        ([("a cat " * 20, "the dog")], "maxlen=32, stride=16: "),
    ]:
        with pytest.raises(ConfigError, match=message):
            asked.predict(pairs)
    with pytest.raises(ConfigError, match="max_answer_len=0, expected 1 or more"):
        asked.answer("who", "a cat", max_answer_len=0)
    with pytest.raises(ConfigError, match="answers: expected 1, one for each text, got 0"):
        asked.fit([("who", "a cat")], [])
    asked.maxlen = 12
    with pytest.warns(UserWarning, match="1 answers have no tokens, or are in no window whole"):
        asked._examples([("who", LONG)], [(0, 60)])
    assert asked.answer("who", "") == (0, 0, "no answer", 0.0, "")
