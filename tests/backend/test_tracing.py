"""Compiled functions that threads share."""

import numpy as np
import pytest

from b4k3.backend._tracing import ByShape


def test_compiled_forms_are_bounded():
    made = []

    def make():
        made.append(lambda x: x.sum() if x.size < 5 else 1 / 0)
        return made[-1]

    functions = ByShape(make, 2)
    for n, count in [(1, 1), (2, 2), (1, 2), (3, 3), (1, 3), (2, 4)]:  # 3 drops 2, the one used longest ago
        functions(np.ones(n))
        assert len(made) == count and len(functions.functions) <= 2
    with pytest.raises(ZeroDivisionError):
        functions(np.ones(6))
    assert len(functions.functions) == 2  # what failed is not kept


def test_what_tells_compiled_forms_apart():
    calls = []
    functions = ByShape(lambda: calls.append, 99)
    a, b = np.ones((1, 2)), np.ones((2, 1))
    for x in (a, b, [a], (a,), [a, a], {"x": a}, {"y": a}, a.astype("float32"), [None], [a, None]):
        functions(x)
        before = len(functions.functions)
        functions(x)
        assert len(functions.functions) == before
    assert len(functions.functions) == 10
