"""Arrays of every dtype and kind of shape that a checkpoint can hold."""

from collections import OrderedDict

import numpy as np
import pytest

DTYPES = "float16 float32 float64 complex64 complex128 bool int8 int16 int32 int64 uint8 uint16 uint32 uint64".split()
SHAPES = [(), (1,), (3,), (2, 5), (0, 4), (7, 1, 3)]


def make_arrays(dtypes=DTYPES):
    random = np.random.RandomState(0)
    arrays = OrderedDict()
    for dtype in dtypes:
        for number, shape in enumerate(SHAPES):
            arrays[f"{dtype}/v{number}"] = np.asarray(random.randn(*shape) * 9).astype("int8").astype(dtype)
    arrays["floats"] = random.randn(300, 40).astype("float32")
    arrays["层/嵌入"] = np.array([np.nan, np.inf, -np.inf, -0.0, 1e-45], dtype="float32")
    return arrays


def check_equal(checkpoint, arrays):
    """A checkpoint holds exactly these arrays, bit for bit, and says so before it is read."""
    assert set(checkpoint) == set(arrays) and len(checkpoint) == len(arrays)
    for name, array in arrays.items():
        found = checkpoint[name]
        assert checkpoint.shape(name) == found.shape == array.shape, name
        assert checkpoint.dtype(name) == found.dtype == array.dtype, name
        assert checkpoint.stored_dtype(name) == array.dtype.name
        assert checkpoint.nbytes(name) == array.nbytes
        assert found.tobytes() == array.tobytes(), name
        assert not found.flags.writeable


@pytest.fixture(scope="session")
def arrays():
    return make_arrays()
