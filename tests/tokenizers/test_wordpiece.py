import pickle
import random
import threading
import tracemalloc
import unicodedata

import pytest

from b4k3.tokenizers import Tokenizer, VocabError, educational, load_vocab, save_vocab

# characters that make trouble: spaces of all kinds, controls, marks, sigmas, ligatures, ideographs in four planes
CHARACTERS = (
    "abcdeistu ABC'.,!?-\"()[]#:;019\t\n\r  \x00\x01\x0b\x0c\x1c\x1d\x1e\x1f\x7f\x85\xa0\xad\u2028\u2029"
    "\u3000\u200b\u200d\ufeff\ufffd"
    "éÉàçñüİıßẞΣσςΑαΆİǅﬁ中国人鹿龜\uf907\U00020000\U0002f800\u0301\u0323\u0338\u302e\u302f\U0001d165\U0001d16d\u1b44\u0345\u034f"
    "，。！？“”…‘’—：각힣ᄀかナ゛ไทย한\u05d0\u0627\u064b≠≮;`\u1fef\u2126\u212b😀\U0001f469\ud800\ue000\u0378"
)


def random_texts(count, seed, alphabet=CHARACTERS, longest=30):
    rng = random.Random(seed)
    return ["".join(rng.choice(alphabet) for _ in range(rng.randrange(longest))) for _ in range(count)]


def bare_and_twin(vocab, lower):
    """A tokenizer without special tokens around texts, and its educational twin."""
    tokenizer = Tokenizer(vocab, do_lower_case=lower, token_start=None, token_end=None)
    return tokenizer, educational.WordPiece(vocab, lower)


@pytest.mark.parametrize("lower", [True, False])
def test_ids_and_tokens_are_those_of_the_twin(vocab, lower):
    tokenizer, twin = bare_and_twin(vocab, lower)
    texts = random_texts(3000, seed=1) + random_texts(1000, 2, "abcΣσ.’'  \x00中\u0301\u00ad", 12)
    texts += random_texts(300, 3, "ab12 .,\t\x0b", 300)
    for text, ids in zip(texts, tokenizer.encode_batch(texts).ids):
        assert tokenizer.tokenize(text) == twin.tokenize(text), ascii(text)
        assert ids == tokenizer.encode(text)[0] == twin.encode(text), ascii(text)


@pytest.mark.parametrize("lower", [True, False])
def test_each_character_alone_and_between_letters(vocab, lower):
    tokenizer, twin = bare_and_twin(vocab, lower)
    characters = [chr(code) for code in list(range(0x3100)) + list(range(0xA000, 0x11000, 7))]
    for text in characters + [f"a{ch}b" for ch in characters]:
        assert tokenizer.encode(text)[0] == twin.encode(text), ascii(text)


@pytest.mark.parametrize("lower", [True, False])
def test_offsets_cover_what_the_tokens_came_from(vocab, lower):
    tokenizer = Tokenizer(vocab, do_lower_case=lower, token_start=None, token_end=None)
    texts = (
        random_texts(3000, seed=4)
        + random_texts(300, 5, "ab12 .,Ab", 200)
        + random_texts(1000, 6, "aΣ.’ \x00\u302e\U0001d165\U0001d16d\u0301")
    )
    for text, row in zip(texts, tokenizer.encode_batch(texts).offsets):
        tokens = tokenizer.tokenize(text)
        assert len(row) == len(tokens)
        for token, (start, end) in zip(tokens, row):
            assert 0 <= start < end <= len(text)
            stem = tokenizer.stem(token) if token in vocab else token
            assert set(stem) <= set(spelled_with_context(text[start:end], lower)), ascii((text, token, start, end))
        matched = tokenizer.rematch(text, tokens)
        assert [(min(m), max(m) + 1) for m in matched] == row, ascii(text)


def spelled_with_context(text, lower):
    """The characters that the text may be spelled with, whichever sigma its neighbours ask for."""
    if not lower:
        return text
    return unicodedata.normalize(
        "NFD", text.lower() + text.lower().replace("\u03c2", "\u03c3") + text.replace("\u03a3", "\u03c2")
    )


