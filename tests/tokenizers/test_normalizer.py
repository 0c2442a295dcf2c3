from __future__ import annotations

import random

import pytest

from b4k3.tokenizers import SentencePieceModel
from b4k3.tokenizers._charsmap import Charsmap
from b4k3.tokenizers._normalizer import TEXT_END, Normalizer
from support.sentencepiece_models import texts_of
from support.tokenizer_goldens import model_path

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
    assert normalizer.normalize_block(texts) is None  # one is empty
    full = list(filter(None, texts))
    assert normalizer.normalize_block(full) == (None if remove else TEXT_END.join(map(normalizer.normalize, full)))


SYMBOLS = {  # what is taken by whole texts where the symbols stand, and where a rule might reach into one
    "plain": (["<sep>", ".", "ab", "abc"], True, True),
    "with spaces": (["a b", " x", "y "], True, True),
    "changed by rules": (["\u2163", "x\ufb01", "\u0301"], True, False),
    "changed, with spaces": (["\u2163 ", "a"], False, False),
    "with a null": (["\0\uff21"], False, False),
}


@pytest.mark.parametrize("name", SYMBOLS)
def test_passes_over_texts_with_user_defined_symbols_are_the_algorithm_itself(name):
    symbols, by_words, with_runs = SYMBOLS[name]
    charsmap, rng = SentencePieceModel(model_path("t5_like"))._normalizer._charsmap, random.Random(5)
    normalizer = Normalizer(charsmap, True, True, True, symbols=symbols)
    keeping = Normalizer(charsmap, False, False, True, symbols=symbols)
    assert normalizer.by_words is by_words
    alphabet = [*symbols, *"abcxye. \u0301\u0338\u2163\ufb01\uff21\u4e2d", "e\u0301", ">\u0338", " "]
    composed = 0
    for k in range(2000):
        texts = ["".join(rng.choices(alphabet, k=rng.randrange(8))) for _ in range(1 + k % 3)]
        want = [normalizer.align(text)[0] for text in texts]
        assert [normalizer.normalize(text) for text in texts] == want
        kept = keeping.normalize_block(texts)
        assert kept is None or kept == "\0".join(keeping.align(text)[0] for text in texts)
        words = normalizer.words(texts) if by_words else None
        if words is not None:
            assert texts_of(words) == want, texts
            composed += "\xe9" in "".join(want) and any(symbol in text for text in texts for symbol in symbols)
    assert (composed > 0) is with_runs
