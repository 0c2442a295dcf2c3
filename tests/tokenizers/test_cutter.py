import random
from itertools import accumulate

import pytest

from b4k3.tokenizers._cutter import BLOCK, Cutter, in_blocks

MARKS = "\u2fe0\u2fe1"  # those that the cutter puts into a text
ONE_HASH = "\u4e2d\u6e2d\u4e3d\u6e3d"  # pairs of the first two have one hash with any third, and so have the others


def crossed(text, pieces):
    """The places that a piece crosses, by looking for all pieces everywhere."""
    found = set()
    for piece in pieces:
        start = text.find(piece)
        while start >= 0:
            found.update(range(start + 1, start + len(piece)))
            start = text.find(piece, start + 1)
    return found


def ends(chunks):
    return list(accumulate(map(len, chunks)))[:-1]


def together(cutter, words):
    """The chunks of each of several words that are cut together."""
    cut, chunks = [[]], cutter.cut(words)
    for chunk in chunks:  # an empty chunk between two words
        if chunk:
            cut[-1].append(chunk)
        else:
            cut.append([])
    return cut


ALPHABETS = ["abcdefgh", "\u2581abc", "ab\U0001f600\0", "ab" + MARKS, "ab\u2f00", ONE_HASH, ONE_HASH + "a,"]


@pytest.mark.parametrize("alphabet", ALPHABETS)
@pytest.mark.parametrize("foreign", ["", "\u4e2d\U0001f600\uffff" + MARKS])
def test_no_piece_crosses_a_cut(alphabet, foreign):
    rng = random.Random(len(alphabet))
    for _ in range(30):
        sizes = rng.choices([1, 1, 2, 2, 3, 4, 7], k=rng.randrange(1, 12))
        pieces = sorted({"".join(rng.choices(alphabet, k=size)) for size in sizes})
        cutter = Cutter(pieces)
        words = ["".join(rng.choices(alphabet + foreign, k=rng.randrange(1, 30))) for _ in range(60)]
        words.append("".join(rng.choices(alphabet + foreign, k=300)))
        cut = together(cutter, words)
        assert list(map("".join, cut)) == words
        for word, chunks in zip(words, cut):
            for some in (chunks, list(cutter.chunks(word))):
                assert not crossed(word, pieces) & set(ends(some)), (pieces, word, some)


def test_words_are_cut_where_neighbours_are_in_no_piece():
    pieces = ["ab", "bc", "aab", "abc", "ca", "caa"]
    cutter, rng = Cutter(pieces), random.Random(7)
    words = ["".join(rng.choices("abcd\u4e2d", k=rng.randrange(1, 200))) for _ in range(300)]
    for word, chunks in zip(words, together(cutter, words)):
        assert ends(chunks) == [
            i for i in range(1, len(word)) if not any(word[i - 1 : i + 1] in piece for piece in pieces)
        ]


def test_a_pair_of_one_piece_holds_words_together_only_where_that_piece_is():
    cutter = Cutter(["abcd", "ab", "cd", "xyx"])
    words = ["abcd", "abcc", "bcd", "bc", "abc", "xyx", "xyy", "yx"]
    assert together(cutter, words) == [
        ["abcd"], ["ab", "c", "c"], ["b", "cd"], ["b", "c"], ["ab", "c"], ["xyx"], ["x", "y", "y"], ["y", "x"],
    ]  # fmt: skip


def test_pairs_of_one_hash_make_longer_chunks():
    china, other = "\u4e2d\u56fd", "\u6e2d\u56fd"
    assert together(Cutter([china]), [china, other]) == [[china], [other]]


def test_long_texts_are_cut_in_parts():
    cutter, rng = Cutter(["ab", "abc", "bb", "bc"]), random.Random(3)
    text = "".join(rng.choices("abc", k=3 * BLOCK)) + "b" * 2 * BLOCK
    parts = list(cutter.parts(text))
    assert "".join(parts) == text and len(parts) > 2
    assert all(len(part) >= BLOCK for part in parts[:-1])
    assert list(cutter.chunks(text)) == cutter._cut_one(text)


SIZES = [[], [0], [BLOCK], [BLOCK - 1, 1, 1], [1] * 5, [3 * BLOCK, 0, 2], [2, BLOCK // 2] * 9]


@pytest.mark.parametrize("sizes", SIZES)
def test_blocks_are_just_long_enough(sizes):
    texts = ["x" * size for size in sizes]
    blocks = list(in_blocks(iter(texts)))
    assert sum(blocks, []) == texts
    for block in blocks:
        assert block and sum(map(len, block[:-1])) < BLOCK
    assert all(sum(map(len, block)) >= BLOCK for block in blocks[:-1])
