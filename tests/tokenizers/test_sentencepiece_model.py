"""SentencePieceModel on models built here, against its educational twin."""

import itertools
import math
import pickle
import random
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import pytest

from b4k3.tokenizers import SentencePieceError, SentencePieceModel
from support.sentencepiece_models import (
    BPE,
    BYTES,
    CONTROL,
    UNIGRAM,
    UNUSED,
    USER_DEFINED,
    Twin,
    build,
)

SPACE = "\u2581"
KEEP = {"remove_extra_whitespaces": False, "add_dummy_prefix": False}


def random_pieces(rng, alphabet, count, longest, scores):
    """Distinct pieces with scores; all characters but the last of the alphabet are pieces."""
    pieces = set(alphabet[:-1])
    while len(pieces) < count:
        pieces.add("".join(rng.choice(alphabet) for _ in range(rng.randint(2, longest))))
    return [(piece, scores(k)) for k, piece in enumerate(sorted(pieces, key=lambda p: (len(p), p)))]


VARIANTS = {
    "plain": ("abcd", {}, {}, []),
    "spaces": ("ab" + SPACE + "c", {}, {}, []),
    "kept spaces": ("ab" + SPACE + "c", {}, KEEP, []),
    "spaces stay": ("ab c", {}, {"escape_whitespaces": False}, []),
    "kept spaces after one": ("ab" + SPACE + "c", {}, {"remove_extra_whitespaces": False}, []),
    "kept spaces before one": ("ab" + SPACE + "c", {"suffix": True}, {"remove_extra_whitespaces": False}, []),
    "kept spaces between words": ("abc", {}, {"remove_extra_whitespaces": False}, [(SPACE + "a", -1.5)]),
    "kept spaces that end words": ("abc", {"suffix": True}, {"remove_extra_whitespaces": False}, [("a" + SPACE, -1.5)]),
    "kept runs of spaces": ("abc", {}, KEEP, [(SPACE, -2.0), (SPACE * 2, -3.0), (SPACE * 3 + "a", -3.5)]),
    "kept spaces stay": ("ab c", {}, dict(KEEP, escape_whitespaces=False), []),
    "no prefix": ("abc", {}, KEEP, [(SPACE + "a", -1.5), (SPACE, -2.0)]),
    "suffix": ("ab" + SPACE + "c", {"suffix": True}, {}, []),
    "bytes": ("abé天", {"byte_fallback": True}, {}, BYTES),
    "symbols": ("abcd", {}, KEEP, [("ba", 0.0, USER_DEFINED), ("bac", 0.0, USER_DEFINED), ("é天", 0.0, USER_DEFINED)]),
}


@pytest.mark.parametrize("kind", ["unigram", "bpe"])
@pytest.mark.parametrize("variant", sorted(VARIANTS))
def test_random_models_against_their_twins(kind, variant):
    alphabet, trainer, normalizer, extra = VARIANTS[variant]
    rng = random.Random(variant)
    for round_ in range(8):
        # halves, so that many segmentations are equally good; arbitrary numbers, so that rounding matters
        unigram = (lambda k: -rng.randint(2, 12) / 2.0) if round_ % 2 else (lambda k: -rng.uniform(1, 20))
        own = [p[0] for p in extra]
        pieces = random_pieces(rng, alphabet, 40, 5, unigram if kind == "unigram" else lambda k: -float(k))
        pieces = [p for p in pieces if p[0] not in own]
        trainer = dict(trainer, model_type=UNIGRAM if kind == "unigram" else BPE)
        model = SentencePieceModel.from_bytes(build(pieces + list(extra), trainer, normalizer))
        twin = Twin(model._spec)
        texts, rows = [""], [[]]
        for _ in range(60):
            text = "".join(rng.choice(alphabet + "  x") for _ in range(rng.randrange(60)))
            ids, found = twin.encode(model.normalize(text))
            assert model.encode(text) == ids, (text, found)
            assert model.tokenize(text) == found
            assert model.encode_with_offsets(text)[:2] == (ids, found)
            texts.append(text)
            rows.append(ids)
        for size in (1, 2, 5, 61):
            for start in range(0, 61, size):
                batch = texts[start : start + size]
                assert model.encode_batch(batch) == rows[start : start + size], batch