def test_offsets_by_hand(vocab):
    tokenizer = Tokenizer(vocab, do_lower_case=True)
    cases = {
        "abcs, 我": [(0, 3), (3, 4), (4, 5), (6, 7)],
        "\u0130s \u0130": [(0, 1), (1, 2), (3, 4)],  # the lower case of the dotted I is two characters
        "a\u200db c": [(0, 3), (4, 5)],  # a dropped character inside a word
        "e\u0301 b": [(0, 1), (3, 4)],
        "\uac01": [(0, 1), (0, 1), (0, 1)],  # one syllable, three jamo
        "hello\tworld": [(0, 5), (6, 11)],
        "": [],
    }
    for text, row in cases.items():
        assert tokenizer.encode_batch([text]).offsets == [[(0, 0)] + row + [(0, 0)]], ascii(text)


def test_long_words_are_unknown(vocab):
    tokenizer = Tokenizer(vocab, word_maxlen=4, token_start=None, token_end=None)
    assert tokenizer.tokenize("abcd abcda abab") == ["abcd", "abcda", "ab", "##ab"]
    assert tokenizer.encode("abcd abcda")[0] == [vocab["abcd"], vocab["[UNK]"]]
    assert Tokenizer(vocab, word_maxlen=3).encode("abcd")[0][1] == vocab["[UNK]"]  # though the vocabulary has it


def test_text_of_millions_of_characters(vocab):
    tokenizer = Tokenizer(vocab, do_lower_case=True, token_start=None, token_end=None)
    unknown = vocab["[UNK]"]
    texts = [
        "x" * 5000000,
        "a" + "\u0301\u0323" * 500000,
        "\u03a3" + "\u0301\u0323" * 50000,
        "ab\u302e\U0001d165" * 20000,
    ]
    batch = tokenizer.encode_batch(texts)
    assert batch.ids == [[unknown], [vocab["a"]], [vocab["σ"]], [unknown]]
    assert batch.offsets[0] == [(0, 5000000)]
    text = "我ab，" * 50000
    assert len(tokenizer.rematch(text, tokenizer.tokenize(text))) == 150000


def test_caches_are_bounded_and_leave_the_ids_alone(vocab):
    small = Tokenizer(vocab, do_lower_case=True, cache_size=3)
    texts = random_texts(500, seed=7)
    assert small.encode_batch(texts).ids == Tokenizer(vocab, do_lower_case=True).encode_batch(texts).ids
    assert small.encode_batch(texts).offsets == Tokenizer(vocab, do_lower_case=True).encode_batch(texts).offsets
    pieces = small._word_pieces
    for cache in (pieces.pieces, pieces._ids_of_word, pieces._ids_of_chunk, pieces._spans_of_chunk, pieces._id_of_char):
        assert len(cache.__self__) <= 3
    small.encode("y" * 100)
    assert all(len(key) <= 64 for key in pieces._ids_of_chunk.__self__)


def test_memory_of_a_vocabulary_as_large_as_the_chinese_one(tmp_path):
    path = tmp_path / "vocab.txt"
    words = ["[UNK]", "[CLS]", "[SEP]"] + [mark + chr(0x4E00 + i) for mark in ("", "##") for i in range(10563)]
    path.write_text("\n".join(words), encoding="utf-8")
    tracemalloc.start()
    tokenizer = Tokenizer(str(path))
    assert tokenizer.encode("一丁")[0] == [1, 3, 4, 2]
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 25e6


def test_pickle_is_the_tokenizer_without_its_caches(vocab):
    tokenizer = Tokenizer(vocab, do_lower_case=True, token_translate={"a": "b"})
    before = len(pickle.dumps(tokenizer))
    texts = random_texts(200, seed=8)
    want = tokenizer.encode_batch(texts).ids
    assert len(pickle.dumps(tokenizer)) == before
    assert pickle.loads(pickle.dumps(tokenizer)).encode_batch(texts).ids == want


