"""SpTokenizer: the interface of bert4keras on a SentencePiece model."""

import pickle
from array import array

import pytest

from b4k3.tokenizers import SentencePieceError, SpTokenizer
from sentencepiece_models import UNUSED, build

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
