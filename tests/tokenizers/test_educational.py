"""What the educational classes do by themselves; the tests of the fast classes compare the two."""

import pytest

from b4k3.tokenizers.educational import BPE, Unigram, WordPiece

SCORES = {"a": (1, -1.0), "b": (2, -1.0), "ab": (3, -2.5), "ba": (4, -1.5)}


def test_word_piece_takes_the_longest_piece_even_if_the_rest_then_fits_none():
    twin = WordPiece({"[UNK]": 0, "a": 1, "##bc": 2, "ab": 3}, word_maxlen=3)
    assert twin.pieces("abc") == ["abc"] and twin.encode("abc") == [0]  # "a" and "##bc" would do
    assert twin.encode("ab a") == [3, 1] and twin.encode("") == []
    assert twin.encode("abab") == [0]  # too long


def test_unigram_finds_the_best_sum_and_bpe_the_best_union():
    assert Unigram(SCORES).tokenize("aba") == ["a", "ba"]
    assert Unigram(SCORES).tokenize("ab") == ["a", "b"]
    assert BPE(SCORES).tokenize("aba") == ["a", "ba"] and BPE(SCORES).tokenize("ab") == ["ab"]
    equal = {piece: (i, 0.0) for piece, (i, _) in SCORES.items()}
    assert BPE(equal).tokenize("aba") == ["ab", "a"]  # the leftmost union first


@pytest.mark.parametrize("kind", [Unigram, BPE])
def test_unknown_characters(kind):
    twin = kind(SCORES, unk_id=9)
    assert twin.tokenize("xxax") == ["x", "x", "a", "x"]
    assert twin.encode("xxax") == [9, 1, 9] and twin.encode("aa") == [1, 1] and twin.encode("") == []
