"""Checks of sizes, at once where they are known and else when the graph runs."""

import numpy as np
import pytest

from b4k3.backend import assert_at_most, ops
from support.harness import call_with_unknown_sizes, evaluate

X = np.arange(3, dtype="float32")


def checked(limit):
    return call_with_unknown_sizes(lambda x: assert_at_most(x, ops.shape(x)[0], limit, "too long by far"), X)


@pytest.mark.parametrize("limit", [3, 4])
def test_within(limit):
    assert checked(limit).tolist() == [0, 1, 2]
    assert evaluate(assert_at_most(ops.convert_to_tensor(X), 3, limit, "")).tolist() == [0, 1, 2]


def test_beyond():
    with pytest.raises(ValueError, match="too long by far"):
        assert_at_most(ops.convert_to_tensor(X), 3, 2, "too long by far")
    with pytest.raises(Exception, match="too long by far") as error:
        checked(2)
    assert isinstance(error.value, ValueError) or type(error.value).__name__ == "InvalidArgumentError"
