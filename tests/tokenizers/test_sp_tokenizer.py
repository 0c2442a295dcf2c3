"""SpTokenizer: the interface of bert4keras on a SentencePiece model."""

import pickle
from array import array

import pytest

from b4k3.tokenizers import SentencePieceError, SpTokenizer, VocabError
from support.sentencepiece_models import UNUSED, build

SPACE = "\u2581"
PIECES = [
    ("[CLS]", 0.0, 3),
    ("[SEP]", 0.0, 3),
    ("<pad>", 0.0, 3),
    (SPACE + "hello", -3.0),
    (SPACE + "world", -3.0),
    (SPACE, -4.0),
    ("a", -5.0),
    ("b", -5.0),
    ("z", -5.0, UNUSED),
]


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "tiny.model"
    path.write_bytes(build(PIECES))
    return str(path)


def test_special_ids(path):
    tokenizer = SpTokenizer(path)
    assert (tokenizer._token_unk_id, tokenizer._token_pad_id) == (0, 5)
    assert (tokenizer._token_start_id, tokenizer._token_end_id) == (3, 4)
    assert not hasattr(tokenizer, "_token_mask_id")
    other = SpTokenizer(path, token_start="<s>", token_end="</s>")
    assert (other._token_start_id, other._token_end_id) == (1, 2)


def test_pairs_and_maxlen(path):
    tokenizer = SpTokenizer(path)
    assert tokenizer.encode("hello world", "a") == ([3, 6, 7, 4, 8, 9, 4], [0] * 4 + [1] * 3)
    assert tokenizer.encode("hello world", "a", maxlen=6)[0] == [3, 6, 4, 8, 9, 4]
    assert tokenizer.tokenize("hello 天天") == ["[CLS]", SPACE + "hello", SPACE, "天天", "[SEP]"]


def test_batches(path):
    batch = SpTokenizer(path).encode_batch(["hello a", "world"], ["b", ""], padding=True)
    assert batch.ids == [[3, 6, 8, 9, 4, 8, 10, 4], [3, 7, 4, 4, 5, 5, 5, 5]]
    assert batch.tokens[1][:4] == ["[CLS]", SPACE + "world", "[SEP]", "[SEP]"]
    assert batch.offsets[0] == [(0, 0), (0, 5), (5, 6), (6, 7), (0, 0), (0, 0), (0, 1), (0, 0)]


def test_pre_tokenize_and_token_translate(path):
    tokenizer = SpTokenizer(path, pre_tokenize=lambda text: text.split("|"), token_translate={"a": "b", "b": "a"})
    assert tokenizer.tokenize("hello|ab")[1:-1] == [SPACE + "hello", SPACE, "b", "a"]
    ids = tokenizer.encode("hello|ab")[0]
    assert ids == [3, 6, 8, 10, 9, 4]
    assert tokenizer.decode(ids) == "hello ab"
    assert tokenizer.encode_batch(["hello|ab"]).ids == [ids]
    with pytest.raises(ValueError, match="pre_tokenize"):
        list(tokenizer.encode_batch(["hello|ab"]).offsets)


def test_ids_past_the_end_are_nothing(path):
    tokenizer = SpTokenizer(path)
    assert tokenizer.id_to_token(1000) == "" and tokenizer.decode([3, 6, 1000, 7, 4]) == "hello world"
    ids = array("l", [3, 6, 1000, 7, 4])
    assert tokenizer.decode(ids) == "hello world"
    assert tokenizer.decode(map(NumberLike, ids)) == "hello world"
    assert tokenizer.id_to_token(NumberLike(6)) == SPACE + "hello"


class NumberLike(float):
    """A number that is no int, as numpy's are none."""


def test_a_start_token_that_the_model_lacks_is_noticed(path):
    with pytest.warns(UserWarning, match="token_end='</x>' is no piece of .*tiny.model"):
        tokenizer = SpTokenizer(path, token_end="</x>")
    assert tokenizer.encode("a")[0] == [3, 8, 9, 0]


def test_what_is_special(path):
    tokenizer = SpTokenizer(path)
    assert [i for i in range(len(tokenizer.sp_model)) if tokenizer._is_special(i)] == [0, 1, 2, 3, 4, 5, 11]
    assert tokenizer._is_decodable(6) and not tokenizer._is_decodable(3) and not tokenizer._is_decodable(12)


def test_extra_ids(path):
    tokenizer = SpTokenizer(path, extra_ids=2)
    assert tokenizer.id_to_token(12) == SPACE + "<extra_id_1>"
    assert tokenizer.encode("hello <extra_id_0> a")[0] == [3, 6, 13, 8, 9, 4]


