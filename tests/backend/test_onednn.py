"""Products by oneDNN: the same numbers as by MKL; whatever has a gradient or another dtype is left to torch."""

import numpy as np
import pytest


@pytest.mark.parametrize("rows", [1, 4, 50])
def test_products(rows, monkeypatch):
    import torch

    from b4k3.backend._keras3 import fused, onednn

    monkeypatch.setattr(onednn, "onednn_is_faster", lambda: True)
    random = np.random.RandomState(7)
    x, kernel, bias = (torch.tensor(random.randn(*shape).astype("float32")) for shape in ((2, rows, 8), (8, 12), (12,)))
    want = x.double() @ kernel.double() + bias.double()
    with torch.no_grad():
        got = [fused.bound_linear(kernel, bias, None)(x), fused.fused_linear(x, kernel, bias)]
        got.append(fused.matmul_transposed(x, kernel.t().contiguous()) + bias)
        assert (onednn.by_onednn(x, kernel.t(), bias) is None) == (rows == 1)
        assert onednn.by_onednn(x.double(), kernel.double().t(), None) is None
    assert onednn.by_onednn(x, kernel.t(), bias) is None
    for y in got:
        np.testing.assert_allclose(y.numpy(), want.numpy(), rtol=1e-5, atol=1e-5)
