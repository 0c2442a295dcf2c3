"""`BpeTokenizer`: the fast way against the slow oracle, files, added tokens, hostile input."""

import base64
import json
import pickle
import random
import warnings

import pytest

from b4k3.tokenizers import (
    BpeTokenizer,
    VocabError,
    load_tokenizer_json,
    save_tiktoken,
    save_tokenizer_json,
    save_vocab_and_merges,
)
from b4k3.tokenizers._bpe_model import BpeModel, BpeSettings, merge_with_heap
from b4k3.tokenizers._byte_level import BYTE_CHARS, bytes_of_token, to_byte_chars
from b4k3.tokenizers.educational import RankedBPE

TEXTS = [
    "hello hello world",
    "我们我们在这里。我们",
    "naïve café 1234",
    "  a\n\n b\t",
    "😀😀 mixed 文字 text",
    "\u3000 x",
    "",
]


def trained(texts, count, seed=0):
    """A vocabulary of bytes and random merges, most of them of tokens that are neighbours in the texts."""
    rng, vocab, merges = random.Random(seed), {char: i for i, char in enumerate(BYTE_CHARS)}, []
    for _ in range(count):
        twin = RankedBPE(vocab, merges)
        pairs = [pair for text in texts for row in [twin.tokenize(to_byte_chars(text))] for pair in zip(row, row[1:])]
        pair = rng.choice(pairs)
        merges.append(pair)
        vocab.setdefault("".join(pair), len(vocab))
    return vocab, merges


@pytest.fixture(scope="module")
def small():
    return trained(TEXTS, 60)


def oracle(vocab, merges, words):
    twin = RankedBPE(vocab, merges)
    return [i for word in words for i in twin.encode(to_byte_chars(word))]


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("shuffled", [False, True])
def test_words_chunks_and_heap_give_what_the_oracle_gives(seed, shuffled):
    """Also where merges come before those that make their parts, as no training gives it."""
    alphabet = "ab我们在这里é ß"
    rng = random.Random(seed)
    texts = ["".join(rng.choice(alphabet) for _ in range(30)) for _ in range(12)]
    vocab, merges = trained(texts, 80, seed)
    if shuffled:
        rng.shuffle(merges)
    unions = [(a, b, a + b) for a, b in merges]
    model = BpeModel(vocab, unions, BpeSettings(writes_bytes=True), 1000)
    plain = BpeModel(vocab, unions, BpeSettings(), 1000)
    ranks = {chr(vocab[a]) + chr(vocab[b]): rank for rank, (a, b) in enumerate(merges, 1)}
    for text in texts + ["".join(rng.choice(alphabet) for _ in range(60)) for _ in range(5)]:
        want = oracle(vocab, merges, [text])
        assert [*map(ord, model.id_text(text))] == want
        assert [*map(ord, plain.id_text(to_byte_chars(text)))] == want
        assert [i for i, _, _ in model.segments(text)] == want
        symbols = [chr(vocab[char]) for char in to_byte_chars(text)]
        merge_with_heap(symbols, ranks, [""] + [chr(vocab[a + b]) for a, b in merges])
        assert [ord(symbol) for symbol in symbols if symbol] == want


def test_encode_decode_and_offsets(small):
    tokenizer = BpeTokenizer(*small, specials=["<|end|>"], token_end="<|end|>")
    for text in TEXTS:
        ids, segments = tokenizer.encode(text)
        assert ids[-1] == len(small[0]) and segments == [0] * len(ids)
        assert tokenizer.decode(ids) == text == "".join(tokenizer.decode_stream(ids))
        assert tokenizer.decode(ids, skip_special_tokens=False) == text + "<|end|>"
        assert tokenizer.tokens_to_ids(tokenizer.tokenize(text)) == ids
    batch = tokenizer.encode_batch(TEXTS)
    for text, ids, offsets, words in zip(TEXTS, batch.ids, batch.offsets, batch.word_ids):
        for i, (a, b) in zip(ids[:-1], offsets):
            assert bytes_of_token(tokenizer.id_to_token(i)) in text[a:b].encode()
        assert words[:-1] == sorted(words[:-1])
    pair = tokenizer.encode_batch(["hello"], ["world"], maxlen=4, padding=True, pad_id=0)
    assert len(pair.ids[0]) == 4 and pair.sequence_ids[0][-1] is None
    assert tokenizer.encode_batch(TEXTS * 3, workers=2).ids == tokenizer.encode_batch(TEXTS * 3).ids
    assert pickle.loads(pickle.dumps(tokenizer)).encode_batch(TEXTS).ids == batch.ids