def test_pickle(path):
    tokenizer = pickle.loads(pickle.dumps(SpTokenizer(path)))
    assert tokenizer.encode("hello world")[0] == [3, 6, 7, 4]


def test_errors(path, tmp_path):
    with pytest.raises(ValueError, match="engine='rust'; expected 'python' or 'sentencepiece'"):
        SpTokenizer(path, engine="rust")
    with pytest.raises(FileNotFoundError):
        SpTokenizer(str(tmp_path / "none.model"))
    (tmp_path / "text.model").write_text("<html>")
    with pytest.raises(SentencePieceError, match="text.model"):
        SpTokenizer(str(tmp_path / "text.model"))


@pytest.mark.parametrize("wrong", [None, 1, 1.5, b"ab", True], ids=lambda value: type(value).__name__)
def test_what_is_no_text(path, wrong):
    tokenizer = SpTokenizer(path)
    model = tokenizer.sp_model
    for call in (
        tokenizer.tokenize,
        tokenizer.encode,
        tokenizer.token_to_id,
        lambda text: tokenizer.encode_batch([text]),
    ):
        with pytest.raises(TypeError, match=f"expected str.*got {type(wrong).__name__}"):
            call(wrong)
    for name in ("encode", "tokenize", "encode_with_offsets", "normalize", "piece_to_id", "sample"):
        with pytest.raises(TypeError, match=f"expected str.*got {type(wrong).__name__}"):
            getattr(model, name)(wrong)
    with pytest.raises(TypeError, match="pieces: expected"):
        model.decode_pieces(wrong)
    with pytest.raises(TypeError, match="texts: expected a list of texts, got one"):
        model.encode_batch(wrong)


@pytest.mark.parametrize(
    "ids, error, message",
    [
        (10**6, TypeError, "ids: expected an iterable of ids, got int 1000000"),
        (1.5, TypeError, "ids: expected an iterable of ids, got float 1.5"),
        (None, TypeError, "got NoneType"),
        ("abc", TypeError, "got str 'abc'"),
        ([6, 1.5], ValueError, r"ids\[1\]: expected an integer, got float 1.5"),
        ([float("nan")], ValueError, r"ids\[0\]: expected an integer, got float nan"),
        ([True], TypeError, r"ids\[0\]: expected an int, got bool True"),
        ([6, -1], VocabError, r"ids\[1\]: -1 is outside of the model, whose ids are 0 to 11"),
        ([10**6], VocabError, r"ids\[0\]: 1000000 is outside of the model, whose ids are 0 to 11"),
    ],
)
def test_what_is_no_id(path, ids, error, message):
    tokenizer = SpTokenizer(path)
    with pytest.raises(error, match=message):
        tokenizer.decode(ids)
    if isinstance(ids, list):
        with pytest.raises(error):
            tokenizer.ids_to_tokens(ids)
        with pytest.raises((error, IndexError)):
            tokenizer.sp_model.decode(ids)
        for name in ("id_to_piece", "score", "is_control", "is_unknown", "is_unused", "is_byte"):
            with pytest.raises((error, IndexError)):
                getattr(tokenizer.sp_model, name)(ids[-1])


def test_add_tokens(path, tmp_path):
    tokenizer = SpTokenizer(path)
    assert tokenizer.add_tokens(["<x>", "ab", "z", "<x>"]) == 2  # z was an unused piece
    assert (
        tokenizer.encode("hello<x>ab z")[0]
        == [3, 6, 12, 13, 8, 11, 4]
        == tokenizer.encode_batch(["hello<x>ab z"]).ids[0]
    )
    assert tokenizer.decode([6, 12, 7]) == "hello<x> world" and tokenizer.id_to_token(13) == "ab"
    tokenizer.sp_model.save(str(tmp_path / "more.model"))
    for again in (SpTokenizer(str(tmp_path / "more.model")), pickle.loads(pickle.dumps(tokenizer))):
        assert again.encode("hello<x>ab")[0] == [3, 6, 12, 13, 4]
    for wrong, error in (
        ("ab", TypeError),
        ([None], TypeError),
        ([""], SentencePieceError),
        (["<unk>"], SentencePieceError),
    ):
        with pytest.raises(error):
            tokenizer.add_tokens(wrong)


def test_words(path):
    batch = SpTokenizer(path).encode_batch(["hello world a"], ["b hello"])
    assert batch.tokens == [["[CLS]", "▁hello", "▁world", "▁", "a", "[SEP]", "▁", "b", "▁hello", "[SEP]"]]
    assert batch.word_ids == [[None, 0, 1, 2, 2, None, 0, 0, 1, None]]
    assert batch.word_to_chars(0, 2) == (11, 13) and batch[0].char_to_word(3, 1) == 1