def test_threads_share_a_tokenizer(vocab):
    tokenizer = Tokenizer(vocab, do_lower_case=True, cache_size=5)
    texts = random_texts(300, seed=9)
    want, got = tokenizer.encode_batch(texts).ids, {}

    def work(k):
        got[k] = [tokenizer.encode(text)[0] for text in texts]

    threads = [threading.Thread(target=work, args=(k,)) for k in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all(got[k] == want for k in range(4))


def test_encode_truncates_and_leaves_its_input_alone(vocab):
    tokenizer = Tokenizer(vocab)
    first, second = ["[CLS]", "a", "b", "c", "[SEP]"], ["[CLS]", "d", "e", "[SEP]"]
    ids, segments = tokenizer.encode(first, second, maxlen=6)
    assert tokenizer.ids_to_tokens(ids) == ["[CLS]", "a", "[SEP]", "d", "e", "[SEP]"]
    assert segments == [0, 0, 0, 1, 1, 1]
    assert (len(first), len(second)) == (5, 4)
    assert tokenizer.tokenize("a b c d", maxlen=4) == ["[CLS]", "a", "b", "[SEP]"]
    left = tokenizer.encode("a b c d", maxlen=4, truncate_from="left")[0]
    assert tokenizer.ids_to_tokens(left) == ["[CLS]", "c", "d", "[SEP]"]
    at_two = tokenizer.encode("a b c d", maxlen=5, truncate_from=2)[0]
    assert tokenizer.ids_to_tokens(at_two) == ["[CLS]", "a", "c", "d", "[SEP]"]
    with pytest.raises(ValueError, match="maxlen=0"):
        tokenizer.encode("a b", maxlen=0)
    with pytest.raises(ValueError, match="truncate_from='middle'"):
        tokenizer.encode("a b", maxlen=3, truncate_from="middle")


def test_pattern_of_pairs(vocab):
    tokenizer = Tokenizer(vocab)
    ids, segments = tokenizer.encode("a", "b", pattern="S*ES*E")
    assert tokenizer.ids_to_tokens(ids) == ["[CLS]", "a", "[SEP]", "[CLS]", "b", "[SEP]"]
    assert segments == [0, 0, 0, 1, 1, 1]
    assert tokenizer.encode("a", "") == ([2, vocab["a"], 3, 3], [0, 0, 0, 1])


def test_special_tokens_in_text(vocab):
    text = "a [MASK] b[SEP]"
    assert Tokenizer(vocab).tokenize(text)[1:7] == ["a", "[", "MASK", "]", "b", "["]
    tokenizer = Tokenizer(vocab, do_lower_case=True, special_tokens="recognise")
    assert tokenizer.tokenize(text)[1:-1] == ["a", "[MASK]", "b", "[SEP]"]
    batch = tokenizer.encode_batch([text])
    assert batch.ids == [tokenizer.encode(text)[0]] == [[2, vocab["a"], 4, vocab["b"], 3, 3]]
    assert batch.offsets == [[(0, 0), (0, 1), (2, 8), (9, 10), (10, 15), (0, 0)]]
    with pytest.raises(ValueError, match=r"special token '\[MASK\]' at character 2"):
        Tokenizer(vocab, special_tokens="refuse").encode(text)
    assert Tokenizer(vocab, special_tokens="refuse").encode("a b") == Tokenizer(vocab).encode("a b")
    with pytest.raises(ValueError, match="special_tokens='no'"):
        Tokenizer(vocab, special_tokens="no")


def test_pre_tokenize_and_translate(vocab):
    tokenizer = Tokenizer(
        dict(vocab, 中国=500), do_lower_case=True, pre_tokenize=lambda text: text.split("|"), token_translate={"b": "c"}
    )
    assert tokenizer.tokenize("中国|我 B|中人") == ["[CLS]", "中国", "我", "c", "中", "人", "[SEP]"]
    batch = tokenizer.encode_batch(["中国|我 B|中人"])
    assert batch.ids[0] == tokenizer.encode("中国|我 B|中人")[0]
    assert batch.offsets[0] == [(0, 0), (0, 2), (3, 4), (5, 6), (7, 8), (8, 9), (0, 0)]


def test_a_subclass_that_cuts_differently_is_asked(vocab):
    class Letters(Tokenizer):
        def _tokenize(self, text):
            return list(text)

    tokenizer = Letters(vocab)
    assert tokenizer.encode("ab")[0] == tokenizer.encode_batch(["ab"]).ids[0] == [2, vocab["a"], vocab["b"], 3]


def test_rematch_of_what_is_not_there(vocab):
    tokenizer = Tokenizer(vocab, do_lower_case=True)
    assert tokenizer.rematch("Ab c", ["[CLS]", "ab", "[UNK]", "c"]) == [[], [0, 1], [], [3]]
    with pytest.raises(ValueError, match="'abc' is not in the text from character 2"):
        tokenizer.rematch("Ab c", ["ab", "abc"])


def test_decode(vocab):
    tokenizer = Tokenizer(vocab)
    assert tokenizer.decode(tokenizer.encode("hello , world 中 国 (19 2) 3")[0]) == "hello, world中国(19 2) 3"
    assert tokenizer.decode([], tokens=["##中", "abc", "##s", "d"]) == "中abcs d"
    assert tokenizer.decode([]) == ""
    with pytest.raises(VocabError, match="id 100000 is outside"):
        tokenizer.decode([100000])
    with pytest.raises(VocabError, match="id -1 is outside"):
        tokenizer.decode([-1])


def test_special_ids_and_a_vocabulary_without_the_unknown_token(vocab):
    tokenizer = Tokenizer(vocab)
    names = ("pad", "unk", "mask", "start", "end")
    assert [getattr(tokenizer, f"_token_{name}_id") for name in names] == [0, 1, 4, 2, 3]
    small = Tokenizer({"[CLS]": 0, "[SEP]": 1, "a": 2})
    assert small.encode("a") == ([0, 2, 1], [0, 0, 0])
    assert not hasattr(small, "_token_unk_id")
    for encode in (small.encode, lambda text: small.encode_batch([text]).ids):
        with pytest.raises(VocabError, match="neither 'b' nor the unknown token"):
            encode("b")


def test_names_of_bert4keras(vocab):
    assert Tokenizer.stem("##ab") == "ab" and Tokenizer.stem("#ab") == "#ab"
    for ch in map(chr, range(0x3200)):
        assert Tokenizer._is_punctuation(ch) == educational._is_punctuation(ch)
        assert Tokenizer._is_space(ch) == educational._is_space(ch)
        assert Tokenizer._is_control(ch) == (unicodedata.category(ch) in ("Cc", "Cf"))
    for code in (
        0x33FF,
        0x3400,
        0x4DBF,
        0x4DC0,
        0x4E00,
        0x9FFF,
        0xA000,
        0xF900,
        0xFB00,
        0x20000,
        0x2CEAF,
        0x2CEB0,
        0x2FA1F,
    ):
        assert Tokenizer._is_cjk_character(chr(code)) == educational._is_ideograph(chr(code))
    assert Tokenizer._is_special("[UNK]") and not Tokenizer._is_special("[") and not Tokenizer._is_special("")
    assert Tokenizer._is_redundant("##中") and not Tokenizer._is_redundant("##a") and not Tokenizer._is_redundant("中")
    assert {"，", "。", "“", "\u3000", "·"} <= set(Tokenizer._cjk_punctuation())


def test_from_a_file(tmp_path, vocab):
    path = tmp_path / "vocab.txt"
    path.write_text("\n".join(vocab) + "\n", encoding="utf-8")
    assert load_vocab(str(path)) == vocab
    assert Tokenizer(str(path)).encode("abcs") == Tokenizer(path).encode("abcs") == Tokenizer(vocab).encode("abcs")


WRONG_TEXTS = [None, 1, 1.5, b"ab", bytearray(b"ab"), True, {}.keys]


@pytest.mark.parametrize("settings", [{}, {"special_tokens": "recognise"}, {"pre_tokenize": str.split}], ids=str)
@pytest.mark.parametrize("wrong", WRONG_TEXTS, ids=lambda value: type(value).__name__)
def test_what_is_no_text(vocab, wrong, settings):
    tokenizer = Tokenizer(vocab, **settings)
    kind = type(wrong).__name__
    for call, place in (
        (tokenizer.tokenize, "text"),
        (tokenizer.encode, "first_text"),
        (lambda text: tokenizer.rematch(text, []), "text"),
        (lambda text: tokenizer.rematch("a", text), "tokens"),
        (tokenizer.token_to_id, "token"),
        (lambda text: tokenizer.encode_batch([text]), r"texts\[0\]"),
        (lambda text: tokenizer.encode(["a", text]), r"first_text\[1\]"),
    ):
        with pytest.raises(TypeError, match=f"{place}: expected .*got {kind}"):
            call(wrong)
    if wrong is not None:
        with pytest.raises(TypeError, match=f"second_text: expected .*got {kind}"):
            tokenizer.encode("a", wrong)


class Five:
    """What stands for an int, as numpy's integers do."""

    def __index__(self):
        return 5


@pytest.mark.parametrize(
    "ids, error, message",
    [
        (1.5, TypeError, "ids: expected an iterable of ids, got float 1.5"),
        (5, TypeError, "ids: expected an iterable of ids, got int 5"),
        (None, TypeError, "got NoneType"),
        ("abc", TypeError, "got str 'abc'"),
        (b"abc", TypeError, "got bytes"),
        (["5"], TypeError, r"ids\[0\]: expected an int, got str '5'"),
        ([5, None], TypeError, r"ids\[1\]: expected an int, got NoneType"),
        ([5, True], TypeError, r"ids\[1\]: expected an int, got bool True"),
        ([5, 1.5], ValueError, r"ids\[1\]: expected an integer, got float 1.5"),
        ([float("nan")], ValueError, r"ids\[0\]: expected an integer, got float nan"),
        ([float("inf")], ValueError, r"ids\[0\]: expected an integer, got float inf"),
        ([[5]], TypeError, r"ids\[0\]: expected an int, got list"),
        ([5, 6, -1], VocabError, r"ids\[2\]: id -1 is outside of the vocabulary, whose ids are 0 to 102"),
        ([10**6], VocabError, r"ids\[0\]: id 1000000 is outside of the vocabulary, whose ids are 0 to 102"),
    ],
)
def test_what_is_no_id(vocab, ids, error, message):
    tokenizer = Tokenizer(vocab)
    for call in (tokenizer.decode, tokenizer.ids_to_tokens):
        with pytest.raises(error, match=message):
            call(ids)
    if isinstance(ids, list):
        with pytest.raises(error):
            tokenizer.id_to_token(ids[-1])


def test_what_stands_for_an_id(vocab):
    tokenizer = Tokenizer(vocab)
    assert tokenizer.ids_to_tokens(iter([5, Five(), 5.0])) == ["a"] * 3
    assert tokenizer.decode((Five(),)) == "a" and tokenizer.id_to_token(Five()) == "a"


def test_other_arguments(vocab):
    tokenizer = Tokenizer(vocab)
    for call, error, message in (
        (lambda: tokenizer.encode("a", maxlen="3"), TypeError, "maxlen: expected an int, got str"),
        (lambda: tokenizer.encode("a", maxlen=-1), ValueError, "maxlen=-1; expected an integer from 0"),
        (lambda: tokenizer.tokenize("a", maxlen=2.5), ValueError, "maxlen: expected an integer, got float 2.5"),
        (lambda: tokenizer.encode("a", maxlen=3, truncate_from=1.5), ValueError, "truncate_from=1.5"),
        (lambda: tokenizer.tokens_to_ids(3), TypeError, "tokens: expected .*got int"),
        (lambda: tokenizer.tokens_to_ids([["a"]]), TypeError, "token: expected str, got list"),
        (lambda: Tokenizer(["a"]), TypeError, "token_dict: expected the path .*got list"),
        (lambda: Tokenizer(vocab, word_maxlen="9"), TypeError, "word_maxlen: expected an int"),
    ):
        with pytest.raises(error, match=message):
            call()


def test_a_vocabulary_without_the_tokens_around_texts_warns():
    with pytest.warns(UserWarning) as caught:
        Tokenizer({"[UNK]": 0, "a": 1})
    rest = "is no token of the vocabulary and becomes the unknown token; pass another token, or None"
    assert [str(w.message) for w in caught] == [f"token_start='[CLS]' {rest}", f"token_end='[SEP]' {rest}"]
    assert caught[0].filename == __file__


def test_unused_tokens_are_recognised(vocab):
    vocab["[unused1]"] = vocab_size = len(vocab)
    tokenizer = Tokenizer(vocab, special_tokens="recognise")
    assert tokenizer.encode("a[unused1]b")[0] == [2, 5, vocab_size, 6, 3]
    assert tokenizer.encode("[unused2]")[0] == Tokenizer(vocab).encode("[unused2]")[0]
    assert Tokenizer(vocab).tokenize("[unused1]")[1] == "["


def test_add_tokens(vocab):
    size = len(vocab)
    tokenizer = Tokenizer(vocab, do_lower_case=True)
    assert tokenizer.add_tokens(["<e>", "hello", "[E 1]"]) == 2
    assert len(vocab) == size and tokenizer._vocab_size == size + 2
    assert tokenizer.token_dict == dict(vocab, **{"<e>": size, "[E 1]": size + 1})
    assert tokenizer.tokenize("a<e>[E 1]") == ["[CLS]", "a", "<e>", "[E 1]", "[SEP]"]
    assert tokenizer.encode("a<e>[E 1]")[0] == [2, 5, size, size + 1, 3]
    assert tokenizer.encode_batch(["a<e>[E 1]"]).ids == [[2, 5, size, size + 1, 3]]
    assert tokenizer.encode_batch(["a <e> b"]).offsets == [[(0, 0), (0, 1), (2, 5), (6, 7), (0, 0)]]
    assert tokenizer.encode_batch(["abab<e>b"]).word_ids == [[None, 0, 0, 1, 2, None]]
    assert tokenizer.tokenize("xhello") == ["[CLS]", "x", "hello", "[SEP]"]  # found inside of words, too
    assert tokenizer.decode([5, size]) == "a <e>" and tokenizer.id_to_token(size + 1) == "[E 1]"
    again = pickle.loads(pickle.dumps(tokenizer))
    assert again.encode("a<e>")[0] == tokenizer.encode("a<e>")[0] == [2, 5, size, 3]
    assert tokenizer.add_tokens([]) == 0


def test_the_flags_of_added_tokens(vocab):
    def tokens(text, **flags):
        tokenizer = Tokenizer(vocab, do_lower_case=True, token_start=None, token_end=None)
        tokenizer.add_tokens(["Yes"], **flags)
        return tokenizer.tokenize(text), tokenizer.encode_batch([text]).offsets[0]

    assert tokens("a Yes b") == (["a", "Yes", "b"], [(0, 1), (2, 5), (6, 7)])
    assert tokens("a Yes b", lstrip=True)[1] == [(0, 1), (1, 5), (6, 7)]
    assert tokens("a Yes b", rstrip=True)[1] == [(0, 1), (2, 6), (6, 7)]
    assert tokens("aYes Yesb Yes", single_word=True)[0] == ["ayes", "yesb", "Yes"]
    assert tokens("YES yes") == (["yes"] * 2, [(0, 3), (4, 7)])
    assert tokens("YES \u00ddes", normalized=True) == (["Yes"] * 2, [(0, 3), (4, 7)])
    assert tokens("Yes", special=True)[0] == ["yes"]


def test_tokens_that_cannot_be_added(vocab):
    tokenizer = Tokenizer(vocab, do_lower_case=True)
    for wrong, error, message in (
        ("abc", TypeError, "expected a list of str, got one str 'abc'"),
        ([1], TypeError, r"tokens\[0\]: expected str, got int"),
        (None, TypeError, "got NoneType"),
        (["x", ""], ValueError, r"tokens\[1\] is empty"),
    ):
        with pytest.raises(error, match=message):
            tokenizer.add_tokens(wrong)
    with pytest.raises(ValueError, match="are the same in normalised text"):
        tokenizer.add_tokens(["Yes", "yes"], normalized=True)
    assert tokenizer.token_dict == vocab


def test_added_tokens_in_a_vocabulary_file(vocab, tmp_path):
    tokenizer = Tokenizer(vocab)
    tokenizer.add_tokens(["<e>"])
    path = str(tmp_path / "vocab.txt")
    save_vocab(path, tokenizer.token_dict)
    again = Tokenizer(path)
    assert again.add_tokens(["<e>"]) == 0
    assert again.encode("a<e>")[0] == tokenizer.encode("a<e>")[0]