@pytest.mark.parametrize("scale, size", [(1.0, 20000), (60.0, 6000), (3000.0, 500)])
def test_long_texts_add_up_scores_in_float32_and_begin_again_past_the_limit(scale, size):
    rng = random.Random(size)
    pieces = random_pieces(rng, "abc" + SPACE, 30, 4, lambda k: -scale * rng.uniform(1, 12))
    pieces += [("aab", -scale * 7.0), ("abb", -scale * 7.0)]  # equally good
    pieces = list({p[0]: p for p in pieces}.values())
    model = SentencePieceModel.from_bytes(build(pieces))
    text = "".join(rng.choice("aabbc  x") for _ in range(size))
    assert model.encode(text) == Twin(model._spec).encode(model.normalize(text))[0]


@pytest.mark.parametrize("words", [20, 1000, 4000, 14000])
@pytest.mark.parametrize("length", [2, 70])
@pytest.mark.parametrize("exponents", [(-4, -1.2), (-2.6, -2.2)])
def test_nearly_equally_good_words(words, length, exponents):
    """One piece or two: as the sum grows its rounding decides more of the words; past the limit it is fine again."""
    rng = random.Random(words)
    letters = [(chr(0x61 + k), -rng.uniform(3, 6)) for k in range(24)]
    pairs = []
    for (a, score_a), (b, score_b) in zip(letters[::2], letters[1::2]):
        pairs.append((a + b, score_a + score_b + rng.choice([-1, 1]) * 10 ** rng.uniform(*exponents)))
    runs = [(letters[0][0] * 2, -9.0)]  # so that a word can be longer than what is segmented in float64
    model = SentencePieceModel.from_bytes(build(letters + pairs + runs + [(SPACE, -3.0)]))
    text = " ".join(rng.choice(pairs)[0] for _ in range(words)) + letters[0][0] * length
    assert model.encode(text) == Twin(model._spec).encode(model.normalize(text))[0]


def test_the_example_that_explains_why_near_ties_need_the_text_before():
    """The table at the beginning of `unigram.py`."""
    pieces = [("a", -3.0), ("b", -4.0), ("ab", -7.0001), ("x", -5000.0)]
    model = SentencePieceModel.from_bytes(build(pieces, {}, KEEP))
    assert [model.tokenize(text) for text in ("ab", "xab")] == [["a", "b"], ["x", "ab"]]
    pieces[2] = ("ab", -7.1)
    model = SentencePieceModel.from_bytes(build(pieces, {}, KEEP))
    assert model.tokenize("x" * 19 + "ab")[-2:] == ["a", "b"]
    assert model._segmenter.segment_chunk("ab") == "".join(map(chr, model.encode("ab")))  # its margin is large enough


def test_equally_good_segmentations_of_long_runs():
    pieces = [(c * n, -1.5 * n - 0.1 * (n > 1)) for c in "=-" for n in (1, 2, 3, 4, 8, 16)] + [("a", -2.0)]
    model = SentencePieceModel.from_bytes(build(pieces))
    twin = Twin(model._spec)
    for length in list(range(1, 80)) + [500, 5000]:
        for text in ("=" * length, "a=-" * length, "=" * length + "-" * length):
            assert model.encode(text) == twin.encode(model.normalize(text))[0], (text[:9], length)


@pytest.mark.parametrize("normalizer", [{}, KEEP, {"remove_extra_whitespaces": False}])
def test_a_text_with_the_character_between_texts_changes_no_later_ones(normalizer):
    model = SentencePieceModel.from_bytes(build([("a", -1.0), ("b", -2.0), (SPACE, -3.0)], (), normalizer))
    texts = ["a \0 b", "\0", "", "a", "b"]
    want = [Twin(model._spec).encode(model.normalize(text))[0] for text in texts]
    for start, end in ((0, 5), (3, 5), (1, 3), (0, 5)):
        assert model.encode_batch(texts[start:end]) == want[start:end]