def test_stream_never_gives_a_part_of_a_character(small):
    tokenizer = BpeTokenizer({char: i for i, char in enumerate(BYTE_CHARS)}, [])
    for text in TEXTS:
        parts = [*tokenizer.decode_stream(text.encode())]
        assert parts == list(text)
    assert [*tokenizer.decode_stream(b"a\xe4\xb8")] == ["a", "\ufffd"]
    assert [*tokenizer.decode_stream(b"\xff\xe4b")] == ["\ufffd", "\ufffdb"]
    assert tokenizer.decode(list(b"\xff\xe4b")) == "\ufffd\ufffdb"


def description(**changes):
    """A file with a Llama-like model: Metaspace, byte fallback, an added token."""
    vocab = (
        ["<unk>", "<s>", "</s>"] + [f"<0x{byte:02X}>" for byte in range(256)] + ["\u2581", "a", "b", "ab", "\u2581ab"]
    )
    found = {
        "added_tokens": [
            {"id": i, "content": token, "special": True, "normalized": False} for i, token in enumerate(vocab[:3])
        ],
        "normalizer": {
            "type": "Sequence",
            "normalizers": [
                {"type": "Prepend", "prepend": "\u2581"},
                {"type": "Replace", "pattern": {"String": " "}, "content": "\u2581"},
            ],
        },
        "pre_tokenizer": None,
        "post_processor": {
            "type": "TemplateProcessing",
            "single": [{"SpecialToken": {"id": "<s>", "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}}],
            "pair": None,
            "special_tokens": {"<s>": {"id": "<s>", "ids": [1], "tokens": ["<s>"]}},
        },
        "decoder": {
            "type": "Sequence",
            "decoders": [
                {"type": "Replace", "pattern": {"String": "\u2581"}, "content": " "},
                {"type": "ByteFallback"},
                {"type": "Fuse"},
                {"type": "Strip", "content": " ", "start": 1, "stop": 0},
            ],
        },
        "model": {
            "type": "BPE",
            "unk_token": "<unk>",
            "fuse_unk": True,
            "byte_fallback": True,
            "vocab": {token: i for i, token in enumerate(vocab)},
            "merges": ["a b", "\u2581 ab"],
        },
    }
    for key, value in changes.items():
        found[key] = dict(found[key], **value) if key == "model" else value
    return found


def load(tmp_path, value):
    path = tmp_path / "tokenizer.json"
    path.write_text(json.dumps(value), encoding="utf-8")
    return load_tokenizer_json(str(path))


def test_byte_fallback(tmp_path):
    tokenizer = load(tmp_path, description())
    assert isinstance(tokenizer, BpeTokenizer)
    assert tokenizer.tokenize("ab é ab</s>") == (["<s>", "\u2581ab", "\u2581", "<0xC3>", "<0xA9>", "\u2581ab", "</s>"])
    batch = tokenizer.encode_batch(["ab é ab"])
    assert batch.offsets == [[(0, 0), (0, 2), (2, 3), (3, 4), (3, 4), (4, 7)]]
    assert tokenizer.decode(batch.ids[0]) == "ab é ab" == "".join(tokenizer.decode_stream(batch.ids[0]))
    save_tokenizer_json(str(tmp_path / "again.json"), tokenizer)
    again = load_tokenizer_json(str(tmp_path / "again.json"))
    assert again.encode_batch(["ab é ab"]).ids == batch.ids
    assert load_tokenizer_json(str(tmp_path / "again.json"), token_start=None).tokenize("ab") == ["\u2581ab"]


BROKEN = [
    ({"model": {"merges": None}}, "model.merges is None; expected a list"),
    ({"model": {"merges": ["a b", "a x"]}}, r"model.merges\[1\] joins 'a' and 'x', but 'x' is not in model.vocab"),
    ({"model": {"merges": ["b a"]}}, r"model.merges\[0\] joins 'b' and 'a', but 'ba' is not"),
    ({"model": {"merges": ["ab"]}}, r"model.merges\[0\] is 'ab'; expected two tokens"),
    ({"model": {"merges": [["a", 1]]}}, r"merges\[0\] is .*; expected two tokens"),
    ({"model": {"merges": [["a", ""]]}}, r"merges\[0\] is .*; expected two tokens"),
    ({"model": {"vocab": {}}}, "model.vocab is {}; expected one token"),
    ({"model": {"vocab": {"a": 0, "b": 0}}}, "'a' and 'b' with the same id 0"),
    ({"model": {"vocab": {"a": -1}}}, "model.vocab.a is -1"),
    ({"model": {"vocab": {"a": 1 << 30}}}, "expected an integer from 0 to 1114111"),
    ({"model": {"dropout": 0.1}}, "model.dropout is 0.1; expected null or 0"),
    ({"model": {"unk_token": "x"}}, "model.unk_token is 'x'; expected a token"),
    ({"model": {"end_of_word_suffix": "</w>"}}, "byte_fallback is True; expected false, next to"),
    ({"normalizer": {"type": "Precompiled"}}, "normalizer.type is 'Precompiled'; expected "),
    ({"normalizer": {"type": "Replace", "pattern": {"Regex": "("}, "content": ""}}, "a regular expression"),
    ({"normalizer": {"type": "Replace", "pattern": {"Regex": "x*"}, "content": ""}}, "does not match the empty text"),
    ({"pre_tokenizer": {"type": "UnicodeScripts"}}, "pre_tokenizer.type is 'UnicodeScripts'; expected "),
    ({"decoder": {"type": "CTC"}}, "decoder.type is 'CTC'; expected "),
    ({"added_tokens": [{"id": 7, "content": "<e>"}]}, "the added token '<e>' has id 7"),
]


@pytest.mark.parametrize("changes, message", BROKEN, ids=[str(number) for number in range(len(BROKEN))])
def test_broken_files_name_what_is_wrong(changes, message, tmp_path):
    with pytest.raises(VocabError, match=message) as caught:
        load(tmp_path, description(**changes))
    assert "tokenizer.json" in str(caught.value)


def test_a_merge_that_makes_one_of_its_parts_is_refused(tmp_path):
    model = {"continuing_subword_prefix": "##", "byte_fallback": False, "merges": [["a", "##"]]}
    model["vocab"] = dict(description()["model"]["vocab"], **{"##": 264})
    with pytest.raises(VocabError, match="two tokens that make another one"):
        load(tmp_path, description(model=model))


@pytest.mark.parametrize(
    "source", [r"[[:alpha:]]", r"[a&&b]", r"(?<n>a)", r"\h", r"a{1,3}+", r"(?x) a", r"[", r"\x{110000}"]
)
def test_what_oniguruma_reads_otherwise_is_refused(source, tmp_path):
    split = {"type": "Split", "pattern": {"Regex": source}, "behavior": "Isolated", "invert": False}
    with pytest.raises(VocabError, match="pre_tokenizer.pattern.Regex"):
        load(tmp_path, description(pre_tokenizer=split))


def test_vocab_and_merges(small, tmp_path):
    vocab, merges = str(tmp_path / "vocab.json"), str(tmp_path / "merges.txt")
    tokenizer = BpeTokenizer(*small)
    save_vocab_and_merges(vocab, merges, tokenizer)
    assert BpeTokenizer(vocab, merges).encode_batch(TEXTS).ids == tokenizer.encode_batch(TEXTS).ids
    lines = (tmp_path / "merges.txt").read_text(encoding="utf-8").split("\n")
    for line, message in (("a", "line 3: 'a'; expected two tokens"), ("h zz", "line 3: 'zz' is not in the vocabulary")):
        (tmp_path / "merges.txt").write_text("\n".join(lines[:2] + [line]), encoding="utf-8")
        with pytest.raises(VocabError, match="merges.txt, " + message):
            BpeTokenizer(vocab, merges)
    with pytest.raises(FileNotFoundError):
        BpeTokenizer(vocab, str(tmp_path / "none.txt"))
    (tmp_path / "merges.txt").write_bytes(b"#version: 0.2\n\xff \xfe\n")
    with pytest.raises(VocabError, match="merges.txt, line 2: byte 0xff"):
        BpeTokenizer(vocab, merges)


def test_tiktoken(small, tmp_path):
    path = tmp_path / "small.tiktoken"
    tokens = sorted(small[0], key=small[0].get)
    lines = [f"{base64.b64encode(bytes_of_token(token)).decode()} {rank}" for rank, token in enumerate(tokens)]
    path.write_text("\n".join(lines), encoding="utf-8")
    tokenizer = BpeTokenizer.from_tiktoken(str(path), "gpt2", {"<|end|>": 1000})
    ranks = {bytes_of_token(token): rank for rank, token in enumerate(tokens)}
    for word in ("hello", "我们我们", "世界"):
        assert tokenizer.encode(word)[0] == merged_by_union(ranks, word.encode())
    assert tokenizer.encode("hello<|end|>")[0][-1] == 1000
    assert (
        tokenizer.encode("<|end|>")[0]
        != BpeTokenizer.from_tiktoken(str(path), "gpt2", {"<|end|>": 1000}, special_tokens="split").encode("<|end|>")[0]
    )
    save_tiktoken(str(tmp_path / "again.tiktoken"), tokenizer)
    assert (tmp_path / "again.tiktoken").read_text().split() == path.read_text().split()
    with pytest.raises(VocabError, match="only a tokenizer of from_tiktoken"):
        save_tiktoken(str(path), BpeTokenizer(*small))


def merged_by_union(ranks, word):
    """Merge the two neighbours whose union has the lowest rank, the leftmost first: what tiktoken does."""
    parts = [word[k : k + 1] for k in range(len(word))]
    while word not in ranks:
        found = [(ranks[a + b], k) for k, (a, b) in enumerate(zip(parts, parts[1:])) if a + b in ranks]
        if not found:
            return [ranks[part] for part in parts]
        k = min(found)[1]
        parts[k : k + 2] = [parts[k] + parts[k + 1]]
    return [ranks[word]]


def test_a_union_that_two_pairs_make(tmp_path):
    """Of "ab a ba" the left two and the right two are one token, "aba"; tiktoken takes the left ones."""
    tokens = [bytes([byte]) for byte in range(256)] + [b"ab", b"ba", b"aba"]
    path = tmp_path / "x.tiktoken"
    path.write_bytes(b"\n".join(base64.b64encode(token) + b" %d" % k for k, token in enumerate(tokens)))
    tokenizer, ranks = BpeTokenizer.from_tiktoken(str(path), r"\S+"), {token: k for k, token in enumerate(tokens)}
    for length in range(9):
        for number in range(1 << length):
            word = "".join("ab"[number >> k & 1] for k in range(length))
            assert tokenizer.encode(word)[0] == (merged_by_union(ranks, word.encode()) if word else [])


@pytest.mark.parametrize(
    "text, message",
    [
        (b"YQ== 0 1", "line 1: .*; expected a token in base64 and its rank"),
        (b"YQ==", "line 1: .*expected a token"),
        (b"YQ= 0", "line 1: .*expected a token"),
        (b"YQ== x", "line 1: .*expected a token"),
        (b"YQ== 0\nYQ== 1", "line 2: the token b'a' is there twice"),
        (b"YQ== 0\nYg== 0", "line 2: the rank 0 was on line 1 too"),
        (b"YQ== 0\n", "1 of 256 bytes are tokens"),
        (b"", "0 of 256 bytes"),
    ],
)
def test_broken_tiktoken_files(text, message, tmp_path):
    path = tmp_path / "x.tiktoken"
    path.write_bytes(text)
    with pytest.raises(VocabError, match="x.tiktoken.*" + message):
        BpeTokenizer.from_tiktoken(str(path), "gpt2")


def test_special_tokens_in_texts(small):
    for mode, want in (("recognise", ["<|end|>"]), ("split", list("<|end|>"))):
        tokenizer = BpeTokenizer(*small, specials=["<|end|>"], special_tokens=mode)
        assert tokenizer.tokenize("<|end|>") == want
    refusing = BpeTokenizer(*small, specials=["<|end|>"], special_tokens="refuse")
    with pytest.raises(ValueError, match=r"special token '<\|end\|>' at character 2"):
        refusing.encode("a <|end|>")
    with pytest.raises(ValueError, match="expected 'split'"):
        BpeTokenizer(*small, special_tokens="x")
    with pytest.raises(VocabError, match="cannot say that special tokens in a text are refused"):
        save_tokenizer_json("x.json", refusing)


def test_add_tokens(small, tmp_path):
    tokenizer = BpeTokenizer(*small)
    assert tokenizer.add_tokens(["<e>", "hello"], lstrip=True) == 2
    assert tokenizer.tokenize("a <e>b hello") == ["a", "<e>", "b", "hello"]
    assert tokenizer.encode_batch(["a <e>b"]).offsets == [[(0, 1), (1, 5), (5, 6)]]
    save_tokenizer_json(str(tmp_path / "t.json"), tokenizer)
    assert load_tokenizer_json(str(tmp_path / "t.json")).tokenize("a <e>b hello") == ["a", "<e>", "b", "hello"]
    with pytest.raises(TypeError, match="got one str"):
        tokenizer.add_tokens("<e>")


def test_hostile_texts(small):
    tokenizer = BpeTokenizer(*small)
    assert tokenizer.encode("")[0] == [] and tokenizer.encode_batch([""]).offsets == [[]]
    assert tokenizer.decode(tokenizer.encode("a\0b")[0]) == "a\0b"
    assert tokenizer.decode(tokenizer.encode("a\ud800b\udfff")[0]) == "a\ufffdb\ufffd"
    with pytest.raises(TypeError, match="decode bytes first"):
        tokenizer.tokenize(b"a")
    with pytest.raises(VocabError, match=r"ids\[1\]: no token has the id 99999"):
        tokenizer.decode([0, 99999])
    with pytest.raises(TypeError, match="vocab: expected a path or a dict"):
        BpeTokenizer([], [])
    with pytest.raises(VocabError, match="no unknown token"):
        tokenizer.token_to_id("中")


@pytest.mark.parametrize("unit", ["a", "ab", "我", " ", "我们a"])
def test_long_words_take_no_quadratic_time(unit):
    """Quadratic time would be minutes for these; a power of two of one letter merges to its largest tokens."""
    vocab, merges = {char: i for i, char in enumerate(BYTE_CHARS)}, []
    token = "a"
    while len(token) < 1 << 10:
        merges.append((token, token))
        token += token
        vocab[token] = len(vocab)
    for pair in (("a", "b"), ("Ġ", "Ġ"), ("æ", "Ī"), ("æĪ", "ĳ")):
        merges.append(pair)
        vocab["".join(pair)] = len(vocab)
    tokenizer = BpeTokenizer(vocab, merges, pattern=r"\s+|\S+")
    text = unit * (200000 // len(unit))
    ids = tokenizer.encode(text)[0]
    assert tokenizer.decode(ids) == text
    if unit == "a":
        assert len(ids) == len(text) // (1 << 10) + bin(len(text) % (1 << 10)).count("1")


def test_word_level(tmp_path):
    value = {
        "added_tokens": [],
        "pre_tokenizer": {"type": "Whitespace"},
        "model": {"type": "WordLevel", "vocab": {"[UNK]": 0, "hello": 1, "!": 2}, "unk_token": "[UNK]"},
    }
    tokenizer = load(tmp_path, value)
    assert tokenizer.encode("hello world!")[0] == [1, 0, 2] and tokenizer.decode([1, 2]) == "hello !"
    assert tokenizer.encode_batch(["hello  world"]).offsets == [[(0, 5), (7, 12)]]
    save_tokenizer_json(str(tmp_path / "again.json"), tokenizer)
    assert load_tokenizer_json(str(tmp_path / "again.json")).encode("hello x")[0] == [1, 0]
    with pytest.raises(VocabError, match="a WordLevel model has no merges"):
        save_vocab_and_merges(str(tmp_path / "v"), str(tmp_path / "m"), tokenizer)


def test_the_first_gpt():
    """Lower case, words of BERT, and an end of word."""
    tokens = ["<unk>", "h", "e", "l", "o", "o</w>", "!</w>", "he", "ll", "hell", "hello</w>"]
    merges = [("h", "e"), ("l", "l"), ("he", "ll"), ("hell", "o</w>")]
    tokenizer = BpeTokenizer(
        {token: i for i, token in enumerate(tokens)},
        merges,
        description={
            "normalizer": {"type": "BertNormalizer", "lowercase": True},
            "pre_tokenizer": {"type": "BertPreTokenizer"},
            "decoder": {"type": "BPEDecoder", "suffix": "</w>"},
            "model": {"unk_token": "<unk>", "end_of_word_suffix": "</w>"},
        },
    )
    assert tokenizer.tokenize("HELLO hello! hez") == ["hello</w>", "hello</w>", "!</w>", "he", "<unk>"]
    assert tokenizer.decode(tokenizer.encode("Hello hello!")[0]) == "hello hello !"
    assert tokenizer.encode_batch(["Hello hez"]).offsets == [[(0, 5), (6, 8), (8, 9)]]


def test_missing_specials_warn(small):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        BpeTokenizer(*small, token_start="<s>")
    assert "token_start='<s>' is no token of the vocabulary" in str(caught[0].message)
