from __future__ import annotations

import random

import pytest

from b4k3.tokenizers._charsmap import Charsmap
from b4k3.tokenizers._normalizer import Normalizer
from sentencepiece_models import texts_of

CHAINED = {"a": "b", "b": "c", "x": "a"}  # what comes out would be changed again
BEYOND = {"\U0001d400": "A", "\uff0c": ",", "\x01": "", "\ufb01": "fi"}
MANY = {chr(0x4E00 + i): chr(0x3400 + i) for i in range(200)}  # more than are replaced one by one


@pytest.mark.parametrize("rules", [CHAINED, BEYOND, MANY, {}], ids=["chained", "beyond", "many", "none"])
@pytest.mark.parametrize("remove", [True, False])
def test_passes_over_texts_are_the_algorithm_itself(rules, remove):
    """Single texts, and lines of ASCII and of other text by turns."""
    charsmap, rng = Charsmap(), random.Random(3)
    charsmap.single = rules
    normalizer = Normalizer(charsmap, True, remove, True)
    alphabet = sorted(rules) + list("abcx  d\u4e2d\U0001f600\ud800")
    texts = ["".join(rng.choices(alphabet, k=rng.randrange(400))) for _ in range(60)] + ["", " ", "a b", "  ab  x"]
    rng.shuffle(texts)

    want = [normalizer.align(text)[0] for text in texts]
    assert [normalizer.normalize(text) for text in texts] == want
    if normalizer.by_words:
        assert texts_of(normalizer.words(texts)) == want