def test_unused_pieces_are_taken_apart():
    pieces = [("a", -9.0), ("b", -9.0), ("ab", -1.0, UNUSED), ("abc", -2.0), ("c", -9.0), ("d", -5.0, UNUSED)]
    for kind, want in ((UNIGRAM, ["a", "b", "d"]), (BPE, ["a", "b", "d"])):
        model = SentencePieceModel.from_bytes(build(pieces, {"model_type": kind}, KEEP))
        assert model.tokenize("abd") == want
        assert model.encode("abd")[-1] == model.unk_id
        assert model.tokenize("abcab") == ["abc", "a", "b"]


def test_control_symbols_never_come_out_of_text():
    pieces = [("<x>", 0.0, CONTROL), ("<", -1.0), ("x", -1.0), (">", -1.0)]
    for kind in (UNIGRAM, BPE):
        model = SentencePieceModel.from_bytes(build(pieces, {"model_type": kind}, KEEP))
        assert model.tokenize("<x>") == ["<", "x", ">"]
        assert model.piece_to_id("<x>") == 3 and model.decode([3, 5, 3]) == "x"


def test_neighbouring_unknown_characters_are_one_piece():
    model = SentencePieceModel.from_bytes(build([("a", -1.0), (SPACE, -2.0)]))
    assert model.tokenize("a天天 天a") == [SPACE, "a", "天天", SPACE, "天", "a"]
    assert model.encode("a天天 天a") == [4, 3, 0, 4, 0, 3]
    ids, pieces, offsets = model.encode_with_offsets(" a天天 天a")
    assert offsets == [(1, 1), (1, 2), (2, 4), (4, 5), (5, 6), (6, 7)]
    assert model.decode(ids) == "a \u2047   \u2047 a"


def test_offsets_of_bytes_and_of_text_that_changes_its_length():
    model = SentencePieceModel.from_bytes(build([("a", -1.0), (SPACE, -2.0)] + BYTES, {"byte_fallback": True}))
    ids, pieces, offsets = model.encode_with_offsets("a é")
    assert pieces == [SPACE, "a", SPACE, "<0xC3>", "<0xA9>"]
    assert offsets == [(0, 0), (0, 1), (1, 2), (2, 2), (2, 3)]
    assert model.decode(ids) == "a é"
    assert model.decode(ids[:-1]) == "a \ufffd" and model.decode(ids[3:] * 2 + ids[3:4]) == "éé\ufffd"


@pytest.mark.parametrize("text", ["\ud800", "a\udfffb"])
def test_lone_surrogates_count_as_the_replacement_character(text):
    model = SentencePieceModel.from_bytes(build([("a", -1.0), ("\ufffd", -3.0), ("b", -1.0)], {}, KEEP))
    assert "".join(model.tokenize(text)) == text.replace("\ud800", "\ufffd").replace("\udfff", "\ufffd")


def test_extra_ids_are_added_in_descending_order():
    data = build([("a", -1.0), (SPACE, -2.0), (SPACE + "a", -1.5)])
    model = SentencePieceModel.from_bytes(data, extra_ids=3)
    assert model.pieces[-3:] == [SPACE + f"<extra_id_{i}>" for i in (2, 1, 0)]
    assert model.tokenize("a <extra_id_1> a") == [SPACE + "a", SPACE + "<extra_id_1>", SPACE + "a"]
    assert model.decode(model.encode("a <extra_id_1> a")) == "a <extra_id_1> a"
    assert len(model) == len(SentencePieceModel.from_bytes(data)) + 3


def all_segmentations(spec, text):
    """[(score, pieces)] of a text without unknown characters, best first."""
    scores = dict(zip(spec.pieces, spec.scores))
    found = []
    for cuts in itertools.product([False, True], repeat=len(text) - 1):
        pieces, start = [], 0
        for end in [i for i, cut in enumerate(cuts, 1) if cut] + [len(text)]:
            pieces.append(text[start:end])
            start = end
        if all(piece in scores for piece in pieces):
            found.append((sum(map(scores.get, pieces)), pieces))
    return sorted(found, reverse=True)


@pytest.fixture(scope="module")
def small():
    rng = random.Random(5)
    return SentencePieceModel.from_bytes(
        build(random_pieces(rng, "abc", 25, 4, lambda k: -rng.uniform(1, 9)), {}, KEEP)
    )


