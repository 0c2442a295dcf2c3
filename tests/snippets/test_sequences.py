import numpy as np
import pytest

from b4k3.snippets import is_one_of, sequence_padding, to_array, truncate_sequences


def padded_slowly(inputs, length, value, seq_dims, mode):
    """Element by element."""
    arrays = [np.asarray(x) for x in inputs]
    if length is None:
        length = [max(a.shape[i] for a in arrays) for i in range(seq_dims)]
    length = list(np.ravel(length))
    out = np.full([len(arrays)] + length + list(arrays[0].shape[seq_dims:]), value, dtype=np.result_type(*arrays))
    for row, a in zip(out, arrays):
        kept = a[tuple(slice(n) for n in length)]
        for index in np.ndindex(*kept.shape[:seq_dims]):
            shift = [0] * seq_dims if mode == "post" else [n - k for n, k in zip(length, kept.shape)]
            row[tuple(i + s for i, s in zip(index, shift))] = kept[index]
    return out


@pytest.mark.parametrize("mode", ["post", "pre"])
@pytest.mark.parametrize("length", [None, 1, 4, 9])
def test_padding_of_vectors(mode, length):
    inputs = [[1, 2, 3], [4], [5, 6, 7, 8, 9]]
    out = sequence_padding(inputs, length, value=-1, mode=mode)
    np.testing.assert_array_equal(out, padded_slowly(inputs, length, -1, 1, mode))


@pytest.mark.parametrize("mode", ["post", "pre"])
@pytest.mark.parametrize("seq_dims, length", [(1, None), (1, 2), (2, None), (2, [4, 2])])
def test_padding_of_matrices(mode, seq_dims, length):
    shapes = [(3, 2), (1, 2), (4, 2)] if seq_dims == 1 else [(3, 2, 5), (1, 3, 5), (2, 1, 5)]
    inputs = [np.random.RandomState(0).rand(*shape).astype("float32") for shape in shapes]
    out = sequence_padding(inputs, length, value=-np.inf, seq_dims=seq_dims, mode=mode)
    assert out.dtype == "float32"
    np.testing.assert_array_equal(out, padded_slowly(inputs, length, -np.inf, seq_dims, mode))


def test_padding_gives_a_dtype_that_holds_all():
    assert sequence_padding([[1], [1.5, 2.5]]).tolist() == [[1.0, 0.0], [1.5, 2.5]]
    assert sequence_padding([[], [1, 2]]).tolist() == [[0, 0], [1, 2]]
    assert sequence_padding([[], [1, 2]]).dtype.kind == "i"
    assert sequence_padding([np.zeros((0, 4)), np.ones((2, 4))]).shape == (2, 2, 4)


def test_padding_of_nothing():
    assert sequence_padding([]).shape == (0, 0)
    assert sequence_padding([[], []]).shape == (2, 0)
    assert sequence_padding([[], []], length=3).tolist() == [[0, 0, 0], [0, 0, 0]]


def test_padding_leaves_its_input_alone():
    inputs = [np.arange(3), np.arange(5)]
    sequence_padding(inputs, length=2)[:] = 7
    assert [x.tolist() for x in inputs] == [[0, 1, 2], [0, 1, 2, 3, 4]]


@pytest.mark.parametrize(
    "arguments, message",
    [
        (dict(inputs=[[1]], mode="left"), "mode='left'"),
        (dict(inputs=[[1]], value=0.5), "cannot be filled up with 0.5"),
        (dict(inputs=[np.zeros((2, 3)), np.zeros((2, 4))]), "cannot pad 1 dimension"),
        (dict(inputs=[[1, 2]], seq_dims=2), "cannot pad 2 dimension"),
        (dict(inputs=[[[1]]], seq_dims=2, length=3), "expected seq_dims=2"),
    ],
)
def test_padding_refuses(arguments, message):
    with pytest.raises(ValueError, match=message):
        sequence_padding(**arguments)


def test_to_array():
    one = to_array([1, 2])
    assert isinstance(one, np.ndarray) and one.tolist() == [1, 2]
    assert [x.tolist() for x in to_array([[1]], [2])] == [[[1]], [2]]


def truncated_slowly(maxlen, indices, *sequences):
    sequences = [list(s) for s in sequences]
    while sum(map(len, sequences)) > maxlen:
        longest = max(range(len(sequences)), key=lambda i: len(sequences[i]))
        sequences[longest].pop(indices[longest])
    return sequences


@pytest.mark.parametrize("lengths", [(5, 9), (9, 5), (7, 7), (3, 1, 8), (6,)])
@pytest.mark.parametrize("index", [-1, -2, 0, 1])
def test_truncation(lengths, index):
    sequences = [list(range(10 * i, 10 * i + n)) for i, n in enumerate(lengths)]
    before = [list(s) for s in sequences]
    for maxlen in range(6, sum(lengths) + 2):
        wanted = truncated_slowly(maxlen, [index] * len(lengths), *sequences)
        assert truncate_sequences(maxlen, index, *sequences) == wanted
        assert truncate_sequences(maxlen, [index] * len(lengths), *sequences) == wanted
    assert sequences == before


def test_truncation_keeps_the_place_of_an_empty_sequence():
    assert truncate_sequences(2, -1, [1, 2, 3], []) == [[1, 2], []]


def test_is_one_of_asks_for_the_object():
    a, b = [1], [1]
    assert is_one_of(a, [b, a]) and not is_one_of(a, [b])
