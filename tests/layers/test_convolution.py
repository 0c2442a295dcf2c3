"""A convolution over tokens: a loop over the neighbours is the oracle."""

import numpy as np
import pytest

from b4k3.layers import TokenConvolution
from support.layer_checks import check_layer


def convolve(size):
    def oracle(weights, arrays, masks):
        x = arrays[0]
        mask = np.ones(x.shape[:2]) if masks[0] is None else masks[0]
        y = np.zeros(x.shape[:2] + weights["bias"].shape)
        for b, i in np.ndindex(*x.shape[:2]):
            for k in range(size):
                j = i + k - size // 2
                if 0 <= j < x.shape[1] and mask[b, j]:
                    y[b, i] += x[b, j] @ weights["kernel"][k]
        return (y + weights["bias"]) * mask[..., None]

    return oracle


@pytest.mark.parametrize("size, masked", [(3, (0,)), (1, ()), (7, ())])
def test_convolution(size, masked, tmp_path):
    check_layer(
        lambda: TokenConvolution(6, size, name="layer"),
        lambda rng, batch, n: [rng.randn(batch, n, 4).astype("float32")],
        convolve(size),
        weights=["kernel", "bias"],
        masked=masked,
        mask_out=lambda arrays, masks: masks[0],
        tmp=tmp_path,
        only_outputs=size > 3,
    )


def test_a_kernel_needs_a_middle():
    with pytest.raises(ValueError, match="layer: kernel_size=2, expected an odd number"):
        TokenConvolution(6, 2, name="layer")
