"""The usual expressions find the same words with Python's own `re` as with `regex`, at every character."""

import pickle

import pytest
import regex

from b4k3.tokenizers._common_patterns import CommonPattern, findall_of
from b4k3.tokenizers._patterns import PATTERNS

CHARACTERS = [chr(code) for code in range(0x10000) if not 0xD800 <= code < 0xE000]
PLACES = ["a{}b", " {}", "'{} '{}E 'l{}", "1{}2", " \n{}\n ", "A{}{}a", "。{}！"]


@pytest.mark.parametrize("name", sorted(PATTERNS))
def test_every_character_beside_others(name):
    pattern = regex.compile(PATTERNS[name], regex.V0)
    found = CommonPattern(pattern)
    for start in range(0, len(CHARACTERS), 256):
        for place in PLACES:
            text = "\n".join(place.replace("{}", char) for char in CHARACTERS[start : start + 256])
            assert found._find_up_to_ffff(text) == pattern.findall(text)


def test_texts_with_characters_beyond_ffff():
    pattern = regex.compile(PATTERNS["qwen2"], regex.V0)
    found = pickle.loads(pickle.dumps(CommonPattern(pattern)))
    for text in ("a😀b 𠀀𠀁 1𝟏2", "", "plain", "中文，\ud800x"):
        assert found.findall(text) == pattern.findall(text)
    assert "_find_up_to_ffff" not in pickle.loads(pickle.dumps(found)).__dict__


def test_other_expressions_are_left_to_regex():
    pattern = regex.compile(r"\p{L}+|\P{L}")
    assert findall_of(pattern).__self__ is pattern
