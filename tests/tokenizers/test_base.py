import itertools
import random

import pytest

from b4k3.tokenizers.base import TokenizerBase, truncated


def popped(maxlen, indices, *sequences):
    """Take one element after the other out of the longest sequence."""
    sequences = [list(s) for s in sequences]
    while sum(map(len, sequences)) > maxlen:
        longest = max(range(len(sequences)), key=lambda k: len(sequences[k]))
        sequences[longest].pop(indices)
    return sequences


@pytest.mark.parametrize("indices", [-1, -2, 0, 1, 2])
def test_truncated_equals_popping_one_by_one(indices):
    rng = random.Random(0)
    for lengths in itertools.chain(
        itertools.product(range(1, 9), repeat=2), [[rng.randrange(1, 30) for _ in range(4)]] * 3
    ):
        sequences = [[(k, i) for i in range(n)] for k, n in enumerate(lengths)]
        for maxlen in range(sum(lengths) + 2):
            try:
                want = popped(maxlen, indices, *sequences)
            except IndexError:
                with pytest.raises(ValueError, match=f"maxlen={maxlen}"):
                    truncated(maxlen, indices, *sequences)
            else:
                assert truncated(maxlen, indices, *sequences) == want
        assert [len(s) for s in sequences] == list(lengths)


def test_truncated_leaves_out_empty_sequences():
    assert truncated(1, -1, [], [1, 2], []) == [[], [1], []]
    assert truncated(5, -1, [1], [2]) == [[1], [2]]


def test_the_base_asks_for_what_a_subclass_gives():
    base = TokenizerBase()
    for call in (
        lambda: base.tokenize("a"),
        lambda: base.token_to_id("a"),
        lambda: base.id_to_token(0),
        lambda: base.decode([0]),
    ):
        with pytest.raises(NotImplementedError):
            call()
    with pytest.raises(NotImplementedError, match="TokenizerBase has no offsets"):
        base._offsets_of_texts(["a"])


def test_a_subclass_of_the_base_has_everything_but_offsets():
    class Letters(TokenizerBase):
        def _tokenize(self, text):
            return list(text)

        def token_to_id(self, token):
            return ord(token[0])

        def id_to_token(self, i):
            return chr(i)

    tokenizer = Letters(token_start=None, token_end="$", token_translate={"b": "c"})
    assert tokenizer.tokenize("ab") == ["a", "c", "$"]
    assert tokenizer.encode("ab", "a") == ([97, 99, 36, 97, 36], [0, 0, 0, 1, 1])
    batch = tokenizer.encode_batch(["ab", "a"], maxlen=2)
    assert batch.ids == [[97, 36], [97, 36]]
    assert batch.overflowing.tokens == [["c", "$"]]