def test_n_best_are_the_best_of_all_segmentations(small):
    for text in ("ab", "abba", "aabbabab", "babaabbabb"):
        want = all_segmentations(small._spec, text)
        for n in (1, 5, 10000):
            got = small.nbest(text, n)
            assert len(got) == min(n, len(want), 1024)
            assert [score for _, score in got] == pytest.approx([score for score, _ in want[:n]])
            for ids, score in got:
                pieces = [small.pieces[i] for i in ids]
                assert (pytest.approx(score), pieces) in [(s, p) for s, p in want]
        assert got[0][0] == small.encode(text)


def test_samples_come_with_their_probability(small):
    text, alpha, draws = "aabba", 0.4, 4000
    everything = all_segmentations(small._spec, text)
    weights = {tuple(p): math.exp(alpha * s) for s, p in everything}
    rng = random.Random(3)
    for nbest in (-1, 4):
        kept = weights if nbest < 0 else {tuple(p): weights[tuple(p)] for _, p in everything[:nbest]}
        total = sum(kept.values())
        found = Counter(tuple(small.pieces[i] for i in small.sample(text, alpha, nbest, rng)) for _ in range(draws))
        assert set(found) <= set(kept)
        for pieces, weight in kept.items():
            p = weight / total
            assert abs(found[pieces] / draws - p) < 5 * math.sqrt(p * (1 - p) / draws) + 1e-9


def test_a_seed_makes_samples_repeat(small):
    assert [small.sample("abcabc", 0.1, rng=7) for _ in range(3)] == [small.sample("abcabc", 0.1, rng=7)] * 3
    assert len({tuple(small.sample("abcabc" * 3, 0.0, rng=i)) for i in range(20)}) > 1


def test_bpe_dropout():
    pieces = [("a", 0.0), ("b", 0.0), ("ab", -1.0), ("abab", -2.0)]
    model = SentencePieceModel.from_bytes(build(pieces, {"model_type": BPE}, KEEP))
    assert model.sample("ababab", 0.0) == model.encode("ababab")
    assert [model.pieces[i] for i in model.sample("ababab", 1.0)] == list("ababab")
    rng = random.Random(0)
    count = sum(model.sample("ab", 0.3, rng=rng) == model.encode("ab") for _ in range(2000))
    assert abs(count / 2000 - 0.7) < 0.05
    with pytest.raises(SentencePieceError, match="n-best needs a unigram model"):
        model.nbest("ab", 2)


@pytest.mark.parametrize(
    "call", [lambda m: m.nbest("a", 0), lambda m: m.sample("a", -1.0), lambda m: m.sample("a", math.nan)]
)
def test_arguments_out_of_range(small, call):
    with pytest.raises(ValueError):
        call(small)
    for i in (-1, len(small)):
        with pytest.raises(IndexError, match="outside"):
            small.decode([i])


def test_pickle_threads_and_processes_give_the_same(small):
    rng = random.Random(1)
    texts = ["".join(rng.choice("abc x") for _ in range(50)) for _ in range(300)]
    want = small.encode_batch(texts)
    again = pickle.loads(pickle.dumps(SentencePieceModel.from_bytes(small._data, cache_size=8)))
    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(again.encode, texts)) == want
    extra = SentencePieceModel.from_bytes(small._data, extra_ids=2)
    assert pickle.loads(pickle.dumps(extra)).pieces == extra.pieces


@pytest.mark.parametrize("kind", [UNIGRAM, BPE])
@pytest.mark.parametrize(
    "text", ["ab" * 60000, "a" * 120000, "x" * 120000, " a" * 60000, "\u0301" * 120000, "\u0301a" * 60000]
)
def test_hostile_texts(kind, text):
    """Texts on which a careless segmenter takes time or memory that grows with the square of the length."""
    pieces = [("a", -1.0), ("b", -1.5), ("ab", -2.0), ("aaaa", -3.0), ("x" * 9, -3.0), ("bababa", -4.0), (SPACE, -2.0)]
    model = SentencePieceModel.from_bytes(build(pieces, {"model_type": kind}))
    assert "".join(model.tokenize(text)) == model.normalize(text)
